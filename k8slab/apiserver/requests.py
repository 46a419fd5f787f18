"""What a request asks for, read off its method, path, query and headers, before anything is done.

`resources.py` turns the answer into a call of the verbs; `bodies.py` reads JSON, `yaml_bodies.py` YAML. Kubernetes
does this in endpoints/request/requestinfo.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8slab.api import protobuf, typed
from k8slab.api.errors import BadRequest, NotFound, TooLarge, UnsupportedMediaType
from k8slab.api.kinds import BY_PATH, Kind
from k8slab.api.objects import Obj
from k8slab.apiserver.bodies import read_json, shallow
from k8slab.apiserver.warnings import warn

MAX_BODY = 3 * 1024 * 1024  # as a real API server: 3 MiB a request
MAX_NUMBER = 2**63 - 1  # what fits into Kubernetes' numbers
NAME = re.compile(r"[^/%\x00-\x1f]{1,253}")


@dataclass(frozen=True)
class Target:
    """The kind a path names, and which of its objects: none (the collection), one, or one's subresource."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target(path: str) -> Target:
    """What a path under /api/v1 or /apis/<group>/<version> names. Raises NotFound."""
    parts = path.strip("/").split("/")
    if len(parts) < 3 or "" in parts:
        raise NotFound.path()
    group, version, *rest = parts[1:] if parts[0] == "apis" else ["", *parts[1:]]
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PATH:
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0] if rest else ""))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise NotFound.path()
    name, subresource = (*rest[1:], "", "")[:2]
    if any(part and (not NAME.fullmatch(part) or part in (".", "..")) for part in (namespace, name)):
        raise NotFound.path()
    if (subresource and subresource not in kind.subresources) or (name and kind.namespaced and not namespace):
        raise NotFound.path()
    return Target(kind, namespace, name, subresource)


def table_version(accept: str) -> bool:
    """Whether the client would rather have a Table (kubectl get)."""
    return "as=Table" in accept and "meta.k8s.io" in accept


def only_table(accept: str) -> bool:
    """Whether the client takes a Table and nothing else."""
    return all("as=Table" in form for form in accept.split(",") if form.strip()) and table_version(accept)


def included(query: Mapping[str, str]) -> str:
    """`includeObject`: how much of each object a Table's row brings along. Raises BadRequest."""
    asked = query.get("includeObject") or "Metadata"
    if asked not in ("None", "Metadata", "Object"):
        why = f"includeObject: Invalid value: \"{asked}\": must be 'Metadata', 'Object', 'None', or empty"
        raise BadRequest(f"Unable to convert to Table as requested: {why}")
    return asked


def query_int(query: Mapping[str, str], name: str) -> int | None:
    """A whole number from the query. Raises BadRequest."""
    text = query.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or abs(int(text)) > MAX_NUMBER:
        raise BadRequest(f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)


def query_flag(query: Mapping[str, str], name: str) -> bool:
    """A yes or no: there, and not `false` or `0` (apimachinery/pkg/runtime/conversion.go)."""
    return name in query and query[name].lower() not in ("false", "0")


def query_revision(query: Mapping[str, str]) -> int | None:
    """`resourceVersion`: a number, or None when unset. Raises BadRequest."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,19}", text):
        raise BadRequest(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def media_type(content_type: str) -> str:
    """`application/json` out of `application/json; charset=utf-8`."""
    return content_type.split(";")[0].strip().lower()


def read_object(body: bytes, content_type: str) -> Any:
    """A JSON, YAML or protobuf body as plain data. Raises BadRequest, TooLarge, UnsupportedMediaType."""
    if len(body) > MAX_BODY:
        raise too_large(MAX_BODY)
    kind = media_type(content_type) or "application/json"
    if kind == "application/vnd.kubernetes.protobuf":
        return shallow(protobuf.decode(body))
    if kind in ("application/yaml", "application/apply-patch+yaml"):
        from k8slab.apiserver.yaml_bodies import read_yaml  # start-up does not wait for a YAML parser

        return read_yaml(body)
    if kind.endswith("json"):
        return read_json(body)
    raise UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def too_large(limit: int) -> TooLarge:
    """The 413 for more than so many bytes."""
    return TooLarge(f"Request entity too large: limit is {limit}")


def checked(obj: Any, kind: Kind, raw: bytes, validation: str) -> Obj:
    """The object with its structure checked. Raises BadRequest for a wrong type, and for unknown or
    doubled fields if the client said fieldValidation=Strict (the default is Warn, as in Kubernetes)."""
    if not isinstance(obj, dict):
        raise BadRequest(
            f"couldn't get version/kind; json parse error: a {kind.kind} is an object, not {type(obj).__name__}"
        )
    findings = typed.check(obj, kind.definition, raw=raw)
    if findings.type_error:
        raise BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {findings.type_error}'
        )
    if findings.strict and validation == "Strict":
        said = ", ".join(findings.strict)
        raise BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: {said}'
        )
    if validation != "Ignore":
        warn(*findings.strict)
    return keeping_reset(findings.pruned, obj)


def keeping_reset(pruned: Obj, sent: Obj) -> Obj:
    """Decoding drops empty lists; but an empty `managedFields` says that nobody shall own anything any more."""
    if isinstance(sent.get("metadata"), dict) and sent["metadata"].get("managedFields") == []:
        pruned["metadata"]["managedFields"] = []
    return pruned
