"""What if: the other wishes that can be turned in the Scheduling view, and those that were.

Pure. `choices` is what the page may offer in this cluster, `read` what it sent back; `lab.what_if` takes `arguments`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8slab.api.objects import Obj, labels_of
from k8slab.api.quantities import milli, value
from k8slab.widgets.delta import Picture

MIB = 1 << 20
STEPS = 80  # of a slider, about
BEYOND = 1.25  # a slider goes beyond the largest node: what nobody has can be asked for, too
MOST = 60  # pairs of labels to choose from


@dataclass(frozen=True)
class Wish:
    """What is wished for otherwise; None: as the pod says."""

    cpu: int | None = None  # thousandths of a core
    memory: int | None = None  # MiB
    selector: str | None = None  # "disk=ssd"; empty: no selector
    tolerate: tuple[str, ...] = ()  # "gpu=yes:NoSchedule", beside what it tolerates anyway
    priority: str | None = None  # the name of a class; empty: none

    @property
    def arguments(self) -> dict[str, Any]:
        """As `lab.what_if` takes them."""
        asked: dict[str, Any] = {} if self.cpu is None else {"cpu": f"{self.cpu}m"}
        asked |= {} if self.memory is None else {"memory": f"{self.memory}Mi"}
        if self.selector is not None:
            asked["node_selector"] = dict([self.selector.split("=", 1)]) if self.selector else {}
        if self.tolerate:
            asked["tolerations"] = [toleration(taint) for taint in self.tolerate]
        return asked if self.priority is None else asked | {"priority_class": self.priority}

    def line(self, pod: str) -> str:
        """The same in a cell."""
        return f"lab.what_if({', '.join([repr(pod), *(f'{name}={said!r}' for name, said in self.arguments.items())])})"


def choices(nodes: Sequence[Obj], classes: Sequence[Obj]) -> Picture:
    """What a page may offer: how far the sliders go, and labels, taints and classes there are."""
    return {
        "cpu": _scale((milli(_has(node, "cpu")) for node in nodes), (50, 100, 250, 500, 1000, 2500)),
        "memory": _scale((value(_has(node, "memory")) // MIB for node in nodes), (16, 64, 256, 1024, 4096)),
        "selectors": _telling(nodes),
        "taints": sorted({taint_text(taint) for node in nodes for taint in node["spec"].get("taints") or ()}),
        "classes": {each["metadata"]["name"]: each.get("value", 0) for each in classes},
    }


def read(message: Mapping[str, Any], offered: Picture) -> Wish:
    """What a page sent, if it was offered. Raises ValueError with a sentence."""
    tolerate = message.get("tolerate") or ()
    if not isinstance(tolerate, list | tuple):
        raise ValueError("tolerate: a list of taints is needed.")
    wish = Wish(
        _whole(message, "cpu", offered),
        _whole(message, "memory", offered),
        _one_of(message, "selector", offered["selectors"]),
        tuple(map(str, tolerate)),
        _one_of(message, "priority", offered["classes"]),
    )
    if unknown := [taint for taint in wish.tolerate if taint not in offered["taints"]]:
        raise ValueError(f"No node has the taint {unknown[0]}.")
    return wish


def toleration(taint: str) -> dict[str, str]:
    """What tolerates this taint."""
    pair, _, effect = taint.rpartition(":")
    key, is_, said = pair.partition("=")
    how = {"operator": "Equal", "value": said} if is_ else {"operator": "Exists"}
    return {"key": key, **how, "effect": effect}


def taint_text(taint: Obj) -> str:
    """As `kubectl taint` takes it: `gpu=yes:NoSchedule`."""
    said = taint.get("value")
    return f"{taint['key']}{f'={said}' if said else ''}:{taint.get('effect', '')}"


def _has(node: Obj, resource: str) -> str:
    return str(((node.get("status") or {}).get("allocatable") or {}).get(resource, "0"))


def _scale(sizes: Iterable[int], steps: Sequence[int]) -> Picture:
    most = int(max(sizes, default=0) * BEYOND)
    step = next((step for step in steps if most <= step * STEPS), steps[-1])
    return {"most": -(-most // step) * step, "step": step}


def _telling(nodes: Sequence[Obj]) -> list[str]:
    """The labels by which nodes can be told apart: one that all have alike chooses nothing."""
    counted: dict[str, int] = {}
    for node in nodes:
        for key, said in labels_of(node).items():
            counted[f"{key}={said}"] = counted.get(f"{key}={said}", 0) + 1
    pairs = [pair for pair, times in counted.items() if times < len(nodes)]
    return sorted(pairs, key=lambda pair: ("hostname=" in pair, pair))[:MOST]


def _whole(message: Mapping[str, Any], field: str, offered: Picture) -> int | None:
    number, most = message.get(field), offered[field]["most"]
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        raise ValueError(f"{field}: a whole number from 0 to {most} is needed.")
    return number


def _one_of(message: Mapping[str, Any], field: str, offered: Iterable[str]) -> str | None:
    word = message.get(field)
    if word is None or word == "":
        return word
    if word not in offered:
        raise ValueError(f"{field}: {word} is not there to choose from.")
    return str(word)
