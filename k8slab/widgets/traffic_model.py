"""Traffic's picture: a Service, the pods behind it, and what became of the requests. What it says is decided here.

Pure. `traffic.py` hands in the cluster's objects and the counts (`tally.py`); `traffic.js` draws what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from k8slab.api.objects import Obj, is_terminating, labels_of
from k8slab.api.selectors import from_labels
from k8slab.widgets import pod_state, versions
from k8slab.widgets.board_model import app_of, chain, short_id
from k8slab.widgets.board_wishes import age_order
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot
from k8slab.widgets.tally import Row, Tally

KINDS = ("Service", "EndpointSlice", "Pod", "ReplicaSet", "Deployment")
OWNERS = ("ReplicaSet", "Deployment")
DRAWN = 12  # pods with a row of their own; the rest is summed up
AFTERGLOW = 10.0  # s for which a failure is told
ROW = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"


@dataclass(frozen=True)
class Sending:
    """How requests are sent: how many a second, whether they are now, how they get there, from whom."""

    rate: float
    on: bool
    path: str
    direct: bool
    cookies: bool
    late: int = 0
    why_not: str = ""  # nothing is sent, and this is why


@dataclass(frozen=True)
class Behind:
    """A Service and the pods it selects, oldest first; `serving` are the names of those it sends requests to."""

    service: Obj | None
    pods: Sequence[Obj]
    serving: frozenset[str]
    owners: Mapping[str, Obj]


def behind(objects: Snapshot, name: str, namespace: str) -> Behind:
    """What stands behind a Service now."""
    owners = {obj["metadata"]["uid"]: obj for kind in OWNERS for obj in objects.get(kind, ())}
    service = next((obj for obj in objects.get("Service", ()) if _is(obj, name, namespace)), None)
    chosen = from_labels(service["spec"].get("selector") if service else None)
    pods = [
        pod
        for pod in objects.get("Pod", ())
        if pod["metadata"].get("namespace") == namespace and chosen.matches(labels_of(pod))
    ]
    return Behind(service, sorted(pods, key=age_order), _serving(objects, name, namespace), owners)


def version_keys(pods: Sequence[Obj], owners: Mapping[str, Obj]) -> dict[str, str]:
    """Pod name -> the key of its version (`versions.py`)."""
    return {pod["metadata"]["name"]: versions.key(app_of(pod, chain(pod, owners)), pod) for pod in pods}


def picture(there: Behind, known: versions.Versions, tally: Tally, sending: Sending, now: float) -> Picture:
    """The view as it should look now. `known` are the versions by key, those of `there.pods` among them."""
    keys = version_keys(there.pods, there.owners)
    rows = [_pod(pod, there, known[keys[pod["metadata"]["name"]]], tally) for pod in there.pods]
    rows = [row | {"order": order} for order, row in enumerate(_most(rows))]
    serving = sum(bool(row["serving"]) for row in rows)
    nobody = tally.pods.get("")
    return {
        "service": _service(there, serving, len(there.pods)),
        "pods": {row["uid"]: row for row in rows[:DRAWN]},
        "more": max(0, len(rows) - DRAWN),
        "versions": _versions(known, keys, tally),
        "nobody": _counts(nobody) if nobody else {},
        "sum": _counts(tally.all) | {"late": sending.late},
        "reasons": dict(tally.reasons.most_common(4)),
        "rate": sending.rate,
        "on": sending.on,
        "path": sending.path,
        "cookies": sending.cookies,
        "through": "direct" if sending.direct else "proxy",
        "say": _say(there, serving, tally, sending, now),
    }


def _most(rows: Sequence[Picture]) -> list[Picture]:
    """Oldest first; when they are too many, those that serve before those that do not."""
    return [*rows] if len(rows) <= DRAWN else sorted(rows, key=lambda row: not row["serving"])


def _pod(pod: Obj, there: Behind, version: Picture, tally: Tally) -> Picture:
    name, state = pod["metadata"]["name"], pod_state.read(pod)
    serving = name in there.serving
    row = tally.pods.get(name)
    return {
        "uid": pod["metadata"]["uid"],
        "name": name,
        "id": short_id(pod, chain(pod, there.owners)) or name,
        "state": state.state,
        "word": state.word,
        "why": "" if serving else _left_out(state),
        "serving": serving,
        "node": pod["spec"].get("nodeName", ""),
        "version": version["name"],
        "cat": version["cat"],
        **_counts(row or Row()),
    }


def _left_out(state: pod_state.PodState) -> str:
    """Why the Service sends it nothing, in a sentence."""
    told = {
        "ready": "Ready. The Service is about to learn of it.",
        "notready": "Its readiness probe fails: the Service leaves it out.",
        "starting": "Starting.",
        "pending": "Waits for a node.",
        "terminating": "Stopping: it gets no new requests.",
        "done": "Its work is done.",
        "unknown": "Its node does not answer: the Service leaves it out.",
    }
    return told.get(state.state, f"{state.word}: the Service leaves it out.")


def _service(there: Behind, serving: int, pods: int) -> Picture:
    if there.service is None:
        return {"found": False, "serving": 0, "pods": 0}
    spec, meta = there.service["spec"], there.service["metadata"]
    address, ports = spec.get("clusterIP") or "", spec.get("ports") or [{}]
    return {
        "found": True,
        "address": "headless" if address == "None" else f"{address}:{ports[0].get('port', '')}",
        "type": spec.get("type", "ClusterIP"),
        "sticky": spec.get("sessionAffinity") == "ClientIP",
        "ns": meta.get("namespace", ""),
        "serving": serving,
        "pods": pods,
    }


def _versions(known: versions.Versions, keys: Mapping[str, str], tally: Tally) -> Picture:
    """By key: the versions that answered or stand behind the Service."""
    shown = [*dict.fromkeys([*(key for key in tally.versions if key in known), *keys.values()])]
    return {
        key: {"name": known[key]["name"], "cat": known[key]["cat"], **_counts(tally.versions.get(key) or Row())}
        for key in shown
    }


def _counts(row: Row) -> Picture:
    return {"answered": row.answered, "failed": row.failed, "half": row.within(0.5), "p95": row.within(0.95)}


def _say(there: Behind, serving: int, tally: Tally, sending: Sending, now: float) -> str:
    if there.service is None:
        return "There is no such Service. When there is one, its traffic begins."
    if sending.why_not:
        return sending.why_not
    failure = tally.last_failure()
    if failure and now - failure[0] < AFTERGLOW:
        return _failed(there, tally, failure)
    if not serving:
        return "No ready pod stands behind the Service: nobody can answer."
    if sending.on and sending.late:
        return "The pods answer too slowly for this rate: some requests fell due and were not sent."
    if sending.on:
        return "All requests are answered." if not tally.all.failed else "Requests are answered again."
    return "No requests are sent now." if sending.rate == 0 else "Requests are sent while somebody looks."


def _failed(there: Behind, tally: Tally, failure: tuple[float, str, str]) -> str:
    _, why, pod = failure
    count = tally.all.failed
    many = "One request failed" if count == 1 else f"{count} requests failed"
    at = f" at {pod}" if pod else ""
    leaving = next((p["metadata"]["name"] for p in there.pods if is_terminating(p)), "")
    meanwhile = f", while {leaving} was stopping" if leaving and pod in ("", leaving) else ""
    return f"{many}. The last{at}: {why}{meanwhile}."


def _serving(objects: Snapshot, name: str, namespace: str) -> frozenset[str]:
    label = "kubernetes.io/service-name"
    return frozenset(
        endpoint["targetRef"]["name"]
        for found in objects.get("EndpointSlice", ())
        if found["metadata"].get("namespace") == namespace and labels_of(found).get(label) == name
        for endpoint in found.get("endpoints") or ()
        if endpoint.get("targetRef") and (endpoint.get("conditions") or {}).get("ready") is not False
    )


def _is(obj: Obj, name: str, namespace: str) -> bool:
    return bool(obj["metadata"]["name"] == name and obj["metadata"].get("namespace") == namespace)


def text(name: str, told: Picture) -> str:
    """The picture in plain words."""
    lines = [f"Traffic to {name}: {_line(told['sum'])}. {told['say']}"]
    lines += [f"  {pod['id']} {pod['version']} {pod['word']}: {_line(pod)}" for pod in _ordered(told["pods"])]
    lines += [f"  version {one['name']}: {_line(one)}" for one in told["versions"].values()]
    return "\n".join(lines)


def html(name: str, told: Picture) -> str:
    """A table that stands in a page without a kernel."""
    head = ROW.replace("td", "th").format("pod", "version", "state", "answered", "half within", "failed")
    body = "".join(
        ROW.format(escape(pod["id"]), escape(pod["version"]), pod["word"], *_cells(pod))
        for pod in _ordered(told["pods"])
    )
    total = ROW.format("all", "", "", *_cells(told["sum"]))
    caption = f"Traffic to {escape(name)}, as it stood: {escape(told['say'])}"
    return f"<table><caption style='text-align:left'>{caption}</caption>{head}{body}{total}</table>"


def _line(row: Picture) -> str:
    return f"{row['answered']} answered, {row['failed']} failed, half within {row['half']} ms"


def _cells(row: Picture) -> list[str]:
    return [str(row["answered"]), f"{row['half']} ms", str(row["failed"])]


def _ordered(pods: Picture) -> list[Picture]:
    return sorted(pods.values(), key=lambda pod: pod["order"])
