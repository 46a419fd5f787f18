"""The rules for containers, their environment, probes, resources and volumes: part of every pod, in every template.

Tables for `validation.py`; what a pod as a whole must keep is next door, in `validation_pods.py`. Source:
pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from k8slab.api import names, quantities
from k8slab.api.causes import NOT_NEGATIVE, duplicate, forbidden, invalid, required, unsupported
from k8slab.api.checks import (
    MAX_INT32,
    REQUIRED,
    Table,
    between,
    named,
    no_backsteps,
    not_negative,
    one_of,
    only_one,
    port,
    port_or_name,
    positive,
    relative_path,
    required_port,
    unique,
)
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj

PROTOCOLS = one_of("SCTP", "TCP", "UDP")
RESOURCES = ("cpu", "memory", "ephemeral-storage")
VOLUMES = (  # in the order in which Kubernetes looks at them
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "vsphereVolume", "configMap", "azureFile", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO",
    "csi", "ephemeral", "image",
)  # fmt: skip
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
FILE_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
ENV_RESOURCES = ("limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                 "requests.ephemeral-storage", "requests.memory")  # fmt: skip
ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_KEYED = re.compile(r"(metadata\.labels|metadata\.annotations)\['(.*)'\]")


def _container_port(value: Obj, path: str) -> Iterable[Cause]:
    number = value.get("containerPort", 0)
    return port(number, f"{path}.containerPort") if number else (required(f"{path}.containerPort"),)


def _env_source(source: Obj, path: str) -> Iterable[Cause]:
    given = [name for name in ENV_SOURCES if source.get(name) is not None]
    if not given:
        yield invalid(
            path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        )
    elif len(given) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _env(variable: Obj, path: str) -> Iterable[Cause]:
    if variable.get("value") and variable.get("valueFrom"):
        yield invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")


def _env_from(sources: list[Obj], path: str) -> Iterable[Cause]:
    for source in sources:
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")


def field_ref(supported: Iterable[str]) -> Any:
    """A downward API reference to one of these fields of the pod, or to one label or annotation."""
    supported = sorted(supported)

    def check(reference: Obj, path: str) -> Iterable[Cause]:
        field = reference.get("fieldPath", "")
        if not field:
            yield required(f"{path}.fieldPath")
        elif keyed := _KEYED.fullmatch(field):
            for message in names.qualified_name(keyed[2].lower() if "annotations" in keyed[1] else keyed[2]):
                yield invalid(path, keyed[2], message)
        elif field not in {*ENV_FIELDS, *FILE_FIELDS}:
            yield invalid(f"{path}.fieldPath", field, f"error converting fieldPath: field label not supported: {field}")
        elif field not in supported:
            yield unsupported(f"{path}.fieldPath", field, supported)

    return check


def resource_ref(container_needed: bool) -> Any:
    """A downward API reference to a request or limit of a container."""

    def check(reference: Obj, path: str) -> Iterable[Cause]:
        if container_needed and not reference.get("containerName"):
            yield required(f"{path}.containerName")
        elif not (resource := reference.get("resource")):
            yield required(f"{path}.resource")
        elif resource not in ENV_RESOURCES and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
            yield unsupported(f"{path}.resource", resource, ENV_RESOURCES)

    return check


def _mounts(mounts: list[Obj], path: str) -> Iterable[Cause]:
    seen = set()
    for index, mount in enumerate(mounts):
        where = mount.get("mountPath")
        if where and where in seen:
            yield invalid(f"{path}[{index}].mountPath", where, "must be unique")
        seen.add(where)


def _handler(value: Obj, path: str) -> Iterable[Cause]:
    """A probe or hook does exactly one thing."""
    if not any(value.get(name) is not None for name in HANDLERS):
        yield required(path, "must specify a handler type")
    yield from only_one(value, path, HANDLERS, "may not specify more than 1 handler type")


def _once_is_enough(probe: Obj, path: str) -> Iterable[Cause]:
    if probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _no_grace(probe: Obj, path: str) -> Iterable[Cause]:
    if (grace := probe.get("terminationGracePeriodSeconds")) is not None:
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")


def _resources(value: Obj, path: str) -> Iterable[Cause]:
    """Known resources, no negative amounts, and no request above its limit."""
    limits, requests = value.get("limits") or {}, value.get("requests") or {}
    for side, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            where = f"{path}.{side}[{name}]"
            yield from _resource_name(name, where)
            if quantities.parse(amount) < 0:
                yield invalid(where, amount, NOT_NEGATIVE)
            if "/" in name and quantities.parse(amount) % 1:
                yield invalid(where, quantities.canonical(amount), "must be an integer")
            if side == "requests":
                yield from _below_limit(name, amount, limits.get(name), path)


def _overcommits(name: str) -> bool:
    """Whether less of it may be requested than allowed: so it is for Kubernetes' own, but for huge pages."""
    return "/" not in name and not name.startswith("hugepages-")


def _below_limit(name: str, amount: str, limit: str | None, path: str) -> Iterable[Cause]:
    if limit is None:
        if not _overcommits(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif not _overcommits(name) and quantities.parse(amount) != quantities.parse(limit):
        yield invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif quantities.parse(amount) > quantities.parse(limit):
        yield invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def _resource_name(name: str, path: str) -> Iterable[Cause]:
    yield from named(names.qualified_name)(name, path)
    if "/" not in name and name not in RESOURCES and not name.startswith("hugepages-"):
        yield invalid(path, name, "must be a standard resource type or fully qualified")
        yield invalid(path, name, "must be a standard resource for containers")


def _privileges(context: Obj, path: str) -> Iterable[Cause]:
    if context.get("allowPrivilegeEscalation") is False and context.get("privileged"):
        yield invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")


def _one_volume_type(volume: Obj, path: str) -> Iterable[Cause]:
    sources = [field for field in VOLUMES if field in volume] + [
        field for field in volume if field not in ("name", *VOLUMES)
    ]
    if not sources:
        yield required(path, "must specify a volume type")
    yield from only_one(volume, path, sources, "may not specify more than 1 volume type")


def _file_mode(value: int, path: str) -> Iterable[Cause]:
    return () if 0 <= value <= 0o777 else (
        invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive"),
    )  # fmt: skip


def _not_negative_size(value: str, path: str) -> Iterable[Cause]:
    return (
        () if quantities.parse(value) >= 0 else (forbidden(path, "SizeLimit field must be a valid resource quantity"),)
    )


def host_ports(containers: list[Obj], path: str) -> Iterable[Cause]:
    """Two containers of a pod cannot have the same port of the node."""
    seen = set()
    for index, container in enumerate(containers):
        for place, exposed in enumerate(container.get("ports") or ()):
            if exposed.get("hostPort"):
                key = f"{exposed.get('protocol')}/{exposed.get('hostIP', '')}/{exposed['hostPort']}"
                if key in seen:
                    yield duplicate(f"{path}[{index}].ports[{place}].hostPort", key)
                seen.add(key)


_IDS = between(0, MAX_INT32)
_FILES = {"items": (), "defaultMode": (_file_mode,)}
_KEY_REF = {"name": (REQUIRED, named(names.dns_subdomain)), "key": (REQUIRED, named(names.config_key))}
_CONTAINER = {
    "name": (REQUIRED, named(names.dns_label)),
    "image": (REQUIRED,),
    "terminationMessagePolicy": (REQUIRED, one_of("File", "FallbackToLogsOnError")),
    "ports": (unique("name"),),
    "env": (),
    "envFrom": (_env_from,),
    "volumeMounts": (_mounts,),
    "imagePullPolicy": (REQUIRED, one_of("Always", "IfNotPresent", "Never")),
    "resources": (),
    "securityContext": (),
    "lifecycle": (),
    "livenessProbe": (_once_is_enough,),
    "readinessProbe": (_no_grace,),
    "startupProbe": (_once_is_enough,),
}

TABLE: Table = {
    "core.v1.Container": _CONTAINER,
    "core.v1.EphemeralContainer": _CONTAINER,
    "core.v1.ContainerPort": {
        "name": (named(names.port_name),),
        "": (_container_port,),
        "hostPort": (port,),
        "protocol": (REQUIRED, PROTOCOLS),
    },
    "core.v1.EnvVar": {"name": (REQUIRED, named(names.env_name)), "": (_env,)},
    "core.v1.EnvVarSource": {
        "": (_env_source,),
        "fieldRef": (field_ref(ENV_FIELDS),),
        "resourceFieldRef": (resource_ref(container_needed=False),),
    },
    "core.v1.EnvFromSource": {"prefix": (named(names.env_name),)},
    "core.v1.ConfigMapEnvSource": {"name": (REQUIRED, named(names.dns_subdomain))},
    "core.v1.SecretEnvSource": {"name": (REQUIRED, named(names.dns_subdomain))},
    "core.v1.ConfigMapKeySelector": _KEY_REF,
    "core.v1.SecretKeySelector": _KEY_REF,
    "core.v1.VolumeMount": {"name": (REQUIRED,), "mountPath": (REQUIRED,), "subPath": (relative_path,)},
    "core.v1.Probe": {
        "": (_handler,),
        "initialDelaySeconds": (not_negative,),
        "timeoutSeconds": (not_negative,),
        "periodSeconds": (not_negative,),
        "successThreshold": (not_negative,),
        "failureThreshold": (not_negative,),
        "terminationGracePeriodSeconds": (positive,),
    },
    "core.v1.LifecycleHandler": {"": (_handler,)},
    "core.v1.ExecAction": {"command": (REQUIRED,)},
    "core.v1.HTTPGetAction": {
        "path": (REQUIRED,),
        "": (required_port(),),
        "scheme": (REQUIRED, one_of("HTTP", "HTTPS")),
    },
    "core.v1.TCPSocketAction": {"": (required_port(),)},
    "core.v1.GRPCAction": {"port": (port_or_name,)},
    "core.v1.ResourceRequirements": {"": (_resources,)},
    "core.v1.SecurityContext": {"runAsUser": (_IDS,), "runAsGroup": (_IDS,), "": (_privileges,)},
    "core.v1.Volume": {"name": (REQUIRED, named(names.dns_label)), "": (_one_volume_type,)},
    "core.v1.SecretVolumeSource": {"secretName": (REQUIRED,), **_FILES},
    "core.v1.ConfigMapVolumeSource": {"name": (REQUIRED,), **_FILES},
    "core.v1.KeyToPath": {"key": (REQUIRED,), "path": (REQUIRED, relative_path), "mode": (_file_mode,)},
    "core.v1.EmptyDirVolumeSource": {"sizeLimit": (_not_negative_size,)},
    "core.v1.HostPathVolumeSource": {
        "path": (REQUIRED, no_backsteps),
        "type": (
            one_of("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
        ),
    },
    "core.v1.PersistentVolumeClaimVolumeSource": {"claimName": (REQUIRED,)},
    "core.v1.ProjectedVolumeSource": {"defaultMode": (_file_mode,)},
    "core.v1.DownwardAPIVolumeFile": {
        "path": (REQUIRED, relative_path),
        "fieldRef": (field_ref(FILE_FIELDS),),
        "resourceFieldRef": (resource_ref(container_needed=True),),
    },
}
