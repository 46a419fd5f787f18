"""What Kubernetes' typed decoding makes of a request body: wrong types refused, unknown fields named and dropped.

The API server calls `check` on every body from outside, before defaults and validation. One walk over the object,
guided by `schema.py`, does what reading into Go's structs and writing them again does (sigs.k8s.io/json, a stricter
encoding/json): null means absent, an empty `omitempty` field vanishes, a struct that is no pointer is always there
(`resources: {}`), quantities and times come out in one form. Doubled keys are `duplicates.py`'s to find.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from k8slab.api import duplicates, go_text, quantities, schema
from k8slab.api.objects import Obj

# Where in the object: (outer place, field name or list index, Go's name of the struct that has the field).
Place = tuple[Any, str | int, str] | None
Reader = Callable[[Any, Place, list[str]], Any]
MOST_FINDINGS = 100  # as many as Kubernetes lists


class WrongTypeError(Exception):
    """A value that Go could not read into its field; the words are encoding/json's.

    `converting` says the same in the words of a strategic merge patch, which reads from a map and not from a text.
    """

    def __init__(self, message: str, converting: str = "") -> None:
        super().__init__(message)
        self.converting = converting or message


class Findings(NamedTuple):
    """What `check` has to say of an object."""

    pruned: Obj  # as Kubernetes would hold it: known fields only; empty if a type is wrong
    strict: tuple[str, ...] = ()  # `unknown field "spec.replica"`: refused when strict, else a warning at most
    type_error: str = ""  # `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of …`
    converting: str = ""  # the same as a strategic merge patch says it: `unrecognized type: int32`


def check(obj: Any, definition: str, raw: bytes = b"") -> Findings:
    """Compare an object with its definition; `raw` is the JSON or YAML it came as, to find doubled keys in.

    The answer to a wrong type, and under `fieldValidation=Strict` to findings, is 400 with
    `<kind> in version "<version>" cannot be handled as a <kind>: `, then the type error, or `strict decoding error: `
    and the findings with ", " between (apiserver/pkg/endpoints/handlers/create.go). Raises KeyError.
    """
    try:
        pruned, unknown = prune(obj, definition)
    except WrongTypeError as error:
        return Findings({}, type_error=str(error), converting=error.converting)
    found = [f'unknown field "{path}"' for path in unknown] + (duplicates.find(raw) if raw else [])
    return Findings(pruned, tuple(found[:MOST_FINDINGS]))


def prune(obj: Any, definition: str) -> tuple[Obj, list[str]]:
    """The object with known fields only, each of its type, and the paths of the others; `obj` stays as it is.

    Raises WrongTypeError, KeyError.
    """
    unknown: list[str] = []
    read = _struct(definition)(obj, None, unknown)
    return read, list(dict.fromkeys(unknown))


def path(place: Place, name: str | int = "") -> str:
    """`spec.containers[0].image`: a place, and perhaps one step further."""
    steps = [name] if name != "" else []
    while place is not None:
        steps.append(place[1])
        place = place[0]
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(steps))
    return text.removeprefix(".")


def wrong_type(value: Any, go_type: str, place: Place, *, struct: bool = False) -> WrongTypeError:
    """Go's sentence. It names the innermost struct and the fields on the way, but neither indexes nor keys."""
    names: list[str] = []
    home = ""
    while place is not None:
        if place[2]:
            home = home or place[2]
            names.append(str(place[1]))
        place = place[0]
    into = f"Go struct field {home}.{'.'.join(reversed(names))} of" if home else "Go value of"
    said = f"json: cannot unmarshal {_describe(value, go_type)} into {into} type {go_type}"
    return WrongTypeError(said, _converting(value, go_type, struct))


def _converting(value: Any, go_type: str, struct: bool) -> str:
    """What apimachinery's converter says (pkg/runtime/converter.go)."""
    kind = go_text.kind(value)
    if struct:
        return f"cannot restore struct from: {kind}"
    if go_type.startswith(("map[", "[]")):
        return f"cannot restore {'map' if go_type.startswith('map') else 'slice'} from {kind}"
    number = go_type in ("int32", "int64")
    if (kind == "float64" and number) or (kind == "int64" and not number and go_type not in ("bool", "float64")):
        return f"cannot convert {kind} to {go_type}"
    return f"unrecognized type: {go_type if number or go_type in ('bool', 'float64') else 'string'}"


def _describe(value: Any, go_type: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if go_type in ("int32", "int64") else "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


# Readers: one for each type a field may have. `None` (null) never reaches them.


@functools.cache
def _struct(definition: str) -> Reader:
    """Reads the fields of a definition. What it needs is worked out once, when the first such object comes."""
    go_type = schema.go_name(definition)
    name_of_struct = definition.rpartition(".")[2]
    entries: dict[str, tuple[type | None, bool, Reader]] = {}
    fills: list[tuple[str, Callable[[], Any]]] = []
    for name, field in schema.fields(definition).items():
        entries[name] = (_plain_type(field), field.zero == "drop", _reader(field))
        if field.zero == "fill":
            fills.append((name, functools.partial(_zero, field)))

    def read(value: Any, place: Place, unknown: list[str]) -> Obj:
        if type(value) is not dict:
            raise wrong_type(value, go_type, place, struct=True)
        found: Obj = {}
        for name, item in value.items():
            entry = entries.get(name)
            if entry is None:
                unknown.append(path(place, name))
                continue
            if item is None:
                continue
            plain, drop, reader = entry
            if type(item) is not plain:
                item = reader(item, (place, name, name_of_struct), unknown)
            if item or not drop:
                found[name] = item
        for name, zero in fills:
            if name not in found:
                found[name] = zero()
        return found

    return read


def _plain_type(field: schema.Field) -> type | None:
    """The Python type that needs no further look."""
    return {"string": str, "bool": bool}.get(field.type) if field.holds == "one" else None


def _reader(field: schema.Field) -> Reader:
    one = _one(field.type, field.go_item)
    if field.holds == "list":
        return _list(one, field)
    return _map(one, field) if field.holds == "map" else one


def _one(type_: str, go_type: str) -> Reader:
    special = _SPECIAL.get(type_)
    if special is not None:
        return special
    if type_ in ("int32", "int64"):
        return _int(31 if type_ == "int32" else 63, go_type)
    if type_ in schema.SCALARS:
        return _scalar((int, float) if type_ == "double" else (bool if type_ == "bool" else str,), go_type)
    # Asked for at the first value, so that a Pod that mounts no CephFS never unpacks that definition.
    return lambda value, place, unknown: _struct(type_)(value, place, unknown)


def _zero(field: schema.Field) -> Any:
    """Go's zero value, as it is written down: a time of no time is null."""
    if field.type in ("Time", "MicroTime", "Any", "FieldsV1"):
        return None
    if field.type in schema.SCALARS or field.type in ("Quantity", "IntOrString"):
        return {"string": "", "bytes": "", "bool": False, "Quantity": "0"}.get(field.type, 0)
    return _struct(field.type)({}, None, [])


def _list(one: Reader, field: schema.Field) -> Reader:
    go_type = field.go_type
    plain = {"string": str, "bool": bool}.get(field.type)

    def read(value: Any, place: Place, unknown: list[str]) -> list[Any]:
        if type(value) is not list:
            raise wrong_type(value, go_type, place)
        items = value if None not in value else [_zero(field) if item is None else item for item in value]
        return [
            item if type(item) is plain else one(item, (place, index, ""), unknown) for index, item in enumerate(items)
        ]

    return read


def _map(one: Reader, field: schema.Field) -> Reader:
    go_type = field.go_type
    plain = {"string": str, "bool": bool}.get(field.type)

    def read(value: Any, place: Place, unknown: list[str]) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong_type(value, go_type, place)
        return {
            key: item if type(item) is plain else _zero(field) if item is None else one(item, (place, key, ""), unknown)
            for key, item in value.items()
        }

    return read


def _scalar(types: tuple[type, ...], go_type: str) -> Reader:
    def read(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) not in types:
            raise wrong_type(value, go_type, place)
        return value

    return read


def _int(bits: int, go_type: str) -> Reader:
    low, high = -(2**bits), 2**bits - 1

    def read(value: Any, place: Place, unknown: list[str]) -> int:
        if type(value) is not int or not low <= value <= high:
            raise wrong_type(value, go_type, place)
        return value

    return read


def _int_or_string(value: Any, place: Place, unknown: list[str]) -> int | str:
    return value if type(value) is str else _int32(value, place, unknown)


def _bytes(value: Any, place: Place, unknown: list[str]) -> str:
    """Standard base64, kept as text; line breaks are allowed and dropped."""
    if type(value) is not str:
        raise wrong_type(value, "[]uint8", place)
    text = value.replace("\n", "").replace("\r", "")
    if not _BASE64.fullmatch(text):
        good = len(_BASE64_START.match(text).group())  # type: ignore[union-attr]  # it matches the empty string too
        raise WrongTypeError(f"illegal base64 data at input byte {good if good < len(text) else good - good % 4}")
    return text


def _quantity(value: Any, place: Place, unknown: list[str]) -> str:
    try:
        return quantities.canonical(str(value))
    except ValueError as error:
        raise WrongTypeError(str(error)) from None


def _time(value: Any, place: Place, unknown: list[str]) -> str:
    return value if type(value) is str and _UTC_SECONDS.fullmatch(value) else _instant(value, place, "%SZ")


def _micro_time(value: Any, place: Place, unknown: list[str]) -> str:
    return _instant(value, place, "%S.%fZ")


def _instant(value: Any, place: Place, seconds: str) -> str:
    if type(value) is not str:
        raise wrong_type(value, "string", place)
    _like_rfc3339(value)
    try:
        then = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongTypeError(f'parsing time "{value}": day out of range') from None
    return f"{then.year:04}{then.strftime(f'-%m-%dT%H:%M:{seconds}')}"


def _like_rfc3339(text: str) -> None:
    """Raises WrongTypeError as Go's time.Parse does: it names what it stumbled over, and the piece of its layout."""
    rest = text
    for pattern, layout in _LAYOUT:
        match = pattern.match(rest)
        if match is None:
            raise WrongTypeError(
                f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{rest}" as "{layout}"'
            )
        rest = rest[match.end() :]
    if rest:
        raise WrongTypeError(f'parsing time "{text}": extra text: "{rest}"')


def _anything(value: Any, place: Place, unknown: list[str]) -> Any:
    return value


_int32 = _int(31, "int32")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_START = re.compile(r"[A-Za-z0-9+/]*")
_UTC_SECONDS = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3])(?::[0-5]\d){2}Z", re.ASCII)
_LAYOUT = [
    (re.compile(pattern, re.ASCII), layout)
    for pattern, layout in (
        (r"\d{4}", "2006"), ("-", "-"), (r"\d\d", "01"), ("-", "-"), (r"\d\d", "02"), ("T", "T"), (r"\d\d", "15"),
        (":", ":"), (r"\d\d", "04"), (":", ":"), (r"\d\d(?:[.,]\d+)?", "05"), (r"Z|[+-]\d\d:\d\d", "Z07:00"),
    )
]  # fmt: skip
_SPECIAL: dict[str, Reader] = {
    "Time": _time, "MicroTime": _micro_time, "Quantity": _quantity, "IntOrString": _int_or_string,
    "Any": _anything, "FieldsV1": _anything, "bytes": _bytes,
}  # fmt: skip
