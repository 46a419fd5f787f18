"""DNS messages, as bytes and as what they say: one question, answers of five types (RFC 1035, 2782, 6891). Pure.

`names.py` knows the answers, `dns.py` carries the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

A, CNAME, SOA, PTR, SRV, OPT, ANY = 1, 5, 6, 12, 33, 41, 255
INTERNET = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = range(6)
PLAIN_UDP, LARGEST_UDP = 512, 1232  # bytes of an answer: without EDNS, and the most we send with it


class Malformed(ValueError):
    """These bytes are no question."""


class Record(NamedTuple):
    """One answer. `value` is an address (A), a name (CNAME, PTR), or `priority weight port name` (SRV)."""

    name: str
    type: int
    value: str
    ttl: int = 5


@dataclass(frozen=True)
class Query:
    """A question. `name` is in lower case and without the last dot."""

    id: int
    name: str
    type: int
    recursive: bool
    question: bytes  # as it was asked: it is repeated letter for letter
    edns: bool = False
    size: int = PLAIN_UDP  # how large an answer by UDP may be


def read(message: bytes) -> Query:
    """The question in a message. Raises Malformed."""
    try:
        id, flags, questions, _, _, additional = struct.unpack_from("!6H", message)
        if flags & 0x8000 or flags >> 11 & 15 or questions != 1:
            raise Malformed("one standard question is expected")
        labels, end = _labels(message, 12)
        type_, class_ = struct.unpack_from("!2H", message, end)
    except (struct.error, IndexError) as error:
        raise Malformed("the message is cut short") from error
    if class_ not in (INTERNET, ANY):
        raise Malformed("only the Internet class is known")
    edns, size = _edns(message, end + 4) if additional else (False, PLAIN_UDP)
    name = ".".join(labels).lower()
    return Query(id, name, type_, bool(flags & 0x0100), message[12 : end + 4], edns, size)


def _labels(message: bytes, at: int) -> tuple[list[str], int]:
    labels: list[str] = []
    while length := message[at]:
        if length > 63:
            raise Malformed("a question's name is not compressed")
        label = message[at + 1 : at + 1 + length]
        if len(label) < length:
            raise Malformed("the message is cut short")
        labels.append(label.decode("ascii", "replace"))
        at += 1 + length
    return labels, at + 1


def _edns(message: bytes, at: int) -> tuple[bool, int]:
    """Whether the first record after the question is an OPT, and the size it allows."""
    if len(message) < at + 5 or message[at] or struct.unpack_from("!H", message, at + 1)[0] != OPT:
        return False, PLAIN_UDP
    (size,) = struct.unpack_from("!H", message, at + 3)
    return True, min(max(size, PLAIN_UDP), LARGEST_UDP)


def answer(query: Query, code: int, records: Sequence[Record] = (), zone: str = "", *, limit: int = 65535) -> bytes:
    """The answer; without records, the zone's SOA says for how long to believe it. Too long for `limit`: cut, and said
    so, whereupon the client asks again by TCP."""
    body = b"".join(map(_encoded, records))
    authority = b"" if records or not zone else _soa(zone)
    extra = struct.pack("!BHHIH", 0, OPT, LARGEST_UDP, 0, 0) if query.edns else b""
    counts = 1, len(records), int(bool(authority)), int(query.edns)
    flags = 0x8480 | (0x0100 if query.recursive else 0) | code
    message = struct.pack("!6H", query.id, flags, *counts) + query.question + body + authority + extra
    if len(message) <= limit:
        return message
    return struct.pack("!6H", query.id, flags | 0x0200, 1, 0, 0, int(query.edns)) + query.question + extra


def ask(id: int, name: str, type_: int) -> bytes:
    """A question to somebody else."""
    return struct.pack("!6H", id, 0x0100, 1, 0, 0, 0) + encode_name(name) + struct.pack("!2H", type_, INTERNET)


def addresses(message: bytes) -> list[str]:
    """All addresses (A) among the answers of a message. Raises Malformed."""
    try:
        _, _, questions, answers, _, _ = struct.unpack_from("!6H", message)
        at = 12
        for _ in range(questions):
            at = _skip_name(message, at) + 4
        found = []
        for _ in range(answers):
            at = _skip_name(message, at)
            type_, _, _, length = struct.unpack_from("!2HIH", message, at)
            at += 10 + length
            if type_ == A:
                found.append(str(IPv4Address(message[at - 4 : at])))
        return found
    except (struct.error, IndexError, ValueError) as error:
        raise Malformed("the answer cannot be read") from error


def _skip_name(message: bytes, at: int) -> int:
    while length := message[at]:
        if length >= 0xC0:  # the rest stands elsewhere
            return at + 2
        at += 1 + length
    return at + 1


def refusal(message: bytes, code: int) -> bytes:
    """The answer to what could not be read, as far as it has an id."""
    return struct.pack("!6H", int.from_bytes(message[:2], "big"), 0x8080 | code, 0, 0, 0, 0)


def _encoded(record: Record) -> bytes:
    data = _data(record)
    return encode_name(record.name) + struct.pack("!2HIH", record.type, INTERNET, record.ttl, len(data)) + data


def _data(record: Record) -> bytes:
    if record.type == A:
        return IPv4Address(record.value).packed
    if record.type == SRV:
        priority, weight, port, target = record.value.split()
        return struct.pack("!3H", int(priority), int(weight), int(port)) + encode_name(target)
    return encode_name(record.value)


def _soa(zone: str) -> bytes:
    numbers = struct.pack("!5I", 1, 7200, 1800, 86400, 5)  # serial, refresh, retry, expire; seconds a No is believed
    data = encode_name(f"ns.dns.{zone}") + encode_name(f"hostmaster.{zone}") + numbers
    return encode_name(zone) + struct.pack("!2HIH", SOA, INTERNET, 5, len(data)) + data


def encode_name(name: str) -> bytes:
    """`a.b` as labels with their lengths."""
    labels = [label.encode("ascii", "replace") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
