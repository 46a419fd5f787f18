"""What a learner may break on a node, and what the cluster does about it and when (virtual time)."""

from __future__ import annotations

from k8slab.api.objects import condition, is_pod_active, is_pod_ready, is_terminating
from tests.virtual import VirtualLab, virtual_lab

DISK_TAINT = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}


def ready(lab: VirtualLab, node: str) -> str:
    found = lab.find("Node", node)
    return str((condition(found, "Ready") or {})["status"]) if found else "gone"


def on(lab: VirtualLab, node: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in lab.pods(app="web") if pod["spec"].get("nodeName") == node]


def taints(lab: VirtualLab, node: str) -> list[dict]:
    found = lab.find("Node", node)
    assert found
    return [{"key": t["key"], "effect": t["effect"]} for t in found["spec"].get("taints") or []]


async def test_a_frozen_node_is_given_up_after_its_grace_and_its_pods_after_five_minutes() -> None:
    async with virtual_lab() as lab:
        lab.deployment("web", 3)
        await lab.settle()
        (there,) = on(lab, "node-2")
        lab.kubelets.faults.freeze("node-2", True)
        await lab.after(39)
        assert ready(lab, "node-2") == "True"
        await lab.after(12)
        assert ready(lab, "node-2") == "Unknown"
        assert ("NodeNotReady", "Node is not ready") in lab.events("Pod", there)
        await lab.after(290)
        assert lab.find("Pod", there)
        await lab.after(25)
        assert lab.find("Pod", there) is None  # its kubelet still hears: it ends the pod, as it was told
        assert len([pod for pod in lab.pods(app="web") if is_pod_ready(pod)]) == 3
        lab.kubelets.faults.freeze("node-2", False)
        await lab.settle()
        assert ready(lab, "node-2") == "True"
        assert taints(lab, "node-2") == []


async def test_a_late_heart_that_beats_again_in_time_changes_nothing() -> None:
    async with virtual_lab() as lab:
        lab.deployment("web", 3)
        await lab.settle()
        before = [pod["metadata"]["uid"] for pod in lab.pods(app="web")]
        lab.kubelets.faults.freeze("node-2", True)
        await lab.after(30)
        lab.kubelets.faults.freeze("node-2", False)
        await lab.after(600)
        assert [pod["metadata"]["uid"] for pod in lab.pods(app="web")] == before
        assert ready(lab, "node-2") == "True"


async def test_a_node_cut_off_runs_on_what_the_cluster_has_long_replaced() -> None:
    async with virtual_lab() as lab:
        lab.deployment("web", 3)
        await lab.settle()
        (name,) = on(lab, "node-2")
        uid = (lab.find("Pod", name) or {})["metadata"]["uid"]
        lab.kubelets.faults.partition("node-2", True)
        await lab.after(70)
        assert ready(lab, "node-2") == "Unknown"
        await lab.after(320)
        lost = lab.find("Pod", name)
        assert lost
        assert is_terminating(lost)  # nobody there to confirm its end
        assert len([pod for pod in lab.pods(app="web") if is_pod_ready(pod)]) == 3
        assert [state.phase for state in lab.runtime.containers(uid)] == ["running"]
        lab.kubelets.faults.partition("node-2", False)
        await lab.after(35)
        assert lab.find("Pod", name) is None
        assert lab.runtime.containers(uid) == []
        assert (ready(lab, "node-2"), taints(lab, "node-2")) == ("True", [])


async def test_behind_the_cut_a_crashed_container_is_restarted_and_told_later() -> None:
    async with virtual_lab() as lab:
        lab.pod("one", nodeName="node-2")
        await lab.settle()
        uid = (lab.find("Pod", "one") or {})["metadata"]["uid"]
        lab.kubelets.faults.partition("node-2", True)
        await lab.runtime.signal(lab.runtime.containers(uid)[0].id, 9)
        await lab.after(15)
        assert [state.phase for state in lab.runtime.containers(uid)] == ["exited", "running"]
        assert (lab.find("Pod", "one") or {})["status"]["containerStatuses"][0]["restartCount"] == 0
        lab.pod("late", nodeName="node-2")
        await lab.after(5)
        assert lab.runtime.containers((lab.find("Pod", "late") or {})["metadata"]["uid"]) == []
        lab.kubelets.faults.partition("node-2", False)
        await lab.settle()
        assert (lab.find("Pod", "one") or {})["status"]["containerStatuses"][0]["restartCount"] == 1
        assert (lab.find("Pod", "late") or {})["status"]["phase"] == "Running"


async def test_a_full_disk_keeps_new_pods_away_and_evicts_the_least_important_first() -> None:
    async with virtual_lab(nodes=1) as lab:
        lab.client.create(
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}
        )
        lab.pod("high", priorityClassName="high")
        lab.pod("low")
        lab.pod("critical", priorityClassName="system-node-critical")
        await lab.settle()
        lab.kubelets.faults.fill_disk("node-1", True)
        await lab.settle()
        pressure = condition(lab.find("Node", "node-1") or {}, "DiskPressure") or {}
        assert (pressure["status"], pressure["reason"]) == ("True", "KubeletHasDiskPressure")
        assert taints(lab, "node-1") == [DISK_TAINT]
        low = (lab.find("Pod", "low") or {})["status"]
        said = "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 0. "
        assert (low["phase"], low["reason"], low["message"]) == ("Failed", "Evicted", said)
        assert ("Evicted", said) in lab.events("Pod", "low")
        assert (condition({"status": low}, "DisruptionTarget") or {})["reason"] == "TerminationByKubelet"
        assert is_pod_active(lab.find("Pod", "high") or {})
        await lab.after(10)
        assert (lab.find("Pod", "high") or {})["status"]["reason"] == "Evicted"
        await lab.after(60)
        assert is_pod_active(lab.find("Pod", "critical") or {})
        lab.pod("waits")
        lab.pod("forced", nodeName="node-1")
        await lab.settle()
        assert "untolerated taint" in lab.events("Pod", "waits")[0][1]
        forced = (lab.find("Pod", "forced") or {})["status"]
        assert forced["message"] == "Pod was rejected: The node had condition: [DiskPressure]. "
        lab.kubelets.faults.fill_disk("node-1", False)
        await lab.after(299)
        assert taints(lab, "node-1") == [DISK_TAINT]
        await lab.after(2)
        assert taints(lab, "node-1") == []
        assert (lab.find("Pod", "waits") or {})["status"]["phase"] == "Running"
        assert [reason for reason, _ in lab.events("Node", "node-1") if "Disk" in reason][-2:] == [
            "NodeHasDiskPressure",
            "NodeHasNoDiskPressure",
        ]


async def test_evicted_replicas_are_replaced_elsewhere() -> None:
    async with virtual_lab(nodes=2) as lab:
        lab.deployment("web", 4)
        await lab.settle()
        lab.kubelets.faults.fill_disk("node-1", True)
        await lab.after(30)
        active = [pod for pod in lab.pods(app="web") if is_pod_active(pod)]
        assert [pod["spec"]["nodeName"] for pod in active] == ["node-2"] * 4


async def test_all_is_mended_at_once() -> None:
    async with virtual_lab() as lab:
        lab.kubelets.faults.freeze("node-1", True)
        lab.kubelets.faults.partition("node-2", True)
        lab.kubelets.faults.fill_disk("node-3", True)
        await lab.after(120)
        await lab.kubelets.faults.mend()
        await lab.settle()
        assert [ready(lab, f"node-{n}") for n in (1, 2, 3)] == ["True"] * 3
        assert [taints(lab, f"node-{n}") for n in (1, 2, 3)] == [[], [], []]
