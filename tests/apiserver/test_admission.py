"""What other objects have to say in a write: through the verbs, in Kubernetes' words."""

from __future__ import annotations

import pytest

from k8slab.api.errors import Forbidden, Invalid
from k8slab.api.kinds import KINDS
from k8slab.api.objects import copy


def make(verbs, kind, name, namespace="default", **fields):
    obj = {"apiVersion": KINDS[kind].api_version, "kind": kind, "metadata": {"name": name}, **fields}
    return verbs.create(KINDS[kind], obj, namespace if KINDS[kind].namespaced else "")


def pod(verbs, name="p", resources=None, **spec):
    container = {"name": "c", "image": "i:1", **({"resources": resources} if resources else {})}
    return make(verbs, "Pod", name, spec={"containers": [container], **spec})


def refused(action, *args, **kwargs):
    with pytest.raises(Forbidden) as caught:
        action(*args, **kwargs)
    return caught.value.message


def limit_range(verbs, **item):
    make(verbs, "LimitRange", "l", spec={"limits": [{"type": "Container", **item}]})


# ---- priorities -----------------------------------------------------------------------------------------------------


def test_a_class_gives_its_number_to_the_pod(verbs):
    make(verbs, "PriorityClass", "high", value=7, preemptionPolicy="Never")
    spec = pod(verbs, priorityClassName="high")["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")
    assert pod(verbs, "q", priorityClassName="system-node-critical")["spec"]["priority"] == 2_000_001_000


def test_without_a_class_the_default_one_counts(verbs):
    assert pod(verbs)["spec"]["priority"] == 0
    make(verbs, "PriorityClass", "usual", value=3, globalDefault=True)
    spec = pod(verbs, "q")["spec"]
    assert (spec["priority"], spec["priorityClassName"]) == (3, "usual")
    assert refused(make, verbs, "PriorityClass", "other", value=1, globalDefault=True) == (
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. '
        "Only one default can exist"
    )


def test_a_priority_that_does_not_agree(verbs):
    assert refused(pod, verbs, priorityClassName="none") == (
        'pods "p" is forbidden: no PriorityClass with name none was found'
    )
    assert refused(pod, verbs, priority=5) == (
        'pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission '
        "controller computed 0 from the given PriorityClass name"
    )


# ---- limit ranges ---------------------------------------------------------------------------------------------------


def test_containers_that_say_nothing_get_the_defaults(verbs):
    limit_range(verbs, default={"cpu": "500m"}, defaultRequest={"cpu": "100m", "memory": "64Mi"})
    made = pod(verbs)
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "100m", "memory": "64Mi"},
    }
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory request for container c; "
        "cpu limit for container c"
    }
    assert made["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("item", "resources", "why"),
    [
        ({"max": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, "maximum cpu usage per Container is 1, but limit is 2"),
        (
            {"min": {"memory": "64Mi"}},
            {"requests": {"memory": "32Mi"}},
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
        ),
        (
            {"type": "Pod", "min": {"cpu": "100m"}, "max": {"cpu": "1"}},
            None,
            "[minimum cpu usage per Pod is 100m.  No request is specified, maximum cpu usage per Pod is 1.  No limit is "
            "specified]",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "1"}, "requests": {"cpu": "250m"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        ),
    ],
)
def test_limits_are_kept(verbs, item, resources, why):
    limit_range(verbs, **item)
    assert refused(pod, verbs, resources=resources) == f'pods "p" is forbidden: {why}'


def test_claims_have_a_size_between(verbs):
    item = {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}
    make(verbs, "LimitRange", "l", spec={"limits": [item]})
    assert refused(claim, verbs, "3Gi") == (
        'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request '
        "is 3Gi"
    )
    assert claim(verbs, "1Gi")


# ---- classes --------------------------------------------------------------------------------------------------------


def claim(verbs, size="1Gi", **spec):
    resources = {"requests": {"storage": size}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": resources, **spec}
    return make(verbs, "PersistentVolumeClaim", "c", spec=spec)


def storage_class(verbs, name, default="true"):
    meta = {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default}}
    obj = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": meta, "provisioner": "p"}
    return verbs.create(KINDS["StorageClass"], obj)


def test_a_claim_without_a_class_gets_the_default_one(verbs):
    storage_class(verbs, "slow", "false")
    storage_class(verbs, "ours")
    made = claim(verbs)
    assert made["spec"]["storageClassName"] == "ours"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert made["status"] == {"phase": "Pending"}


def test_a_claim_may_refuse_a_class(verbs):
    storage_class(verbs, "ours")
    assert claim(verbs, storageClassName="")["spec"]["storageClassName"] == ""


def test_a_claim_grows_only_where_its_class_lets_it(verbs):
    storage_class(verbs, "ours")
    claim(verbs)
    kind = KINDS["PersistentVolumeClaim"]

    def grow(obj):
        return {**obj, "spec": {**obj["spec"], "resources": {"requests": {"storage": "2Gi"}}}}

    bind = lambda obj: {**obj, "status": {"phase": "Bound"}}
    verbs.update(kind, "c", "default", bind, subresource="status")
    assert refused(verbs.update, kind, "c", "default", grow) == (
        'persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the storageclass '
        "that provisions the pvc must support resize"
    )
    verbs.update(KINDS["StorageClass"], "ours", "", lambda obj: {**obj, "allowVolumeExpansion": True})
    assert verbs.update(kind, "c", "default", grow)["spec"]["resources"]["requests"]["storage"] == "2Gi"


# ---- quotas ---------------------------------------------------------------------------------------------------------


def quota(verbs, **spec):
    make(verbs, "ResourceQuota", "q", spec=spec)


def used(verbs):
    return verbs.get(KINDS["ResourceQuota"], "q", "default")["status"].get("used")


def test_what_is_there_already_counts_before_the_controller_has_counted_it(verbs):
    make(verbs, "ConfigMap", "there", data={})
    quota(verbs, hard={"configmaps": "2"})
    make(verbs, "ConfigMap", "one")
    assert refused(make, verbs, "ConfigMap", "two") == (
        'configmaps "two" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: '
        "configmaps=2"
    )


def test_every_write_is_charged_at_once(verbs):
    quota(verbs, hard={"pods": "2", "requests.cpu": "1"})
    found = copy(verbs.get(KINDS["ResourceQuota"], "q", "default"))
    found["status"] = {"hard": found["spec"]["hard"], "used": {"pods": "0", "requests.cpu": "0"}}
    verbs.update(KINDS["ResourceQuota"], "q", "default", lambda _: found, subresource="status")
    asks = {"requests": {"cpu": "600m"}}
    pod(verbs, resources=asks)
    assert used(verbs) == {"pods": "1", "requests.cpu": "600m"}
    assert refused(pod, verbs, "other", resources=asks) == (
        'pods "other" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: '
        "requests.cpu=1"
    )
    assert used(verbs)["pods"] == "1"


def test_a_quota_on_cpu_makes_asking_a_duty(verbs):
    quota(verbs, hard={"limits.memory": "1Gi", "requests.cpu": "1"})
    assert refused(pod, verbs) == (
        'pods "p" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c'
    )


def test_a_scoped_quota_is_about_some_pods(verbs):
    quota(verbs, hard={"pods": "0"}, scopes=["BestEffort"])
    assert pod(verbs, resources={"requests": {"cpu": "1"}})
    assert "exceeded quota" in refused(pod, verbs, "idle")
    make(verbs, "ConfigMap", "free")


def test_a_change_pays_what_it_adds(verbs):
    ports = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    make(verbs, "Service", "s", spec=ports)
    quota(verbs, hard={"services.nodeports": "0"})
    node_port = {"type": "NodePort"}
    service = KINDS["Service"]
    change = lambda obj: {**obj, "spec": obj["spec"] | node_port}
    assert refused(verbs.update, service, "s", "default", change) == (
        'services "s" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=0, '
        "limited: services.nodeports=0"
    )
    relabelled = verbs.update(service, "s", "default", lambda obj: obj["metadata"].update(labels={"a": "b"}) or obj)
    assert relabelled["metadata"]["labels"] == {"a": "b"}


def test_a_dry_run_is_checked_and_not_charged(verbs):
    quota(verbs, hard={"configmaps": "1"})
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    verbs.create(KINDS["ConfigMap"], obj, "default", dry_run=True)
    make(verbs, "ConfigMap", "d")
    assert "exceeded quota" in refused(verbs.create, KINDS["ConfigMap"], obj, "default", dry_run=True)


# ---- what is written without being asked ----------------------------------------------------------------------------


def test_a_job_finds_its_pods_by_its_uid(verbs):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    job = make(verbs, "Job", "once", spec={"template": template})
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert job["spec"]["template"]["metadata"]["labels"] == job["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid, "controller-uid": uid,
        "batch.kubernetes.io/job-name": "once", "job-name": "once",
    }  # fmt: skip


def test_a_job_that_chooses_its_selector_keeps_it(verbs):
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    assert make(verbs, "Job", "mine", spec=copy(spec))["spec"]["template"]["metadata"]["labels"] == {"a": "b"}
    del spec["selector"]
    with pytest.raises(Invalid, match=r"spec\.selector: Required value"):
        make(verbs, "Job", "none", spec=spec)


def test_a_daemon_set_counts_its_templates(verbs):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    kind, note = KINDS["DaemonSet"], "deprecated.daemonset.template.generation"
    make(verbs, "DaemonSet", "d", spec=spec)

    def change(obj):
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
        return obj

    changed = verbs.update(kind, "d", "default", change)
    assert (changed["metadata"]["annotations"][note], changed["metadata"]["generation"]) == ("2", 2)
    slower = verbs.update(kind, "d", "default", lambda obj: {**obj, "spec": obj["spec"] | {"minReadySeconds": 5}})
    assert (slower["metadata"]["annotations"][note], slower["metadata"]["generation"]) == ("2", 3)


def test_a_volume_remembers_since_when_it_is_in_its_phase(verbs):
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    volume = make(verbs, "PersistentVolume", "v", spec=spec)
    assert volume["status"] == {"phase": "Pending", "lastPhaseTransitionTime": verbs.clock.timestamp()}
    verbs.clock._now += 5
    status = {"status": {"phase": "Available", "lastPhaseTransitionTime": "2020-01-01T00:00:00Z"}}
    available = verbs.update(KINDS["PersistentVolume"], "v", "", lambda obj: obj | status, subresource="status")
    assert available["status"]["lastPhaseTransitionTime"] == verbs.clock.timestamp()


def test_a_pod_sent_whole_need_not_repeat_what_the_server_filled_in(verbs):
    pod(verbs, tolerations=[{"key": "gpu", "operator": "Exists"}])
    bare = {"containers": [{"name": "c", "image": "i:2"}], "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    changed = verbs.update(KINDS["Pod"], "p", "default", lambda obj: {**obj, "spec": copy(bare)})
    assert (changed["spec"]["priority"], len(changed["spec"]["tolerations"])) == (0, 3)


def test_a_runtime_class_that_is_not_there(verbs):
    why = 'pods "p" is forbidden: pod rejected: RuntimeClass "gvisor" not found'
    assert refused(pod, verbs, runtimeClassName="gvisor") == why
