"""Asking a running container how it is: started? alive? ready?

`probing.py` keeps a `Prober` for each running container that has probes, `actions.py` carries the checks out; between
two of them there is a timer and nothing else. The rules are Kubernetes' (pkg/kubelet/prober, and
docs/concepts/workloads/pods/probes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple

from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.kubelet.actions import (
    Failed,
    Impossible,
    Target,
    grpc_health,
    http_get,
    run_inside,
    tcp_connect,
)

Kind = Literal["startup", "liveness", "readiness"]
KINDS: tuple[Kind, ...] = ("startup", "liveness", "readiness")
EAGER = 0.02  # real seconds: how soon a container that was never ready is asked again


class Answer(NamedTuple):
    """Whether the check succeeded (None: it could not be made, which is no answer), and in words what happened."""

    ok: bool | None
    words: str


async def check(probe: Obj, target: Target) -> Answer:
    """Ask once. The timeout is in real seconds: work does not get faster with the lab's clock."""
    timeout = float(probe.get("timeoutSeconds", 1))
    try:
        return Answer(True, await _ask(probe, target, timeout))
    except Failed as error:
        return Answer(False, str(error))
    except Impossible as error:
        return Answer(None, str(error))


async def _ask(probe: Obj, target: Target, timeout: float) -> str:
    if action := probe.get("httpGet"):
        code, body = await http_get(action, target, timeout, "kube-probe/1.36")
        if 200 <= code < 400:
            return body
        raise Failed(f"HTTP probe failed with statuscode: {code}")
    if action := probe.get("tcpSocket"):
        await tcp_connect(action, target, timeout)
        return ""
    if action := probe.get("exec"):
        return await run_inside(action.get("command") or [], target, timeout)
    if action := probe.get("grpc"):
        return await grpc_health(action, target, timeout)
    raise Impossible("missing probe handler: a probe is httpGet, tcpSocket, exec or grpc")


# ------------------------------------------------------------------------------------------- counting


class Count:
    """The answers of one probe, counted: it changes its mind only after so many of a kind in a row."""

    __slots__ = ("_last", "result", "row")

    def __init__(self, result: bool) -> None:
        self.result, self.row = result, 0
        self._last: bool | None = None

    def add(self, ok: bool, probe: Obj) -> bool:
        """Count one answer; whether the result has changed."""
        self.row = self.row + 1 if self._last is ok else 1
        self._last = ok
        needed = probe.get("successThreshold", 1) if ok else probe.get("failureThreshold", 3)
        if self.result is ok or self.row < needed:
            return False
        self.result = ok
        return True


# --------------------------------------------------------------------------------------------- prober


class Prober:
    """The probes of one running container.

    `changed(kind, ok)` is called when a result changes, and once for liveness or startup that has failed for good;
    `unhealthy(kind, answer)` for every check that failed or could not be made.
    """

    def __init__(
        self,
        clock: Clock,
        target: Target,
        changed: Callable[[Kind, bool], None],
        unhealthy: Callable[[Kind, Answer], None],
        *,
        ready: bool = False,
    ) -> None:
        self.target = target
        self._clock, self._changed, self._unhealthy = clock, changed, unhealthy
        self._probes = {kind: target.container[f"{kind}Probe"] for kind in KINDS if f"{kind}Probe" in target.container}
        self._counts = {kind: Count(kind == "liveness" or (kind == "readiness" and ready)) for kind in self._probes}
        self._cancel: dict[Kind, Callable[[], None]] = {}
        self._asking: dict[Kind, asyncio.Task[None]] = {}
        self._hurry = float("inf") if ready else EAGER  # real seconds until it is asked again

    def begin(self, running_for: float) -> None:
        """Start asking; the container has run for so many Kubernetes seconds."""
        if "startup" in self._probes:
            self._later("startup", self._probes["startup"].get("initialDelaySeconds", 0) - running_for)
        else:
            self._begin_rest(running_for)

    def close(self, *kinds: Kind) -> None:
        """Stop asking, or stop asking this."""
        for kind in kinds or KINDS:
            if cancel := self._cancel.pop(kind, None):
                cancel()
            if task := self._asking.pop(kind, None):
                task.cancel()

    def _begin_rest(self, running_for: float) -> None:
        for kind in ("liveness", "readiness"):
            if kind in self._probes:
                self._later(kind, self._probes[kind].get("initialDelaySeconds", 0) - running_for)

    def _later(self, kind: Kind, seconds: float) -> None:
        self._cancel[kind] = self._clock.call_later(seconds, lambda: self._fire(kind))

    def _fire(self, kind: Kind) -> None:
        self._asking[kind] = asyncio.get_running_loop().create_task(self._once(kind))

    async def _once(self, kind: Kind) -> None:
        probe, count = self._probes[kind], self._counts[kind]
        answer = await check(probe, self.target)
        if answer.ok is None:
            self._unhealthy(kind, answer)
            self._later(kind, probe.get("periodSeconds", 10))
            return
        if kind == "readiness" and not answer.ok and self._in_a_hurry(probe):
            return
        changed = count.add(answer.ok, probe)
        if not answer.ok:
            self._unhealthy(kind, answer)
        if kind == "startup" and not answer.ok and count.row >= probe.get("failureThreshold", 3):
            self._changed(kind, False)
            return
        if changed:
            self._hurry = float("inf")
            self._changed(kind, answer.ok)
        if kind == "startup" and count.result:
            self._begin_rest(0)
        elif not (kind == "liveness" and not count.result):
            self._later(kind, probe.get("periodSeconds", 10))

    def _in_a_hurry(self, probe: Obj) -> bool:
        """Ask again soon a container that was never ready: its server may need a moment to come up.

        Kubernetes allows it ("to make the Pod ready faster", probes, periodSeconds). Not counted, and not reported.
        """
        if self._hurry * 2 > probe.get("periodSeconds", 10) / self._clock.speed:
            return False
        self._later("readiness", self._hurry * self._clock.speed)
        self._hurry *= 1.5
        return True
