"""What may be wrong with a node, on purpose: its heart is late, its line is cut, its disk is full. All can be undone.

`kubelets.py` keeps one for the lab; `server.py` is asked for them under `/k8slab`. The power is in `agent.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.kubelet.agent import Kubelet
from k8slab.kubelet.fulldisk import RESOURCE, FullDisk, Measure, unmeasured
from k8slab.kubelet.line import Line
from k8slab.kubelet.node import PRESSURE_OF


class Faults:
    """Of all nodes. Every verb raises KeyError for a node there is not."""

    def __init__(
        self,
        clock: Clock,
        nodes: Mapping[str, Kubelet],
        lines: Mapping[str, Line],
        pods_of: Callable[[str], Iterable[Obj]],
    ) -> None:
        self._clock, self._nodes, self._lines, self._pods_of = clock, nodes, lines, pods_of
        self._disks: dict[str, FullDisk] = {}
        self.measure: Measure = unmeasured

    def freeze(self, node: str, on: bool) -> None:
        """Hold a node's heartbeat, or let it beat again at once."""
        self._lines[node].held = on
        if not on:
            self._nodes[node].report()

    def partition(self, node: str, on: bool) -> None:
        """Cut a node off from the API server, or join it again."""
        line, kubelet = self._lines[node], self._nodes[node]
        if on:
            line.break_off()
        elif line.cut:
            line.join(kubelet.pod_changed)
            kubelet.look_around()
            kubelet.report()

    def fill_disk(self, node: str, on: bool) -> None:
        """Let a node believe that its disk is full, or that it is not any more; that shows after five minutes."""
        kubelet = self._nodes[node]
        if on and node not in self._disks:
            self._disks[node] = FullDisk(self._clock, kubelet, partial(self._pods_of, node), self.measure)
            self._disks[node].begin()
        elif not on and node in self._disks:
            self._disks.pop(node).end()

    def close(self) -> None:
        """The server ends: nothing of a fault goes on."""
        for disk in self._disks.values():
            disk.end()

    async def mend(self) -> None:
        """Undo every fault of every node, now; the power is put back too."""
        for name, kubelet in self._nodes.items():
            self.partition(name, False)
            self._lines[name].held = False
            self.fill_disk(name, False)
            await kubelet.power_on()
            kubelet.relieve(PRESSURE_OF[RESOURCE])
