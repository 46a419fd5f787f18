"""What the diagram draws: who owns whom, what reaches and uses what, read from the objects of one moment.

Pure. `diagram_since.py` compares two moments, `diagram_layout.py` finds a place for each shape, `diagram_svg.py` draws.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from k8slab.api.objects import Obj, controller_of
from k8slab.widgets import pod_state, versions
from k8slab.widgets.board_model import app_of, chain, short_id
from k8slab.widgets.board_nodes import node_card
from k8slab.widgets.board_services import all_services
from k8slab.widgets.board_wishes import age_order
from k8slab.widgets.diagram_uses import uses
from k8slab.widgets.feed import Snapshot

OWNERS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController")
USED = ("ConfigMap", "Secret", "PersistentVolumeClaim")
KINDS = ("Node", "HorizontalPodAutoscaler", *OWNERS, "Pod", "Service", "EndpointSlice", *USED)


class Shape(NamedTuple):
    """A thing in the drawing: its state is a token of the look, `place` the node a pod runs on."""

    id: str
    kind: str
    name: str
    detail: str = ""  # its state in words
    state: str = ""
    place: str = ""
    app: str = ""  # of a pod that somebody owns: the name the learner gave …
    short: str = ""  # … and its own last part
    version: str = ""
    cat: int = 0
    facts: str = ""  # of a pod: containers that are ready, of how many; of a Service: its ports
    many: int = 1  # pods alike, drawn as one
    mark: str = ""  # beside an earlier moment: "came", "went" or "changed"
    was: str = ""  # how it was then


class Arrow(NamedTuple):
    """From an owner to what it owns, or from whatever reaches, scales or uses something else."""

    start: str
    end: str
    how: str = "owns"
    mark: str = ""


class Place(NamedTuple):
    """A node."""

    name: str
    state: str = "ready"
    word: str = "Ready"
    mark: str = ""
    was: str = ""


@dataclass(frozen=True)
class Graph:
    """What is to be drawn, as it was `at`: seconds since 1970. `since` is the moment it is compared with, if any."""

    shapes: Sequence[Shape]
    arrows: Sequence[Arrow]
    places: Sequence[Place]
    at: float = 0.0
    since: float | None = None
    known: versions.Versions = field(default_factory=dict)

    def by_id(self) -> dict[str, Shape]:
        """Every shape by its id."""
        return {shape.id: shape for shape in self.shapes}

    def marks(self) -> list[str]:
        """What became of each thing that is not as it was."""
        return [mark for mark in (*(s.mark for s in self.shapes), *(p.mark for p in self.places)) if mark]


def graph_of(objects: Snapshot, at: float, known: versions.Versions | None = None) -> Graph:
    """Owners, ReplicaSets that wish for something or own something, pods on their nodes, Services, what pods use."""
    owners = {obj["metadata"]["uid"]: obj for kind in OWNERS for obj in objects.get(kind, ())}
    pods = sorted(objects.get("Pod", ()), key=age_order)
    places = [_place(node) for node in sorted(objects.get("Node", ()), key=lambda node: _name(node))]
    silent = {place.name for place in places if place.state in ("off", "silent")}
    seen = [(pod, chain(pod, owners)) for pod in pods]
    revisions = versions.revisions(owners)
    keys = [_key(pod, links, {*revisions, *(known or {})}) for pod, links in seen]
    found = versions.learn(known or {}, zip(keys, pods, strict=True), revisions)
    shapes = [*_autoscalers(objects), *_owners(owners, pods, found)]
    shapes += [
        _pod(pod, links, found[key], pod["spec"].get("nodeName") in silent)
        for (pod, links), key in zip(seen, keys, strict=True)
    ]
    shapes += _services(objects)
    used, use = uses(pods, objects)
    shapes += [Shape(uid, kind, name, told, state) for uid, kind, name, told, state in used]
    drawn = {shape.id for shape in shapes}
    arrows = [*_owned(owners.values(), pods), *_scaled(objects, owners), *_reached(objects)]
    arrows += [Arrow(start, end, "uses") for start, end in use]
    return Graph(shapes, [a for a in arrows if a.start in drawn and a.end in drawn], places, at, None, found)


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _place(node: Obj) -> Place:
    card = node_card({"spec": {}, **node}, (), 0.0, 1.0, {})
    return Place(card["name"], card["state"], card["word"])


def _owners(owners: Mapping[str, Obj], pods: Sequence[Obj], known: versions.Versions) -> Iterator[Shape]:
    busy = {(controller_of(pod) or {}).get("uid") for pod in pods}
    for uid, obj in owners.items():
        ready, wish, word = _fulfilled(obj)
        if obj["kind"] == "ReplicaSet" and controller_of(obj) and not wish and uid not in busy:
            continue  # of a revision long past
        version = known.get(_version_of(obj), {})
        state = "ready" if ready >= wish else "notready"
        detail, state = (word, "") if obj["kind"] == "CronJob" else (f"{ready} of {wish} {word}", state)
        yield Shape(
            uid, obj["kind"], _name(obj), detail, state, version=version.get("name", ""), cat=version.get("cat", 0)
        )


def _fulfilled(obj: Obj) -> tuple[int, int, str]:
    """How many pods it has and wishes for, and the word for those it has."""
    spec, status, kind = obj["spec"], obj.get("status") or {}, obj["kind"]
    if kind == "DaemonSet":
        return status.get("numberReady", 0), status.get("desiredNumberScheduled", 0), "ready"
    if kind == "Job":
        return status.get("succeeded", 0), spec.get("completions") or spec.get("parallelism", 1), "done"
    if kind == "CronJob":
        return 0, 0, str(spec.get("schedule", ""))
    return status.get("readyReplicas", 0), spec.get("replicas", 1), "ready"


def _version_of(obj: Obj) -> str:
    ref, labels = controller_of(obj), obj["metadata"].get("labels") or {}
    template = labels.get(versions.HASHES[0])
    return f"{obj['metadata'].get('namespace', '')}/{ref['name']}/{template}" if ref and template else ""


def _key(pod: Obj, links: list[list[str]], known: Collection[str]) -> str:
    """The pod's version; one that was released keeps that of the template it was made from."""
    key = versions.key(app_of(pod, links), pod)
    if links or versions.HASHES[0] not in (pod["metadata"].get("labels") or {}):
        return key
    namespace, _, template = key.split("/")
    return next((k for k in sorted(known) if k.startswith(f"{namespace}/") and k.endswith(f"/{template}")), key)


def _pod(pod: Obj, links: list[list[str]], version: Mapping[str, Any], silent: bool) -> Shape:
    read, meta = pod_state.read(pod, silent), pod["metadata"]
    ready, total = pod_state.ready_count(pod)
    again = pod_state.restarts(pod)
    return Shape(
        meta["uid"],
        "Pod",
        meta["name"],
        read.word,
        read.state,
        pod["spec"].get("nodeName", ""),
        app_of(pod, links),
        short_id(pod, links),
        version["name"],
        version["cat"],
        f"{'?' if silent else ready}/{total}" + (f" ↻{again}" if again else ""),
    )


def _autoscalers(objects: Snapshot) -> Iterator[Shape]:
    for obj in objects.get("HorizontalPodAutoscaler", ()):
        spec, now = obj["spec"], (obj.get("status") or {}).get("desiredReplicas", 0)
        detail = f"{spec.get('minReplicas', 1)} to {spec['maxReplicas']}, now {now}"
        yield Shape(obj["metadata"]["uid"], obj["kind"], _name(obj), detail)


def _services(objects: Snapshot) -> Iterator[Shape]:
    reached = all_services(objects.get("Service", ()), objects.get("EndpointSlice", ()))
    for obj in objects.get("Service", ()):
        uid, spec = obj["metadata"]["uid"], obj["spec"]
        if _name(obj) == "kubernetes" and not spec.get("selector"):
            continue
        ports = ",".join(f":{port['port']}" for port in spec.get("ports") or [])
        address = spec.get("externalName") or spec.get("clusterIP", "")
        state = "" if uid not in reached else "ready" if reached[uid]["pods"] else "notready"
        yield Shape(uid, "Service", _name(obj), address, state, facts=ports)


def _owned(owners: Iterable[Obj], pods: Sequence[Obj]) -> Iterator[Arrow]:
    for obj in (*owners, *pods):
        if ref := controller_of(obj):
            yield Arrow(ref["uid"], obj["metadata"]["uid"])


def _scaled(objects: Snapshot, owners: Mapping[str, Obj]) -> Iterator[Arrow]:
    by_name = {(obj["kind"], _name(obj)): uid for uid, obj in owners.items()}
    for obj in objects.get("HorizontalPodAutoscaler", ()):
        target = obj["spec"]["scaleTargetRef"]
        if uid := by_name.get((target["kind"], target["name"])):
            yield Arrow(obj["metadata"]["uid"], uid, "scales")


def _reached(objects: Snapshot) -> Iterator[Arrow]:
    """The pods that each Service sends requests to now."""
    for uid, service in all_services(objects.get("Service", ()), objects.get("EndpointSlice", ())).items():
        yield from (Arrow(uid, pod, "reaches") for pod in service["pods"])


def crowded(graph: Graph, most: int) -> Graph:
    """With more pods than `most`, those that are alike in all that is drawn become one shape that counts them."""
    if sum(shape.kind == "Pod" for shape in graph.shapes) <= most:
        return graph
    ends: dict[str, frozenset[Arrow]] = {}
    for arrow in graph.arrows:
        ends[arrow.end] = ends.get(arrow.end, frozenset()) | {arrow._replace(end="")}
    heads: dict[object, Shape] = {}
    head_of: dict[str, str] = {}
    for shape in graph.shapes:
        alike: object = (shape._replace(id="", name="", short="", was=""), ends.get(shape.id))
        first = heads.setdefault(alike if shape.kind == "Pod" else shape.id, shape._replace(many=0))
        heads[alike if shape.kind == "Pod" else shape.id] = first._replace(many=first.many + 1)
        head_of[shape.id] = first.id
    arrows = [arrow._replace(start=head_of[arrow.start], end=head_of[arrow.end]) for arrow in graph.arrows]
    return replace(graph, shapes=[_counted(shape) for shape in heads.values()], arrows=list(dict.fromkeys(arrows)))


def _counted(shape: Shape) -> Shape:
    if shape.many == 1:
        return shape
    name = f"{shape.many} pods of {shape.app}"
    return shape._replace(name=name, short=f"{shape.many} pods", facts="", was="")
