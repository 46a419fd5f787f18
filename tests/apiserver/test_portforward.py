"""Port-forwarding in both its languages, to a real socket: many connections, half-closed ones, and refused ones."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from k8slab.apiserver.portforward import TUNNEL
from k8slab.apiserver.spdy import PROTOCOL_ERROR, Data, GoAway, Opened, Ping, Reset, Session
from tests.apiserver.conftest import POD

PATH = "/api/v1/namespaces/default/pods/web/portforward"


@pytest.fixture(autouse=True)
def pod(http):
    http.post(
        "/api/v1/namespaces/default/pods", json={**POD, "spec": {**POD["spec"], "nodeName": "n"}}
    ).raise_for_status()


@pytest.fixture
def echo(nodes):
    """A server that says everything back, and hangs up when the other side has."""
    listener = socket.create_server(("127.0.0.1", 0))
    nodes.port = listener.getsockname()[1]

    def answer(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


class Kubectl:
    """kubectl's side of a tunnel."""

    def __init__(self, connection):
        self.socket, self.session = connection, Session()
        self.got, self.ended, self.reset, self.pings = {}, set(), {}, []

    def send(self, data):
        self.socket.send_bytes(data)

    def open(self, number, request="0", port="80"):
        for stream, kind in ((number, "error"), (number + 2, "data")):
            headers = {"streamtype": kind, "port": port, "requestid": request}
            self.send(self.session.open(stream, headers))
        self.send(self.session.data(number, b"", fin=True))
        return number + 2

    def hear(self, until):
        while not until():
            for event in self.session.receive(self.socket.receive_bytes()):
                if isinstance(event, Data):
                    self.got[event.stream] = self.got.get(event.stream, b"") + event.data
                    self.ended |= {event.stream} if event.fin else set()
                elif isinstance(event, Reset):
                    self.reset[event.stream] = event.status
                elif isinstance(event, Ping):
                    self.pings.append(event.id)
                assert not isinstance(event, GoAway | Opened)


@pytest.fixture
def kubectl(http):
    with http.websocket_connect(PATH, subprotocols=[TUNNEL]) as connection:
        assert connection.accepted_subprotocol == TUNNEL
        yield Kubectl(connection)


def test_twenty_connections_at_a_time_each_get_their_own_back(kubectl, echo):
    streams = {kubectl.open(1 + 4 * n, str(n)): b"%d " % n * 5000 for n in range(20)}
    for stream, text in streams.items():
        for at in range(0, len(text), 1000):
            kubectl.send(kubectl.session.data(stream, text[at : at + 1000]))
        kubectl.send(kubectl.session.data(stream, b"", fin=True))
    everything = {*streams, *(stream - 2 for stream in streams)}
    kubectl.hear(lambda: kubectl.ended == everything)
    assert {stream: kubectl.got[stream] for stream in streams} == streams
    assert all(kubectl.got[stream - 2] == b"" for stream in streams)


def test_nobody_listens_there(kubectl):
    data = kubectl.open(1)
    kubectl.hear(lambda: kubectl.ended == {1, data})
    assert kubectl.got[1] == b"error forwarding port 80: connection refused"


def test_after_a_reset_the_error_stream_ends_all_the_same(kubectl, echo):
    data = kubectl.open(1)
    kubectl.send(kubectl.session.data(data, b"x"))
    kubectl.hear(lambda: kubectl.got.get(data) == b"x")
    kubectl.send(kubectl.session.reset(data, 5))
    kubectl.hear(lambda: 1 in kubectl.ended)
    kubectl.send(kubectl.session.data(data, b"too late"))
    kubectl.send(kubectl.session.ping(1))
    kubectl.hear(lambda: kubectl.pings == [1])


@pytest.mark.parametrize(
    "headers",
    [{}, {"streamtype": "data", "port": "x"}, {"streamtype": "x", "port": "80"}, {"streamtype": "data", "port": "0"}],
)
def test_a_stream_that_says_not_what_for(kubectl, headers):
    kubectl.send(kubectl.session.open(1, headers))
    kubectl.hear(lambda: kubectl.reset == {1: PROTOCOL_ERROR})


def test_what_is_not_spdy_ends_the_tunnel(kubectl):
    kubectl.send(b"GET / HTTP/1.1\r\n\r\n")
    assert list(kubectl.session.receive(kubectl.socket.receive_bytes())) == [GoAway()]
    with pytest.raises(WebSocketDisconnect):
        kubectl.socket.receive_bytes()


@pytest.mark.parametrize("protocol", [None, "v4.channel.k8s.io"])
def test_two_channels_a_port(http, echo, protocol):
    with http.websocket_connect(PATH + "?ports=80,81", subprotocols=[protocol] if protocol else None) as connection:
        heads = [connection.receive_bytes() for _ in range(4)]
        assert heads == [bytes([channel]) + struct.pack("<H", 80 + channel // 2) for channel in range(4)]
        connection.send_bytes(b"\x02hello")
        assert connection.receive_bytes() == b"\x02hello"


def test_two_channels_and_nobody_there(http):
    with http.websocket_connect(
        PATH + "?ports=80", subprotocols=["v5.channel.k8s.io", "v4.channel.k8s.io"]
    ) as connection:
        assert connection.accepted_subprotocol == "v4.channel.k8s.io"
        assert [connection.receive_bytes() for _ in range(3)][2] == b"\x01error forwarding port 80: connection refused"
        with pytest.raises(WebSocketDisconnect):
            connection.receive_bytes()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (PATH, "you must specify at least 1 port"),
        (PATH + "?ports=x", 'unable to parse port "x"'),
        (PATH.replace("web", "no"), "not found"),
    ],
)
def test_refused_before_the_upgrade(http, url, words):
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        http.websocket_connect(url, subprotocols=["v4.channel.k8s.io"]),
    ):
        pass
    assert words in caught.value.json()["message"]
