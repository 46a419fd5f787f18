"""The picture of one pod's way to a node: who could refuse, who scored what, and how much room each node has.

Pure. What the objects tell is known on every cluster; why a node was chosen only a lab's scheduler tells
(`scheduler/explain.py`). `scheduling.py` asks both, `scheduling_words.py` has the words, `scheduling.js` draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from k8slab.api.objects import Obj, condition, is_terminating, labels_of, natural
from k8slab.api.quantities import milli, value
from k8slab.api.quota import pod_resources
from k8slab.widgets import pod_state
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot
from k8slab.widgets.scheduling_wishes import taint_text
from k8slab.widgets.scheduling_words import FILTERS, SCORES, Why, cores, listed, plural, reasons, short, size, victims

KINDS = ("Pod", "Node", "Event", "PriorityClass")
ZONE = "topology.kubernetes.io/zone"
RESOURCES = {"cpu": "CPU", "memory": "memory"}
FEW = 8  # nodes that are all drawn; of more, the best, and the others in groups
BEST = 4
TELLING = ("Scheduled", "FailedScheduling", "Preempted", "WaitForPodsToBeGone")

Amounts = dict[str, int]
Room = dict[str, tuple[int, int]]  # resource -> (asked for by the pods there, all there is)


# ---- pods ---------------------------------------------------------------------------------------------------------


def pods_of(objects: Snapshot, namespace: str) -> list[Obj]:
    """The namespace's pods that are not over: who waits first, then the newest first."""
    here = [pod for pod in objects.get("Pod", ()) if pod["metadata"].get("namespace") == namespace and not _over(pod)]
    newest = sorted(here, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    return sorted(newest, key=lambda pod: bool(pod["spec"].get("nodeName")))


def listing(choices: Sequence[Picture]) -> Picture:
    """What there is to choose from, in this order."""
    return {each["name"]: each | {"order": order} for order, each in enumerate(choices)}


def choice(pod: Obj) -> Picture:
    """One pod as it stands in the list."""
    state = pod_state.read(pod)
    return {"name": pod["metadata"]["name"], "state": state.state, "word": state.word, "node": node_of(pod)}


def node_of(pod: Obj | None) -> str:
    """The node a pod is on, or nothing."""
    return str(pod["spec"].get("nodeName") or "") if pod else ""


def decided(pod: Obj, events: Sequence[Obj]) -> tuple[str, ...]:
    """What changes whenever the scheduler has decided anew about the pod."""
    nominated = str((pod.get("status") or {}).get("nominatedNodeName") or "")
    stamps = [event["metadata"].get("resourceVersion", "") for event in told_of(pod, events)]
    return (pod["metadata"]["uid"], node_of(pod), nominated, refusal(pod), *stamps)


def refusal(pod: Obj) -> str:
    """Why it has no node, in the scheduler's words, if it has said so."""
    found = condition(pod, "PodScheduled") or {}
    return str(found.get("message") or "") if found.get("status") == "False" else ""


def told_of(pod: Obj, events: Sequence[Obj]) -> list[Obj]:
    """The scheduler's events about the pod, the latest last."""
    uid = pod["metadata"]["uid"]
    mine = [each for each in events if (each.get("involvedObject") or each.get("regarding") or {}).get("uid") == uid]
    return sorted((each for each in mine if each.get("reason") in TELLING), key=lambda each: _last(each))[-2:]


def _last(event: Obj) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def told(pod: Obj, events: Sequence[Obj], why: Why, supposed: bool) -> list[Picture]:
    """What Kubernetes says of it: its events, or what it would say."""
    if supposed:
        return [{"reason": "It would say", "message": why["message"], "count": 1}] if why.get("message") else []
    said = [
        {"reason": str(each["reason"]), "message": str(each.get("message", "")), "count": int(each.get("count") or 1)}
        for each in told_of(pod, events)
    ]
    words = refusal(pod)
    return said or ([{"reason": "PodScheduled: False", "message": words, "count": 1}] if words else [])


def asks(pod: Obj) -> tuple[Amounts, list[Picture]]:
    """What the pod wishes for, as numbers and as words."""
    spec, requests = pod["spec"], pod_resources(pod["spec"], "requests")
    numbers = {"cpu": milli(requests.get("cpu", "0")), "memory": value(requests.get("memory", "0"))}
    said = [
        ("cpu", f"CPU {cores(numbers['cpu'])}" if numbers["cpu"] else ""),
        ("memory", f"memory {size(numbers['memory'])}" if numbers["memory"] else ""),
        ("selector", " and ".join(f"{key}={text}" for key, text in (spec.get("nodeSelector") or {}).items())),
        ("tolerate", ", ".join(map(_tolerated, (t for t in spec.get("tolerations") or () if not _given(t))))),
        ("priority", f"priority class {spec['priorityClassName']}" if spec.get("priorityClassName") else ""),
        ("affinity", "affinity of its own" if spec.get("affinity") else ""),
        ("spread", "a spread of its own" if spec.get("topologySpreadConstraints") else ""),
    ]
    wishes: list[Picture] = [{"what": what, "say": words} for what, words in said if words]
    none = "nothing: neither CPU nor memory is requested"
    return numbers, wishes if wishes else [{"what": "nothing", "say": none}]


def _given(toleration: Obj) -> bool:
    """Every pod gets these two (plugin/pkg/admission/defaulttolerationseconds)."""
    return str(toleration.get("key", "")) in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _tolerated(toleration: Obj) -> str:
    return f"tolerates {taint_text({'key': 'every taint', **toleration}).rstrip(':')}"


# ---- nodes --------------------------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """What a pod takes of a node."""

    node: str  # empty: of none
    uid: str
    cpu: int
    memory: int


def taken(pod: Obj) -> Taken:
    """What it asks for where it is; nothing once it is over."""
    uid = pod["metadata"]["uid"]
    if not node_of(pod) or _over(pod):
        return Taken("", uid, 0, 0)
    requests = pod_resources(pod["spec"], "requests")
    return Taken(node_of(pod), uid, milli(requests.get("cpu", "0")), value(requests.get("memory", "0")))


def rooms(nodes: Sequence[Obj], pods: Iterable[Taken], without: str = "") -> dict[str, Room]:
    """How much of each node its pods ask for, one of them (a uid) left out, and how much there is."""
    used: dict[str, list[int]] = {}
    for each in pods:
        if each.node and each.uid != without:
            sums = used.setdefault(each.node, [0, 0])
            sums[0] += each.cpu
            sums[1] += each.memory
    found: dict[str, Room] = {}
    for node in nodes:
        name, all_ = node["metadata"]["name"], (node.get("status") or {}).get("allocatable") or {}
        cpu, memory = used.get(name, (0, 0))
        found[name] = {"cpu": (cpu, milli(all_.get("cpu", "0"))), "memory": (memory, value(all_.get("memory", "0")))}
    return found


def _space(what: str, used: int, total: int, ask: int) -> Picture:
    """One bar: what others ask for, what this pod asks for, and whether that is too much."""
    said = cores if what == "cpu" else size
    free = max(0, total - used)
    short_ = ask > free
    say = f"{said(free)} free of {said(total)}" if not short_ else f"{said(free)} free, {said(ask)} asked"
    return {"used": used, "total": total, "ask": ask, "short": short_, "say": say}


def _facts(node: Obj, keys: Iterable[str]) -> list[str]:
    """What could matter: cordoned, taints, its zone, and the labels somebody asks for."""
    spec, labels = node["spec"], labels_of(node)
    cordoned = ["cordoned"] if spec.get("unschedulable") else []
    taints = [taint_text(t) for t in spec.get("taints") or () if "unschedulable" not in t["key"]]
    zone = [f"zone {labels[ZONE]}"] if ZONE in labels else []
    asked = [f"{key}={labels[key]}" if key in labels else f"no label {key}" for key in keys]
    return [*cordoned, *taints, *zone, *asked]


def rows(nodes: Sequence[Obj], why: Why, room: Mapping[str, Room], ask: Amounts, keys: Iterable[str] = ()) -> Picture:
    """A row for each node, the chosen one first; of many nodes, groups for those that are alike."""
    verdicts = {each["name"]: each for each in why.get("nodes", ())}
    made = [_row(node, verdicts.get(node["metadata"]["name"]), why, room, ask, keys) for node in nodes]
    made.sort(key=_rank)
    if len(made) > FEW:
        made = [*_grouped(made)]
    return {row["key"]: row | {"order": order} for order, row in enumerate(made)}


def _row(
    node: Obj, verdict: Why | None, why: Why, room: Mapping[str, Room], ask: Amounts, keys: Iterable[str]
) -> Picture:
    name = node["metadata"]["name"]
    clearing = bool(verdict) and why["preemption"]["node"] == name
    row: Picture = {
        "key": name,
        "name": name,
        "verdict": verdict["verdict"] if verdict else "unknown",
        "chosen": bool(verdict) and why.get("node") == name,
        "clearing": clearing,
        "plugin": (verdict or {}).get("plugin", ""),
        "reasons": list((verdict or {}).get("reasons", ())),
        "scores": dict((verdict or {}).get("scores", {})),
        "total": int((verdict or {}).get("total", 0)),
        "room": {what: _space(what, *room[name][what], ask[what]) for what in RESOURCES if name in room},
        "facts": _facts(node, keys) + ([f"{victims(why)} must leave"] if clearing else []),
        "names": [],
    }
    return row | {"word": _word(row)}


def _word(row: Picture) -> str:
    if row["chosen"]:
        return "Chosen"
    if row["clearing"]:
        return "To be cleared"
    return {"fits": "Would do", "refused": "Refused", "not looked at": "Not looked at"}.get(row["verdict"], "")


def _rank(row: Picture) -> tuple[Any, ...]:
    """The chosen first, then by points, then to be cleared, refused, not looked at; node-2 before node-10."""
    place = ("fits", "refused", "not looked at").index(row["verdict"]) if row["verdict"] != "unknown" else 0
    return not row["chosen"], place, -row["total"], not row["clearing"], natural(row["name"])


def _grouped(made: Sequence[Picture]) -> Iterable[Picture]:
    """The best, and whoever stands out; the others by what they have in common."""
    groups: dict[tuple[Any, ...], list[Picture]] = {}
    for place, row in enumerate(made):
        alone = row["chosen"] or row["clearing"] or (row["verdict"] == "fits" and place < BEST)
        kind = (row["name"],) if alone else (row["verdict"], row["plugin"], *row["reasons"])
        groups.setdefault(kind, []).append(row)
    for members in groups.values():
        yield members[0] if len(members) == 1 else _group(members)


def _group(members: Sequence[Picture]) -> Picture:
    first, names = members[0], [row["name"] for row in members]
    free = {what: [row["room"][what] for row in members if what in row["room"]] for what in RESOURCES}
    most = [f"{_freest(what, spaces)} {RESOURCES[what]}" for what, spaces in free.items() if spaces]
    points = [row["total"] for row in members]
    return first | {
        "key": f"group/{first['verdict']}/{first['plugin']}/{'/'.join(first['reasons'])}",
        "name": f"{len(names)} nodes",
        "names": names,
        "room": {},
        "scores": {},
        "facts": [],
        "most": f"at most {' and '.join(most)} free on one of them" if most else "",
        "total": max(points),
        "range": f"{min(points)} to {max(points)} points" if max(points) > min(points) else f"{points[0]} points each",
    }


def _freest(what: str, spaces: Sequence[Picture]) -> str:
    free = max(max(0, space["total"] - space["used"]) for space in spaces)
    return cores(free) if what == "cpu" else size(free)


# ---- the decision -------------------------------------------------------------------------------------------------


def filters(why: Why) -> list[Picture]:
    """Each filter in its turn: how many nodes came to it, and whom it refused."""
    refused: dict[str, list[str]] = {}
    for node in why.get("nodes", ()):
        if node["verdict"] == "refused":
            refused.setdefault(node["plugin"], []).append(node["name"])
    left = sum(node["verdict"] != "not looked at" for node in why.get("nodes", ()))
    steps = []
    for plugin in why.get("filters", ()):
        out = refused.get(plugin, [])
        said = f"{len(out)} out: {listed(out)}" if out else ""
        steps.append({"plugin": plugin, "asks": FILTERS.get(plugin, ""), "of": left, "out": len(out), "say": said})
        left -= len(out)
    return steps


def silent(why: Why) -> str:
    """The filters that had nothing to ask about this pod."""
    return ", ".join(plugin for plugin in FILTERS if why and plugin not in why["filters"])


def scores(why: Why) -> list[Picture]:
    """The scores that said something, with their weights."""
    return [
        {"plugin": plugin, "short": short(plugin), "weight": weight, "prefers": SCORES.get(plugin, ("", ""))[1]}
        for plugin, weight in why.get("weights", {}).items()
    ]


def unexplained(pod: Obj, here: bool) -> tuple[str, str]:
    """The sentence and its reason, for a pod nobody has explained; `here`: in a lab, whose scheduler might."""
    name, node, gates = pod["metadata"]["name"], node_of(pod), pod["spec"].get("schedulingGates")
    if node:
        lost = "The lab's scheduler remembers its latest 200 decisions, and not this one." if here else ""
        return f"**{name}** is on **{node}**.", lost
    if gates:
        return f"**{name}** is held back.", f"It is not to be placed before its gate {gates[0]['name']} is taken away."
    if words := refusal(pod):
        return f"No node takes **{name}**.", reasons(words)
    return f"**{name}** has not been decided upon yet.", ""


def counted(why: Why) -> str:
    """In a few words: how many nodes, and how many of them would do."""
    verdicts = Counter(node["verdict"] for node in why.get("nodes", ()))
    fits, refused, unseen = (verdicts[word] for word in ("fits", "refused", "not looked at"))
    return f"{plural(sum(verdicts.values()), 'node')}: {fits} would do, {refused} refused" + (
        f", {unseen} not looked at" if unseen else ""
    )


def _over(pod: Obj) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return ended or (is_terminating(pod) and not node_of(pod))
