"""What happened between two looks at the cluster: a list of causes and consequences, each naming whom it concerns.

Pure. `story.py` puts them in order and finds the words. It reads objects rather than events wherever it can: events are
merged, come late and may be dropped (k8s.io/client-go/tools/events), objects are the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8slab.api.objects import Obj, condition, controller_of, is_pod_active, is_terminating
from k8slab.widgets import pod_state
from k8slab.widgets.board_model import WISHERS, app_of, chain, short_id
from k8slab.widgets.feed import Snapshot
from k8slab.widgets.versions import tag_of

COMMON = {"BackOff", "Failed", "FailedScheduling", "NodeNotReady"}  # warnings that repeat what the objects already say


@dataclass(frozen=True)
class Happening:
    """One thing that happened. `cause` tells its name if others follow from it (`deleted:uid`), else it is empty."""

    what: str  # the sentence, see story.py
    about: frozenset[str]  # uids: the pod, its owners; `node:name`
    subject: str = ""  # the uid it happened to
    name: str = ""  # that, as the learner calls it
    cause: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class World:
    """One look at the cluster, indexed."""

    def __init__(self, objects: Snapshot) -> None:
        self.pods = _by_uid(objects.get("Pod", ()))
        self.nodes = _by_uid(objects.get("Node", ()))
        self.events = _by_uid(objects.get("Event", ()))
        self.wishers = _by_uid(obj for kind in WISHERS for obj in objects.get(kind, ()))
        self.active: dict[str, int] = {}  # owner uid -> how many of its pods count
        for pod in self.pods.values():
            if (ref := controller_of(pod)) and is_pod_active(pod):
                self.active[ref["uid"]] = self.active.get(ref["uid"], 0) + 1

    def pod(self, what: str, pod: Obj, cause: str = "", **facts: Any) -> Happening:
        """A happening to a pod, concerning its owners too."""
        links = chain(pod, self.wishers)
        about = {pod["metadata"]["uid"]}
        ref = controller_of(pod)
        while ref:
            about.add(ref["uid"])
            owner = self.wishers.get(ref["uid"])
            ref = controller_of(owner) if owner else None
        facts = {"app": app_of(pod, links), "owned": bool(links), **facts}
        return Happening(what, frozenset(about), pod["metadata"]["uid"], calling(pod, links), cause, facts)


def calling(pod: Obj, links: Sequence[Sequence[str]]) -> str:
    """What a learner calls a pod: `x2j5h`; its whole name where that says too little (redis-0, or no owner)."""
    short = short_id(pod, links)
    return short if len(short) >= 4 else pod["metadata"]["name"]


def notice(old: World, new: World) -> list[Happening]:
    """Everything that happened, wishes before what follows from them."""
    found: list[Happening] = []
    for look in (_nodes, _wishes, _departures, _arrivals, _changes, _events):
        found += look(old, new)
    return found


def _wishes(old: World, new: World) -> Iterator[Happening]:
    for uid, obj, before in _pairs(old.wishers, new.wishers):
        kind, owner = obj["kind"], controller_of(obj)
        name = obj["metadata"]["name"]
        about = frozenset({uid, owner["uid"]} if owner else {uid})
        facts = {"kind": kind, "wants": obj["spec"].get("replicas", 1), "tag": _template_tag(obj)}
        if before is None:
            if owner:
                yield Happening("new-set", about, uid, name, facts={**facts, "owner": owner["name"]})
            else:
                yield Happening("created", about, uid, name, f"created:{uid}", facts)
        elif owner is None:
            was = before["spec"].get("replicas", 1)
            if obj["spec"].get("template") != before["spec"].get("template"):
                yield Happening(
                    "released", about, uid, name, f"template:{uid}", {**facts, "was": _template_tag(before)}
                )
            if facts["wants"] != was:
                yield Happening("scaled", about, uid, name, f"scaled:{uid}:{facts['wants']}", {**facts, "was": was})
    for uid in old.wishers.keys() - new.wishers.keys():
        obj = old.wishers[uid]
        if not controller_of(obj):
            cause = f"deleted:{uid}"
            yield Happening("wish-gone", frozenset({uid}), uid, obj["metadata"]["name"], cause, {"kind": obj["kind"]})


def _departures(old: World, new: World) -> Iterator[Happening]:
    for uid, pod in old.pods.items():
        now = new.pods.get(uid)
        if not is_terminating(pod) and (now is None or is_terminating(now)):
            yield _asked_to_go(old, new, pod)
        if now is None:
            yield old.pod("gone", pod)


def _asked_to_go(old: World, new: World, pod: Obj) -> Happening:
    """Its controller's decision if there were more than wished, or the wish is gone; else somebody's."""
    ref = controller_of(pod)
    owner = new.wishers.get(ref["uid"]) if ref else None
    if ref and (owner is None or is_terminating(owner) or old.active.get(ref["uid"], 0) > _wants(owner)):
        return old.pod("let-go", pod, set=ref["name"], kind=ref["kind"])
    evicted = any(e.get("reason") == "TaintManagerEviction" and _involves(e, pod) for e in new.events.values())
    if evicted:
        return old.pod("evicted", pod, node=pod["spec"].get("nodeName", ""))
    return old.pod("deleted", pod, f"deleted:{pod['metadata']['uid']}")


def _arrivals(old: World, new: World) -> Iterator[Happening]:
    fresh = [pod for uid, pod in new.pods.items() if uid not in old.pods]
    made: dict[str, int] = {}
    for pod in fresh:
        if ref := controller_of(pod):
            made[ref["uid"]] = made.get(ref["uid"], 0) + 1
    for pod in fresh:
        ref = controller_of(pod)
        if ref is None:
            yield new.pod("pod-created", pod, f"created:{pod['metadata']['uid']}")
            continue
        owner = new.wishers.get(ref["uid"])
        wants = _wants(owner) if owner else new.active.get(ref["uid"], 1)
        saw = max(0, new.active.get(ref["uid"], 0) - made[ref["uid"]])
        yield new.pod("made", pod, set=ref["name"], kind=ref["kind"], wants=wants, saw=saw)


def _changes(old: World, new: World) -> Iterator[Happening]:
    for uid, pod, before in _pairs(old.pods, new.pods):
        node = pod["spec"].get("nodeName", "")
        if before is not None and controller_of(before) and not controller_of(pod):
            yield old.pod("freed", before, f"freed:{uid}", set=controller_of(before)["name"])  # type: ignore[index]
        if node and not (before and before["spec"].get("nodeName")):
            yield new.pod("placed", pod, node=node)
        if is_terminating(pod):
            continue
        if pod_state.restarts(pod) > (pod_state.restarts(before) if before else 0):
            yield _restarted(new, pod, node)
        is_now, was = pod_state.read(pod), pod_state.read(before) if before else None
        if was is None or (is_now.state, is_now.word) != (was.state, was.word):
            yield from _new_state(new, pod, is_now, node)
        elif is_now.state == "pending" and is_now.why and is_now.why != was.why:
            yield new.pod("unplaced", pod, why=is_now.why)


def _restarted(new: World, pod: Obj, node: str) -> Happening:
    end = pod_state.last_exit(pod)
    count = pod_state.restarts(pod)
    how = pod_state.told(end) if end else "ended"
    return new.pod("crashed", pod, f"crashed:{pod['metadata']['uid']}", node=node, times=count, how=how)


def _new_state(new: World, pod: Obj, state: pod_state.PodState, node: str) -> Iterator[Happening]:
    if state.state == "ready":
        yield new.pod("ready", pod)
    elif state.state == "done":
        yield new.pod("done", pod)
    elif state.state == "pending" and state.why:
        yield new.pod("unplaced", pod, why=state.why)
    elif state.state == "failed" and state.word != "Crashed":  # a crash is told by the restart that follows it
        what = {"No image": "no-image", "Crashing": "backing-off"}.get(state.word, "failed")
        yield new.pod(what, pod, why=state.why, node=node)


def _nodes(old: World, new: World) -> Iterator[Happening]:
    for uid, node, before in _pairs(old.nodes, new.nodes):
        if before is None:
            continue
        name = node["metadata"]["name"]
        about = frozenset({uid, f"node:{name}"})
        here = [pod for pod in new.pods.values() if pod["spec"].get("nodeName") == name]
        about |= {uid for pod in here for uid in new.pod("", pod).about} if _ready(node) != _ready(before) else set()
        if _ready(before) == "True" and _ready(node) != "True":
            yield Happening("silent", about, uid, name, f"silent:{name}", {"pods": len(here)})
        elif _ready(node) == "True" and _ready(before) != "True":
            yield Happening("node-back", about, uid, name, f"back:{name}")
        cordoned = bool(node["spec"].get("unschedulable"))
        if cordoned != bool(before["spec"].get("unschedulable")):
            what = "cordoned" if cordoned else "uncordoned"
            yield Happening(what, about, uid, name, f"{what}:{name}")


def _events(old: World, new: World) -> Iterator[Happening]:
    """Warnings that no object tells: news is an event not seen before, or one seen again."""
    for event in new.events.values():
        if event.get("type") != "Warning" or event.get("reason") in COMMON | {"TaintManagerEviction"}:
            continue
        before = old.events.get(event["metadata"]["uid"])
        if before is not None:  # once is enough for a story; kubectl get events counts
            continue
        pod = new.pods.get((event.get("involvedObject") or {}).get("uid", ""))
        message = (event.get("message") or "").strip()
        if event.get("reason") == "Unhealthy" and pod:
            yield new.pod("unhealthy", pod, probe=message.partition(" ")[0].lower(), why=message)
        elif pod:
            yield new.pod("warning", pod, reason=event.get("reason", ""), why=message)


def _pairs(old: Mapping[str, Obj], new: Mapping[str, Obj]) -> Iterator[tuple[str, Obj, Obj | None]]:
    """What is there now, and what it was before, where that differs."""
    for uid, obj in new.items():
        before = old.get(uid)
        if before is not obj:
            yield uid, obj, before


def _by_uid(objects: Iterable[Obj]) -> dict[str, Obj]:
    return {obj["metadata"]["uid"]: obj for obj in objects}


def _wants(obj: Obj) -> int:
    return int(obj["spec"].get("replicas", 1))


def _template_tag(obj: Obj) -> str:
    return tag_of(obj["spec"]["template"]) if obj["spec"].get("template") else ""


def _ready(node: Obj) -> str:
    return str((condition(node, "Ready") or {}).get("status", "Unknown"))


def _involves(event: Obj, obj: Obj) -> bool:
    return bool((event.get("involvedObject") or {}).get("uid") == obj["metadata"]["uid"])
