"""The OpenAPI v2 document in its binary form, which every kubectl before 1.27, and any one in a corner, asks for.

`openapi.py` makes the document, `app.py` serves it. The messages and their numbers are those of Google's gnostic
(openapiv2/OpenAPIv2.proto): every JSON object is a message there, every choice and every list of names one more around
it. Only what our document has is known here; a key without a row is a mistake that the tests find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ASKED = (MEDIA_TYPE, MEDIA_TYPE.replace("v2.v1", "v2@v1"))  # the older name is no legal media type: never answered


class Row(NamedTuple):
    """How a key is written: fields around fields, the outermost first, then what the value is."""

    way: tuple[int, ...]
    what: str = "text"  # text, flag, any, or a message of MESSAGES
    holds: str = "one"  # one, many, or names (of many)
    inside: tuple[int, ...] = ()  # fields inside each of the many


MESSAGES: Mapping[str, Mapping[str, Row]] = {
    "Document": {
        "swagger": Row((1,)), "info": Row((2,), "Info"),
        "paths": Row((8, 2), "PathItem", "names"), "definitions": Row((9, 1), "Schema", "names"),
    },
    "Info": {"title": Row((1,)), "version": Row((2,))},
    "PathItem": {
        "get": Row((2,), "Operation"), "put": Row((3,), "Operation"), "post": Row((4,), "Operation"),
        "delete": Row((5,), "Operation"), "patch": Row((8,), "Operation"),
        "parameters": Row((9,), "parameter", "many"),
    },
    "Operation": {
        "tags": Row((1,), holds="many"), "description": Row((3,)), "operationId": Row((5,)),
        "produces": Row((6,), holds="many"), "consumes": Row((7,), holds="many"),
        "parameters": Row((8,), "parameter", "many"), "responses": Row((9, 1), "Response", "names", (1,)),
        "schemes": Row((10,), holds="many"), "x-": Row((13,)),
    },
    "Response": {"description": Row((1,)), "schema": Row((2, 1), "Schema")},
    "body": {"description": Row((1,)), "name": Row((2,)), "in": Row((3,)), "required": Row((4,), "flag"),
             "schema": Row((5,), "Schema")},
    "query": {"required": Row((1,), "flag"), "in": Row((2,)), "description": Row((3,)), "name": Row((4,)),
              "type": Row((6,)), "uniqueItems": Row((20,), "flag")},
    "path": {"required": Row((1,), "flag"), "in": Row((2,)), "description": Row((3,)), "name": Row((4,)),
             "type": Row((5,)), "uniqueItems": Row((19,), "flag")},
    "Schema": {
        "$ref": Row((1,)), "format": Row((2,)), "description": Row((4,)), "default": Row((5,), "any"),
        "required": Row((19,), holds="many"), "enum": Row((20,), "any", "many"),
        "additionalProperties": Row((21, 1), "Schema"), "type": Row((22, 1)), "items": Row((23, 1), "Schema"),
        "properties": Row((25, 1), "Schema", "names"), "x-": Row((31,)),
    },
}  # fmt: skip
PARAMETERS = {"body": (1, 1), "query": (1, 2, 3), "path": (1, 2, 4)}  # ParametersItem > Parameter (> NonBodyParameter)


def encode(document: Mapping[str, Any]) -> bytes:
    """The document as a gnostic `Document`. Raises KeyError for a key that has no row."""
    return _message("Document", document)


def _message(name: str, value: Mapping[str, Any]) -> bytes:
    return b"".join(_field(MESSAGES[name], key, item) for key, item in value.items())


def _field(rows: Mapping[str, Row], key: str, value: Any) -> bytes:
    if key.startswith("x-"):  # NamedAny: name = 1, value = 2
        return _bytes(rows["x-"].way[0], _bytes(1, key.encode()) + _bytes(2, _value("any", value)))
    row = rows[key]
    *around, last = row.way
    if row.what == "flag":
        return b"".join((_varint(last << 3), b"\x01" if value else b"\x00"))
    return _wrap(tuple(around), b"".join(_bytes(last, part) for part in _parts(row, value)))


def _parts(row: Row, value: Any) -> Iterator[bytes]:
    if row.holds == "one":
        yield _value(row.what, value)
    elif row.holds == "many":
        yield from (_value(row.what, item) for item in value)
    else:  # Named…: name = 1, value = 2
        for name, item in value.items():
            yield _bytes(1, str(name).encode()) + _bytes(2, _wrap(row.inside, _value(row.what, item)))


def _value(what: str, value: Any) -> bytes:
    if what == "text":
        return str(value).encode()
    if what == "any":  # Any: yaml = 2, and JSON is YAML
        return _bytes(2, msgspec.json.encode(value) + b"\n")
    if what == "parameter":
        return _wrap(PARAMETERS[value["in"]], _message(value["in"], value))
    return _message(what, value)


def _wrap(way: tuple[int, ...], body: bytes) -> bytes:
    for number in reversed(way):
        body = _bytes(number, body)
    return body


def _bytes(number: int, body: bytes) -> bytes:
    """A length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
