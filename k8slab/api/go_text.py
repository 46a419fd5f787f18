"""Plain data as Go prints it, for the messages in which Kubernetes shows a value so: `map[spec:map[replicas:two]]`.

Used where a patch is quoted back (`apiserver/patching.py`) and by `apply_check.py`.
"""

from __future__ import annotations

from typing import Any

KINDS = {str: "string", bool: "bool", int: "int64", float: "float64", list: "slice", dict: "map", type(None): "nil"}
IN_JSON = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
A_MAP = "map[string]interface {}"
TYPES = KINDS | {list: "[]interface {}", dict: "map[string]interface {}", type(None): "<nil>"}


def kind(value: Any) -> str:
    """The reflect.Kind of decoded JSON."""
    return KINDS[type(value)]


def type_name(value: Any) -> str:
    """What `%T` prints."""
    return TYPES[type(value)]


def no_home(value: Any, type_: str) -> str:
    """What encoding/json says of JSON that does not fit into a type."""
    return f"json: cannot unmarshal {IN_JSON.get(type(value), 'null')} into Go value of type {type_}"


def plain(value: Any) -> str:
    """What `%v` prints."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(plain, value)) + "]"
    return _scalar(value)


def syntax(value: Any) -> str:
    """What `%#v` prints."""
    if isinstance(value, dict):
        inner = ", ".join(f"{syntax(key)}:{syntax(value[key])}" for key in sorted(value))
        return f"{TYPES[dict]}{{{inner}}}"
    if isinstance(value, list):
        return f"{TYPES[list]}{{{', '.join(map(syntax, value))}}}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
