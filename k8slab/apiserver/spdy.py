"""SPDY/3.1's frames, as far as `kubectl port-forward` needs them: streams that open, carry data, and end.

kubectl sends them inside a WebSocket (KEP-4006); `portforward.py` answers. Nothing here waits or knows a socket: bytes
go in, events come out. The format is the SPDY protocol draft 3.1's (chromium.org/spdy), without push and without flow
control, which Kubernetes' own library (moby/spdystream) does not use either.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
PROTOCOL_ERROR, REFUSED_STREAM = 1, 3
MOST = 1 << 20  # bytes of a frame, and of its headers unpacked: kubectl's are 32 KiB and a few hundred

NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200|OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
VALUES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


# What both sides' zlib knows before the first header: the draft's list of likely names and values.
DICTIONARY = b"".join(_counted(name.replace("|", " ").encode()) for name in NAMES.split()) + VALUES.encode()


class SpdyError(Exception):
    """What came is not SPDY/3.1, or more than we take: the session cannot go on."""


@dataclass(frozen=True)
class Opened:
    """SYN_STREAM: a stream begins. `fin`: the other side will send nothing on it."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Data:
    """Bytes of a stream; `fin`: its last."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True)
class Reset:
    """RST_STREAM: the stream is over in both directions."""

    stream: int
    status: int


@dataclass(frozen=True)
class Ping:
    """To be sent back as it is."""

    id: int


@dataclass(frozen=True)
class GoAway:
    """The other side opens no more streams."""


Event = Opened | Data | Reset | Ping | GoAway


class Session:
    """One side of a connection: `receive` reads what came, the other methods write what to send."""

    def __init__(self) -> None:
        self._inbox = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events complete so far. Raises SpdyError."""
        self._inbox += data
        while len(self._inbox) >= 8:
            head, flags_length = struct.unpack(">II", self._inbox[:8])
            flags, length = flags_length >> 24, flags_length & 0xFFFFFF
            if length > MOST:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._inbox) < 8 + length:
                return
            body = bytes(self._inbox[8 : 8 + length])
            del self._inbox[: 8 + length]
            if head >> 31:
                yield from self._control(head >> 16 & 0x7FFF, head & 0xFFFF, flags, body)
            else:
                yield Data(head, body, bool(flags & FIN))

    def _control(self, version: int, kind: int, flags: int, body: bytes) -> Iterator[Event]:
        if version != 3:
            raise SpdyError(f"SPDY version {version}, not 3")
        try:
            if kind == SYN_STREAM:
                (stream,) = struct.unpack_from(">I", body)
                yield Opened(stream & 0x7FFFFFFF, self._headers(body[10:]), bool(flags & FIN))
            elif kind in (SYN_REPLY, HEADERS):
                self._headers(body[4:])  # unread, but the compression's state goes through every header
            elif kind == RST_STREAM:
                stream, status = struct.unpack(">II", body)
                yield Reset(stream & 0x7FFFFFFF, status)
            elif kind == PING:
                yield Ping(*struct.unpack(">I", body))
            elif kind == GOAWAY:
                yield GoAway()
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"frame of type {kind}: {error}") from error

    def _headers(self, packed: bytes) -> dict[str, str]:
        block = self._inflate.decompress(packed, MOST)
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"headers of more than {MOST} bytes")
        if not block:
            return {}
        (count,), at, words = struct.unpack_from(">I", block), 4, []
        for _ in range(2 * count):
            (length,) = struct.unpack_from(">I", block, at)
            words.append(block[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return dict(zip(words[::2], words[1::2], strict=True))

    # ---- what to send -------------------------------------------------------------------------------------------

    def open(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """SYN_STREAM."""
        return _frame(SYN_STREAM, struct.pack(">IIxx", stream, 0) + self._packed(headers), FIN if fin else 0)

    def reply(self, stream: int) -> bytes:
        """SYN_REPLY: the stream is accepted."""
        return _frame(SYN_REPLY, struct.pack(">I", stream) + self._packed({}))

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """A data frame; an empty one with `fin` ends our half of the stream."""
        return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data

    def reset(self, stream: int, status: int) -> bytes:
        """RST_STREAM."""
        return _frame(RST_STREAM, struct.pack(">II", stream, status))

    def ping(self, id: int) -> bytes:
        """PING, or the answer to one."""
        return _frame(PING, struct.pack(">I", id))

    def goaway(self, last: int) -> bytes:
        """GOAWAY: no stream after `last` is looked at."""
        return _frame(GOAWAY, struct.pack(">II", last, PROTOCOL_ERROR))

    def _packed(self, headers: Mapping[str, str]) -> bytes:
        words = (_counted(word.encode()) for pair in headers.items() for word in pair)
        block = struct.pack(">I", len(headers)) + b"".join(words)
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _frame(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | 3, kind, flags << 24 | len(body)) + body
