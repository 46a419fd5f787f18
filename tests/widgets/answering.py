"""A web server on this machine that plays the pod behind a pretended Service."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import ClassVar


class Server(http.server.BaseHTTPRequestHandler):
    """Says X-Pod, gives a cookie, and remembers who asked with which."""

    cookies: ClassVar[list[str]] = []
    clients: ClassVar[set[str]] = set()
    status = 200

    def do_GET(self):
        Server.cookies.append(self.headers.get("Cookie", ""))
        Server.clients.add(self.client_address[0])
        self.send_response(Server.status)
        self.send_header("X-Pod", "web-7d5bc-a")
        self.send_header("Set-Cookie", "session=one; Path=/")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@contextmanager
def answering():
    """The server, as long as it is needed."""
    Server.cookies, Server.clients, Server.status = [], set(), 200
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
