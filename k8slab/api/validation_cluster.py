"""The rules for nodes, ConfigMaps and Secrets, leases and events.

Tables for `validation.py`. Source: pkg/apis/core/validation/validation.go and events.go, pkg/apis/coordination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api import names
from k8slab.api.causes import IMMUTABLE, duplicate, forbidden, invalid, required, too_long, unsupported
from k8slab.api.checks import Table, named, not_negative, positive
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj
from k8slab.api.validation_pods import EFFECTS

MOST_DATA = 1024 * 1024  # bytes in a ConfigMap or a Secret
FROZEN = "field is immutable when `immutable` is set"
_SYSTEM = ("", "default", "kube-system")


def _taint(value: Obj, path: str) -> Iterable[Cause]:
    yield from named(names.label_key)(value.get("key", ""), f"{path}.key")
    yield from named(names.label_value)(value.get("value", ""), f"{path}.value")
    effect = value.get("effect", "")
    if not effect:
        yield required(f"{path}.effect")
    elif effect not in EFFECTS:
        yield unsupported(f"{path}.effect", effect, EFFECTS)


def _taints(taints: list[Obj], path: str) -> Iterable[Cause]:
    """A key has at most one taint of each effect."""
    seen = set()
    for index, taint in enumerate(taints):
        if (key := (taint.get("key"), taint.get("effect"))) in seen:
            fields = {"Key": "key", "Value": "value", "Effect": "effect"}
            shown = {name: taint.get(field, "") for name, field in fields.items()}  # as the internal struct has it
            yield duplicate(f"{path}[{index}]", shown | {"TimeAdded": taint.get("timeAdded")})
        seen.add(key)


def _node_kept(node: Obj, old: Obj) -> Iterable[Cause]:
    new, before = node.get("spec") or {}, old.get("spec") or {}
    for field, said in (("podCIDRs", "podCIDR"), ("providerID", "providerID")):
        if before.get(field) and new.get(field) != before[field]:
            yield forbidden(f"spec.{field}", f'node updates may not change {said} except from "" to valid')


def _data(holder: Obj, path: str) -> Iterable[Cause]:
    """Keys become file names; text and bytes share them, and a size."""
    texts, blobs = holder.get("data") or {}, holder.get("binaryData") or {}
    for key in texts:
        yield from _key(key, f"data[{key}]")
        if key in blobs:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in blobs:
        yield from _key(key, f"binaryData[{key}]")
    in_base64 = [*blobs.values(), *(texts.values() if holder.get("kind") == "Secret" else ())]
    in_words = [] if holder.get("kind") == "Secret" else texts.values()
    size = sum(len(text.encode()) for text in in_words) + sum(len(text) * 3 // 4 for text in in_base64)
    if size > MOST_DATA:
        yield too_long("data" if holder.get("kind") == "Secret" else "", MOST_DATA)


def _key(key: str, path: str) -> Iterable[Cause]:
    return named(names.config_key)(key, path)


def _frozen(new: Obj, old: Obj) -> Iterable[Cause]:
    """`immutable: true` is for ever."""
    if old.get("immutable"):
        if not new.get("immutable"):
            yield forbidden("immutable", FROZEN)
        for field in ("data", "binaryData"):
            if new.get(field) != old.get(field):
                yield forbidden(field, FROZEN)


def _secret_kept(new: Obj, old: Obj) -> Iterable[Cause]:
    if new.get("type") != old.get("type"):
        yield invalid("type", new.get("type"), IMMUTABLE)
    yield from _frozen(new, old)


SECRETS = {  # what a Secret's type promises: the keys it has, or how many of them it needs
    "kubernetes.io/basic-auth": (("username", "password"), 1),
    "kubernetes.io/dockercfg": ((".dockercfg",), 1),
    "kubernetes.io/dockerconfigjson": ((".dockerconfigjson",), 1),
    "kubernetes.io/ssh-auth": (("ssh-privatekey",), 1),
    "kubernetes.io/tls": (("tls.crt", "tls.key"), 2),
}
ACCOUNT = "kubernetes.io/service-account.name"


def _promised(secret: Obj, path: str) -> Iterable[Cause]:
    keys, needed = SECRETS.get(secret.get("type", ""), ((), 0))
    missing = [key for key in keys if key not in (secret.get("data") or {})]
    if len(keys) - len(missing) < needed:
        yield from (required(f"data[{key}]") for key in missing)
    named_account = (secret["metadata"].get("annotations") or {}).get(ACCOUNT)
    if secret.get("type") == "kubernetes.io/service-account-token" and not named_account:
        yield required(f"metadata.annotations[{ACCOUNT}]")


def _event(event: Obj, path: str) -> Iterable[Cause]:
    """An event lies in the namespace of what it is about; new-style events say who saw what done."""
    namespace, about = event["metadata"].get("namespace", ""), (event.get("involvedObject") or {}).get("namespace", "")
    agrees = namespace in _SYSTEM if not about else event.get("eventTime") or namespace == about
    if not agrees:
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")
    if event.get("eventTime"):
        if not event.get("reportingComponent"):
            yield required("reportingController")
        yield from (required(field) for field in ("reportingInstance", "action", "reason") if not event.get(field))
        for field, most in (("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)):
            if len(event.get(field) or "") > most:
                yield invalid(field, "", f"can have at most {most} characters")


TABLE: Table = {
    "core.v1.NodeSpec": {"taints": (_taints,)},
    "core.v1.Taint": {"": (_taint,)},
    "core.v1.ConfigMap": {"": (_data,)},
    "core.v1.Secret": {"": (_data, _promised)},
    "core.v1.Event": {"": (_event,)},
    "coordination.v1.LeaseSpec": {"leaseDurationSeconds": (positive,), "leaseTransitions": (not_negative,)},
}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "core.v1.Node": _node_kept,
    "core.v1.ConfigMap": _frozen,
    "core.v1.Secret": _secret_kept,
}
