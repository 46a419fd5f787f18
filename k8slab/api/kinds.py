"""The table of kinds: one row each. A new kind is a row here, its rules rows in `defaults.py` and `validation.py`.

Read by everything that is generic over kinds: the API server's routes, discovery, OpenAPI, the store's folders,
the garbage collector. Rows are what a real 1.36 lists under `/apis`. Structure lies next door, in `schema.py`.

A few rows have no objects of their own: HorizontalPodAutoscalers and Events are served in two forms and kept in one
(`conversion.py`), and what is asked rather than kept (access reviews, metrics) is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from k8slab.api.errors import of_resource
from k8slab.api.schema import definition_of

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Kind:
    """A row: where the kind is served, how it may be called, what it can do."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()  # of those in SUBRESOURCES
    kept: Literal["here", "elsewhere", "nowhere"] = "here"  # elsewhere: as the row of KINDS with the same name
    verbs: tuple[str, ...] = VERBS
    generation: bool = False  # metadata.generation counts the changes of what was wished
    selectable: tuple[str, ...] = ()  # field selectors beyond metadata.name and metadata.namespace

    @property
    def stored(self) -> Kind:
        """The row whose objects these are: itself, unless this is a second form of a kind."""
        return KINDS[self.kind] if self.kept == "elsewhere" else self

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def resource(self) -> str:
        """`deployments.apps`: how messages name it, and the store's folder for it."""
        return of_resource(self.group, self.plural)

    @property
    def definition(self) -> str:
        """The id of its structure: `io.k8s.api.apps.v1.Deployment`."""
        return definition_of(self.api_version, self.kind)

    def subresource(self, name: str) -> Subresource:
        """What discovery says of one of its subresources."""
        return SUBRESOURCES.get(f"{self.plural}/{name}") or SUBRESOURCES[name]


@dataclass(frozen=True)
class Subresource:
    """What discovery says of one: whose kind it takes and gives, and its verbs."""

    verbs: tuple[str, ...]
    kind: str = ""  # its parent's, when empty
    group: str = ""
    version: str = ""


RMW = ("get", "patch", "update")
CONNECT = ("create", "get")
ANY = ("create", "delete", "get", "patch", "update")
SUBRESOURCES = {  # by name, or by `plural/name` where kinds differ
    "attach": Subresource(CONNECT, "PodAttachOptions"),
    "binding": Subresource(("create",), "Binding"),
    "ephemeralcontainers": Subresource(RMW),
    "eviction": Subresource(("create",), "Eviction", "policy", "v1"),
    "exec": Subresource(CONNECT, "PodExecOptions"),
    "finalize": Subresource(("update",)),
    "log": Subresource(("get",)),
    "nodes/proxy": Subresource(ANY, "NodeProxyOptions"),
    "pods/proxy": Subresource(ANY, "PodProxyOptions"),
    "portforward": Subresource(CONNECT, "PodPortForwardOptions"),
    "resize": Subresource(RMW),
    "scale": Subresource(RMW, "Scale", "autoscaling", "v1"),
    "services/proxy": Subresource(ANY, "ServiceProxyOptions"),
    "status": Subresource(RMW),
    "token": Subresource(("create",), "TokenRequest", "authentication.k8s.io", "v1"),
}

ALL = ("all",)  # `kubectl get all`
SCALED = ("scale", "status")
_OF_EVENT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT_FIELDS = (
    *(f"involvedObject.{field}" for field in _OF_EVENT), "reason", "reportingComponent", "source", "type",
)  # fmt: skip
_POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
    "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
)  # fmt: skip
_POD_SUBRESOURCES = (
    "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status",
)  # fmt: skip

ROWS = (
    Kind("", "v1", "Binding", "bindings", verbs=("create",), kept="nowhere"),
    Kind("", "v1", "ConfigMap", "configmaps", short=("cm",)),
    Kind("", "v1", "Endpoints", "endpoints", short=("ep",)),
    Kind("", "v1", "Event", "events", short=("ev",), selectable=_EVENT_FIELDS),
    Kind("", "v1", "LimitRange", "limitranges", short=("limits",)),
    Kind(
        "", "v1", "Namespace", "namespaces", namespaced=False, short=("ns",), subresources=("finalize", "status"),
        verbs=tuple(v for v in VERBS if v != "deletecollection"), selectable=("status.phase",),
    ),
    Kind("", "v1", "Node", "nodes", namespaced=False, short=("no",), subresources=("proxy", "status"),
         selectable=("spec.unschedulable",)),
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short=("pvc",), subresources=("status",)),
    Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False, short=("pv",), subresources=("status",)),
    Kind("", "v1", "Pod", "pods", short=("po",), categories=ALL, subresources=_POD_SUBRESOURCES,
         generation=True, selectable=_POD_FIELDS),
    Kind("", "v1", "PodTemplate", "podtemplates", generation=True),
    Kind("", "v1", "ReplicationController", "replicationcontrollers", short=("rc",), categories=ALL,
         subresources=SCALED, generation=True, selectable=("status.replicas",)),
    Kind("", "v1", "ResourceQuota", "resourcequotas", short=("quota",), subresources=("status",)),
    Kind("", "v1", "Secret", "secrets", selectable=("type",)),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", short=("sa",), subresources=("token",)),
    Kind("", "v1", "Service", "services", short=("svc",), categories=ALL, subresources=("proxy", "status"),
         selectable=("spec.clusterIP", "spec.type")),
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind("apps", "v1", "DaemonSet", "daemonsets", short=("ds",), categories=ALL, subresources=("status",),
         generation=True),
    Kind("apps", "v1", "Deployment", "deployments", short=("deploy",), categories=ALL, subresources=SCALED,
         generation=True),
    Kind("apps", "v1", "ReplicaSet", "replicasets", short=("rs",), categories=ALL, subresources=SCALED,
         generation=True, selectable=("status.replicas",)),
    Kind("apps", "v1", "StatefulSet", "statefulsets", short=("sts",), categories=ALL, subresources=SCALED,
         generation=True),
    Kind("events.k8s.io", "v1", "Event", "events", short=("ev",), kept="elsewhere",
         selectable=(*(f"regarding.{field}" for field in _OF_EVENT), "reason", "reportingController", "type")),
    Kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False,
         verbs=("create",), kept="nowhere"),
    Kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False,
         verbs=("create",), kept="nowhere"),
    Kind("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False,
         verbs=("create",), kept="nowhere"),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short=("hpa",), categories=ALL,
         subresources=("status",)),
    Kind("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short=("hpa",), categories=ALL,
         subresources=("status",), kept="elsewhere"),
    Kind("batch", "v1", "CronJob", "cronjobs", short=("cj",), categories=ALL, subresources=("status",),
         generation=True),
    Kind("batch", "v1", "Job", "jobs", categories=ALL, subresources=("status",), generation=True,
         selectable=("status.successful",)),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False, generation=True),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses", short=("ing",), subresources=("status",), generation=True),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short=("pdb",), subresources=("status",),
         generation=True),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False, short=("sc",)),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short=("pc",),
         generation=True),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", generation=True),
    Kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False, verbs=("get", "list"), kept="nowhere"),
    Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", verbs=("get", "list"), kept="nowhere"),
)  # fmt: skip

KINDS: dict[str, Kind] = {row.kind: row for row in ROWS if row.kept == "here"}  # those with objects in the store
BY_PATH: dict[tuple[str, str, str], Kind] = {(row.group, row.version, row.plural): row for row in ROWS}


def group_versions() -> dict[tuple[str, str], list[Kind]]:
    """(group, version) -> its kinds, the core group first, as discovery lists them."""
    found: dict[tuple[str, str], list[Kind]] = {}
    for row in ROWS:
        found.setdefault((row.group, row.version), []).append(row)
    return found


def kind_of(api_version: str, kind: str) -> Kind | None:
    """The row for an object's `apiVersion` and `kind`, if it is one of ours."""
    row = KINDS.get(kind)
    return row if row and row.api_version == api_version else None


def namespaced(rows: Iterable[Kind] = ROWS) -> list[Kind]:
    """The kinds that live in a namespace."""
    return [row for row in rows if row.namespaced]
