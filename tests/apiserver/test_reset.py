"""What a reset takes and what it leaves."""

from k8slab.api.kinds import KINDS
from k8slab.apiserver import reset
from k8slab.apiserver.bootstrap import bootstrap
from k8slab.apiserver.verbs import Verbs
from k8slab.clock import Clock
from k8slab.store.memory import MemoryStore


def names(verbs, kind):
    return [obj["metadata"]["name"] for obj in verbs.list(KINDS[kind])]


def test_everything_goes_past_finalizers_and_grace():
    verbs = Verbs(MemoryStore(), Clock(), "10.96.0.0/16")
    bootstrap(verbs, "127.0.0.1", 6443)
    verbs.create(KINDS["Namespace"], {"metadata": {"name": "shop"}})
    held = {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
    verbs.create(KINDS["ConfigMap"], held, "shop")
    lease = {"metadata": {"name": "node-1"}, "spec": {"holderIdentity": "node-1"}}
    verbs.create(KINDS["Lease"], lease, "kube-node-lease")
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}}
    verbs.create(KINDS["Pod"], pod, "default")
    deleted = []
    verbs.subscribe(lambda kind, before, after: deleted.append(kind) if after is None else None)
    reset.empty(verbs)
    assert sorted(deleted) == ["ConfigMap", "Namespace", "Pod"]
    assert names(verbs, "Namespace") == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert names(verbs, "Service") == names(verbs, "Endpoints") == names(verbs, "EndpointSlice") == ["kubernetes"]
    assert names(verbs, "Lease") == ["node-1"]


def test_a_node_is_as_new():
    verbs = Verbs(MemoryStore(), Clock(), "10.96.0.0/16")
    bootstrap(verbs, "127.0.0.1", 6443)
    taints = [
        {"key": "dedicated", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
    ]
    labels = {"disk": "ssd", "kubernetes.io/hostname": "node-1", "example.com/kubernetes.io": "x"}
    node = {
        "metadata": {"name": "node-1", "labels": labels, "annotations": {"mine": "1"}},
        "spec": {"podCIDR": "10.244.1.0/24", "unschedulable": True, "taints": taints},
    }
    verbs.create(KINDS["Node"], node)
    reset.empty(verbs)
    after = verbs.get(KINDS["Node"], "node-1")
    assert after["metadata"]["labels"] == {"kubernetes.io/hostname": "node-1"}
    assert [taint["key"] for taint in after["spec"]["taints"]] == ["node.kubernetes.io/not-ready"]
    assert "unschedulable" not in after["spec"]
    assert after["spec"]["podCIDR"] == "10.244.1.0/24"
