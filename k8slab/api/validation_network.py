"""The rules for Ingresses and their classes.

Tables for `validation.py`. Source: pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from k8slab.api import names
from k8slab.api.causes import IMMUTABLE, forbidden, invalid, required, unsupported
from k8slab.api.checks import REQUIRED, Creation, Required, Table, each, named
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj, annotations_of

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
CLASS_NOTE = "kubernetes.io/ingress.class"  # before there was a field
NOT_INSIDE = ("//", "/./", "/../", "%2f", "%2F")
NOT_AT_THE_END = ("/..", "/.")


def _leads_somewhere(spec: Obj, path: str) -> Iterable[Cause]:
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        yield invalid(path, spec.get("rules"), "either `defaultBackend` or `rules` must be specified")


def _host(host: str, path: str) -> Iterable[Cause]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        yield invalid(path, host, "must be a DNS name, not an IP address")
    yield from named(names.host)(host, path)


def _path(rule: Obj, path: str) -> Iterable[Cause]:
    type_, text, where = rule.get("pathType"), rule.get("path", ""), f"{path}.path"
    if type_ is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if type_ not in PATH_TYPES:
        yield unsupported(f"{path}.pathType", type_, PATH_TYPES)
        return
    if not text.startswith("/") and (text or type_ != "ImplementationSpecific"):
        yield invalid(where, text, "must be an absolute path")
    if type_ != "ImplementationSpecific":
        for part in NOT_INSIDE:
            if part in text:
                yield invalid(where, text, f"must not contain '{part}'")
        for end in NOT_AT_THE_END:
            if text.endswith(end):
                yield invalid(where, text, f"cannot end with '{end}'")


def _backend(backend: Obj, path: str) -> Iterable[Cause]:
    """A Service's port, by name or number, or some other resource."""
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from _reference(resource, f"{path}.resource")
    elif service is None:
        yield invalid(path, "", "resource or service backend is required")
    else:
        yield from _service(service, path)


def _service(service: Obj, path: str) -> Iterable[Cause]:
    if name := service.get("name"):
        yield from named(names.dns_1035_label)(name, f"{path}.service.name")
    else:
        yield required(f"{path}.service.name")
    port = service.get("port") or {}
    if port.get("name") and port.get("number"):
        yield invalid(path, "", "cannot set both port name & port number")
    elif port.get("name"):
        yield from named(names.port_name)(port["name"], f"{path}.service.port.name")
    elif port.get("number"):
        where = f"{path}.service.port.number"
        yield from (invalid(where, port["number"], message) for message in names.port_number(port["number"]))
    else:
        yield required(path, "port name or number is required")


def _reference(reference: Obj, path: str) -> Iterable[Cause]:
    if group := reference.get("apiGroup"):
        yield from named(names.dns_subdomain)(group, f"{path}.apiGroup")
    for field in ("kind", "name"):
        if value := reference.get(field):
            yield from named(names.path_segment)(value, f"{path}.{field}")
        else:
            yield required(f"{path}.{field}", f"{field} is required")


def _parameters(reference: Obj, path: str) -> Iterable[Cause]:
    yield from _reference(reference, path)
    scope, namespace = reference.get("scope"), reference.get("namespace")
    if scope is None:
        yield required(f"{path}.scope")
    elif scope not in ("Cluster", "Namespace"):
        yield unsupported(f"{path}.scope", scope, ["Cluster", "Namespace"])
    elif scope == "Namespace" and namespace is None:
        yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        yield from named(names.dns_label)(namespace, f"{path}.namespace")
    elif namespace is not None:
        yield forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")


def _one_class(ingress: Obj) -> Iterable[Cause]:
    note = annotations_of(ingress).get(CLASS_NOTE)
    if note is not None and (ingress.get("spec") or {}).get("ingressClassName") is not None:
        yield invalid(f"annotations.{CLASS_NOTE}", note, "can not be set when the class field is also set")


def _controller_kept(new: Obj, old: Obj) -> Iterable[Cause]:
    controller = (new.get("spec") or {}).get("controller")
    if controller != (old.get("spec") or {}).get("controller"):
        yield invalid("spec.controller", controller, IMMUTABLE)


TABLE: Table = {
    "networking.v1.IngressSpec": {
        "": (_leads_somewhere,),
        "defaultBackend": (),
        "rules": (),
        "tls": (),
        "ingressClassName": (named(names.dns_subdomain),),
    },
    "networking.v1.IngressRule": {"host": (_host,)},
    "networking.v1.HTTPIngressRuleValue": {"paths": (REQUIRED,)},
    "networking.v1.HTTPIngressPath": {"": (_path,)},
    "networking.v1.IngressBackend": {"": (_backend,)},
    "networking.v1.IngressTLS": {"hosts": (each(named(names.host)),), "secretName": (named(names.dns_subdomain),)},
    "networking.v1.IngressClassSpec": {
        "controller": (Required(), named(names.domain_prefixed)),
        "parameters": (_parameters,),
    },
}
CREATES: dict[str, Creation] = {"networking.v1.Ingress": _one_class}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {"networking.v1.IngressClass": _controller_kept}
