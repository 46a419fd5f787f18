"""The same way as any cluster tells it: stations out of the times that objects carry, in whole seconds. Pure.

No cluster keeps the object as it was at each hop, so that it is shown as it is now, with what the hop left marked.
`journey_model.py` has the exact way, which only a lab can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8slab.api.objects import Obj, condition, controller_of, copy
from k8slab.clock import from_timestamp
from k8slab.widgets.feed import Snapshot
from k8slab.widgets.journey_model import API, KUBELET, Station

WATCHED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod", "EndpointSlice")
CONDITIONS = (  # of a pod: what it says when it turns true, and which other fields came with it
    ("PodScheduled", "Scheduler", "The pod is bound", "spec.nodeName is set.", ("spec.nodeName",)),
    ("PodReadyToStartContainers", KUBELET, "A place with an address", "The pod has an address.",
     ("status.podIP", "status.podIPs")),
    ("Ready", KUBELET, "Status: ready", "The kubelet says that requests may come.", ()),
)  # fmt: skip


def pods(objects: Snapshot, kind: str, name: str, namespace: str) -> list[str]:
    """The pods of the object as it is now, the oldest first."""
    return [pod["metadata"]["name"] for pod in sorted(_below(objects, kind, name, namespace), key=_made)]


def way(objects: Snapshot, kind: str, name: str, namespace: str, pod: str = "") -> list[Station]:
    """The stations of the object as it is now, and of this pod (else its oldest); `at` in ms since 1970."""
    root = _find(objects, kind, name, namespace)
    if root is None:
        return []
    mine = {one["metadata"]["name"]: one for one in _below(objects, kind, name, namespace)}
    oldest = min(mine.values(), key=_made) if mine else None
    chosen = mine.get(pod) or oldest
    found = [_applied(root)]
    if chosen:
        owner = _owner(objects, chosen)
        if owner and kind != owner["kind"]:
            found.append(_created(owner, f"{kind} controller"))
        if chosen is not root:
            found.append(_created(chosen, f"{owner['kind']} controller" if owner else API))
        found += [*_of_pod(chosen), *_behind(objects, chosen)]
    return sorted(found, key=lambda station: station.at)


def without(obj: Obj, paths: Iterable[str], conditions: Iterable[str] = ()) -> Obj:
    """The object as if these fields, and conditions of these types, were not there."""
    bare = copy(obj)
    for path in paths:
        *parents, field = path.split(".")
        place: Any = bare
        for parent in parents:
            place = place.get(parent) or {}
        place.pop(field, None)
    dropped = set(conditions)
    if dropped:
        status = bare["status"]
        status["conditions"] = [one for one in status.get("conditions") or [] if one["type"] not in dropped]
    return bare


def _applied(root: Obj) -> Station:
    """The last write of what is wished that managedFields tell of, else the creation."""
    every = root["metadata"].get("managedFields") or ()
    entries = [one for one in every if one.get("time") and not one.get("subresource")]
    last: Mapping[str, Any] = max(entries, key=lambda one: str(one["time"]), default={})
    at = last.get("time") or root["metadata"]["creationTimestamp"]
    who = f"managedFields name {last['manager']}." if last else "Nobody's name is kept with it."
    say = f"The wish was last written at {at}. {who}"
    base = without(root, ["metadata.resourceVersion", "metadata.generation"])
    return Station("stored", API, "Stored", say, _ms(at), root, base)


def _created(obj: Obj, who: str) -> Station:
    kind, at = obj["kind"], obj["metadata"]["creationTimestamp"]
    marked = ["metadata.creationTimestamp", "metadata.uid", "metadata.ownerReferences", "metadata.name"]
    return Station(f"made-{kind}", who, f"A {kind} is made", f"Created at {at}.", _ms(at), obj, without(obj, marked))


def _of_pod(pod: Obj) -> Iterator[Station]:
    """In the order in which they come, because many fall into one second."""
    yield from _turned_true(pod, CONDITIONS[:-1])
    yield from _started(pod)
    yield from _turned_true(pod, CONDITIONS[-1:])


def _turned_true(pod: Obj, conditions: Iterable[tuple[str, str, str, str, tuple[str, ...]]]) -> Iterator[Station]:
    for type_, who, title, say, fields in conditions:
        found = condition(pod, type_)
        if found and found.get("status") == "True" and found.get("lastTransitionTime"):
            base = without(pod, fields, [type_])
            yield Station(type_, who, title, say, _ms(found["lastTransitionTime"]), pod, base)


def _started(pod: Obj) -> Iterator[Station]:
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if at := ((status.get("state") or {}).get("running") or {}).get("startedAt"):
            runtime = str(status.get("containerID", "")).partition("://")[0] or "container runtime"
            who, say = f"Runtime ({runtime})", f"Container {status['name']} runs since {at}."
            base = without(pod, ["status.containerStatuses"])
            yield Station("started", who, "The container is started", say, _ms(at), pod, base)
            return


def _behind(objects: Snapshot, pod: Obj) -> Iterator[Station]:
    """Where requests come from. Which second it was is not kept for each address, only for the whole slice."""
    uid = pod["metadata"]["uid"]
    for slice_ in objects.get("EndpointSlice", ()):
        ready = [
            (one.get("conditions") or {}).get("ready") for one in slice_.get("endpoints") or () if _uid(one) == uid
        ]
        ready_at = (condition(pod, "Ready") or {}).get("lastTransitionTime")
        if any(ready) and ready_at:
            others = [one for one in slice_["endpoints"] if _uid(one) != uid]
            say = "Its address is listed, not before it was ready. In which second exactly, nobody keeps."
            yield Station("listed", "EndpointSlice controller", "Behind the Service", say, _ms(ready_at), slice_,
                          {**slice_, "endpoints": others})  # fmt: skip
            return


def _uid(endpoint: Mapping[str, Any]) -> str:
    return str((endpoint.get("targetRef") or {}).get("uid", ""))


def _find(objects: Snapshot, kind: str, name: str, namespace: str) -> Obj | None:
    at = name, namespace
    return next(
        (o for o in objects.get(kind, ()) if (o["metadata"]["name"], o["metadata"].get("namespace")) == at), None
    )


def _owner(objects: Snapshot, obj: Obj) -> Obj | None:
    ref = controller_of(obj)
    return next((o for o in objects.get(ref["kind"], ()) if o["metadata"]["uid"] == ref["uid"]), None) if ref else None


def _below(objects: Snapshot, kind: str, name: str, namespace: str) -> Iterator[Obj]:
    """The pods that the object, or what it owns, controls; itself if it is one."""
    for pod in objects.get("Pod", ()):
        up: Obj | None = pod
        while up is not None and (up["kind"], up["metadata"]["name"]) != (kind, name):
            up = _owner(objects, up)
        if up is not None and pod["metadata"].get("namespace") == namespace:
            yield pod


def _made(obj: Obj) -> tuple[str, str]:
    return obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]


def _ms(timestamp: str) -> float:
    return from_timestamp(timestamp) * 1000
