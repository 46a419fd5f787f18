"""What is wished and what is, side by side: one wish per Deployment, or whatever else wants a number of pods.

Pure. `board_model.py` puts the wishes into the picture, above the nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from k8slab.api.objects import Obj, controller_of
from k8slab.widgets.delta import Picture

RANK = {"ready": 0, "notready": 1, "starting": 2, "pending": 3, "failed": 4, "unknown": 5, "done": 6, "terminating": 7}


def all_wishes(wishers: Sequence[Obj], tiles: Picture) -> Picture:
    """One, by uid, for each object that wishes for a number of pods and is not itself made by another."""
    wishers = [obj for obj in wishers if not controller_of(obj)]
    mine: dict[tuple[str, str, str], list[str]] = {}
    for uid, tile in tiles.items():
        if tile["owners"]:
            mine.setdefault((*tile["owners"][0], tile["ns"]), []).append(uid)
    return {
        obj["metadata"]["uid"]: _wish(obj, mine.get((obj["kind"], *_name(obj)), []), tiles) | {"order": order}
        for order, obj in enumerate(sorted(wishers, key=age_order))
    }


def _wish(obj: Obj, uids: list[str], tiles: Picture) -> Picture:
    wants = int(obj["spec"].get("replicas", 1))
    name, namespace = _name(obj)
    active = sorted(
        (uid for uid in uids if tiles[uid]["state"] != "terminating"), key=lambda uid: RANK[tiles[uid]["state"]]
    )
    counted = set(active[:wants])
    ready = sum(tiles[uid]["state"] == "ready" for uid in active)
    return {
        "uid": obj["metadata"]["uid"],
        "kind": obj["kind"],
        "name": name,
        "ns": namespace,
        "wants": wants,
        "ready": ready,
        "pods": [uid for uid in uids if uid in counted],
        "more": [uid for uid in uids if uid not in counted],
        "note": _note(obj, uids, tiles),
        "told": _tally(
            wants, [tiles[uid] for uid in uids if uid in counted], [tiles[uid] for uid in uids if uid not in counted]
        ),
        "paused": bool(obj["spec"].get("paused")),
    }


def _tally(wants: int, counted: Sequence[Picture], more: Sequence[Picture]) -> str:
    """The slots in words."""
    said = f"{wants} wished: {_count(counted) or 'none there yet'}."
    return said + (f" Beyond the wish: {_count(more)}." if more else "")


def _count(tiles: Sequence[Picture]) -> str:
    kinds = Counter((tile["version"], tile["word"].lower()) for tile in tiles)
    return ", ".join(f"{number} of {version} {word}" for (version, word), number in kinds.items())


def _note(obj: Obj, uids: list[str], tiles: Picture) -> str:
    """What it is busy with, in a few words; empty when nothing."""
    if obj["metadata"].get("deletionTimestamp"):
        return "being deleted"
    if obj["kind"] != "Deployment" or not uids:
        return ""
    newest = tag = tiles[uids[-1]]["version"]
    new = sum(tiles[uid]["version"] == tag for uid in uids)
    if new == len(uids):
        return "paused" if obj["spec"].get("paused") else ""
    verb = "paused while releasing" if obj["spec"].get("paused") else "releasing"
    return f"{verb} {newest}: {new} of {len(uids)} pods are new"


def _name(obj: Obj) -> tuple[str, str]:
    return obj["metadata"]["name"], obj["metadata"].get("namespace", "")


def age_order(obj: Obj) -> tuple[str, str]:
    """Sorts the oldest first."""
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]
