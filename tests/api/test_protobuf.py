"""Bodies that a real kubectl 1.32 sent, beside the JSON that the same kubectl prints for the same command."""

import base64
import contextlib
import json
import struct
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8slab.api import protobuf, schema, typed
from k8slab.api.errors import BadRequest

BODIES = json.loads(Path(__file__).with_name("kubectl_bodies.json").read_text())
STORED = [row["stored"] for row in json.loads(Path(__file__).with_name("defaults.json").read_text())]
WEB = base64.b64decode(BODIES[0]["body"])


@pytest.mark.parametrize("row", BODIES, ids=lambda row: row["command"])
def test_what_kubectl_sent_is_what_it_would_have_sent_as_json(row):
    assert protobuf.decode(base64.b64decode(row["body"])) == row["object"]


@pytest.mark.parametrize("obj", STORED, ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}")
def test_whatever_go_would_write_is_read_back(obj):
    definition = schema.definition_of(obj["apiVersion"], obj["kind"])
    wanted = typed.check(obj, definition).pruned
    for claim in wanted.get("spec", {}).get("volumeClaimTemplates", ()):
        del claim["apiVersion"], claim["kind"]  # an object inside another travels without them
    assert protobuf.decode(envelope(obj["apiVersion"], obj["kind"], write(definition, wanted))) == wanted


def test_a_negative_number_takes_ten_bytes():
    pod = envelope("v1", "Pod", field(2, field(25, -10)))
    assert protobuf.decode(pod)["spec"] == {"priority": -10}


def test_numbers_may_come_packed():
    rule = write_varint(1) + write_varint(300)
    job = field(2, field(11, field(1, field(2, field(3, rule)))))
    spec = protobuf.decode(envelope("batch/v1", "Job", job))["spec"]
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [1, 300]


def test_a_field_it_does_not_know_is_skipped_as_go_does():
    assert protobuf.decode(envelope("v1", "Pod", field(1, field(1, b"web")) + field(900, b"new")))["metadata"] == {
        "name": "web"
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00",
        b"k8s\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"k8s\x00" + b"\x0a\xff\xff\xff\xff\x7f",  # a length of 34 GB
        b"k8s\x00\x0b\x0c",  # groups, which proto2 had
        b"k8s\x00\x02\x00",  # the number 0
    ],
)
def test_garbage_is_a_bad_request(body):
    with pytest.raises(BadRequest):
        protobuf.decode(body)


def test_a_kind_it_does_not_know_is_named():
    with pytest.raises(BadRequest, match='no kind "Role" is registered for version "rbac'):
        protobuf.decode(envelope("rbac.authorization.k8s.io/v1", "Role", b""))


def test_every_truncation_is_read_or_refused():
    for end in range(len(WEB)):
        read_or_refused(WEB[:end])


def test_deep_nesting_and_a_huge_body_are_read_or_refused():
    deep = b""
    for _ in range(2000):
        deep = field(1, deep)
    read_or_refused(envelope("v1", "Pod", deep))
    nested = field(1, b'{"a":' * 50_000)
    read_or_refused(envelope("apps/v1", "ControllerRevision", field(2, nested)))
    read_or_refused(envelope("v1", "ConfigMap", field(2, field(1, b"k") + field(2, b"x")) * 100_000))


@given(st.binary(max_size=200))
@example(b"\x0a\x00" * 50)
def test_any_bytes_are_read_or_refused(data):
    for kind in ("Pod", "Event", "PersistentVolume"):
        read_or_refused(envelope("v1", kind, data))
    read_or_refused(b"k8s\x00" + data)


@given(st.integers(0, len(WEB) - 1), st.integers(0, 255))
def test_any_flipped_byte_is_read_or_refused(at, byte):
    read_or_refused(WEB[:at] + bytes([byte]) + WEB[at + 1 :])


def read_or_refused(body):
    with contextlib.suppress(BadRequest):
        assert isinstance(protobuf.decode(body), dict)


# The writing half, as gogo-proto does it: what is no pointer is written even when it is empty.


def envelope(api_version, kind, raw):
    meta = field(1, api_version.encode()) + field(2, kind.encode())
    return protobuf.MAGIC + field(1, meta) + field(2, raw) + field(3, b"") + field(4, b"")


def field(number, value):
    if isinstance(value, int):
        return write_varint(number << 3) + write_varint(value % 2**64)
    return write_varint(number << 3 | 2) + write_varint(len(value)) + value


def write_varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def write(definition, obj):
    parts = {}
    for name, spec in schema.fields(definition).items():
        if spec.number:
            parts[spec.within] = parts.get(spec.within, b"") + write_field(spec, obj.get(name))
    return parts.pop(0, b"") + b"".join(field(within, part) for within, part in parts.items())


def write_field(spec, value):
    if spec.holds == "map":
        pairs = (value or {}).items()
        return b"".join(field(spec.number, field(1, key.encode()) + field(2, one(spec, item))) for key, item in pairs)
    if spec.holds == "list":
        return b"".join(field(spec.number, one(spec, item)) for item in value or ())
    if value is None and not (spec.zero and spec.type in schema.SCALARS):
        return b""
    return field(spec.number, one(spec, value))


def one(spec, value):
    if spec.type in ("int32", "int64", "bool"):
        return int(value or 0)
    if spec.type == "string":
        return (value or "").encode()
    if spec.type == "double":
        return struct.pack("<d", value)
    return special(spec.type, value) if spec.type not in schema.SCALARS or spec.type == "bytes" else b""


def special(type_, value):
    if type_ == "bytes":
        return base64.b64decode(value or "")
    if type_ == "Quantity":
        return field(1, value.encode())
    if type_ == "IntOrString":
        return (
            field(1, 0) + field(2, value) + field(3, b"")
            if isinstance(value, int)
            else field(1, 1) + field(3, value.encode())
        )
    if type_ in ("Time", "MicroTime"):
        then = datetime.fromisoformat(value)
        return field(1, int(then.timestamp())) + field(2, then.microsecond * 1000)
    if type_ in ("Any", "FieldsV1"):
        return field(1, json.dumps(value).encode())
    return write(type_, value)
