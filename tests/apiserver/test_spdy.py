"""SPDY/3.1's frames, byte by byte where the protocol says so, and both ways by whatever hypothesis thinks of."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.apiserver import spdy
from k8slab.apiserver.spdy import Data, GoAway, Opened, Ping, Reset, Session, SpdyError

STREAMS = st.integers(1, 2**31 - 1)
HEADERS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=5)
EVENTS = st.one_of(
    st.builds(Opened, STREAMS, HEADERS, st.booleans()),
    st.builds(Data, STREAMS, st.binary(max_size=300), st.booleans()),
    st.builds(Reset, STREAMS, st.integers(1, 11)),
    st.builds(Ping, st.integers(0, 2**32 - 1)),
)


def written(session: Session, event: spdy.Event) -> bytes:
    match event:
        case Opened(stream, headers, fin):
            return session.open(stream, headers, fin=fin)
        case Data(stream, data, fin):
            return session.data(stream, data, fin=fin)
        case Reset(stream, status):
            return session.reset(stream, status)
        case Ping(id):
            return session.ping(id)
    raise AssertionError(event)


@given(st.lists(EVENTS, max_size=20), st.integers(1, 50))
def test_what_is_sent_is_heard_however_it_is_cut(events: list[spdy.Event], size: int) -> None:
    client, server = Session(), Session()
    wire = b"".join(written(client, event) for event in events)
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert [event for piece in pieces for event in server.receive(piece)] == events


@given(st.binary(max_size=200))
def test_noise_is_an_error_or_waits_for_more(noise: bytes) -> None:
    session = Session()
    with contextlib.suppress(SpdyError):
        list(session.receive(noise))


def test_the_dictionary_is_the_drafts() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


@pytest.mark.parametrize(
    ("frame", "bytes_"),
    [
        (Session().data(1, b"hi"), b"\0\0\0\x01\0\0\0\x02hi"),
        (Session().data(3, b"", fin=True), b"\0\0\0\x03\x01\0\0\0"),
        (Session().reset(5, 3), b"\x80\x03\0\x03\0\0\0\x08\0\0\0\x05\0\0\0\x03"),
        (Session().ping(7), b"\x80\x03\0\x06\0\0\0\x04\0\0\0\x07"),
        (Session().goaway(9), b"\x80\x03\0\x07\0\0\0\x08\0\0\0\x09\0\0\0\x01"),
        (Session().reply(1)[:12], b"\x80\x03\0\x02" + Session().reply(1)[4:8] + b"\0\0\0\x01"),
    ],
)
def test_frames(frame: bytes, bytes_: bytes) -> None:
    assert frame == bytes_


def test_frames_that_are_not_for_us_change_nothing() -> None:
    session = Session()
    settings = struct.pack(">HHI", 0x8003, spdy.SETTINGS, 4) + b"\0\0\0\0"
    window = struct.pack(">HHI", 0x8003, spdy.WINDOW_UPDATE, 8) + b"\0" * 8
    assert list(session.receive(settings + window + Session().goaway(0))) == [GoAway()]


def test_a_reply_moves_the_compression_on() -> None:
    client, server = Session(), Session()
    assert list(server.receive(client.reply(2) + client.open(1, {"a": "b"}))) == [Opened(1, {"a": "b"}, False)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (struct.pack(">II", 1, (1 << 20) + 1), "a frame of"),
        (struct.pack(">HHI", 0x8002, spdy.PING, 4) + b"\0" * 4, "version 2"),
        (struct.pack(">HHI", 0x8003, spdy.RST_STREAM, 2) + b"\0\0", "type 3"),
        (struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, 14) + b"\0" * 10 + b"junk", "type 1"),
    ],
)
def test_what_cannot_go_on(bad: bytes, why: str) -> None:
    with pytest.raises(SpdyError, match=why):
        list(Session().receive(bad))


def test_a_bomb_of_headers_is_refused() -> None:
    with pytest.raises(SpdyError, match="more than"):
        list(Session().receive(Session().open(1, {"a": "x" * (2 << 20)})))
