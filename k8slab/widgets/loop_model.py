"""The picture of the loops below an object: each one's wish and what there is, and what a step of it says.

Pure. A loop reads one number and counts one thing: a Deployment's its ReplicaSets' wishes, every other's its pods.
`loop.py` asks the lab, `loop.js` draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from k8slab.api.objects import Obj, controller_of
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot

KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod")
SHORT = {"deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet"}
RUN, SLOW, HAND, SWITCHED_OFF = "run", "slow", "hand", "off"
WAYS = {RUN: "running", SLOW: "in slow motion", HAND: "held", SWITCHED_OFF: "switched off"}
PHASES = ("read", "compare", "act")


@dataclass(frozen=True)
class Row:
    """One loop: whose it is, what is wished and what is, in `unit`s."""

    kind: str
    name: str
    wish: int
    real: int
    unit: str

    @property
    def key(self) -> str:
        """Which loop it is."""
        return f"{self.kind}/{self.name}"


def named(what: str) -> tuple[str, str]:
    """Kind and name of "deployment/web". Raises ValueError with a sentence for anything else."""
    word, _, name = what.partition("/")
    kinds = {kind.lower(): kind for kind in KINDS[:-1]} | {f"{kind.lower()}s": kind for kind in KINDS[:-1]} | SHORT
    if word.lower() not in kinds or not name:
        raise ValueError(f"A loop is named by the object it serves, such as deployment/web, not {what!r}.")
    return kinds[word.lower()], name


def rows(objects: Snapshot, kind: str, name: str, namespace: str) -> list[Row]:
    """The loops of this object and of all it owns, the owner before the owned."""
    return [_row(obj, objects) for obj in _below(objects, kind, name, namespace)]


def read(row: Row) -> str:
    """What the loop reads."""
    return f"{row.kind} {row.name} wishes for {_many(row.wish, row)}. There {_is(row.real)} {row.real}."


def compare(row: Row) -> str:
    """What it finds."""
    if row.wish == row.real:
        return f"{row.wish} and {row.real}: nothing is missing."
    gap = abs(row.wish - row.real)
    return f"{row.wish} wished, {row.real} found: {gap} {_is(gap)} {'missing' if row.wish > row.real else 'too many'}."


def acted(wrote: Sequence[Mapping[str, Any]], row: Row) -> str:
    """What it did, from what it wrote. A loop writes its own object's status, too."""
    said = []
    for one in wrote:
        what = f"{one['kind']} {one['name']}"
        if "now" in one:
            said.append(f"{what} is to have {one['now']}, not {one['was']}")
        elif one["verb"] != "changed":
            said.append(f"{what} {one['verb']}")
        elif (one["kind"], one["name"]) == (row.kind, row.name):
            said.append("its status written")
    return ("; ".join(dict.fromkeys(said)) or "nothing to do") + "."


def gap(row: Row, mode: str) -> str:
    """What becomes of the difference between wish and reality, in a few words."""
    if row.wish == row.real:
        return "as wished"
    sides = f"wants {row.wish}, sees {row.real}"
    if mode == SWITCHED_OFF:
        return f"{sides}: nobody acts"
    if mode == HAND:
        return f"{sides}: waits for your step"
    return sides if mode == SLOW else f"{abs(row.wish - row.real)} {'missing' if row.wish > row.real else 'too many'}"


def sentence(loops: Sequence[Row], what: str, mode: str) -> str:
    """How it stands, in a sentence or two."""
    apart = [row for row in loops if row.wish != row.real]
    if not loops:
        return f"{what} is not there."
    if mode == SWITCHED_OFF and not apart:
        return "Switched off, and nobody notices: all is as wished. Delete a pod, or scale, and see who repairs it."
    if mode == SWITCHED_OFF:
        row = apart[0]
        return f"Switched off. {row.kind} {row.name} {gap(row, mode)}."
    if not apart:
        return f"{_pods(loops[0].wish)} wished, and there {_is(loops[-1].real)} {loops[-1].real}: nothing is missing."
    row = apart[0]
    return f"{row.kind} {row.name}: {compare(row)}"


def picture(loops: Sequence[Row], step: Mapping[str, Any], told: Sequence[str], what: str, mode: str) -> Picture:
    """The view as it should look now. `step` is the loop at work, its phase and what each phase said."""
    drawn = {
        row.key: {
            "order": order,
            "kind": row.kind,
            "name": row.name,
            "wish": row.wish,
            "real": row.real,
            "unit": row.unit,
            "gap": gap(row, mode),
            "phase": step.get("phase", "") if step.get("key") == row.key else "",
            "said": dict(step.get("said", {})) if step.get("key") == row.key else {},
        }
        for order, row in enumerate(loops)
    }
    stands = sentence(loops, what, mode)
    say = told[-1] if told and mode != SWITCHED_OFF else stands
    shown = {"loops": drawn, "told": list(told[-6:]), "say": say, "stands": stands}
    return {"what": what, "mode": mode, "held": mode != RUN, "found": bool(loops), **shown}


def text(picture: Picture) -> str:
    """The view in plain words."""
    lines = [f"Loops below {picture['what']}, {WAYS[picture['mode']]}"]
    lines += [_line(loop) for loop in _ordered(picture)]
    return "\n".join([*lines, *(f"  {said}" for said in picture["told"])])


def html(picture: Picture) -> str:
    """One figure, self-contained."""
    items = "".join(f"<li>{escape(_line(loop).strip())}</li>" for loop in _ordered(picture))
    title, say = escape(text(picture).partition("\n")[0]), escape(picture["say"])
    return (
        f"<figure style='font:13px/1.5 system-ui,sans-serif;margin:0'><b>{title}</b><ul>{items}</ul>"
        f"<figcaption>{say}</figcaption></figure>"
    )


def _line(loop: Picture) -> str:
    acts = ", nobody acts" if loop["gap"].endswith("nobody acts") else ""
    return f"  {loop['kind']} {loop['name']}: {loop['wish']} wished, {loop['real']} there ({loop['unit']}){acts}"


def _ordered(picture: Picture) -> list[Picture]:
    return sorted(picture["loops"].values(), key=lambda loop: int(loop["order"]))


def _below(objects: Snapshot, kind: str, name: str, namespace: str) -> Iterator[Obj]:
    for obj in objects.get(kind, ()):
        meta = obj["metadata"]
        if (meta["name"], meta.get("namespace")) == (name, namespace):
            yield obj
            for below in KINDS[1:-1]:
                for owned in _owned(objects, below, obj):
                    if owned["spec"].get("replicas") or _owned(objects, "Pod", owned):
                        yield from _below(objects, below, owned["metadata"]["name"], namespace)


def _owned(objects: Snapshot, kind: str, owner: Obj) -> list[Obj]:
    uid = owner["metadata"]["uid"]
    return [obj for obj in objects.get(kind, ()) if (controller_of(obj) or {}).get("uid") == uid]


def _row(obj: Obj, objects: Snapshot) -> Row:
    kind, spec, status = obj["kind"], obj["spec"], obj.get("status") or {}
    name = obj["metadata"]["name"]
    if kind == "Deployment":
        sets = _owned(objects, "ReplicaSet", obj)
        found = sum(int(one["spec"].get("replicas", 1)) for one in sets)
        return Row(kind, name, int(spec.get("replicas", 1)), found, "pods its ReplicaSets wish for")
    found = sum(not _gone(pod) for pod in _owned(objects, "Pod", obj))
    wish = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else spec.get("replicas", 1)
    if kind == "Job":
        left = int(spec.get("completions") or 1) - int(status.get("succeeded", 0))
        wish = max(0, min(int(spec.get("parallelism", 1)), left))
    return Row(kind, name, int(wish), found, "pods")


def _gone(pod: Obj) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _many(n: int, row: Row) -> str:
    return _pods(n) if row.unit == "pods" else f"{_pods(n)} in all its ReplicaSets"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _pods(n: int) -> str:
    return f"{n} pod{'' if n == 1 else 's'}"
