"""exec and attach over WebSocket, as every client speaks it: who is let in, what is said, how it ends."""

from __future__ import annotations

import base64
import json

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from k8slab.api.errors import ApiError, BadRequest
from k8slab.apiserver.channels import PLAIN, REMOTE_COMMAND, V4, V5, exit_status, negotiate, pack, terminal_size, unpack
from tests.apiserver.conftest import POD, TOKEN

EXEC = "/api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&stdin=1&stdout=1&stderr=1"
ATTACH = "/api/v1/namespaces/default/pods/web/attach?stdin=1&stdout=1&stderr=1"


@pytest.fixture
def pod(http):
    spec = {**POD["spec"], "nodeName": "node-1"}
    http.post("/api/v1/namespaces/default/pods", json={**POD, "spec": spec}).raise_for_status()


def denied(http, url, protocols=("v5.channel.k8s.io",), **more):
    with pytest.raises(WebSocketDenialResponse) as caught, http.websocket_connect(url, subprotocols=protocols, **more):
        pass
    return caught.value.status_code, caught.value.json()["message"]


# ---- messages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], ""), (["v5.channel.k8s.io"], "v5.channel.k8s.io"),
        (["v5.channel.k8s.io", "v4.channel.k8s.io"], "v5.channel.k8s.io"),
        (["new", "v4.channel.k8s.io", "v5.channel.k8s.io"], "v4.channel.k8s.io"),
        (["base64url.bearer.authorization.k8s.io.eA", "v4.base64.channel.k8s.io"], "v4.base64.channel.k8s.io"),
        (["base64url.bearer.authorization.k8s.io.eA"], ""),
    ],
)  # fmt: skip
def test_the_first_known_subprotocol_is_spoken(offered, chosen):
    assert negotiate(offered, REMOTE_COMMAND).name == chosen


def test_a_subprotocol_nobody_knows_is_refused_with_those_we_do():
    with pytest.raises(BadRequest, match=r"v9\.channel.*v5\.channel\.k8s\.io"):
        negotiate(["v9.channel.k8s.io"], REMOTE_COMMAND)


@pytest.mark.parametrize("how", [*V4, V5, *PLAIN], ids=lambda how: how.name or "none")
@pytest.mark.parametrize("data", [b"", b"\x00\xff", "안녕".encode()])
def test_a_message_there_and_back(how, data):
    assert unpack(how, {**pack(how, 3, data), "type": "websocket.receive"}) == (3, data)


@pytest.mark.parametrize(
    "message", [{}, {"bytes": b""}, {"text": ""}, {"text": "x"}, {"text": "1!!!"}, {"bytes": b"x"}]
)
def test_what_is_no_message(message):
    assert unpack(V4[1], message) == (-1, b"")


def test_text_and_bytes_are_alike():
    assert unpack(V5, {"text": "\0hi", "bytes": None}) == unpack(V5, {"bytes": b"\0hi"}) == (0, b"hi")
    assert unpack(V4[1], {"bytes": b"0aGk="}) == unpack(V4[1], {"text": "0aGk="}) == (0, b"hi")


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b'{"Width":80,"Height":24}', (80, 24)), (b'{"Width":0,"Height":24}', None), (b'{"Width":"8","Height":2}', None),
        (b"[]", None), (b"\xff", None), (b'{"Width":70000,"Height":2}', None), (b"{}", None),
    ],
)  # fmt: skip
def test_the_size_of_a_terminal(data, size):
    assert terminal_size(data) == size


def test_exit_codes():
    assert exit_status(0) == {"metadata": {}, "status": "Success"}
    failed = exit_status(7, ["false"])
    assert (failed["status"], failed["reason"]) == ("Failure", "NonZeroExitCode")
    assert failed["details"] == {"causes": [{"reason": "ExitCode", "message": "7"}]}
    assert (
        failed["message"] == "command terminated with non-zero exit code: error executing command [false], exit code 7"
    )


# ---- conversations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
def test_exec_talks_both_ways_and_ends_with_a_status(http, nodes, pod, protocol):
    nodes.code = 7
    with http.websocket_connect(EXEC, subprotocols=[protocol]) as socket:
        assert socket.accepted_subprotocol == protocol
        assert socket.receive_bytes() == b"\x01"
        assert socket.receive_bytes() == b"\x01hello"
        assert socket.receive_bytes() == b"\x02oops"
        socket.send_bytes(b"\x00one")
        assert socket.receive_bytes() == b"\x01got one"
        if protocol.startswith("v4"):
            socket.send_bytes(b"\xff\x00")  # no such channel in v4
            socket.send_bytes(b"\x00two")
            assert socket.receive_bytes() == b"\x01got two"
            return
        socket.send_bytes(b"\xff\x00")
        status = socket.receive_bytes()
        assert (status[0], json.loads(status[1:])) == (3, exit_status(7, ["sh", "-c"]))
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()
    assert nodes.asked[0][1:2] == ("c",)
    assert nodes.asked[0][2].command == ("sh", "-c")


def test_the_process_hears_that_its_client_has_gone(http, nodes, pod):
    with http.websocket_connect(EXEC, subprotocols=["v5.channel.k8s.io"]) as socket:
        socket.receive_bytes()
    assert nodes.said == [("closed",)]


def test_a_terminal_has_one_output_and_a_size(http, nodes, pod):
    with http.websocket_connect(EXEC + "&tty=1", subprotocols=["v4.channel.k8s.io"]) as socket:
        assert [socket.receive_bytes() for _ in range(2)] == [b"\x01", b"\x01hello"]
        socket.send_bytes(b'\x04{"Width":80,"Height":24}')
        assert socket.receive_bytes() == b"\x01got "
        assert nodes.said == [("resize", 80, 24)]
    assert (nodes.asked[0][2].tty, nodes.asked[0][2].stderr) == (True, False)


def test_the_oldest_form_and_base64(http, nodes, pod):
    with http.websocket_connect(EXEC, subprotocols=["base64.channel.k8s.io"]) as socket:
        assert [socket.receive_text() for _ in range(2)] == ["1", "1" + base64.b64encode(b"hello").decode()]
    nodes.refusal = ApiError("Internal error occurred: no such program")
    with http.websocket_connect(EXEC, subprotocols=["channel.k8s.io"]) as socket:
        assert [socket.receive_bytes() for _ in range(2)] == [b"\x01", b"\x03Internal error occurred: no such program"]


def test_what_goes_wrong_after_the_upgrade_is_a_status(http, nodes, pod):
    nodes.refusal = ApiError("Internal error occurred: no such program")
    with http.websocket_connect(EXEC, subprotocols=["v5.channel.k8s.io"]) as socket:
        socket.receive_bytes()
        assert json.loads(socket.receive_bytes()[1:])["message"] == "Internal error occurred: no such program"


def test_an_attach_ends_well_whatever_the_exit_code(http, nodes, pod):
    nodes.code = 3
    with http.websocket_connect(ATTACH, subprotocols=["v5.channel.k8s.io"]) as socket:
        assert [socket.receive_bytes() for _ in range(3)] == [b"\x01", b"\x01hello", b"\x02oops"]
        socket.send_bytes(b"\xff\x00")
        assert json.loads(socket.receive_bytes()[1:])["status"] == "Success"


def test_only_wanted_streams_are_sent_and_heard(http, nodes, pod):
    url = EXEC.replace("stdin=1&stdout=1", "stdout=0")
    with http.websocket_connect(url, subprotocols=["v4.channel.k8s.io"]) as socket:
        assert [socket.receive_bytes() for _ in range(2)] == [b"\x02", b"\x02oops"]
        socket.send_bytes(b"\x00ignored")


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_without_a_token_nobody_is_let_in(http, nodes, pod):
    del http.headers["Authorization"]
    assert denied(http, EXEC) == (401, "Unauthorized")
    for token, words in ((TOKEN.encode(), ""), (b"wrong", "Unauthorized")):
        bearer = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token).decode().rstrip("=")
        if words:
            assert denied(http, EXEC, [bearer, "v4.channel.k8s.io"]) == (401, words)
        else:
            with http.websocket_connect(EXEC, subprotocols=[bearer, "v4.channel.k8s.io"]) as socket:
                assert socket.accepted_subprotocol == "v4.channel.k8s.io"


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        (EXEC.replace("web", "nobody"), 404, 'pods "nobody" not found'),
        (EXEC + "&container=x", 400, "container x is not valid for pod web"),
        (EXEC.split("&stdin")[0], 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (EXEC.replace("command", "c"), 400, "you must specify at least one command to execute"),
        (EXEC.replace("/web/", "/free/"), 400, "pod free does not have a host assigned"),
        (EXEC.replace("/web/", "/two/"), 400, "a container name must be specified for pod two, choose one of: [i a b]"),
    ],
)
def test_what_is_wrong_is_said_before_the_upgrade_and_to_spdy_clients_alike(http, pod, url, code, words):
    two = {"containers": [{"name": n, "image": "i"} for n in "ab"], "initContainers": [{"name": "i", "image": "i"}]}
    for name, spec in (("free", POD["spec"]), ("two", {**two, "nodeName": "node-1"})):
        http.post("/api/v1/namespaces/default/pods", json={**POD, "metadata": {"name": name}, "spec": spec})
    assert denied(http, url) == (code, words)
    answer = http.post(url, headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"})
    assert (answer.status_code, answer.json()["message"]) == (code, words)


@pytest.mark.parametrize("path", [EXEC, ATTACH, "/api/v1/namespaces/default/pods/web/portforward"])
def test_a_client_that_speaks_only_spdy_is_told_what_it_needs(http, pod, path):
    answer = http.post(path, headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"})
    assert answer.status_code == 400
    assert "kubectl 1.30 or newer" in answer.json()["message"]
    assert "Upgrade request required" in http.get(path).json()["message"]


# ---- logs over WebSocket -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocols", "pieces"), [([], [b"one\n", b"two\n"]), (["binary.k8s.io"], [b"one\n", b"two\n"])]
)
def test_logs_over_a_websocket(http, nodes, pod, protocols, pieces):
    url = "/api/v1/namespaces/default/pods/web/log?container=c&follow=true"
    with http.websocket_connect(url, subprotocols=protocols) as socket:
        assert [socket.receive_bytes() for _ in pieces] == pieces
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()
    assert nodes.asked[0][2].follow
    assert denied(http, url + "&tailLines=-1", [])[0] == 422
