from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj, copy, labels_of
from k8slab.clock import VirtualClock
from k8slab.controllers import daemon_plan
from k8slab.controllers.daemon_pods import Place, by_node, new_pod, node_of, places, status_of, tolerations
from k8slab.controllers.daemonset import DaemonSetController
from tests.controllers.world import Cluster, FakeKubelet, daemon_set, names, node, pod, template

CLOCK = VirtualClock()
SICK = {"key": "sick", "effect": "NoExecute"}
CLOSED = {"key": "closed", "effect": "NoSchedule"}
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}


def templated(**spec: Any) -> Obj:
    made = daemon_set()
    made["spec"]["template"]["spec"] |= spec
    return made


def required(*terms: Obj) -> Obj:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [*terms]}}}


IN_ZONE_A = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
NODE_2 = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]}


@pytest.mark.parametrize(
    ("ds", "on", "expected"),
    [
        (daemon_set(), node(), (True, True)),
        (templated(nodeSelector={"disk": "ssd"}), node(), (False, False)),
        (templated(nodeSelector={"disk": "ssd"}), node(disk="ssd"), (True, True)),
        (templated(nodeName="node-2"), node(), (False, False)),
        (templated(nodeName="node-1"), node(), (True, True)),
        (templated(affinity=required(IN_ZONE_A)), node(zone="b"), (False, False)),
        (templated(affinity=required(IN_ZONE_A)), node(zone="a"), (True, True)),
        (templated(affinity=required(IN_ZONE_A, NODE_2)), node("node-2"), (True, True)),
        (templated(affinity=required({})), node(), (False, False)),
        (daemon_set(), node(taints=[CORDONED, UNREACHABLE]), (True, True)),  # a daemon bears these
        (daemon_set(), node(taints=[CLOSED]), (False, True)),  # none comes, one that is there stays
        (daemon_set(), node(taints=[CLOSED, SICK]), (False, False)),
        (daemon_set(), node(taints=[{"key": "better-not", "effect": "PreferNoSchedule"}]), (True, True)),
        (templated(tolerations=[{"key": "closed", "operator": "Exists"}]), node(taints=[CLOSED]), (True, True)),
    ],
)  # fmt: skip
def test_place(ds: Obj, on: Obj, expected: tuple[bool, bool]) -> None:
    assert places(ds, [on]) == {on["metadata"]["name"]: Place(*expected)}


def test_a_pod_is_pinned_to_its_node_and_bears_its_troubles() -> None:
    ds = templated(affinity=required(IN_ZONE_A), tolerations=[{"key": "mine", "operator": "Exists"}])
    ds["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "4"}
    before = copy(ds)
    made = new_pod(ds, "node-2", "abc")
    assert ds == before
    assert node_of(made) == "node-2"
    assert labels_of(made) == {"app": "agent", "controller-revision-hash": "abc", "pod-template-generation": "4"}
    assert made["spec"]["affinity"] == required(NODE_2)
    assert [(t["key"].removeprefix("node.kubernetes.io/"), t.get("effect", "")) for t in made["spec"]["tolerations"]] == [
        ("mine", ""), ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
    ]  # fmt: skip
    assert tolerations({"hostNetwork": True})[-1]["key"] == "node.kubernetes.io/network-unavailable"


def daemon(on: str, version: str = "new", up: bool = True, name: str = "", **fields: Any) -> Obj:
    made = pod(name or f"agent-{on}-{version}", on, ready=up, app="agent")
    made["metadata"]["labels"]["controller-revision-hash"] = version
    if fields.get("going"):
        made["metadata"]["deletionTimestamp"] = CLOCK.timestamp()
    if "phase" in fields:
        made["status"]["phase"] = fields["phase"]
    return made


def pinned(on: str) -> Obj:
    made = daemon(on)
    del made["spec"]["nodeName"]
    made["spec"]["affinity"] = new_pod(daemon_set(), on, "new")["spec"]["affinity"]
    return made


NODES = [node("n1"), node("n2"), node("n3")]


@pytest.mark.parametrize(
    ("ds", "pods", "create", "delete"),
    [
        (daemon_set(), [], ["n1", "n2", "n3"], []),
        (daemon_set(), [pinned("n1"), daemon("n2")], ["n3"], []),  # not yet bound, but for n1
        (daemon_set(), [daemon("n1", going=True), daemon("n2"), daemon("n3")], [], []),  # it waits until that is gone
        (daemon_set(surge=1), [daemon("n1", going=True), daemon("n2"), daemon("n3")], ["n1"], []),
        (daemon_set(), [daemon("n1", going=True, phase="Failed"), daemon("n2"), daemon("n3")], ["n1"], []),
        (daemon_set(), [daemon("n1"), daemon("n1", name="z"), daemon("n2"), daemon("n3")], [], ["z"]),
        (daemon_set(), [daemon(n) for n in ("n1", "n2", "n3")] + [pinned("n9")], [], ["agent-n9-new"]),
        (templated(nodeName="n1"), [daemon("n1"), daemon("n2"), daemon("n3")], [], ["agent-n2-new", "agent-n3-new"]),
        # with surge, old and new stand side by side until the new one is up or the old one ill
        (daemon_set(surge=1), [daemon("n1", "old"), daemon("n1", up=False), daemon("n2"), daemon("n3")], [], []),
        (daemon_set(surge=1), [daemon("n1", "old"), daemon("n1"), daemon("n2"), daemon("n3")], [], ["agent-n1-old"]),
        (daemon_set(surge=1), [daemon("n1", "old", False), daemon("n1", up=False), daemon("n2"), daemon("n3")], [], ["agent-n1-old"]),
    ],
)  # fmt: skip
def test_keep(ds: Obj, pods: list[Obj], create: list[str], delete: list[str]) -> None:
    plan = daemon_plan.keep(ds, NODES, by_node(pods), "new", CLOCK)
    assert (plan.create, names(plan.delete)) == (create, delete)


@pytest.mark.parametrize(
    ("surge", "unavailable", "expected"),
    [(0, 1, (0, 1)), (0, "10%", (0, 1)), ("34%", 0, (2, 0)), (0, "50%", (0, 2)), (0, 0, (0, 1))],
)
def test_limits(surge: Any, unavailable: Any, expected: tuple[int, int]) -> None:
    assert daemon_plan.limits(daemon_set(surge=surge, unavailable=unavailable), 3) == expected


@pytest.mark.parametrize(
    ("ds", "pods", "create", "delete"),
    [
        (daemon_set(), [daemon(n, "old") for n in ("n1", "n2", "n3")], [], ["agent-n1-old"]),
        (daemon_set(unavailable=2), [daemon(n, "old") for n in ("n1", "n2", "n3")], [], ["agent-n1-old", "agent-n2-old"]),
        (daemon_set(), [daemon("n1"), daemon("n2", "old"), daemon("n3", "old")], [], ["agent-n2-old"]),
        (daemon_set(), [daemon("n1", up=False), daemon("n2", "old"), daemon("n3", "old")], [], []),
        (daemon_set(), [daemon("n1", "old", going=True), daemon("n2", "old"), daemon("n3", "old")], [], []),
        (daemon_set(), [daemon("n2", "old"), daemon("n3", "old")], [], []),  # n1 has none
        # old ones that are down cost nothing, however many
        (daemon_set(), [daemon("n1", "old", False), daemon("n2", "old", False), daemon("n3", "old")], [], ["agent-n1-old", "agent-n2-old"]),
        # beside each other, as many as may be too many
        (daemon_set(surge=1, unavailable=0), [daemon(n, "old") for n in ("n1", "n2", "n3")], ["n1"], []),
        (daemon_set(surge=2, unavailable=0), [daemon(n, "old") for n in ("n1", "n2", "n3")], ["n1", "n2"], []),
        (daemon_set(surge=1, unavailable=0), [daemon("n1", "old"), daemon("n1", up=False), daemon("n2", "old"), daemon("n3", "old")], [], []),
        (daemon_set(surge=1, unavailable=0), [daemon("n1", "old", False), daemon("n2", "old"), daemon("n3", "old")], ["n1", "n2"], []),
        (daemon_set(surge=1, unavailable=0), [daemon("n1", "old"), daemon("n1"), daemon("n2", "old"), daemon("n3", "old")], ["n2"], ["agent-n1-old"]),
    ],
)  # fmt: skip
def test_roll(ds: Obj, pods: list[Obj], create: list[str], delete: list[str]) -> None:
    plan = daemon_plan.roll(ds, NODES, by_node(pods), "new", CLOCK)
    assert (plan.create, names(plan.delete)) == (create, delete)


def test_surge_leaves_a_node_only_for_another() -> None:
    """Pods on nodes that no longer fit go when those that do are served."""
    ds = daemon_set(surge=1, unavailable=0)
    ds["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a"}
    nodes = [node("n1"), node("n2", zone="a")]
    alone = by_node([daemon("n1", "old")])
    assert daemon_plan.roll(ds, nodes, alone, "new", CLOCK).delete == []
    served = by_node([daemon("n1", "old"), daemon("n2")])
    assert names(daemon_plan.roll(ds, nodes, served, "new", CLOCK).delete) == ["agent-n1-old"]


def test_status() -> None:
    nodes = [*NODES, node("n4", taints=[CLOSED])]
    pods = by_node([daemon("n1"), daemon("n2", "old", up=False), daemon("n4")])
    assert status_of(daemon_set(), nodes, pods, "new", 0, CLOCK) == {
        "currentNumberScheduled": 2, "numberMisscheduled": 1, "desiredNumberScheduled": 3, "numberReady": 1,
        "observedGeneration": 1, "updatedNumberScheduled": 1, "numberAvailable": 1, "numberUnavailable": 2,
    }  # fmt: skip


class Placing(FakeKubelet):
    """Binds each pod to the node it is for."""

    def step(self, namespace: str, name: str) -> None:
        found = self.client.informer("Pod").get(name, namespace)
        if found and not found["spec"].get("nodeName"):
            self.client.bind(namespace, name, node_of(found))
        else:
            super().step(namespace, name)


async def start(cluster: Cluster, ds: Obj | None = None, nodes: int = 3) -> None:
    for number in range(1, nodes + 1):
        cluster.client.create(node(f"node-{number}"))
    Placing(cluster.client, cluster.clock)
    cluster.run(DaemonSetController(cluster.client, cluster.clock))
    cluster.client.create(ds or daemon_set())
    await cluster.settle()


def status(cluster: Cluster) -> Obj:
    found: Obj = cluster.client.get("DaemonSet", "agent", "default")["status"]
    return found


def inhabited(cluster: Cluster) -> list[str]:
    return sorted(p["spec"]["nodeName"] for p in cluster.all("Pod"))


async def change(cluster: Cluster, **spec: Any) -> None:
    cluster.client.patch("DaemonSet", "agent", "default", {"spec": spec})
    await cluster.settle()


async def test_one_pod_a_node_also_on_the_next_one(cluster: Cluster) -> None:
    await start(cluster)
    assert inhabited(cluster) == ["node-1", "node-2", "node-3"]
    assert status(cluster) == {
        "currentNumberScheduled": 3, "numberMisscheduled": 0, "desiredNumberScheduled": 3, "numberReady": 3,
        "observedGeneration": 1, "updatedNumberScheduled": 3, "numberAvailable": 3,
    }  # fmt: skip
    revision = cluster.all("ControllerRevision")[0]
    hash_ = labels_of(revision)["controller-revision-hash"]
    assert revision["metadata"]["name"] == f"agent-{hash_}"
    assert {labels_of(p)["controller-revision-hash"] for p in cluster.all("Pod")} == {hash_}
    cluster.client.create(node("node-4"))
    await cluster.settle()
    assert inhabited(cluster) == ["node-1", "node-2", "node-3", "node-4"]
    cluster.client.patch("Node", "node-4", "", {"spec": {"taints": [SICK]}})
    await cluster.settle()
    assert inhabited(cluster) == ["node-1", "node-2", "node-3"]


async def test_an_update_takes_one_node_after_the_other_and_back_without_restarts(cluster: Cluster) -> None:
    """Named after Kubernetes' conformance test "should rollback without unnecessary restarts"."""
    await start(cluster)
    cluster.client.log.clear()
    await change(cluster, template=template("busybox:1.37", app="agent"))
    lines = [line.split()[0] for line in cluster.client.log if " Pod " in line and not line.startswith("mod")]
    assert lines == ["deleted", "added"] * 3
    assert {p["spec"]["containers"][0]["image"] for p in cluster.all("Pod")} == {"busybox:1.37"}
    kept = names(cluster.all("Pod"))
    await change(cluster, template=template("broken", app="agent"))
    assert status(cluster)["updatedNumberScheduled"] == 1
    await change(cluster, template=template("busybox:1.37", app="agent"))
    assert len({*kept} & {*names(cluster.all("Pod"))}) == 2  # only the broken one was replaced
    assert sorted(r["revision"] for r in cluster.all("ControllerRevision")) == [1, 3, 4]


async def test_surge_never_leaves_a_node_without(cluster: Cluster) -> None:
    await start(cluster, daemon_set(surge=1, unavailable=0))
    cluster.client.log.clear()
    await change(cluster, template=template("busybox:1.37", app="agent"))
    lines = [line.split()[0] for line in cluster.client.log if " Pod " in line and not line.startswith("mod")]
    assert lines[0] == "added"
    assert sorted(lines) == ["added"] * 3 + ["deleted"] * 3
    assert status(cluster)["updatedNumberScheduled"] == status(cluster)["numberAvailable"] == 3


async def test_on_delete_replaces_only_what_somebody_deletes(cluster: Cluster) -> None:
    await start(cluster, daemon_set(updateStrategy={"type": "OnDelete"}))
    await change(cluster, template=template("busybox:1.37", app="agent"))
    assert status(cluster).get("updatedNumberScheduled", 0) == 0
    cluster.client.delete("Pod", names(cluster.all("Pod"))[0], "default")
    await cluster.settle()
    assert status(cluster)["updatedNumberScheduled"] == 1


async def test_failed_pods_are_replaced_ever_more_slowly(cluster: Cluster) -> None:
    """Kubernetes' conformance test "should retry creating failed daemon pods", and its back-off."""
    await start(cluster, nodes=1)
    moments = []
    for wait in (0, 1, 2, 4):
        name = names(cluster.all("Pod"))[0]
        cluster.client.patch("Pod", name, "default", {"status": {"phase": "Failed"}}, "status")
        await cluster.settle()
        begun = cluster.clock.time()
        while name in names(cluster.all("Pod")):
            await cluster.advance(0.5)
        moments.append(cluster.clock.time() - begun)
        assert moments[-1] == pytest.approx(wait, abs=0.6)
        await cluster.settle()
    assert inhabited(cluster) == ["node-1"]
    said = cluster.events()
    assert any(line.startswith("Warning FailedDaemonPod Found failed daemon pod default/agent-") for line in said)
