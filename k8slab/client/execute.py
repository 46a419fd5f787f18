"""A command in a container, on a terminal: `kubectl exec -it` from Python, over the API's WebSocket.

`widgets/console.py` shows one. The protocol is v5.channel.k8s.io (KEP-4006;
k8s.io/apimachinery/pkg/util/remotecommand): a message's first byte is its channel.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from k8slab.client.kubeconfig import Cluster
from k8slab.settings import LabError

STDIN, STDOUT, STDERR, ERROR, RESIZE = 0, 1, 2, 3, 4
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
SECONDS = 10.0  # to wait for the command to be started
Size = tuple[int, int]  # columns, rows


class Exec:
    """A running command. `read` on one thread; the others from any. Raises LabError when it cannot be started."""

    def __init__(self, cluster: Cluster, pod: str, namespace: str, command: Sequence[str], container: str = "") -> None:
        path = f"/api/v1/namespaces/{namespace or cluster.namespace}/pods/{pod}/exec"
        asked = [("command", word) for word in command] + [(s, "true") for s in ("stdin", "stdout", "tty")]
        asked += [("container", container)] if container else []
        address = f"{cluster.server.replace('http', 'ws', 1)}{path}?{urlencode(asked)}"
        self._open = contextlib.ExitStack()
        self.ended = ""  # how it ended, in words
        try:
            socket = connect(
                address,
                ssl=cluster.ssl_context() if address.startswith("wss") else None,
                additional_headers=cluster.headers(),
                subprotocols=PROTOCOLS,  # type: ignore[arg-type]  # they are plain strings
                open_timeout=SECONDS,
                max_size=None,
                proxy=None,
            )
            self._socket = self._open.enter_context(socket)
        except InvalidStatus as error:
            raise LabError(_told(bytes(error.response.body or b"")) or str(error)) from error
        except (OSError, ConnectionClosed) as error:
            raise LabError(f"The cluster does not answer: {error}") from error

    def read(self) -> bytes:
        """What it wrote, as it comes; nothing when it has ended."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = self._socket.recv()
                data = message.encode() if isinstance(message, str) else message
                if data[:1] == bytes([ERROR]):
                    self.ended = _told(data[1:])
                elif data[:1] in (bytes([STDOUT]), bytes([STDERR])) and data[1:]:
                    return data[1:]
        return b""

    def write(self, data: bytes) -> None:
        """Type."""
        with contextlib.suppress(ConnectionClosed):
            self._socket.send(bytes([STDIN]) + data)

    def resize(self, size: Size) -> None:
        """Tell it how large the terminal is."""
        with contextlib.suppress(ConnectionClosed):
            self._socket.send(bytes([RESIZE]) + json.dumps({"Width": size[0], "Height": size[1]}).encode())

    def close(self) -> None:
        """Hang up. May be called twice."""
        self._open.close()


def _told(body: bytes) -> str:
    """The words of a Status; nothing when it was a success."""
    try:
        status = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()
    return "" if status.get("status") == "Success" else str(status.get("message", ""))
