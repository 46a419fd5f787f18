from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj, labels_of
from k8slab.clock import VirtualClock, to_timestamp
from k8slab.controllers.garbage import GarbageCollector
from k8slab.controllers.stateful_plan import Versions, plan
from k8slab.controllers.stateful_pods import marked
from k8slab.controllers.statefulset import StatefulSetController
from tests.controllers.world import Cluster, names, pod, stateful_set, template

CLOCK = VirtualClock()
DB = Versions("db-old", "db-new")
CLAIM = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}


def at_rest(number: int, revision: str = "db-new", **fields: Any) -> Obj:
    """A pod that is well, unless `fields` say otherwise."""
    made = marked(stateful_set(), pod(f"db-{number}", "node-1", ready=True, app="db"), revision)
    made["status"] |= {key: value for key, value in fields.items() if key == "phase"}
    if fields.get("ready_for") is not None:
        made["status"]["conditions"][0]["lastTransitionTime"] = to_timestamp(CLOCK.time() - fields["ready_for"])
    if fields.get("ill"):
        made["status"]["conditions"][0]["status"] = "False"
    if fields.get("going"):
        made["metadata"]["deletionTimestamp"] = CLOCK.timestamp()
    return made


def steps(set_: Obj, *pods: Obj, versions: Versions = DB) -> list[str]:
    """What is to be done, without what only looks at claims."""
    found = plan(set_, list(pods), versions, CLOCK)
    return [f"{s.verb} {s.ordinal} {s.revision}".strip() for s in found if s.verb not in ("owners", "claims")]


def parallel(replicas: int = 3, **spec: Any) -> Obj:
    return stateful_set(replicas, podManagementPolicy="Parallel", **spec)


def partition(at: int) -> Any:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": at}}


@pytest.mark.parametrize(
    ("set_", "pods", "expected"),
    [
        # one after the other, and only once the one before is ready
        (stateful_set(), [], ["create 0 db-new"]),
        (stateful_set(), [at_rest(0, ill=True)], []),
        (stateful_set(), [at_rest(0)], ["create 1 db-new"]),
        (stateful_set(), [at_rest(0), at_rest(2)], ["create 1 db-new"]),
        (stateful_set(), [at_rest(0), at_rest(1, going=True)], []),
        (stateful_set(minReadySeconds=10), [at_rest(0, ready_for=9)], []),
        (stateful_set(minReadySeconds=10), [at_rest(0, ready_for=10)], ["create 1 db-new"]),
        # all at once
        (parallel(), [], ["create 0 db-new", "create 1 db-new", "create 2 db-new"]),
        (parallel(), [at_rest(1, ill=True)], ["create 0 db-new", "create 2 db-new"]),
        # what has ended comes again
        (stateful_set(), [at_rest(0, phase="Failed"), at_rest(1)], ["delete 0"]),
        (stateful_set(), [at_rest(0, phase="Succeeded"), at_rest(1)], ["delete 0"]),
        (stateful_set(), [at_rest(0, phase="Failed", going=True)], []),
        # fewer: from the top, one by one, none while another is ill
        (stateful_set(1), [at_rest(0), at_rest(1), at_rest(2)], ["delete 2"]),
        (stateful_set(1), [at_rest(0), at_rest(1), at_rest(2, going=True)], []),
        (stateful_set(1), [at_rest(0, ill=True), at_rest(1), at_rest(2)], []),
        (stateful_set(1), [at_rest(0), at_rest(1, ill=True), at_rest(2)], ["delete 2"]),
        (stateful_set(1), [at_rest(0), at_rest(1), at_rest(2, ill=True)], ["delete 2"]),
        (stateful_set(1), [at_rest(0), at_rest(1, ill=True), at_rest(2, ill=True)], []),
        (parallel(1), [at_rest(0, ill=True), at_rest(1), at_rest(2)], ["delete 2", "delete 1"]),
        (stateful_set(0), [at_rest(0)], ["delete 0"]),
        # updates: from the top, each waits for the one before
        (stateful_set(), [at_rest(n, "db-old") for n in range(3)], ["replace 2"]),
        (stateful_set(), [at_rest(0, "db-old"), at_rest(1, "db-old"), at_rest(2)], ["replace 1"]),
        (stateful_set(), [at_rest(0, "db-old"), at_rest(1, "db-old"), at_rest(2, ill=True)], []),
        (stateful_set(), [at_rest(0), at_rest(1), at_rest(2)], []),
        (stateful_set(updateStrategy={"type": "OnDelete"}), [at_rest(n, "db-old") for n in range(3)], []),
        (stateful_set(updateStrategy=partition(2)), [at_rest(n, "db-old") for n in range(3)], ["replace 2"]),
        (stateful_set(updateStrategy=partition(2)), [at_rest(0, "db-old"), at_rest(1, "db-old"), at_rest(2)], []),
        (stateful_set(updateStrategy=partition(9)), [at_rest(n, "db-old") for n in range(3)], []),
        # a broken update: an ordered set waits for its broken pod for ever, a parallel one replaces it
        (stateful_set(), [at_rest(0), at_rest(1), at_rest(2, "db-old", ill=True)], []),
        (parallel(), [at_rest(0), at_rest(1), at_rest(2, "db-old", ill=True)], ["replace 2"]),
        # what is made anew below the partition is of the old version
        (stateful_set(updateStrategy=partition(1)), [], ["create 0 db-old"]),
        (stateful_set(updateStrategy=partition(1)), [at_rest(0)], ["create 1 db-new"]),
        (stateful_set(updateStrategy={"type": "OnDelete"}), [], ["create 0 db-new"]),
        # numbers may start elsewhere
        (stateful_set(1, ordinals={"start": 5}), [at_rest(0)], ["create 5 db-new"]),
        (stateful_set(1, ordinals={"start": 5}), [at_rest(0), at_rest(5)], ["delete 0"]),
    ],
)  # fmt: skip
def test_what_comes_next(set_: Obj, pods: list[Obj], expected: list[str]) -> None:
    assert steps(set_, *pods) == expected


def test_lost_labels_come_back_and_a_set_that_goes_does_nothing() -> None:
    bare = pod("db-0", "node-1", ready=True, app="db")
    assert steps(stateful_set(1), bare) == ["mark 0", "replace 0"]  # without a revision it is of none
    going = stateful_set(3)
    going["metadata"]["deletionTimestamp"] = CLOCK.timestamp()
    assert steps(going) == []


async def start(cluster: Cluster, **spec: Any) -> None:
    cluster.kubelet()
    cluster.run(StatefulSetController(cluster.client, cluster.clock))
    cluster.client.create(stateful_set(**spec))
    await cluster.settle()


def status(cluster: Cluster) -> Obj:
    found: Obj = cluster.client.get("StatefulSet", "db", "default")["status"]
    return found


def images(cluster: Cluster) -> dict[str, str]:
    return {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in cluster.all("Pod")}


def pod_lines(cluster: Cluster) -> list[str]:
    return [line for line in cluster.client.log if " Pod " in line and not line.startswith("modified")]


async def change(cluster: Cluster, **spec: Any) -> None:
    cluster.client.patch("StatefulSet", "db", "default", {"spec": spec})
    await cluster.settle()


async def test_pods_come_in_order_with_names_labels_and_a_revision(cluster: Cluster) -> None:
    await start(cluster)
    assert pod_lines(cluster) == ["added Pod db-0", "added Pod db-1", "added Pod db-2"]
    revision = cluster.all("ControllerRevision")[0]
    one = cluster.client.get("Pod", "db-1", "default")
    assert one["spec"]["hostname"] == "db-1"
    assert one["spec"]["subdomain"] == "db"
    assert "generateName" not in one["metadata"]
    assert labels_of(one) == {
        "app": "db",
        "statefulset.kubernetes.io/pod-name": "db-1",
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision["metadata"]["name"],
    }
    hash_ = labels_of(revision)["controller.kubernetes.io/hash"]
    assert revision["metadata"]["name"] == f"db-{hash_}"
    assert revision["revision"] == 1
    assert revision["data"]["spec"]["template"]["$patch"] == "replace"
    assert status(cluster) == {
        "observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3,
        "availableReplicas": 3, "currentRevision": f"db-{hash_}", "updateRevision": f"db-{hash_}", "collisionCount": 0,
    }  # fmt: skip
    assert cluster.events() == [
        f"Normal SuccessfulCreate Create Pod db-{n} in StatefulSet db successful" for n in range(3)
    ]


async def test_an_update_goes_from_the_top_and_back_again_without_a_new_revision(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.log.clear()
    first = status(cluster)["currentRevision"]
    await change(cluster, template=template("redis:8", app="db"))
    assert pod_lines(cluster) == [f"{what} Pod db-{n}" for n in (2, 1, 0) for what in ("deleted", "added")]
    assert set(images(cluster).values()) == {"redis:8"}
    second = status(cluster)["currentRevision"]
    assert second != first
    assert status(cluster)["updateRevision"] == second
    await change(cluster, template=template("redis:7", app="db"))
    assert status(cluster)["currentRevision"] == first
    numbers = {r["metadata"]["name"]: r["revision"] for r in cluster.all("ControllerRevision")}
    assert numbers == {first: 3, second: 2}


async def test_a_partition_holds_the_old_version_even_for_pods_made_anew(cluster: Cluster) -> None:
    await start(cluster, updateStrategy=partition(2))
    await change(cluster, template=template("redis:8", app="db"))
    assert images(cluster) == {"db-0": "redis:7", "db-1": "redis:7", "db-2": "redis:8"}
    cluster.client.delete("Pod", "db-0", "default")
    cluster.client.delete("Pod", "db-2", "default")
    await cluster.settle()
    assert images(cluster) == {"db-0": "redis:7", "db-1": "redis:7", "db-2": "redis:8"}
    told = status(cluster)
    assert (told["currentReplicas"], told["updatedReplicas"]) == (2, 1)
    assert told["currentRevision"] != told["updateRevision"]
    await change(cluster, updateStrategy=partition(0))
    assert set(images(cluster).values()) == {"redis:8"}
    assert status(cluster)["currentRevision"] == told["updateRevision"]


async def test_on_delete_replaces_only_what_somebody_deletes(cluster: Cluster) -> None:
    await start(cluster, updateStrategy={"type": "OnDelete"})
    await change(cluster, template=template("redis:8", app="db"))
    assert set(images(cluster).values()) == {"redis:7"}
    cluster.client.delete("Pod", "db-1", "default")
    await cluster.settle()
    assert images(cluster) == {"db-0": "redis:7", "db-1": "redis:8", "db-2": "redis:7"}


async def test_a_broken_update_stops_at_its_first_pod(cluster: Cluster) -> None:
    await start(cluster)
    await change(cluster, template=template("broken", app="db"))
    assert images(cluster) == {"db-0": "redis:7", "db-1": "redis:7", "db-2": "broken"}
    await change(cluster, template=template("redis:7", app="db"))
    assert images(cluster)["db-2"] == "broken"  # known and documented: delete it by hand
    cluster.client.delete("Pod", "db-2", "default")
    await cluster.settle()
    assert set(images(cluster).values()) == {"redis:7"}


async def test_scaling_down_goes_from_the_top_and_up_from_the_bottom(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.log.clear()
    await change(cluster, replicas=1)
    assert pod_lines(cluster) == ["deleted Pod db-2", "deleted Pod db-1"]
    await change(cluster, replicas=3)
    assert pod_lines(cluster)[2:] == ["added Pod db-1", "added Pod db-2"]
    assert status(cluster)["replicas"] == 3


async def test_min_ready_seconds_between_two_pods(cluster: Cluster) -> None:
    await start(cluster, minReadySeconds=10)
    assert names(cluster.all("Pod")) == ["db-0"]
    assert status(cluster)["availableReplicas"] == 0
    await cluster.advance(9)
    assert names(cluster.all("Pod")) == ["db-0"]
    await cluster.advance(1)
    assert names(cluster.all("Pod")) == ["db-0", "db-1"]
    await cluster.advance(20)
    assert status(cluster)["availableReplicas"] == 3


async def test_history_is_kept_as_long_as_asked(cluster: Cluster) -> None:
    await start(cluster, replicas=1, revisionHistoryLimit=2)
    for version in range(5):
        await change(cluster, template=template(f"redis:{version}", app="db"))
    assert sorted(r["revision"] for r in cluster.all("ControllerRevision")) == [4, 5, 6]


async def test_adopts_a_pod_by_its_name_and_releases_it_by_its_labels(cluster: Cluster) -> None:
    await start(cluster, replicas=1)
    cluster.client.patch("Pod", "db-0", "default", {"metadata": {"ownerReferences": None}})
    cluster.client.create(pod("stranger", "node-1", ready=True, app="db"))
    await cluster.settle()
    assert cluster.client.get("Pod", "db-0", "default")["metadata"]["ownerReferences"][0]["name"] == "db"
    assert "ownerReferences" not in cluster.client.get("Pod", "stranger", "default")["metadata"]
    cluster.client.patch("Pod", "db-0", "default", {"metadata": {"labels": {"app": "mine"}}})
    await cluster.settle()
    assert "ownerReferences" not in cluster.client.get("Pod", "db-0", "default")["metadata"]


async def test_a_refused_pod_is_told_and_tried_again(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("exceeded quota") if obj["kind"] == "Pod" else None
    await start(cluster, replicas=1)
    assert cluster.events()[0] == (
        "Warning FailedCreate Create Pod db-0 in StatefulSet db failed error: exceeded quota"
    )
    cluster.client.refuse = lambda obj: None
    await cluster.advance(60)
    assert names(cluster.all("Pod")) == ["db-0"]


# Storage


def claims(cluster: Cluster) -> dict[str, list[str]]:
    """Each claim and the kinds of its owners."""
    return {
        claim["metadata"]["name"]: [ref["kind"] for ref in claim["metadata"].get("ownerReferences", [])]
        for claim in cluster.all("PersistentVolumeClaim")
    }


async def test_every_pod_has_its_claim_and_finds_it_again(cluster: Cluster) -> None:
    await start(cluster, replicas=2, volumeClaimTemplates=[CLAIM])
    assert claims(cluster) == {"data-db-0": [], "data-db-1": []}
    one = cluster.client.get("PersistentVolumeClaim", "data-db-1", "default")
    assert labels_of(one) == {"app": "db"}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}
    assert cluster.client.get("Pod", "db-1", "default")["spec"]["volumes"] == [volume]
    assert cluster.events()[0] == ("Normal SuccessfulCreate Create Claim data-db-0 Pod db-0 in StatefulSet db success")
    await change(cluster, replicas=1)
    await change(cluster, replicas=2)
    assert (
        cluster.client.get("PersistentVolumeClaim", "data-db-1", "default")["metadata"]["uid"] == one["metadata"]["uid"]
    )


async def test_a_claim_that_is_still_going_is_waited_for(cluster: Cluster) -> None:
    cluster.run(GarbageCollector(cluster.client, cluster.clock, ["StatefulSet", "Pod", "PersistentVolumeClaim"]))
    policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
    await start(cluster, replicas=2, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy)
    hold = {"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}}
    cluster.client.patch("PersistentVolumeClaim", "data-db-1", "default", hold)
    old = cluster.client.get("PersistentVolumeClaim", "data-db-1", "default")["metadata"]["uid"]
    await change(cluster, replicas=1)
    await change(cluster, replicas=2)
    await cluster.advance(5)
    assert names(cluster.all("Pod")) == ["db-0"]
    cluster.client.patch("PersistentVolumeClaim", "data-db-1", "default", {"metadata": {"finalizers": None}})
    await cluster.advance(5)
    assert names(cluster.all("Pod")) == ["db-0", "db-1"]
    assert cluster.client.get("PersistentVolumeClaim", "data-db-1", "default")["metadata"]["uid"] != old


@pytest.mark.parametrize(
    ("scaled", "deleted", "at_rest", "after_scaling", "after_deletion"),
    [
        ("Retain", "Retain", [], {"data-db-0", "data-db-1"}, {"data-db-0", "data-db-1"}),
        ("Delete", "Retain", [], {"data-db-0"}, {"data-db-0"}),
        ("Retain", "Delete", ["StatefulSet"], {"data-db-0", "data-db-1"}, set()),
        ("Delete", "Delete", ["StatefulSet"], {"data-db-0"}, set()),
    ],
)
async def test_retention(
    cluster: Cluster, scaled: str, deleted: str, at_rest: list[str], after_scaling: set[str], after_deletion: set[str]
) -> None:
    kinds = ["StatefulSet", "Pod", "PersistentVolumeClaim", "ControllerRevision"]
    cluster.run(GarbageCollector(cluster.client, cluster.clock, kinds))
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    await start(cluster, replicas=2, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy)
    assert claims(cluster) == {"data-db-0": at_rest, "data-db-1": at_rest}
    await change(cluster, replicas=1)
    await cluster.advance(1)
    assert set(claims(cluster)) == after_scaling
    cluster.client.delete("StatefulSet", "db", "default")
    await cluster.advance(60)
    assert cluster.all("Pod") == []
    assert set(claims(cluster)) == after_deletion
