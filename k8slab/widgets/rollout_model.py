"""A rollout's picture: the pods of each version as they trade places, and the bounds they must keep. Decided here.

Pure. `rollout.py` looks at the cluster, remembers what it saw (`History`) and acts; `rollout.js` draws what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from k8slab.api.objects import Obj, annotations_of, controller_of, is_pod_ready, is_terminating, labels_of
from k8slab.clock import from_timestamp
from k8slab.widgets import pod_state, versions
from k8slab.widgets.board_model import app_of, chain
from k8slab.widgets.board_wishes import age_order
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot

KINDS = ("Deployment", "ReplicaSet", "Pod")
REVISION = "deployment.kubernetes.io/revision"
STEPS = 400  # changes remembered
CANARY = "-canary"  # what the Deployment of a canary is called after its own


@dataclass(frozen=True)
class Bounds:
    """How many pods are wished, at most there, and at least ready."""

    wish: int
    most: int
    least: int
    surge: str = ""
    unavailable: str = ""

    def __add__(self, other: Bounds) -> Bounds:
        return replace(self, wish=self.wish + other.wish, most=self.most + other.most, least=self.least + other.least)


@dataclass(frozen=True)
class Look:
    """A Deployment at one moment. Version keys (`versions.py`) name its versions, oldest first."""

    deployment: Obj
    canary: Obj | None
    pods: Sequence[tuple[str, Obj]]  # (version key, pod), those of the canary too, oldest first
    sets: Mapping[str, Obj]  # version key -> the ReplicaSet that stands for it
    newest: str  # the version the Deployment wishes for now; empty before it has a ReplicaSet


@dataclass(frozen=True)
class Step:
    """How many pods of each version were ready since `at`, and how many there were in all."""

    at: float
    ready: Mapping[str, int]
    total: int


@dataclass(frozen=True)
class Release:
    """When the Deployment began to wish for another version."""

    at: float
    old: str
    new: str


@dataclass(frozen=True)
class History:
    """What was seen since the view was opened."""

    steps: tuple[Step, ...] = ()
    release: Release | None = None
    newest: str = ""
    done: float = 0.0  # when the last release was complete; 0 while it is not


def look(objects: Snapshot, name: str, namespace: str) -> Look | None:
    """The Deployment as it is now, or None."""
    mine = {d["metadata"]["name"]: d for d in objects.get("Deployment", ()) if d["metadata"]["namespace"] == namespace}
    deployment, canary = mine.get(name), mine.get(name + CANARY)
    if deployment is None:
        return None
    owners = {obj["metadata"]["uid"]: obj for kind in KINDS[:2] for obj in objects.get(kind, ())}
    wanted = {d["metadata"]["uid"] for d in (deployment, canary) if d}
    sets = {o["metadata"]["uid"]: o for o in objects.get("ReplicaSet", ()) if _owner(o) in wanted}
    of = {uid: _key(owner, owners) for uid, owner in sets.items()}
    pods = [(of[uid], pod) for pod in sorted(objects.get("Pod", ()), key=age_order) if (uid := _owner(pod)) in of]
    revision = annotations_of(deployment).get(REVISION)
    own = [uid for uid, o in sets.items() if _owner(o) == deployment["metadata"]["uid"]]
    newest = next((of[uid] for uid in own if annotations_of(sets[uid]).get(REVISION) == revision), "")
    by_key = {of[uid]: owner for uid, owner in sorted(sets.items(), key=lambda item: _revision(item[1]))}
    return Look(deployment, canary, pods, by_key, newest)


def advance(history: History, now: Look | None, at: float) -> History:
    """The history with this moment in it; the same one when nothing changed."""
    if now is None:
        return history
    alive = [(key, pod) for key, pod in now.pods if not is_terminating(pod) and not _ended(pod)]
    ready = {key: sum(is_pod_ready(pod) for k, pod in alive if k == key) for key, _ in alive}
    last = history.steps[-1] if history.steps else None
    if last is None or (last.ready, last.total) != (ready, len(alive)):
        history = replace(history, steps=(*history.steps, Step(at, ready, len(alive)))[-STEPS:])
    if now.newest and now.newest != history.newest:
        old = history.newest or next((key for key, _ in alive if key != now.newest), "")
        began = at if history.newest else from_timestamp(now.sets[now.newest]["metadata"]["creationTimestamp"])
        release = Release(began, old, now.newest) if old else history.release
        history = replace(history, newest=now.newest, release=release, done=0.0)
    complete = _complete(now, alive)
    if bool(history.done) != complete:
        history = replace(history, done=at if complete else 0.0)
    return history


def bounds(deployment: Obj) -> Bounds:
    """What a Deployment may do while it changes versions (deployment/util: ResolveFenceposts)."""
    wish = int(deployment["spec"].get("replicas", 1))
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(wish, wish, 0, "Recreate", "Recreate")
    rolling = strategy.get("rollingUpdate") or {}
    surge, unavailable = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    more, fewer = _scaled(surge, wish, math.ceil), _scaled(unavailable, wish, math.floor)
    if not more and not fewer:
        fewer = 1
    return Bounds(wish, wish + more, max(0, wish - fewer), str(surge), str(unavailable))


def picture(history: History, now: Look | None, known: versions.Versions, name: str) -> Picture:
    """The view as it should look now, but for the failed requests."""
    if now is None:
        return {"name": name, "found": False, "say": f"There is no Deployment {name}."}
    limits = bounds(now.deployment)
    if now.canary:
        limits += bounds(now.canary)
    shown = _shown_versions(history, now, known)
    return {
        "name": name,
        "found": True,
        "wish": limits.wish,
        "most": limits.most,
        "least": limits.least,
        "surge": limits.surge,
        "unavailable": limits.unavailable,
        "paused": bool(now.deployment["spec"].get("paused")),
        "previous": previous(now) is not None,
        "versions": shown,
        "steps": {str(int(step.at * 1000)): _step(step) for step in history.steps},
        "release": _release(history, known),
        "done": history.done,
        "canary": _canary(now),
        "say": say(history, now, known, limits),
    }


def say(history: History, now: Look, known: versions.Versions, limits: Bounds) -> str:
    """What it is busy with, and what it waits for."""
    alive = [(key, pod) for key, pod in now.pods if not is_terminating(pod) and not _ended(pod)]
    ready = sum(is_pod_ready(pod) for _, pod in alive)
    new = known[now.newest]["name"] if now.newest in known else "the new version"
    old = [known[key]["name"] for key, _ in alive if key != now.newest and not _is_canary(key, now)]
    if not old and ready >= limits.wish:
        return (
            f"All {limits.wish} pods are ready, and none is older than {new}." if now.canary else _at_rest(limits, new)
        )
    if now.deployment["spec"].get("paused"):
        return f"Paused: {len(old)} of the old version stay until it goes on." if old else "Paused: changes wait."
    waiting = next((pod for key, pod in alive if key == now.newest and not is_pod_ready(pod)), None)
    if waiting is None:
        return "Old pods go, and new ones come."
    state, pod = pod_state.read(waiting), short(waiting)
    if state.state == "failed":
        stays = f"{old[0]} stays where it is. Undo leads back." if old else ""
        return f"{pod} does not get ready: {state.why} {stays}".strip()
    if old and (ready <= limits.least or len(alive) >= limits.most):
        return f"Waits for {pod}: until it is ready, no more of {old[0]} may go."
    return f"Waits for {pod} to get ready."


def previous(now: Look) -> Obj | None:
    """The ReplicaSet that `kubectl rollout undo` leads back to: the Deployment's own with the next lower revision."""
    uid, current = now.deployment["metadata"]["uid"], int(annotations_of(now.deployment).get(REVISION, "0"))
    own = [rs for rs in now.sets.values() if _owner(rs) == uid and _revision(rs) < current]
    return max(own, key=_revision, default=None)


def undone(replica_set: Obj) -> Obj:
    """The pod template a ReplicaSet was made from, without the hash that its Deployment added."""
    template: dict[str, Any] = replica_set["spec"]["template"]
    meta = template.get("metadata") or {}
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != versions.HASHES[0]}
    return {**template, "metadata": {**meta, "labels": labels}}


def short(pod: Obj) -> str:
    """The last part of a pod's name."""
    return str(pod["metadata"]["name"]).rpartition("-")[2]


def text(told: Picture) -> str:
    """The picture in plain words."""
    if not told["found"]:
        return str(told["say"])
    have = ", ".join(f"{one['ready']} of {one['name']}" for one in told["versions"].values()) or "none"
    limits = f"at most {told['most']} pods, at least {told['least']} ready"
    return f"Rollout of {told['name']}: {have} ready, wish {told['wish']}, {limits}. {told['say']}"


def html(told: Picture) -> str:
    """A sentence that stands in a page without a kernel."""
    return f"<p>{escape(text(told))}</p>"


def _at_rest(limits: Bounds, new: str) -> str:
    return f"All is as wished: {limits.wish} of {new}, all ready." if limits.wish else "It wishes for no pod."


def _complete(now: Look, alive: Sequence[tuple[str, Obj]]) -> bool:
    own = [(key, pod) for key, pod in alive if not _is_canary(key, now)]
    wish = int(now.deployment["spec"].get("replicas", 1))
    return len(own) == wish and all(key == now.newest and is_pod_ready(pod) for key, pod in own)


def _shown_versions(history: History, now: Look, known: versions.Versions) -> Picture:
    last = history.steps[-1] if history.steps else Step(0, {}, 0)
    keys = [key for key in now.sets if key in known and any(key in step.ready for step in history.steps)]
    return {
        key: {
            "name": known[key]["name"],
            "cat": known[key]["cat"],
            "hash": key.rpartition("/")[2],
            "ready": last.ready.get(key, 0),
            "order": order,
            "canary": _is_canary(key, now),
        }
        for order, key in enumerate(keys)
    }


def _step(step: Step) -> Picture:
    return {"at": step.at, "ready": dict(step.ready), "total": step.total}


def _release(history: History, known: versions.Versions) -> Picture:
    release = history.release
    if release is None or release.new not in known:
        return {}
    old = known[release.old]["name"] if release.old in known else ""
    return {"at": release.at, "old": old, "new": known[release.new]["name"]}


def _canary(now: Look) -> Picture:
    if now.canary is None:
        return {}
    few, rest = (int(d["spec"].get("replicas", 1)) for d in (now.canary, now.deployment))
    return {"name": now.canary["metadata"]["name"], "pods": few, "of": few + rest}


def _is_canary(key: str, now: Look) -> bool:
    return bool(now.canary and key in now.sets and _owner(now.sets[key]) == now.canary["metadata"]["uid"])


def _key(replica_set: Obj, owners: Mapping[str, Obj]) -> str:
    return versions.key(app_of(replica_set, chain(replica_set, owners)), as_pod(replica_set))


def as_pod(replica_set: Obj) -> Obj:
    """What `versions.py` needs to know of the pods a ReplicaSet stands for, whether or not it has any."""
    return {"metadata": replica_set["metadata"], "spec": replica_set["spec"]["template"]["spec"]}


def _scaled(value: Any, wish: int, rounded: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(int(value[:-1]) * wish / 100))
    return int(value)


def _ended(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _owner(obj: Obj) -> str:
    return str((controller_of(obj) or {}).get("uid", ""))


def _revision(obj: Obj) -> int:
    return int(annotations_of(obj).get(REVISION, "0"))


def labels_of_template(deployment: Obj) -> Mapping[str, str]:
    """The labels its pods carry: a Service that selects them is the one to count failures at."""
    return labels_of(deployment["spec"]["template"])
