"""The binary OpenAPI v2: written with gnostic's numbers, and nothing of the document is lost."""

from __future__ import annotations

import json

import pytest

from k8slab.apiserver import openapi
from k8slab.apiserver.openapi_v2_protobuf import encode


def fields(data):
    """Field number -> its values, of one message."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        size = varint()
        if key & 7 == 2:
            found.setdefault(key >> 3, []).append(data[at : at + size])
            at += size
        else:
            found.setdefault(key >> 3, []).append(size)
    return found


def named(pieces):
    """Named…: name = 1, value = 2."""
    return {fields(piece)[1][0].decode(): fields(piece)[2][0] for piece in pieces}


@pytest.mark.parametrize(
    ("document", "bytes_"),
    [
        ({"swagger": "2.0"}, b"\x0a\x032.0"),
        ({"info": {"title": "K", "version": "1"}}, b"\x12\x06\x0a\x01K\x12\x011"),
        ({"definitions": {"a": {"type": "object"}}}, b"\x4a\x12\x0a\x10\x0a\x01a\x12\x0b\xb2\x01\x08\x0a\x06object"),
        ({"paths": {"/": {"get": {"tags": ["t"]}}}}, b"\x42\x0c\x12\x0a\x0a\x01/\x12\x05\x12\x03\x0a\x01t"),
    ],
)
def test_small_documents(document, bytes_):
    assert encode(document) == bytes_


def test_an_unknown_key_is_a_mistake():
    with pytest.raises(KeyError):
        encode({"swagger": "2.0", "hosts": []})


def test_the_whole_document_is_there(http):
    plain = json.loads(openapi.v2())
    for accept in (
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf, */*",
    ):
        answer = http.get("/openapi/v2", headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    document = fields(answer.content)
    assert document[1] == [b"2.0"]
    definitions = named(fields(document[9][0])[1])
    assert [*definitions] == [*plain["definitions"]]
    for name, body in definitions.items():
        check_schema(fields(body), plain["definitions"][name])
    paths = named(fields(document[8][0])[2])
    assert [*paths] == [*plain["paths"]]
    web = fields(fields(paths["/api/v1/namespaces/{namespace}/pods/{name}"])[2][0])
    told = plain["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["get"]
    assert web[5] == [told["operationId"].encode()]
    assert (
        json.loads(fields(named(web[13])["x-kubernetes-group-version-kind"])[2][0])
        == told["x-kubernetes-group-version-kind"]
    )
    assert [*named(fields(web[9][0])[1])] == [*told["responses"]]


def check_schema(found, schema):
    assert found.get(1, [b""])[0].decode() == schema.get("$ref", "")
    assert found.get(4, [b""])[0].decode() == schema.get("description", "")
    assert [word.decode() for word in found.get(19, [])] == schema.get("required", [])
    if "type" in schema:
        assert fields(found[22][0])[1] == [schema["type"].encode()]
    properties = named(fields(found[25][0])[1]) if 25 in found else {}
    assert [*properties] == [*schema.get("properties", {})]
    for name, body in properties.items():
        check_schema(fields(body), schema["properties"][name])
    extensions = {name: json.loads(fields(body)[2][0]) for name, body in named(found.get(31, [])).items()}
    assert extensions == {key: value for key, value in schema.items() if key.startswith("x-")}
    for number, key in ((23, "items"), (21, "additionalProperties")):
        if key in schema:
            check_schema(fields(fields(found[number][0])[1][0]), schema[key])
