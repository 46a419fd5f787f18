"""When is a wish fulfilled? `progress` decides, purely; `until` looks on every change of the cluster. No polling.

`lab.wait` and `lab.crash` use both. A wish is fulfilled when the pods say so: a status may be a moment old.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from k8slab.api.objects import Obj, condition, condition_is, controller_of, is_pod_ready, is_terminating, labels_of
from k8slab.api.selectors import from_labels, from_object
from k8slab.client.http import HttpClient
from k8slab.clock import Clock
from k8slab.settings import LabError

Snapshot = Mapping[str, Sequence[Obj]]

OWNERS = ("Deployment", "ReplicaSet")  # kinds through which a pod may belong to something else
PATIENCE = 0.4  # s before a wait says that it waits


def until(
    client: HttpClient,
    kinds: Sequence[str],
    namespace: str,
    lacking: Callable[[Snapshot], str],
    timeout: float,
    say: Callable[[str], None] = lambda text: None,
) -> float:
    """Wait until `lacking` has nothing to say about the objects of these kinds; how many seconds that took.

    What it says meanwhile goes to `say`, and into the LabError when time is up.
    """
    clock, done = Clock(), threading.Event()
    began = clock.monotonic()
    said = "The cluster has not answered yet."

    def changed(snapshot: Snapshot) -> None:
        nonlocal said
        said = lacking(snapshot)
        if not said:
            done.set()
        elif clock.monotonic() - began > PATIENCE:
            say(said)

    follow = client.follow(kinds, changed, namespace)
    try:
        if not done.wait(PATIENCE):
            say(said)
        if not done.wait(timeout):
            hint = "`kubectl get events` may say why."
            raise LabError(f"After {timeout:g} s this still holds: {follow.problem or said} {hint}")
    finally:
        follow.close()
    return clock.monotonic() - began


@contextmanager
def line() -> Iterator[Callable[[str], None]]:
    """One line of output that says what is waited for, and is gone in the end."""
    width = 0

    def show(text: str) -> None:
        nonlocal width
        print("\r" + text.ljust(width), end="", flush=True)
        width = len(text)

    try:
        yield show
    finally:
        if width:
            print("\r" + " " * width + "\r", end="", flush=True)


def has_ended(pod: Obj) -> bool:
    """Whether a container of it has ended and not been started again yet."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any("running" not in (status.get("state") or {}) for status in statuses)


def progress(kind: str, name: str, snapshot: Snapshot) -> str:
    """What is still lacking for an object, in a sentence; empty when nothing is."""
    obj = next((o for o in snapshot.get(kind, ()) if o["metadata"]["name"] == name), None)
    if obj is None or is_terminating(obj):
        left = len(_left_behind(kind, name, snapshot)) + (obj is not None)
        return f"{kind.lower()}/{name} is deleted; still there of what it was: {left}." if left else ""
    if kind == "Pod":
        return _pod(obj)
    if kind == "Service":
        return _service(obj, snapshot)
    if "selector" in obj.get("spec", {}) and "template" in obj["spec"]:
        return _replicas(obj, snapshot)
    return _conditions(obj)


def _pod(pod: Obj) -> str:
    name, phase = pod["metadata"]["name"], (pod.get("status") or {}).get("phase", "Pending")
    return "" if is_pod_ready(pod) or phase == "Succeeded" else f"pod/{name} is {phase} and not ready."


def _service(service: Obj, snapshot: Snapshot) -> str:
    selector = service["spec"].get("selector")
    ready = [pod for pod in snapshot.get("Pod", ()) if is_pod_ready(pod) and not is_terminating(pod)]
    if not selector or any(from_labels(selector).matches(labels_of(pod)) for pod in ready):
        return ""
    return f"No ready pod stands behind service/{service['metadata']['name']}."


def _replicas(obj: Obj, snapshot: Snapshot) -> str:
    """The pods it selects are all its own, ready, as many as wished, and those of a Deployment of its newest kind."""
    about, wish = f"{obj['kind'].lower()}/{obj['metadata']['name']}", obj["spec"].get("replicas", 1)
    selector = from_object(obj["spec"]["selector"])
    alive = [pod for pod in snapshot.get("Pod", ()) if not is_terminating(pod)]
    selected = [pod for pod in alive if selector.matches(labels_of(pod))]
    owned = [pod for pod in selected if _belongs(pod, obj["metadata"]["uid"], snapshot)]
    ready = sum(map(is_pod_ready, owned))
    if len(selected) > len(owned):
        return f"{about} selects {len(selected) - len(owned)} {_pods(len(selected) - len(owned))} that it does not own."
    if len(owned) != wish or ready != wish:
        return f"{about} wishes for {wish} {_pods(wish)}: {len(owned)} there, {ready} ready."
    status = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return f"The controller of {about} has not seen its latest change."
    newest = status.get("updatedReplicas", 0)
    if obj["kind"] == "Deployment" and newest != wish:
        return f"{about} is on its way: {newest} of {wish} {_pods(wish)} are of its newest version."
    return ""


def _conditions(obj: Obj) -> str:
    for type_ in ("Ready", "Available", "Complete", "Established"):
        if (found := condition(obj, type_)) and not condition_is(obj, type_):
            about = f"{obj['kind'].lower()}/{obj['metadata']['name']}"
            return f"{about} is not {type_} ({found.get('reason') or found.get('message') or 'no reason given'})."
    return ""


def _belongs(obj: Obj, uid: str, snapshot: Snapshot) -> bool:
    """Whether the chain of its controllers leads to this uid."""
    owner = controller_of(obj)
    if owner is None:
        return False
    if owner["uid"] == uid:
        return True
    above = next((o for o in snapshot.get(owner["kind"], ()) if o["metadata"]["uid"] == owner["uid"]), None)
    return above is not None and _belongs(above, uid, snapshot)


def _left_behind(kind: str, name: str, snapshot: Snapshot) -> list[Obj]:
    """What a deleted object owned, directly or through another that may be gone by now too (`web` -> `web-7d9f`)."""
    there = {obj["metadata"]["uid"] for objects in snapshot.values() for obj in objects}

    def was_its(obj: Obj) -> bool:
        owner = controller_of(obj)
        if owner is None or (owner["uid"] in there and owner["name"] != name):
            return False
        direct = (owner["kind"], owner["name"]) == (kind, name)
        return direct or (kind == "Deployment" and owner["kind"] == "ReplicaSet" and _made_by(name, owner["name"]))

    return [obj for objects in snapshot.values() for obj in objects if was_its(obj)]


def _made_by(deployment: str, replicaset: str) -> bool:
    return replicaset.rpartition("-")[0] == deployment


def _pods(count: int) -> str:
    return "pod" if count == 1 else "pods"
