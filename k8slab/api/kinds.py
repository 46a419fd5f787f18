"""The table of kinds: one row each. A new kind is a row here, its rules rows in `defaults.py` and `validation.py`.

Read by everything that is generic over kinds: the API server's routes, discovery, OpenAPI, the store's folders,
the garbage collector. Rows are what a real 1.36 lists under `/apis`. Structure lies next door, in `schema.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    verbs: tuple[str, ...] = VERBS
    generation: bool = False  # metadata.generation counts the changes of what was wished
    selectable: tuple[str, ...] = ()  # field selectors beyond metadata.name and metadata.namespace

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


@dataclass(frozen=True)
class Subresource:
    """What discovery says of one: whose kind it takes and gives, and its verbs."""

    verbs: tuple[str, ...]
    kind: str = ""  # its parent's, when empty
    group: str = ""
    version: str = ""


RMW = ("get", "patch", "update")
SUBRESOURCES = {
    "binding": Subresource(("create",), "Binding"),
    "finalize": Subresource(("update",)),
    "log": Subresource(("get",)),
    "scale": Subresource(RMW, "Scale", "autoscaling", "v1"),
    "status": Subresource(RMW),
}

_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
    "reason", "reportingComponent", "source", "type",
)  # fmt: skip
_POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
    "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
)  # fmt: skip

ROWS = (
    Kind("", "v1", "ConfigMap", "configmaps", short=("cm",)),
    Kind("", "v1", "Endpoints", "endpoints", short=("ep",)),
    Kind("", "v1", "Event", "events", short=("ev",), selectable=_EVENT_FIELDS),
    Kind(
        "", "v1", "Namespace", "namespaces", namespaced=False, short=("ns",), subresources=("finalize", "status"),
        verbs=tuple(v for v in VERBS if v != "deletecollection"), selectable=("status.phase",),
    ),
    Kind("", "v1", "Node", "nodes", namespaced=False, short=("no",), subresources=("status",),
         selectable=("spec.unschedulable",)),
    Kind("", "v1", "Pod", "pods", short=("po",), categories=("all",), subresources=("binding", "log", "status"),
         generation=True, selectable=_POD_FIELDS),
    Kind("", "v1", "Service", "services", short=("svc",), categories=("all",), subresources=("status",),
         selectable=("spec.clusterIP", "spec.type")),
    Kind("apps", "v1", "Deployment", "deployments", short=("deploy",), categories=("all",),
         subresources=("scale", "status"), generation=True),
    Kind("apps", "v1", "ReplicaSet", "replicasets", short=("rs",), categories=("all",),
         subresources=("scale", "status"), generation=True, selectable=("status.replicas",)),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", generation=True),
)  # fmt: skip

KINDS: dict[str, Kind] = {row.kind: row for row in ROWS}
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
