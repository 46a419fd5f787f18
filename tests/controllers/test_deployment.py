from __future__ import annotations

from typing import Any

from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj, condition, is_pod_active, is_pod_ready, key_of
from k8slab.controllers.deployment import DeploymentController
from k8slab.controllers.replicaset import ReplicaSetController
from k8slab.controllers.revisions import REVISION
from tests.controllers.world import Cluster, deployment, names, template


async def start(cluster: Cluster, obj: Obj | None = None) -> Obj:
    cluster.kubelet()
    cluster.run(
        DeploymentController(cluster.client, cluster.clock), ReplicaSetController(cluster.client, cluster.clock)
    )
    cluster.client.create(obj or deployment())
    await cluster.settle()
    return get(cluster)


def get(cluster: Cluster) -> Obj:
    return cluster.client.get("Deployment", "web", "default")


def change(cluster: Cluster, **spec: Any) -> None:
    cluster.client.patch("Deployment", "web", "default", {"spec": spec})


def progressing(obj: Obj) -> tuple[str, str, str]:
    found = condition(obj, "Progressing")
    assert found
    return found["status"], found["reason"], found["message"]


def sizes(cluster: Cluster) -> dict[str, int]:
    sets = cluster.all("ReplicaSet")
    return {rs["metadata"]["annotations"][REVISION]: rs["spec"]["replicas"] for rs in sets}


async def test_create_reads_as_in_kubernetes(cluster: Cluster) -> None:
    web = await start(cluster)
    (rs,) = cluster.all("ReplicaSet")
    name, hash_ = rs["metadata"]["name"], rs["metadata"]["labels"]["pod-template-hash"]
    assert name == f"web-{hash_}"
    assert len(hash_) == 10
    assert rs["spec"]["selector"] == {"matchLabels": {"app": "web", "pod-template-hash": hash_}}
    assert rs["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }
    assert web["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    assert web["status"] == {
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
        "terminatingReplicas": 0, "conditions": web["status"]["conditions"],
    }  # fmt: skip
    available, moved = web["status"]["conditions"]
    assert available["type"] == "Available"
    assert available["message"] == "Deployment has minimum availability."
    assert {"lastUpdateTime", "lastTransitionTime"} <= moved.keys()
    assert progressing(web) == ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    assert cluster.events()[0] == f"Normal ScalingReplicaSet Scaled up replica set {name} from 0 to 2"
    assert sum("SuccessfulCreate Created pod: web-" in event for event in cluster.events()) == 2


async def test_scaling_is_no_rollout(cluster: Cluster) -> None:
    await start(cluster)
    change(cluster, replicas=4)
    await cluster.settle()
    (rs,) = cluster.all("ReplicaSet")
    assert rs["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "4"
    assert f"Normal ScalingReplicaSet Scaled up replica set {rs['metadata']['name']} from 2 to 4" in cluster.events()
    assert progressing(get(cluster))[1] == "NewReplicaSetAvailable"
    change(cluster, replicas=0)
    await cluster.settle()
    assert not cluster.all("Pod")
    assert get(cluster)["status"]["observedGeneration"] == 3


async def test_rolling_update_keeps_its_fences(cluster: Cluster) -> None:
    await start(cluster, deployment(4))
    alive, good = [], []

    def watch(before: Obj | None, after: Obj | None) -> None:
        pods = [pod for pod in cluster.all("Pod") if is_pod_active(pod)]
        alive.append(len(pods))
        good.append(sum(map(is_pod_ready, pods)))

    cluster.client.informer("Pod").subscribe(watch)
    change(cluster, template=template("nginx:1.27"))
    await cluster.settle()
    assert sizes(cluster) == {"1": 0, "2": 4}
    assert max(alive) == 5
    assert min(good) >= 3
    steps = [e.rsplit("from ", 1)[1] for e in cluster.events() if "ScalingReplicaSet" in e]
    assert steps == ["0 to 4", "0 to 1", "4 to 3", "1 to 2", "3 to 2", "2 to 3", "2 to 1", "3 to 4", "1 to 0"]
    assert get(cluster)["status"]["updatedReplicas"] == 4


async def test_bad_image_stops_half_way_and_times_out(cluster: Cluster) -> None:
    await start(cluster, deployment(4))
    await cluster.advance(60)
    change(cluster, template=template("broken"))
    await cluster.settle()
    status = get(cluster)["status"]
    assert sizes(cluster) == {"1": 3, "2": 2}
    assert (status["replicas"], status["updatedReplicas"], status["readyReplicas"]) == (5, 2, 3)
    assert progressing(get(cluster))[1] == "ReplicaSetUpdated"
    await cluster.advance(599)
    assert progressing(get(cluster))[1] == "ReplicaSetUpdated"
    await cluster.advance(3)
    new = next(rs for rs in cluster.all("ReplicaSet") if rs["metadata"]["annotations"][REVISION] == "2")
    why = f'ReplicaSet "{new["metadata"]["name"]}" has timed out progressing.'
    assert progressing(get(cluster)) == ("False", "ProgressDeadlineExceeded", why)


async def test_undo_gives_the_old_set_a_new_revision(cluster: Cluster) -> None:
    await start(cluster, deployment(4))
    change(cluster, template=template("nginx:1.27"))
    await cluster.settle()
    change(cluster, template=template("broken"))
    await cluster.settle()
    cluster.client.patch(
        "Deployment", "web", "default", {"metadata": {"annotations": {"kubernetes.io/change-cause": "undo"}}}
    )
    change(cluster, template=template("nginx:1.27"))
    await cluster.settle()
    assert sizes(cluster) == {"1": 0, "3": 0, "4": 4}
    back = next(rs for rs in cluster.all("ReplicaSet") if rs["metadata"]["annotations"][REVISION] == "4")
    notes = back["metadata"]["annotations"]
    assert notes["deployment.kubernetes.io/revision-history"] == "2"
    assert notes["kubernetes.io/change-cause"] == "undo"
    assert get(cluster)["metadata"]["annotations"][REVISION] == "4"


async def test_recreate_waits_for_the_last_old_pod(cluster: Cluster) -> None:
    await start(cluster, deployment(2, strategy={"type": "Recreate"}))
    cluster.client.log.clear()
    change(cluster, template=template("nginx:1.27"))
    await cluster.settle()
    log = [line for line in cluster.client.log if line.split()[1] in ("Pod", "ReplicaSet")]
    gone = [n for n, line in enumerate(log) if line.startswith("deleted Pod")]
    came = [n for n, line in enumerate(log) if line.startswith("added")]
    assert len(gone) == 2
    assert len(came) == 3  # the ReplicaSet and its two pods
    assert max(gone) < min(came)


async def test_paused_deployment_only_scales(cluster: Cluster) -> None:
    await start(cluster)
    change(cluster, paused=True)
    await cluster.settle()
    assert progressing(get(cluster)) == ("Unknown", "DeploymentPaused", "Deployment is paused")
    change(cluster, template=template("nginx:1.27"), replicas=3)
    await cluster.settle()
    assert sizes(cluster) == {"1": 3}
    assert "updatedReplicas" not in get(cluster)["status"]
    change(cluster, paused=None)
    await cluster.settle()
    assert sizes(cluster) == {"1": 0, "2": 3}


async def test_min_ready_seconds_delays_availability(cluster: Cluster) -> None:
    await start(cluster, deployment(2, minReadySeconds=30))
    await cluster.advance(29)
    assert get(cluster)["status"]["readyReplicas"] == 2
    assert "availableReplicas" not in get(cluster)["status"]
    await cluster.advance(1)
    assert get(cluster)["status"]["availableReplicas"] == 2
    assert progressing(get(cluster))[1] == "NewReplicaSetAvailable"


async def test_old_sets_beyond_the_limit_go(cluster: Cluster) -> None:
    await start(cluster, deployment(1, revisionHistoryLimit=2))
    for n in range(4):
        change(cluster, template=template(f"nginx:{n}"))
        await cluster.settle()
    assert sorted(sizes(cluster)) == ["3", "4", "5"]


async def test_adopts_a_set_that_matches_and_lets_go_of_one_that_does_not(cluster: Cluster) -> None:
    await start(cluster)
    (rs,) = cluster.all("ReplicaSet")
    namespace, name = key_of(rs)
    cluster.client.patch("ReplicaSet", name, namespace, {"metadata": {"ownerReferences": None}})
    await cluster.settle()
    (again,) = cluster.all("ReplicaSet")
    assert again["metadata"]["ownerReferences"][0]["uid"] == get(cluster)["metadata"]["uid"]
    cluster.client.patch("ReplicaSet", name, namespace, {"metadata": {"labels": {"app": "other"}}})
    await cluster.settle()
    released = cluster.client.get("ReplicaSet", name, namespace)
    assert "ownerReferences" not in released["metadata"]


async def test_a_taken_name_is_not_an_end(cluster: Cluster) -> None:
    probe = await start(cluster)
    (rs,) = cluster.all("ReplicaSet")
    cluster.client.delete("Deployment", "web", "default")
    meta = {"labels": {"app": "other"}, "ownerReferences": None}
    spec = {"template": template("other")}
    cluster.client.patch("ReplicaSet", *reversed(key_of(rs)), {"metadata": meta, "spec": spec})
    cluster.client.create(deployment())
    await cluster.settle()
    assert get(cluster)["status"]["collisionCount"] == 1
    assert get(cluster)["status"]["readyReplicas"] == probe["status"]["readyReplicas"]


async def test_refused_replica_set_is_told(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("no more") if obj["kind"] == "ReplicaSet" else None
    web = await start(cluster)
    status, reason, message = progressing(web)
    assert (status, reason) == ("False", "ReplicaSetCreateError")
    assert message.startswith('Failed to create new replica set "web-')
    assert any(e.startswith("Warning ReplicaSetCreateError") for e in cluster.events())
    cluster.client.refuse = lambda obj: None
    await cluster.advance(5)
    assert names(cluster.all("Pod"))


async def test_refused_pods_show_on_the_deployment(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("exceeded quota: small") if obj["kind"] == "Pod" else None
    web = await start(cluster)
    failure = condition(web, "ReplicaFailure")
    assert failure
    assert (failure["reason"], failure["message"]) == ("FailedCreate", "exceeded quota: small")
    cluster.client.refuse = lambda obj: None
    await cluster.advance(5)
    assert condition(get(cluster), "ReplicaFailure") is None
    assert get(cluster)["status"]["readyReplicas"] == 2
