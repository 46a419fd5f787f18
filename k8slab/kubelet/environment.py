"""What a container is told: its environment variables, and `$(NAME)` in its command line. Pure.

`launch.py` asks it before every start. The rules are Kubernetes': docs/tasks/inject-data-application, and for Services
docs/concepts/services-networking/service (pkg/kubelet/envvars).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_CEILING
from pathlib import Path
from typing import NamedTuple

import msgspec

from k8slab.api.objects import Obj, annotations_of, labels_of
from k8slab.api.quantities import parse

REAL_PORTS = "k8slab.io/real-ports"  # on a Service: {"80": "20017"}, written by kubeproxy where 80 may not be opened
REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
QUOTED = re.compile(r"^\s*([^\s=#][^=\n]*)='([^']*)'[ \t]*$", re.MULTILINE)  # KEY='value', perhaps of several lines
MOST_ENV_FILE = 64 << 10  # bytes of an env file that are read
SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")

Find = Callable[[str, str], Obj | None]  # kind ("ConfigMap", "Secret"), name -> the object of the pod's namespace


class ConfigError(Exception):
    """The container asks for something that is not there: CreateContainerConfigError."""


class Facts(NamedTuple):
    """What a pod can be told about itself, besides what its object says."""

    pod: Obj
    address: str  # the pod's
    host: str  # its node's
    allocatable: Mapping[str, str]  # the node's: what a container without limits has
    find: Find
    folders: Mapping[str, Path] = {}  # of the pod's volumes, by name


def container_env(facts: Facts, container: Obj, services: Iterable[Obj]) -> dict[str, str]:
    """The variables: Services first, then envFrom, then env; later ones win. Raises ConfigError."""
    env = {"HOSTNAME": hostname(facts.pod)} | service_env(facts.pod, services)
    known = dict(env)  # what $(NAME) in `env` may name: Services, and entries further up; not envFrom
    for source in container.get("envFrom") or []:
        env |= _env_from(facts, source)
    for entry in container.get("env") or []:
        value = _value(facts, container, entry, known)
        if value is not None:
            env[entry["name"]] = known[entry["name"]] = value
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, `$$` is `$`."""
    if "$" not in text:
        return text
    return REFERENCE.sub(lambda m: "$" if m[1] == "$" else env.get(m[2], m[0]), text)


def expand_all(words: Sequence[str] | None, env: Mapping[str, str]) -> list[str]:
    """A command line with its references replaced."""
    return [expand(word, env) for word in words or ()]


def hostname(pod: Obj) -> str:
    """The pod's host name: its own wish, or its name, cut to the 63 characters a host name may have."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")


# -------------------------------------------------------------------------------------------- sources


def _env_from(facts: Facts, source: Obj) -> dict[str, str]:
    prefix = source.get("prefix", "")
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if ref := source.get(field):
            found = lookup(facts.find, kind, ref)
            return {prefix + name: text(value) for name, value in content(found).items()} if found else {}
    return {}


def _value(facts: Facts, container: Obj, entry: Obj, known: Mapping[str, str]) -> str | None:
    """The value of one `env` entry; None for an optional reference to nothing."""
    source = entry.get("valueFrom")
    if not source:
        return expand(entry.get("value", ""), known)
    if ref := source.get("fieldRef"):
        return field_value(facts, ref["fieldPath"])
    if ref := source.get("resourceFieldRef"):
        return resource_value(facts, container, ref)
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if ref := source.get(field):
            return _key_of(facts, kind, ref)
    if ref := source.get("fileKeyRef"):
        return _in_file(facts, ref)
    raise ConfigError(f"env {entry['name']}: valueFrom names no source this kubelet knows")


def _key_of(facts: Facts, kind: str, ref: Obj) -> str | None:
    found = lookup(facts.find, kind, ref)
    if found is None:
        return None
    value = content(found).get(ref["key"])
    if value is None and not ref.get("optional"):
        namespace = facts.pod["metadata"].get("namespace", "")
        raise ConfigError(f"couldn't find key {ref['key']} in {kind} {namespace}/{ref['name']}")
    return None if value is None else text(value)


def _in_file(facts: Facts, ref: Obj) -> str | None:
    """A variable of a file that an earlier container has written into an emptyDir (KEP-3721)."""
    root = facts.folders.get(ref["volumeName"])
    file = root and (root / ref["path"]).resolve()
    if root is None or file is None or not file.is_relative_to(root.resolve()) or not file.is_file():
        if ref.get("optional"):
            return None
        raise ConfigError(f"couldn't parse env file: file {ref['path']} of volume {ref['volumeName']} not found")
    with file.open("rb") as opened:
        found = dict(QUOTED.findall(text(opened.read(MOST_ENV_FILE))))
    if ref["key"] not in found and not ref.get("optional"):
        raise ConfigError(f"environment variable key {ref['key']!r} not found in file {ref['path']!r}")
    return found.get(ref["key"])


def lookup(find: Find, kind: str, ref: Obj) -> Obj | None:
    """The ConfigMap or Secret a reference names; None if it is optional and missing. Raises ConfigError."""
    found = find(kind, ref.get("name", ""))
    if found is None and not ref.get("optional"):
        raise ConfigError(f'{kind.lower()} "{ref.get("name", "")}" not found')
    return found


def content(obj: Obj) -> dict[str, bytes]:
    """What a ConfigMap or Secret holds, by key."""
    plain = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    if obj["kind"] == "Secret":
        return {key: b64decode(value) for key, value in plain.items()}
    return plain | {key: b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def text(value: bytes) -> str:
    """Bytes as an environment variable can carry them: without NUL."""
    return value.decode(errors="surrogateescape").replace("\0", "")


# -------------------------------------------------------------------------------------- downward API


def field_value(facts: Facts, path: str) -> str:
    """What `fieldRef` names. Raises ConfigError for a path the downward API does not know."""
    pod = facts.pod
    meta, spec = pod["metadata"], pod["spec"]
    if match := SUBSCRIPT.fullmatch(path):
        return (labels_of(pod) if match[1] == "labels" else annotations_of(pod)).get(match[2], "")
    known: dict[str, Callable[[], str]] = {
        "metadata.name": lambda: meta["name"],
        "metadata.namespace": lambda: meta.get("namespace", ""),
        "metadata.uid": lambda: meta.get("uid", ""),
        "metadata.labels": lambda: _lines(labels_of(pod)),
        "metadata.annotations": lambda: _lines(annotations_of(pod)),
        "spec.nodeName": lambda: spec.get("nodeName", ""),
        "spec.serviceAccountName": lambda: spec.get("serviceAccountName", ""),
        "status.podIP": lambda: facts.address,
        "status.podIPs": lambda: facts.address,
        "status.hostIP": lambda: facts.host,
        "status.hostIPs": lambda: facts.host,
    }
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}; the downward API knows {', '.join(known)}")
    return known[path]()


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in sorted(pairs.items()))


def resource_value(facts: Facts, container: Obj, ref: Obj) -> str:
    """What `resourceFieldRef` names, in units of its divisor, rounded up; without a limit, what the node has."""
    if name := ref.get("containerName"):
        every = [*(facts.pod["spec"].get("initContainers") or []), *facts.pod["spec"]["containers"]]
        container = next((c for c in every if c["name"] == name), container)
    kind, _, resource = ref["resource"].partition(".")
    amount = ((container.get("resources") or {}).get(kind) or {}).get(resource)
    if amount is None:
        amount = facts.allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = parse(ref.get("divisor") or "1") or parse("1")
    return str(int((parse(amount) / divisor).to_integral_value(ROUND_CEILING)))


# ------------------------------------------------------------------------------------------- services


def service_env(pod: Obj, services: Iterable[Obj]) -> dict[str, str]:
    """`WEB_SERVICE_HOST` and its like: every Service of the pod's namespace, and `kubernetes` of default."""
    namespace = pod["metadata"].get("namespace", "")
    linked = pod["spec"].get("enableServiceLinks", True)
    env: dict[str, str] = {}
    for service in services:
        meta = service["metadata"]
        master = meta["name"] == "kubernetes" and meta.get("namespace") == "default"
        if master or (linked and meta.get("namespace", "") == namespace):
            env |= _service(service)
    return env


def _service(service: Obj) -> dict[str, str]:
    spec = service["spec"]
    host, ports = spec.get("clusterIP"), spec.get("ports") or []
    if host in (None, "", "None") or not ports:
        return {}
    real = msgspec.json.decode(annotations_of(service).get(REAL_PORTS, "{}"), type=dict[str, int | str])
    name = service["metadata"]["name"].upper().replace("-", "_")
    opened = [str(real.get(str(port["port"]), port["port"])) for port in ports]
    env = {f"{name}_SERVICE_HOST": host, f"{name}_SERVICE_PORT": opened[0]}
    for port, number in zip(ports, opened, strict=True):
        protocol = port.get("protocol", "TCP")
        if port.get("name"):
            env[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = number
        link = f"{name}_PORT_{port['port']}_{protocol}"
        url = f"{protocol.lower()}://{host}:{number}"
        env.setdefault(f"{name}_PORT", url)
        env |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": number, f"{link}_ADDR": host}
    return env
