"""Kubernetes' binary request bodies read into the JSON form of the same object.

kubectl sends them for `create deployment`, `autoscale`, `auth can-i` and others; answers are always JSON, which every
client accepts, so nothing is written in this form. `schema.py` knows the field numbers. The envelope is `k8s\\0` and a
runtime.Unknown (k8s.io/apimachinery/pkg/runtime/serializer/protobuf); gogo-proto writes fields that are no pointer
even when they are empty, so what `omitempty` would have left out of the JSON is left out here.
"""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from k8slab.api import schema
from k8slab.api.errors import BadRequest
from k8slab.api.objects import Obj

MAGIC = b"k8s\x00"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
Value = int | bytes
Reader = Callable[[Value], Any]
Entry = tuple[str, schema.Field, Reader]


class _Malformed(Exception):  # never leaves this module
    """The bytes are not what their kind's definition says; the message goes on the wire."""


def decode(body: bytes) -> Obj:
    """The object in a `application/vnd.kubernetes.protobuf` body. Raises BadRequest, and nothing else."""
    try:
        return _envelope(body)
    except (_Malformed, UnicodeDecodeError, msgspec.DecodeError, RecursionError, OverflowError) as error:
        raise BadRequest(f"the object provided is unrecognized: it is not Kubernetes protobuf ({error})") from None


def _envelope(body: bytes) -> Obj:
    """runtime.Unknown: typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2, contentEncoding = 3, contentType = 4."""
    if not body.startswith(MAGIC):
        raise _Malformed("it does not begin with k8s and a zero byte")
    outer = dict(_message(body[len(MAGIC) :]))
    meta = {number: _text(value) for number, value in _message(_bytes(outer.get(1, b"")))}
    api_version, kind = meta.get(1, ""), meta.get(2, "")
    definition = schema.definition_of(api_version, kind)
    if not definition:
        raise _Malformed(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"apiVersion": api_version, "kind": kind, **_object(definition, _bytes(outer.get(2, b"")))}


def _object(definition: str, data: bytes) -> Obj:
    found: Obj = {}
    _fill(found, _entries(definition), data, 0)
    return found


def _fill(found: Obj, entries: dict[tuple[int, int], Entry], data: bytes, within: int) -> None:
    """Read a message into `found`; `within` is the number of the embedded struct it is, or 0."""
    for number, value in _message(data):
        entry = entries.get((within, number))
        if entry is None:
            if not within and (number, 0) in entries:
                _fill(found, entries, _bytes(value), number)
            continue  # a field younger than ours: Go skips it too
        name, field, reader = entry
        if field.holds == "map":
            pair = dict(_message(_bytes(value)))
            found.setdefault(name, {})[_text(pair.get(1, b""))] = reader(pair.get(2, b""))
        elif field.holds == "list":
            found.setdefault(name, []).extend(_items(field, reader, value))
        elif (item := reader(value)) is not None and (item or field.zero != "drop"):
            found[name] = item


@functools.cache
def _entries(definition: str) -> dict[tuple[int, int], Entry]:
    """(number of the struct around it or 0, number) -> field; (number of an embedded struct, 0) marks one."""
    entries: dict[tuple[int, int], Entry] = {}
    for name, field in schema.fields(definition).items():
        if field.number:
            entries[field.within, field.number] = (name, field, _reader(field.type))
        if field.within:
            entries.setdefault((field.within, 0), (name, field, _reader(field.type)))
    return entries


def _items(field: schema.Field, reader: Reader, value: Value) -> Iterator[Any]:
    """The items in one occurrence: numbers may come packed, several in one."""
    if field.type in ("int32", "int64") and isinstance(value, bytes):
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield reader(number)
    else:
        yield reader(value)


# The wire: https://protobuf.dev/programming-guides/encoding/


def _message(data: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message: (number, integer or bytes)."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not number:
            raise _Malformed("a field has the number 0")
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == BYTES:
            size, at = _varint(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise _Malformed(f"field {number} has wire type {wire}")
        if size > end - at:
            raise _Malformed(f"field {number} is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number, and where the next byte is."""
    value = shift = 0
    for byte in data[at : at + 10]:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise _Malformed("a number is cut off")


# One value each. Where Go has a value of its own, the wire has a message for it.


def _reader(type_: str) -> Reader:
    reader = _READERS.get(type_)
    return reader or (lambda value: _object(type_, _bytes(value)))


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise _Malformed("a number stands where a message should")
    return value


def _text(value: Value) -> str:
    return _bytes(value).decode()


def _int(value: Value) -> int:
    if isinstance(value, bytes):
        raise _Malformed("a message stands where a number should")
    return value - 2**64 if value >= 2**63 else value


def _int32(value: Value) -> int:
    """Negative numbers come in 64 bits; of anything wider Go keeps the low half."""
    return (_int(value) + 2**31) % 2**32 - 2**31


def _double(value: Value) -> float:
    data = _bytes(value)
    if len(data) != 8:
        raise _Malformed("a float64 has eight bytes")
    return float(struct.unpack("<d", data)[0])


def _moment(value: Value) -> tuple[datetime, int] | None:
    """Timestamp{seconds = 1, nanos = 2}; nothing at all is Go's zero time, which JSON writes as null."""
    parts = {number: _int(part) for number, part in _message(_bytes(value))}
    if not parts:
        return None
    return EPOCH + timedelta(seconds=parts.get(1, 0)), parts.get(2, 0)


def _time(value: Value) -> str | None:
    moment = _moment(value)
    return moment and moment[0].strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _micro_time(value: Value) -> str | None:
    moment = _moment(value)
    return moment and f"{moment[0].strftime('%Y-%m-%dT%H:%M:%S').rjust(19, '0')}.{moment[1] // 1000 % 10**6:06}Z"


def _quantity(value: Value) -> str:
    """Quantity{string = 1}."""
    return _text(dict(_message(_bytes(value))).get(1, b"")) or "0"


def _int_or_string(value: Value) -> int | str:
    """IntOrString{type = 1: 0 int, 1 string; intVal = 2; strVal = 3}."""
    parts = dict(_message(_bytes(value)))
    return _text(parts.get(3, b"")) if parts.get(1) else _int32(parts.get(2, 0))


def _any(value: Value) -> Any:
    """RawExtension{raw = 1} and FieldsV1{Raw = 1} carry JSON."""
    raw = _bytes(dict(_message(_bytes(value))).get(1, b""))
    return msgspec.json.decode(raw) if raw else None


_READERS: dict[str, Reader] = {
    "string": _text, "bool": lambda value: bool(_int(value)), "int32": _int32, "int64": _int, "double": _double,
    "bytes": lambda value: base64.b64encode(_bytes(value)).decode(), "Time": _time, "MicroTime": _micro_time,
    "Quantity": _quantity, "IntOrString": _int_or_string, "Any": _any, "FieldsV1": _any,
}  # fmt: skip
