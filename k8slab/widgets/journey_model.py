"""The way of one apply as stations, in the order in which it passed them: from the hops a lab wrote down. Pure.

Each station has the object as it stood, what it is compared with, and the moment. `journey_outside.py` makes stations
of what any cluster tells, `journey_picture.py` a picture of either; `trace.py` wrote the hops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from k8slab.api.objects import Obj, controller_of, is_pod_ready

KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod")
SHORT = {"deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet", "po": "Pod"}
API, PROXY, KUBELET = "API server", "kube-proxy", "kubelet"

Hop = Mapping[str, Any]


@dataclass(frozen=True)
class Station:
    """Where the apply was: who had it, what happened, `at` ms, and the object beside an earlier state of it."""

    id: str
    who: str
    title: str
    say: str
    at: float
    obj: Obj | None = None
    base: Obj | None = None  # None: all of it is new
    file: str = ""


def named(what: str) -> tuple[str, str]:
    """Kind and name of "deployment/web". Raises ValueError with a sentence for anything else."""
    word, _, name = what.partition("/")
    kinds = {kind.lower(): kind for kind in KINDS} | {f"{kind.lower()}s": kind for kind in KINDS} | SHORT
    if word.lower() not in kinds or not name:
        raise ValueError(f"A journey is that of an object such as deployment/web, or of a manifest, not of {what!r}.")
    return kinds[word.lower()], name


def pods(hops: Sequence[Hop]) -> list[str]:
    """The pods that were made on the way, the first one first."""
    names = (hop["object"]["metadata"]["name"] for hop in hops if _is(hop, "stored", "Pod"))
    return list(dict.fromkeys(names))


def way(hops: Sequence[Hop], pod: str = "") -> list[Station]:
    """The stations of the apply, and of this pod (else the first). None before a journey has begun."""
    if not hops:
        return []
    root = next((hop["object"] for hop in hops if hop["object"]), None)
    if root is None:
        return []
    pod = pod or next(iter(pods(hops)), "")
    chain = _chain(hops, root, pod)
    found = [*_arriving(hops, root), *_controllers(hops, chain), *_placing(hops, pod), *_starting(hops, pod)]
    return sorted([*found, *_serving(hops, root, pod)], key=lambda station: station.at)


# ---- the API server ------------------------------------------------------------------------------------------------


def _arriving(hops: Sequence[Hop], root: Obj) -> Iterable[Station]:
    request = hops[0]
    who = str(request.get("agent", "")).partition(" ")[0] or "somebody"
    verb = f"{request.get('method', '')} {request.get('path', '')}"
    said = {
        "read": ("The request is read", f"{verb}, from {who}. Token known, body read as a {root['kind']}.",
                 "apiserver/app.py"),
        "defaulted": ("Defaults are filled in", "What you left out gets Kubernetes' own values.", "api/defaults.py"),
        "admitted": ("Admission", "Quotas, limits and the kind's own rules have their say; status is the cluster's.",
                     "apiserver/admission.py"),
        "validated": ("Found valid", "Every value is checked. A mistake would end the way here.", "api/validation.py"),
    }  # fmt: skip
    before: Obj | None = None
    for name, (title, say, file) in said.items():
        if hop := next((hop for hop in hops if hop["hop"] == name), None):
            base = hop.get("before") or hop["object"] if name == "read" else before
            yield Station(name, API, title, say, hop["at"], hop["object"], base, file)
            before = hop["object"]
    if hop := _first(hops, lambda hop: hop["hop"] == "refused"):
        yield Station("refused", API, "Refused", str(hop["message"]), hop["at"], before, before, "api/errors.py")
    if hop := _stored(hops, root):
        revision = hop["object"]["metadata"]["resourceVersion"]
        say = f"It is written down, as revision {revision}. kubectl has its answer; whoever watches hears of it."
        yield Station("stored", API, "Stored", say, hop["at"], hop["object"], before, "store/memory.py")


# ---- the controllers -----------------------------------------------------------------------------------------------


def _chain(hops: Sequence[Hop], root: Obj, pod: str) -> list[Obj]:
    """What came of what: the root as it was stored, all that was made for the pod, the pod."""
    first = {hop["object"]["metadata"]["uid"]: hop["object"] for hop in reversed(hops) if _is(hop, "stored")}
    made = next((obj for obj in first.values() if obj["kind"] == "Pod" and obj["metadata"]["name"] == pod), None)
    if made is None:  # not that far yet
        owned = [obj for obj in first.values() if (controller_of(obj) or {}).get("kind") == root["kind"]]
        made = next((obj for obj in owned if obj["kind"] in KINDS), None)
    chain: list[Obj] = []
    while made is not None:
        chain.insert(0, made)
        made = first.get((controller_of(made) or {}).get("uid", ""))
    return chain


def _controllers(hops: Sequence[Hop], chain: Sequence[Obj]) -> Iterable[Station]:
    for owner, made in pairwise(chain):
        kind, name = owner["kind"], owner["metadata"]["name"]
        who, file = f"{kind} controller", f"controllers/{kind.lower()}.py"
        stored = _stored(hops, made)
        assert stored is not None, "a chain is made of what was stored"
        looked = [hop for hop in _before(hops, stored) if hop["hop"] == "looked" and _about(hop) == (kind, name)]
        if looked:
            say = f"It has watched for this. It reads {name}, and compares it with what there is."
            yield Station(f"looked-{kind}", who, f"The {kind} is looked at", say, looked[-1]["at"], owner, owner, file)
        yield _made(stored, owner, made, who, file)


def _made(stored: Hop, owner: Obj, made: Obj, who: str, file: str) -> Station:
    kind, wished = made["kind"], made["spec"].get("replicas")
    id, title = f"made-{kind}", f"A {kind} is made"
    if before := stored.get("before"):
        say = f"It is to have {wished} pods now."
        return Station(id, who, f"The {kind} is resized", say, stored["at"], made, before, file)
    say = "Made out of the template. Marked is what the template does not have."
    if kind != "Pod" and wished is not None:
        say = f"It is to keep {wished} pods. Marked is what the {owner['kind']} does not have."
    return Station(id, who, title, say, stored["at"], made, _origin(owner, kind), file)


def _origin(owner: Obj, kind: str) -> Obj:
    """What the owner gave to what was made of it."""
    template = owner["spec"].get("template") or {}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, **template, "metadata": template.get("metadata") or {}}
    same = ("replicas", "selector", "template")
    spec = {field: value for field, value in owner["spec"].items() if field in same}
    return {"apiVersion": owner["apiVersion"], "kind": kind, "metadata": {}, "spec": spec}


# ---- one pod -------------------------------------------------------------------------------------------------------


def _placing(hops: Sequence[Hop], pod: str) -> Iterable[Station]:
    bound = _first(hops, lambda hop: _is(hop, "stored", "Pod", pod) and hop["object"]["spec"].get("nodeName"))
    tried = [hop for hop in (_before(hops, bound) if bound else hops) if hop["hop"] == "decided" and _name(hop) == pod]
    decided, who = tried[-1] if tried else None, "Scheduler"
    if decided:
        node, fit, of = decided["node"], decided["fit"], decided["of"]
        say = f"{fit} of {of} nodes would do, and {node} scores best." if node else f"None of {of} nodes would do."
        title = "A node is chosen" if node else "No node would do"
        obj = decided["object"]
        yield Station("decided", who, title, say, decided["at"], obj, obj, "scheduler/decide.py")
    if decided and bound:
        say = f"spec.nodeName says {bound['object']['spec']['nodeName']}. More the scheduler does not do."
        obj, base = bound["object"], decided["object"]
        yield Station("bound", who, "The pod is bound", say, bound["at"], obj, base, "scheduler/loop.py")


def _starting(hops: Sequence[Hop], pod: str) -> Iterable[Station]:
    mine = [hop for hop in hops if hop["object"] and _name(hop) == pod and hop["object"]["kind"] == "Pod"]
    seen: set[str] = set()
    before: Obj | None = None
    for hop in mine:
        station = _step(hop, seen, before)
        if hop["object"]["spec"].get("nodeName"):
            before = hop["object"]
        if station and station.id not in seen:
            seen.add(station.id)
            yield station


def _step(hop: Hop, seen: set[str], before: Obj | None) -> Station | None:
    """What this hop of a pod is on its node, if it is a station."""
    at, obj, name = hop["at"], hop["object"], hop["hop"]
    base = before or obj
    if name == "planned":
        say = f"It compares the pod with what runs on its node, and plans: start {', '.join(hop['start'])}."
        return Station("planned", KUBELET, "The kubelet plans", say, at, obj, base, "kubelet/plan.py")
    if name == "sandbox":
        say = f"The pod has an address, {hop['address']}, before anything runs in it."
        return Station("sandbox", KUBELET, "A place with an address", say, at, obj, base, "kubelet/ground.py")
    if name == "pulled":
        say = f"The image {hop['image']} is on this machine."
        return Station("pulled", KUBELET, "The image is there", say, at, obj, base, "kubelet/launch.py")
    if name == "started":
        who, file = f"Runtime ({hop['runtime']})", f"runtime/{hop['runtime']}.py"
        return Station("started", who, "The container is started", _process(hop), at, obj, base, file)
    if name != "stored" or "planned" not in seen:
        return None
    if is_pod_ready(obj):
        say = "Its readiness probe has passed, or it has none: requests may come."
        return Station("ready", KUBELET, "Status: ready", say, at, obj, base, "kubelet/status.py")
    if any("running" in (one.get("state") or {}) for one in obj["status"].get("containerStatuses") or ()):
        say = "The kubelet writes what it sees: the container runs, and is not ready yet."
        return Station("running", KUBELET, "Status: running", say, at, obj, base, "kubelet/status.py")
    if "started" not in seen:
        say = "The kubelet says that it has taken the pod up."
        return Station("creating", KUBELET, "Status: on its way", say, at, obj, base, "kubelet/status.py")
    return None


def _process(hop: Hop) -> str:
    if hop["runtime"] == "simulated":
        return "Simulated: a record says that it runs, and no process does."
    return f"Container {hop['container']} is process {hop['pid']} of this machine." if hop.get("pid") else "It runs."


# ---- those who hear of it ------------------------------------------------------------------------------------------


def _serving(hops: Sequence[Hop], root: Obj, pod: str) -> Iterable[Station]:
    listed = _first(hops, lambda hop: _is(hop, "stored", "EndpointSlice") and _lists(hop["object"], pod))
    served = _first(hops, lambda hop: hop["hop"] == "served" and _lists(hop["object"], pod))
    ready = _first(hops, lambda hop: _is(hop, "stored", "Pod", pod) and is_pod_ready(hop["object"]))
    if listed:
        earlier = [hop["object"] for hop in _before(hops, listed) if _is(hop, "stored", "EndpointSlice")]
        slice_ = listed["object"]
        service = slice_["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
        say = f"The pod is ready and has the labels Service {service} asks for: its address is listed."
        yield Station("listed", "EndpointSlice controller", "Behind the Service", say, listed["at"], slice_,
                      earlier[-1] if earlier else None, "controllers/endpoints.py")  # fmt: skip
    if served:
        say = f"From now on requests to Service {served['service']} reach this pod."
        yield Station("served", PROXY, "Requests reach it", say, served["at"], served["object"], served["object"],
                      "kubeproxy/proxy.py")  # fmt: skip
    mine = [hop for hop in hops if _is(hop, "stored", root["kind"], root["metadata"]["name"])]
    counted = next((hop for hop in mine if ready and hop["at"] > ready["at"] and _ready_count(hop["object"])), None)
    if counted and root["kind"] != "Pod":
        n, kind = _ready_count(counted["object"]), root["kind"]
        base = [hop["object"] for hop in mine if hop["at"] < counted["at"]][-1]
        say = f"The status of {root['metadata']['name']} says {n} ready. This is what kubectl get shows."
        who, title, file = f"{kind} controller", f"The {kind} counts it", f"controllers/{kind.lower()}.py"
        yield Station("counted", who, title, say, counted["at"], counted["object"], base, file)


def _lists(slice_: Obj, pod: str) -> bool:
    """Whether requests are sent to this pod."""
    return any(
        (one.get("targetRef") or {}).get("name") == pod and (one.get("conditions") or {}).get("ready")
        for one in slice_.get("endpoints") or ()
    )


def _ready_count(obj: Obj) -> int:
    status = obj.get("status") or {}
    return int(status.get("readyReplicas") or status.get("numberReady") or status.get("ready") or 0)


# ---- reading hops --------------------------------------------------------------------------------------------------


def _first(hops: Iterable[Hop], what: Callable[[Hop], object]) -> Hop | None:
    return next((hop for hop in hops if what(hop)), None)


def _before(hops: Sequence[Hop], hop: Hop) -> Sequence[Hop]:
    return hops[: hops.index(hop)]


def _stored(hops: Sequence[Hop], obj: Obj) -> Hop | None:
    return _first(hops, lambda hop: _is(hop, "stored", obj["kind"], obj["metadata"]["name"]))


def _is(hop: Hop, name: str, kind: str = "", of: str = "") -> bool:
    obj = hop["object"]
    return hop["hop"] == name and bool(obj) and kind in ("", obj["kind"]) and of in ("", _name(hop))


def _about(hop: Hop) -> tuple[str, str]:
    return hop.get("kind", ""), hop.get("name", "")


def _name(hop: Hop) -> str:
    return str(((hop["object"] or {}).get("metadata") or {}).get("name", ""))
