"""Valid, defaulted objects to break one thing of, and what validation says of them."""

from __future__ import annotations

from k8slab.api.defaults import apply_defaults
from k8slab.api.kinds import kind_of
from k8slab.api.objects import copy
from k8slab.api.validation import validate


def obj(api_version, kind, name="x", **fields):
    made = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}
    row = kind_of(api_version, kind)
    if row.namespaced:
        made["metadata"]["namespace"] = "default"
    return apply_defaults(made, row.definition)


def pod(container=None, name="x", **spec):
    containers = [{"name": "c", "image": "nginx:1.27", **(container or {})}]
    return obj("v1", "Pod", name, spec={"containers": containers, **spec})


def deployment(**spec):
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return obj("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"app": "a"}}, "template": template, **spec})


def service(*ports, **spec):
    ports = [*ports] or [{"port": 80}]
    made = obj("v1", "Service", spec={"ports": ports, "selector": {"a": "b"}, **spec})
    if made["spec"]["type"] != "ExternalName" and made["spec"].get("clusterIP") != "None":
        made["spec"] |= {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"]}
    return made


def said(made, old=None):
    return [str(cause) for cause in validate(made, old)]


def changed(old, **spec):
    new = copy(old)
    new["spec"] |= spec
    return new
