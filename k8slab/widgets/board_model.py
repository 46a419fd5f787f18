"""The board's picture, made of the cluster's objects: nodes, tiles, wishes. What it says is decided here.

Pure: `picture(objects, facts, before)`. The picture before is the only memory: out of it a pod keeps its place and a
version its colour. `pod_state.py` reads one pod, `board.py` sends the difference (`delta.py`), `board.js` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from k8slab.api.objects import Obj, controller_of, natural
from k8slab.clock import from_timestamp
from k8slab.widgets import pod_state, story_words, versions
from k8slab.widgets.board_nodes import node_card
from k8slab.widgets.board_services import all_services
from k8slab.widgets.board_wishes import age_order, all_wishes
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot

KINDS = ("Node", "Pod", "ReplicaSet", "Deployment", "Event", "Service", "EndpointSlice")
WISHERS = ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")  # they wish for a number of pods
LEVELS = (("tiles", 30), ("chips", 100), ("cells", 300))  # from this many pods on it is the next; then bars
DRAWN, CARDS = 2000, 60  # pods and nodes beyond are counted and not drawn


@dataclass(frozen=True)
class Facts:
    """What the objects do not tell. Times are seconds since 1970; `off` says since when a node has had no power."""

    now: float
    speed: float = 1.0
    off: Mapping[str, float] = field(default_factory=dict)


def picture(objects: Snapshot, facts: Facts, before: Picture | None = None) -> Picture:
    """The board as it should look now."""
    before = before or {}
    pods = sorted(objects.get("Pod", ()), key=age_order)[:DRAWN]
    owners = {obj["metadata"]["uid"]: obj for kind in WISHERS for obj in objects.get(kind, ())}
    old, links = before.get("pods", {}), _Links(owners)
    seen = [_recognise(pod, links.of(pod), old.get(pod["metadata"]["uid"])) for pod in pods]
    known = versions.learn(
        before.get("versions", {}), [(one.version, one.pod) for one in seen], versions.revisions(owners)
    )
    nodes = _nodes(objects, facts)
    tiles = _tiles(seen, known, nodes, facts, before)
    wishes = all_wishes([obj for kind in WISHERS for obj in objects.get(kind, ())], tiles)
    return {
        "nodes": nodes,
        "pods": tiles,
        "wishes": wishes,
        "versions": known,
        "services": all_services(objects.get("Service", ()), objects.get("EndpointSlice", ())),
        "namespaces": sorted({thing["ns"] for thing in [*tiles.values(), *wishes.values()]}),
        "density": density(len(tiles), before.get("density", "tiles")),
        "undrawn": {
            "pods": max(0, len(objects.get("Pod", ())) - DRAWN),
            "nodes": max(0, len(objects.get("Node", ())) - CARDS),
        },
        "say": summary(tiles, nodes, wishes),
    }


class _Seen(NamedTuple):
    pod: Obj
    owners: list[list[str]]  # [kind, name], topmost first
    version: str  # its key among the versions


class _Links:
    """Each pod's chain of owners. Pods of one owner share it, and most have the same few."""

    def __init__(self, owners: Mapping[str, Obj]) -> None:
        self._owners = owners
        self._known: dict[str, list[list[str]]] = {}

    def of(self, pod: Obj) -> list[list[str]]:
        ref = controller_of(pod)
        if not ref:
            return []
        found = self._known.get(ref["uid"])
        if found is None:
            found = self._known[ref["uid"]] = chain(pod, self._owners)
        return found


def _recognise(pod: Obj, links: list[list[str]], old: Picture | None) -> _Seen:
    """Whose it is, and its version, which it keeps even when it is released or its owners are gone before it."""
    if old and links and len(old["owners"]) > len(links) and old["owners"][-1] == links[-1]:
        links = old["owners"]
    return _Seen(pod, links, old["of"] if old else versions.key(app_of(pod, links), pod))


def chain(pod: Obj, owners: Mapping[str, Obj]) -> list[list[str]]:
    """Who owns it, topmost first, as [kind, name]. An owner nobody knows is still named."""
    links: list[list[str]] = []
    ref = controller_of(pod)
    while ref and len(links) < 5:
        links.insert(0, [ref["kind"], ref["name"]])
        owner = owners.get(ref["uid"])
        ref = controller_of(owner) if owner else None
    return links


def app_of(pod: Obj, links: Sequence[Sequence[str]]) -> str:
    """The name the learner gave: the topmost owner's, or the pod's own."""
    return links[0][1] if links else pod["metadata"]["name"]


def group_of(pod: Obj, links: Sequence[Sequence[str]]) -> str:
    """Its topmost owner, as `namespace/Deployment/web`; with no owner, `namespace//`."""
    return "/".join((pod["metadata"].get("namespace", ""), *(links[0] if links else ("", ""))))


def short_id(pod: Obj, links: Sequence[Sequence[str]]) -> str:
    """Its name without its owner's: `x2j5h` of web-7d5bc-x2j5h, `0` of redis-0; empty when it has no owner."""
    name: str = pod["metadata"]["name"]
    return name.removeprefix(links[-1][1] + "-") if links else ""


def density(count: int, was: str) -> str:
    """How densely so many pods are drawn: denser at once, sparser only well below the line, so as not to flicker."""
    names = [name for name, _ in LEVELS] + ["bars"]
    level = sum(count > most for _, most in LEVELS)
    relaxed = sum(count > most * 0.8 for _, most in LEVELS)
    return names[min(max(level, names.index(was)), relaxed)] if was in names else names[level]


def summary(tiles: Picture, nodes: Picture, wishes: Picture) -> str:
    """The board in a sentence or two, for the line that is read aloud: what deviates, else that all is as wished."""
    short = [w for w in wishes.values() if w["ready"] < w["wants"]]
    parts = [f"{w['name']} has {w['ready']} of {w['wants']} ready." for w in short[:2]]
    parts += [f"{node['name']} is {node['word'].lower()}." for node in nodes.values() if node["word"] != "Ready"][:2]
    waiting = sum(tile["state"] == "pending" and bool(tile["why"]) for tile in tiles.values())
    if waiting:
        parts.append("One pod waits for a node." if waiting == 1 else f"{waiting} pods wait for a node.")
    if parts:
        return " ".join(parts)
    if wishes:
        return "All is as wished."
    return f"{story_words.pods(len(tiles)).capitalize()}, and no wish." if tiles else "The cluster is empty."


def _tiles(seen: Sequence[_Seen], known: versions.Versions, nodes: Picture, facts: Facts, before: Picture) -> Picture:
    old: Picture = before.get("pods", {})
    places = _Places(old, "node", "place")
    spots = _Places(old, "group", "spot")
    tiles: Picture = {}
    for one in seen:
        pod, uid = one.pod, one.pod["metadata"]["uid"]
        node = pod["spec"].get("nodeName", "")
        silent = nodes.get(node, {}).get("state") in ("off", "silent")
        if (known_as := old.get(uid)) and _unchanged(known_as, one, silent):
            tiles[uid] = known_as
            continue
        tile = _tile(one, known[one.version], pod_state.read(pod, silent), silent)
        tile["place"] = places.of(uid, node)
        tile["spot"] = spots.of(uid, tile["group"])
        if tile["state"] == "terminating":
            tile |= _grace(pod, known_as, facts)
        tiles[uid] = tile
    return tiles


def _unchanged(tile: Picture, one: _Seen, silent: bool) -> bool:
    """Whether the old tile still tells all: with many pods, most do. (`ready` is -1 just when the node was silent.)"""
    revision = one.pod["metadata"].get("resourceVersion", "")
    return bool(
        revision and tile["revision"] == revision and tile["owners"] == one.owners and (tile["ready"] < 0) == silent
    )


def _tile(one: _Seen, version: Picture, state: pod_state.PodState, silent: bool) -> Picture:
    pod, meta = one.pod, one.pod["metadata"]
    ready, total = pod_state.ready_count(pod)
    return {
        "uid": meta["uid"],
        "revision": meta.get("resourceVersion", ""),
        "name": meta["name"],
        "ns": meta.get("namespace", ""),
        "app": app_of(pod, one.owners),
        "id": short_id(pod, one.owners),
        "of": one.version,
        "group": group_of(pod, one.owners),
        "state": state.state,
        "word": state.word,
        "why": state.why,
        "version": version["name"],
        "cat": version["cat"],
        "ready": -1 if silent else ready,
        "total": total,
        "restarts": pod_state.restarts(pod),
        "since": pod_state.since(pod),
        "born": from_timestamp(meta["creationTimestamp"]),
        "node": pod["spec"].get("nodeName", ""),
        "ip": (pod.get("status") or {}).get("podIP", ""),
        "owners": one.owners,
    }


def _grace(pod: Obj, old: Picture | None, facts: Facts) -> Picture:
    """When its grace began (seen, or reckoned from its deletionTimestamp) and ends; its length in Kubernetes."""
    grace = int(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
    if old and "ends" in old and old["grace"] == grace:
        return {"began": old["began"], "ends": old["ends"], "grace": grace}
    began = facts.now if old else from_timestamp(pod["metadata"]["deletionTimestamp"]) - grace / facts.speed
    return {"began": began, "ends": began + grace / facts.speed, "grace": grace}


class _Places:
    """Gives each pod a place on its node, or in its group: the one it has had, or the first that is free."""

    def __init__(self, old: Picture, where: str, place: str) -> None:
        self._old = {uid: (tile[where], tile[place]) for uid, tile in old.items()}
        self._free: dict[str, int] = {}  # below this, none is free
        self._taken = set(self._old.values())  # also of those that just went: their place closes after a moment

    def of(self, uid: str, where: str) -> int:
        had = self._old.get(uid)
        if had and had[0] == where:
            return int(had[1])
        place = self._free.get(where, 0)
        while (where, place) in self._taken:
            place += 1
        self._free[where] = place
        self._taken.add((where, place))
        return place


def _nodes(objects: Snapshot, facts: Facts) -> Picture:
    on: dict[str, list[Obj]] = {}
    for pod in objects.get("Pod", ()):
        on.setdefault(pod["spec"].get("nodeName", ""), []).append(pod)
    names = sorted(objects.get("Node", ()), key=lambda node: natural(node["metadata"]["name"]))[:CARDS]
    return {
        node["metadata"]["name"]: node_card(
            node, on.get(node["metadata"]["name"], []), facts.now, facts.speed, facts.off
        )
        | {"order": order}
        for order, node in enumerate(names)
    }
