"""What a request asks for, read off its method, path, query and headers, before anything is done.

`app.py` turns the answer into a call of the verbs. Kubernetes does this in endpoints/request/requestinfo.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import yaml

from k8slab.api import protobuf, typed
from k8slab.api.errors import BadRequest, NotFound, TooLarge, UnsupportedMediaType
from k8slab.api.kinds import BY_PATH, Kind
from k8slab.api.objects import Obj

MAX_BODY = 3 * 1024 * 1024  # as a real API server: 3 MiB a request
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
    named = parts[0] != "api"
    if len(parts) < 2 + named:
        raise NotFound.path()
    group, version, rest = (parts[1], parts[2], parts[3:]) if named else ("", parts[1], parts[2:])
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PATH:
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0] if rest else ""))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise NotFound.path()
    name, subresource = (*rest[1:], "", "")[:2]
    if any(part and not NAME.fullmatch(part) for part in (namespace, name)) or name in (".", ".."):
        raise NotFound.path()
    if (subresource and subresource not in kind.subresources) or (name and kind.namespaced and not namespace):
        raise NotFound.path()
    return Target(kind, namespace, name, subresource)


def table_version(accept: str) -> bool:
    """Whether the client would rather have a Table (kubectl get)."""
    return "as=Table" in accept and "meta.k8s.io" in accept


def query_int(query: Mapping[str, str], name: str) -> int | None:
    """A whole number from the query. Raises BadRequest."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"{name} must be a whole number, not {text!r}") from None


def query_flag(query: Mapping[str, str], name: str) -> bool:
    """`true`, `1` and the like."""
    return query.get(name, "").lower() in ("true", "1", "t")


def query_revision(query: Mapping[str, str]) -> int | None:
    """`resourceVersion`: a number, or None when unset. Raises BadRequest."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        raise BadRequest(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def media_type(content_type: str) -> str:
    """`application/json` out of `application/json; charset=utf-8`."""
    return content_type.split(";")[0].strip().lower()


def read_object(body: bytes, content_type: str) -> Any:
    """A JSON, YAML or protobuf body as plain data. Raises BadRequest, TooLarge, UnsupportedMediaType."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"limit is {MAX_BODY} bytes")
    kind = media_type(content_type) or "application/json"
    if kind == "application/vnd.kubernetes.protobuf":
        return protobuf.decode(body)
    if kind in ("application/yaml", "application/apply-patch+yaml"):
        return _yaml(body)
    if kind.endswith("json"):
        return _json(body)
    raise UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the object provided is unrecognized: it is not JSON ({error})") from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as JSON has it: a timestamp stays text (sigs.k8s.io/yaml)."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _yaml(body: bytes) -> Any:
    try:
        return yaml.load(body, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadRequest(f"the object provided is unrecognized: it is not YAML ({error})") from None


def checked(obj: Any, kind: Kind, raw: bytes, validation: str) -> tuple[Obj, list[str]]:
    """The object with its structure checked, and warnings. Raises BadRequest for a wrong type, and for unknown or
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
    return findings.pruned, [] if validation == "Ignore" else list(findings.strict)
