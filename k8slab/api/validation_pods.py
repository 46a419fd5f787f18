"""The rules for a pod as a whole: its containers among each other, its volumes, where it may run, what may change.

Tables for `validation.py`; containers and volumes themselves are next door, in `validation_containers.py`. Source:
pkg/apis/core/validation/validation.go (ValidatePodSpec, ValidatePodUpdate).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from k8slab.api import names, validation_containers
from k8slab.api.causes import duplicate, forbidden, invalid, not_found, required, show, unsupported
from k8slab.api.checks import (
    MAX_INT32,
    REQUIRED,
    Creation,
    Required,
    Table,
    between,
    label_map,
    named,
    node_requirement,
    one_of,
    positive,
    unique,
)
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj
from k8slab.api.validation_containers import host_ports
from k8slab.api.validation_ephemeral import ephemeral_containers, none_at_first, only_added
from k8slab.api.validation_restarts import restart_policy

MOST_SYSCTL = 253
SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
CHANGEABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _volumes_exist(spec: Obj, path: str) -> Iterable[Cause]:
    """What a container mounts is a volume of its pod."""
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            for place, mount in enumerate(container.get("volumeMounts") or ()):
                if mount.get("name") not in volumes:
                    yield not_found(f"{path}.{group}[{index}].volumeMounts[{place}].name", mount.get("name", ""))


def _init_containers(spec: Obj, path: str) -> Iterable[Cause]:
    """Init containers have names of their own, and only sidecars among them are probed."""
    taken = {container.get("name") for container in spec.get("containers") or ()}
    for index, container in enumerate(spec.get("initContainers") or ()):
        where = f"{path}.initContainers[{index}]"
        if (name := container.get("name")) and name in taken:
            yield duplicate(f"{where}.name", name)
        taken.add(name)
        restart = container.get("restartPolicy")
        yield from restart_policy(container, where)
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if restart != "Always" and container.get(field) is not None:
                yield forbidden(f"{where}.{field}", "may not be set for init containers without restartPolicy=Always")


def _containers(containers: list[Obj], path: str) -> Iterable[Cause]:
    for index, container in enumerate(containers):
        yield from restart_policy(container, f"{path}[{index}]")
    yield from host_ports(containers, path)


def _host_network(spec: Obj, path: str) -> Iterable[Cause]:
    if not spec.get("hostNetwork"):
        return
    for index, container in enumerate(spec.get("containers") or ()):
        for place, port in enumerate(container.get("ports") or ()):
            if (host := port.get("hostPort", 0)) and host != port.get("containerPort"):
                where = f"{path}.containers[{index}].ports[{place}].hostPort"
                yield invalid(where, host, "must match `containerPort` when `hostNetwork` is true")


def _dns(spec: Obj, path: str) -> Iterable[Cause]:
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        config = spec.get("dnsConfig")
        if config is None:
            yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.dnsConfig.nameservers", detail)


def _toleration(value: Obj, path: str) -> Iterable[Cause]:
    key, operator, effect = value.get("key", ""), value.get("operator", ""), value.get("effect", "")
    if key:
        yield from named(names.label_key)(key, f"{path}.key")
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", operator, detail)
    if value.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield invalid(f"{path}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator in ("Equal", ""):
        if wrong := names.label_value(value.get("value", "")):
            yield invalid(f"{path}.operator", value["value"], ";".join(wrong))
    elif operator == "Exists":
        if value.get("value"):
            yield invalid(f"{path}.operator", value["value"], "value must be empty when `operator` is 'Exists'")
    else:
        yield unsupported(f"{path}.operator", operator, ["Equal", "Exists"])
    if effect and effect not in EFFECTS:
        yield unsupported(f"{path}.effect", effect, EFFECTS)


def _sysctls(sysctls: list[Obj], path: str) -> Iterable[Cause]:
    for index, sysctl in enumerate(sysctls):
        where, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            yield required(where)
        elif len(name) > MOST_SYSCTL or not SYSCTL.fullmatch(name):
            detail = f"must have at most {MOST_SYSCTL} characters and match regex ^{SYSCTL.pattern}$"
            yield invalid(where, name, detail)
    yield from unique("name")(sysctls, path)


def _weight(value: int, path: str) -> Iterable[Cause]:
    return () if 1 <= value <= 100 else (invalid(path, value, "must be in the range 1-100"),)


def _only_images_changed(pod: Obj, old: Obj) -> Iterable[Cause]:
    """A pod's spec is fixed but for images, a shorter deadline, more tolerations and fewer scheduling gates."""
    new, before = pod["spec"], old["spec"]
    if new == before:
        return
    for group in ("containers", "initContainers"):
        if len(new.get(group) or ()) != len(before.get(group) or ()):
            yield forbidden(f"spec.{group}", "pod updates may not add or remove containers")
            return
    yield from _deadline(new.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    yield from _tolerations_kept(new.get("tolerations") or [], before.get("tolerations") or [])
    yield from _gates_only_go(new.get("schedulingGates") or [], before.get("schedulingGates") or [])
    munged = _with_changes_allowed(new, before)
    if munged != before:
        changes = "\n".join(differences(before, munged))
        yield forbidden("spec", f"pod updates may not change fields other than {CHANGEABLE}\n{changes}")


def _deadline(new: int | None, old: int | None) -> Iterable[Cause]:
    path = "spec.activeDeadlineSeconds"
    if new is None and old is not None:
        yield invalid(path, None, "must not update from a positive integer to nil value")
    elif new is not None and old is not None and new > old:
        yield invalid(path, new, "must be less than or equal to previous value")


def _tolerations_kept(new: list[Obj], old: list[Obj]) -> Iterable[Cause]:
    def bare(toleration: Obj) -> Obj:
        return {field: value for field, value in toleration.items() if field != "tolerationSeconds"}

    kept = [bare(toleration) for toleration in new]
    if any(bare(toleration) not in kept for toleration in old):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")


def _gates_only_go(new: list[Obj], old: list[Obj]) -> Iterable[Cause]:
    for index, gate in enumerate(new):
        if gate not in old:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", detail)


def _with_changes_allowed(new: Obj, old: Obj) -> Obj:
    """The new spec with everything that may change put back to what it was."""
    munged = dict(new)
    for group in ("containers", "initContainers"):
        if munged.get(group):
            munged[group] = [
                _like({**container}, before, ("image",))
                for container, before in zip(munged[group], old[group], strict=True)
            ]
    if old.get("terminationGracePeriodSeconds", 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return _like(munged, old, ("activeDeadlineSeconds", "tolerations", "schedulingGates"))


def _like(value: Obj, other: Obj, fields: Iterable[str]) -> Obj:
    for field in fields:
        value.pop(field, None)
        if field in other:
            value[field] = other[field]
    return value


def differences(old: Any, new: Any, path: str = "") -> Iterable[str]:
    """Old and new of every field that differs, two lines each."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{path}[{index}]")
    elif old != new:
        yield from (f"  {sign} {path}: {show(value)}" for sign, value in (("-", old), ("+", new)) if value is not None)


_NAME = named(names.dns_subdomain)
TABLE: Table = {
    **validation_containers.TABLE,
    "core.v1.PodSpec": {
        "volumes": (unique("name"),),
        "containers": (REQUIRED, unique("name"), _containers),
        "initContainers": (),
        "": (_volumes_exist, _init_containers, ephemeral_containers, _host_network, _dns),
        "restartPolicy": (REQUIRED, one_of("Always", "OnFailure", "Never")),
        "dnsPolicy": (REQUIRED, one_of("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")),
        "nodeSelector": (label_map,),
        "serviceAccountName": (_NAME,),
        "nodeName": (_NAME,),
        "activeDeadlineSeconds": (between(1, MAX_INT32),),
        "hostname": (named(names.dns_label),),
        "subdomain": (named(names.dns_label),),
        "priorityClassName": (_NAME,),
        "schedulingGates": (unique("name"),),
    },
    "core.v1.PodSecurityContext": {"sysctls": (_sysctls,)},
    "core.v1.PodDNSConfig": {"nameservers": ()},
    "core.v1.HostAlias": {"ip": (REQUIRED, named(names.ip_address))},
    "core.v1.Toleration": {"": (_toleration,)},
    "core.v1.NodeSelector": {"nodeSelectorTerms": (Required("must have at least one node selector term"),)},
    "core.v1.NodeSelectorRequirement": {"": (node_requirement,)},
    "core.v1.PreferredSchedulingTerm": {"weight": (_weight,)},
    "core.v1.WeightedPodAffinityTerm": {"weight": (_weight,)},
    "core.v1.PodAffinityTerm": {"topologyKey": (Required("can not be empty"), named(names.label_key))},
    "core.v1.TopologySpreadConstraint": {
        "maxSkew": (positive,),
        "topologyKey": (Required("can not be empty"),),
        "whenUnsatisfiable": (one_of("DoNotSchedule", "ScheduleAnyway"),),
        "minDomains": (positive,),
    },
}
CREATES: dict[str, Creation] = {"core.v1.Pod": none_at_first}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "core.v1.Pod": _only_images_changed,
    "core.v1.Pod/ephemeralcontainers": only_added,
}
