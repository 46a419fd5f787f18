"""A pretended lab whose scheduler is the real one's judgement: for the Scheduling view's tests."""

from __future__ import annotations

from dataclasses import replace

from k8slab.api.objects import key_of
from k8slab.lab.explanations import Explanation, otherwise
from k8slab.scheduler.decide import decide
from k8slab.scheduler.explain import explained
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.preempt import preempt
from k8slab.scheduler.scores import Peers
from k8slab.settings import LabError
from tests.scheduler.world import cache_of
from tests.widgets import cluster
from tests.widgets.cluster import FakeLab, thing


def node(name="node-1", cpu="4", memory="8Gi", taint=None, labels=None, **more):
    made = cluster.node(name, cpu=cpu, memory=memory, **more)
    made["status"]["allocatable"]["pods"] = "110"
    made["metadata"]["labels"] |= {"kubernetes.io/hostname": name} | (labels or {})
    if taint:
        key, _, rest = taint.partition("=")
        said, _, effect = rest.partition(":")
        made["spec"]["taints"] = [{"key": key, "value": said, "effect": effect}]
    return made


def pod(name="web-7d5bc-x2j5h", on="", cpu="500m", memory="256Mi", owner=None, at=cluster.START, **spec):
    state = "ready" if on else "unplaced"
    made = cluster.pod(name, on, state, owner, requests={"cpu": cpu, "memory": memory}, at=at)
    made["spec"] |= spec
    return made


def refused(about, message, count=1):
    """The event that tells why a pod has no node."""
    meta = about["metadata"]
    made = thing("Event", f"{meta['name']}.1", {}, {})
    about_ = {"kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    return made | {"reason": "FailedScheduling", "message": message, "count": count, "involvedObject": about_}


def judged(objects, about):
    """What the scheduler decides about a pod among these objects, as it explains it; the pod itself thought away."""
    uid = about["metadata"]["uid"]
    placed = [o for o in objects if o["kind"] == "Pod" and o["spec"].get("nodeName") and o["metadata"]["uid"] != uid]
    nodes = [o for o in objects if o["kind"] == "Node"]
    cache, spec = cache_of(*nodes, *placed), {k: v for k, v in about["spec"].items() if k != "nodeName"}
    info = PodInfo({**about, "spec": spec})
    groups = (info.usage.group,) if info.usage.group.owner else ()
    decision = decide(info, cache, Peers(groups, cache.zones(groups)))
    if decision.node is None and nodes:
        on = {each["metadata"]["name"]: [p for p in placed if p["spec"]["nodeName"] == each["metadata"]["name"]]
              for each in nodes}  # fmt: skip
        found = preempt(info, cache, decision, on.__getitem__, [])
        if isinstance(found, str):
            decision = replace(decision, preemption=found)
        else:
            victims = tuple(key_of(victim) for victim in found.victims)
            decision = replace(decision, cleared=found.node, victims=victims)
    return explained(decision, [each.name for each in cache.nodes])


class SchedulingLab(FakeLab):
    """A lab that explains. What it was asked is in `asked`."""

    def __init__(self, *objects, **more):
        super().__init__(*objects, **more)
        self.asked = []

    def explain(self, name):
        self.asked.append(("explain", name))
        return Explanation(judged(self.api.all(), self._pod(name)))

    def what_if(self, name, **wishes):
        self.asked.append(("what_if", name, wishes))
        about = otherwise(self._pod(name), **wishes)
        if (chosen := wishes.get("priority_class")) is not None:
            about["spec"]["priority"] = self.api.find("PriorityClass", chosen)["value"] if chosen else 0
        return Explanation(judged(self.api.all(), about), supposed=True)

    def _pod(self, name):
        found = self.api.find("Pod", name)
        if found is None:
            raise LabError(f'pods "{name}" not found.')
        return found


def three():
    """Three nodes, one with a taint; a Deployment's pods crowd on the first, the newest is on the second."""
    web = cluster.deployment(replicas=3)
    rs = cluster.replica_set(owner=web)
    nodes = [
        node("node-1", zone="a", labels={"disk": "ssd"}),
        node("node-2", zone="b"),
        node("node-3", zone="c", taint="gpu=yes:NoSchedule"),
    ]
    pods = [
        pod("web-7d5bc-k4m2x", "node-1", owner=rs, at=cluster.START + 1),
        pod("web-7d5bc-b3v6d", "node-1", owner=rs, at=cluster.START + 2),
        pod("redis-0", "node-2", cpu="1200m", memory="2Gi"),
        pod("web-7d5bc-x2j5h", "node-2", owner=rs, at=cluster.START + 3),
    ]
    high = thing("PriorityClass", "high", {}, {}, namespace="") | {"value": 1000}
    return [*nodes, web, rs, *pods, high]


def waiting():
    """The same, and a pod that wishes for more than any of them has left."""
    big = pod("report-9c2vl", cpu="3200m", memory="512Mi", at=cluster.START + 9)
    why = judged([*three(), big], big)
    return [*three(), big, refused(big, why["message"], 4)]


def many(nodes=50):
    """Fifty nodes: most of them full, some cordoned, some with a taint."""
    made = []
    for number in range(1, nodes + 1):
        made.append(
            node(f"node-{number}", cpu="4", cordoned=number % 10 == 3, taint="gpu=yes:NoSchedule" * (number % 7 == 5))
        )
        if number % 3:
            made.append(pod(f"worker-{number}", f"node-{number}", cpu="3800m"))
        elif number % 2:
            made.append(pod(f"small-{number}", f"node-{number}", cpu="1"))
    return [*made, pod("web-7d5bc-x2j5h", "node-6", cpu="500m")]
