"""The handshake: packets read, socket states read, and a whole conversation seen as this machine lets it be seen."""

from __future__ import annotations

import struct

import pytest

from k8slab.settings import LabError
from k8slab.widgets.conversation import parse, states
from k8slab.widgets.handshake import Handshake, events, line


def frame(flags: int, seq: int, ack: int, data: bytes = b"", *, options: int = 0, protocol: int = 6) -> bytes:
    ethernet = bytes(12) + struct.pack("!H", 0x0800)
    tcp = struct.pack("!HHIIBBHHH", 5000, 80, seq, ack, (5 + options) << 4, flags, 1, 0, 0) + bytes(4 * options)
    length = 20 + len(tcp) + len(data)
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, length, 0, 0, 64, protocol, 0, 0, 0)
    return ethernet + ip + tcp + data


def test_packets():
    assert parse(frame(0x02, 7, 0, options=5)) == {
        "source": 5000, "target": 80, "flags": ["SYN"], "seq": 7, "ack": 0, "data": ""
    }  # fmt: skip
    assert parse(frame(0x18, 1, 2, b"GET / HTTP/1.1\r\n"))["data"] == "GET / HTTP/1.1\r\n"
    assert parse(frame(0x11, 1, 2))["flags"] == ["ACK", "FIN"]
    assert parse(frame(0x02, 7, 0, protocol=17)) is None
    assert parse(b"\0" * 20) is None


TABLE = """  sl  local_address rem_address   st tx_queue
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000
   1: 0100007F:0050 0100007F:1388 08 00000000:00000000
   2: 0100007F:1388 0100007F:0050 05 00000000:00000000
"""


def test_states():
    assert states(TABLE, 80, 5000) == {"server": "CLOSE-WAIT", "client": "FIN-WAIT-2"}
    assert states(TABLE, 80, 4000) == {"server": "LISTEN", "client": "CLOSED"}
    assert states(TABLE, 81, 5000) == {"server": "CLOSED", "client": "CLOSED"}


def test_only_what_changed_is_an_event():
    before = {"client": "CLOSED", "server": "LISTEN"}
    seen = {"kind": "states", "at": 1.0, "client": "ESTABLISHED", "server": "LISTEN"}
    assert [(event["from"], event["now"]) for event in events(seen, before, "connect")] == [("client", "ESTABLISHED")]
    assert events({"kind": "done"}, before, "connect") == []


def test_a_whole_conversation():
    view = Handshake()
    try:
        for word in ("connect", "ask", "leave", "close", "connect"):
            assert view.draw()["next"] == word
            view.act({"do": word})
            if word == "leave":
                assert {e: s["name"] for e, s in view.draw()["states"].items()} == {
                    "client": "FIN-WAIT-2", "server": "CLOSE-WAIT"
                }  # fmt: skip
        with pytest.raises(LabError, match="What comes next is: ask"):
            view.act({"do": "close"})
        picture = view.draw()
        assert picture["states"]["client"]["name"] == "ESTABLISHED"
        packets = [event for event in picture["events"].values() if event["kind"] == "packet"]
        if picture["captured"]:  # else the machine does not let us: the states above are what there is
            assert [(p["from"], p["flags"]) for p in packets] == [
                ("client", "SYN"), ("server", "SYN ACK"), ("client", "ACK")
            ]  # fmt: skip
            assert [(p["seq"], p.get("ack")) for p in packets] == [(0, None), (0, 1), (1, 1)]
            assert "I want to talk" in line(packets[0])
        else:
            assert "lets nobody look at packets" in picture["source"]
    finally:
        view.close()
    assert view._child.returncode is not None
