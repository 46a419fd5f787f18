"""What the server can do, told to clients: /api, /apis, a list per group version, and all of it in one document.

Made from the rows of `api/kinds.py`; `app.py` serves it. kubectl asks for the aggregated form (KEP-3352) first.
"""

from __future__ import annotations

from k8slab.api.kinds import Kind, group_versions
from k8slab.api.objects import Obj

AGGREGATED = "apidiscovery.k8s.io"


def core_versions(address: str) -> Obj:
    """GET /api."""
    cidr = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": cidr}


def group_list() -> Obj:
    """GET /apis."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name) for name in groups()]}


def groups() -> list[str]:
    """The named groups, in the order they are served."""
    return list(dict.fromkeys(name for name, _ in group_versions() if name))


def group(name: str) -> Obj:
    """GET /apis/<group>. Raises KeyError."""
    versions = [{"groupVersion": f"{g}/{v}", "version": v} for g, v in group_versions() if g == name]
    if not versions:
        raise KeyError(name)
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(group_name: str, version: str) -> Obj:
    """GET /api/v1 or /apis/<group>/<version>. Raises KeyError."""
    kinds = group_versions()[group_name, version]
    resources = [entry for kind in kinds for entry in _resources(kind)]
    group_version = f"{group_name}/{version}" if group_name else version
    body: Obj = {"kind": "APIResourceList"}
    if group_name:
        body["apiVersion"] = "v1"
    return body | {"groupVersion": group_version, "resources": sorted(resources, key=lambda entry: entry["name"])}


def _resources(kind: Kind) -> list[Obj]:
    row: Obj = {"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind}
    row["verbs"] = list(kind.verbs)
    if kind.short:
        row["shortNames"] = list(kind.short)
    if kind.categories:
        row["categories"] = list(kind.categories)
    return [row, *(_subresource(kind, name) for name in kind.subresources)]


def _subresource(kind: Kind, name: str) -> Obj:
    sub = kind.subresource(name)
    row: Obj = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
    if sub.group:
        row |= {"group": sub.group, "version": sub.version}
    return row | {"kind": sub.kind or kind.kind, "verbs": list(sub.verbs)}


def aggregated(version: str, named: bool) -> Obj:
    """All groups with all resources: `v2` or `v2beta1`; the core group alone for /api, the others for /apis."""
    items = [_aggregated_group(name) for name in (groups() if named else [""])]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"{AGGREGATED}/{version}", "metadata": {}, "items": items}


def _aggregated_group(name: str) -> Obj:
    versions = [
        {"version": v, "resources": [_aggregated_kind(kind) for kind in kinds], "freshness": "Current"}
        for (g, v), kinds in group_versions().items() if g == name
    ]  # fmt: skip
    metadata: Obj = {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}
    return {"metadata": metadata, "versions": versions}


def _aggregated_kind(kind: Kind) -> Obj:
    scope = "Namespaced" if kind.namespaced else "Cluster"
    row: Obj = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": scope,
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        row["shortNames"] = list(kind.short)
    if kind.categories:
        row["categories"] = list(kind.categories)
    if kind.subresources:
        row["subresources"] = [
            {
                "subresource": name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind or kind.kind},
                "verbs": list(sub.verbs),
            }
            for name in kind.subresources
            for sub in (kind.subresource(name),)
        ]
    return row
