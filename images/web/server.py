"""A small web server that says who it is: the workload of the first lessons.

Plain HTTP/1.1 on plain sockets, a thread for each connection. It does not use `http.server`, whose imports alone take
four times as long as everything here: a pod should answer as soon as it runs.
"""

import json
import os
import select
import signal
import socketserver
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

COLOURS = {"blue": "#0072b2", "purple": "#cc79a7", "yellow": "#f0e442", "green": "#009e73", "orange": "#e69f00"}
WORDS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error", 503: "Not Ready"}
SECRETS = ("TOKEN", "PASSWORD", "SECRET", "KEY")

NAME = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "?")
ME = {
    "version": os.environ.get("VERSION", "v1"),
    "pod": NAME,
    "node": os.environ.get("NODE_NAME", ""),
    "address": os.environ.get("POD_IP", ""),
    "colour": os.environ.get("COLOUR", "blue"),
}
FAULT = os.environ.get("FAULT", "")  # "errors": every answer is a 500, and it is never ready; "crash": it soon ends
ready = FAULT != "errors"
served = 0
busy = 0  # connections that wait for an answer
stopping = threading.Event()
counting = threading.Lock()


def home(query, accept):
    if FAULT == "errors":
        return 500, f"{ME['version']} on {NAME}: cannot read the price list: KeyError: 'currency'\n", "text/plain"
    me = {**ME, "served": served}
    if "application/json" in accept:
        return 200, json.dumps(me) + "\n", "application/json"
    if "text/html" in accept:
        return 200, page(me), "text/html"
    return 200, "".join(f"{name}: {value}\n" for name, value in me.items()), "text/plain"


def page(me):
    rows = "".join(f"<tr><th>{name}<td>{escaped(str(value))}" for name, value in me.items())
    colour = COLOURS.get(me["colour"], "#666")
    return (
        f"<!doctype html><meta charset=utf-8><title>web {escaped(me['version'])}</title>"
        "<style>body{font:16px system-ui;margin:2rem;color-scheme:light dark}th{text-align:left;padding-right:1rem}"
        f"h1{{border-left:.6em solid {colour};padding-left:.5em}}</style>"
        f"<h1>web {escaped(me['version'])}</h1><table>{rows}</table>\n"
    )


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def healthz(query, accept):
    return (200, "ok\n", "text/plain") if FAULT != "errors" else (500, "the price list is missing\n", "text/plain")


def readiness(query, accept):
    global ready
    if "off" in query or "on" in query:
        ready = "on" in query
    fine = ready and not stopping.is_set()
    return (200, "ready\n", "text/plain") if fine else (503, "not ready\n", "text/plain")


def crash(query, accept):
    print("crash: asked to, so it ends with exit code 1", flush=True)
    os._exit(1)


def slow(query, accept):
    time.sleep(number(query, "ms", 1000) / 1000)
    return home(query, accept)


def burn(query, accept):
    """Keep the processor busy for so many milliseconds of its time."""
    end = time.thread_time() + number(query, "ms", 100) / 1000
    while time.thread_time() < end:
        sum(range(1000))
    return home(query, accept)


def env(query, accept):
    shown = {name: "***" if any(word in name for word in SECRETS) else value for name, value in os.environ.items()}
    return 200, "".join(f"{name}={shown[name]}\n" for name in sorted(shown)), "text/plain"


def number(query, name, default):
    try:
        return min(60_000, max(0, float(query.get(name, [default])[0])))
    except ValueError:
        return default


PAGES = {
    "/": home, "/healthz": healthz, "/ready": readiness, "/crash": crash, "/slow": slow, "/burn": burn, "/env": env
}  # fmt: skip


class Connection(socketserver.StreamRequestHandler):
    """One client, and its requests one after the other until it goes."""

    disable_nagle_algorithm = True
    timeout = 75

    def handle(self):
        try:
            line = self.rfile.readline(8192)
            while line and self.one_request(line):
                line = self.next_line()
        except (OSError, ValueError):
            return  # it went away, or does not speak HTTP
        finally:
            count(-1)

    def next_line(self):
        count(-1)  # a client that only keeps the line open does not keep us from stopping
        try:
            return self.rfile.readline(8192)
        finally:
            count(+1)

    def one_request(self, line):
        global served
        method, target, protocol = line.decode("latin-1").split()
        headers = {}
        while line := self.rfile.readline(8192).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        self.rfile.read(min(int(headers.get("content-length", 0)), 1 << 20))  # a body is taken, and not used
        served += 1
        return self.answer(method, target, headers, protocol == "HTTP/1.1")

    def answer(self, method, target, headers, keep):
        began = time.monotonic()
        url = urlsplit(target)
        if method not in ("GET", "HEAD", "POST"):
            status, body, kind = 405, f"{method} is not for here\n", "text/plain"
        elif url.path not in PAGES:
            status, body, kind = 404, f"no {url.path} here, but: {' '.join(PAGES)}\n", "text/plain"
        else:
            query = parse_qs(url.query, keep_blank_values=True)
            status, body, kind = PAGES[url.path](query, headers.get("accept", ""))
        keep = keep and headers.get("connection", "").lower() != "close" and not stopping.is_set()
        data = body.encode()
        head = (
            f"HTTP/1.1 {status} {WORDS[status]}\r\n"
            f"Content-Type: {kind}; charset=utf-8\r\nContent-Length: {len(data)}\r\n"
            f"Server: web/{ME['version']}\r\nX-Pod: {NAME}\r\nX-Version: {ME['version']}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        self.wfile.write(head.encode("latin-1") + (b"" if method == "HEAD" else data))
        took = (time.monotonic() - began) * 1000
        print(f"{self.client_address[0]} {method} {target} {status} {took:.1f}ms", flush=True)
        return keep


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def process_request(self, request, client_address):
        count(+1)
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had: this client is sent away, and nobody waits for it
            count(-1)
            raise


def count(change):
    global busy
    with counting:
        busy += change


def main():
    address = os.environ.get("POD_IP", ""), int(os.environ.get("PORT", "8080"))
    server = Server(address, Connection)
    woken = waking_signals()
    print(f"web {ME['version']} on {NAME} answers at {address[0] or '*'}:{address[1]}", flush=True)
    if FAULT == "errors":
        print("error: the price list is missing: every answer will be a 500", file=sys.stderr, flush=True)
    if FAULT == "crash":
        threading.Timer(1, lambda: (print("fatal: out of luck", file=sys.stderr, flush=True), os._exit(1))).start()
    while not stopping.is_set():
        if server in select.select([server, woken], [], [])[0]:
            server.handle_request()
    while select.select([server], [], [], 0)[0]:  # those that had called before we stopped
        server.handle_request()
    server.server_close()
    deadline = time.monotonic() + 25
    while busy and time.monotonic() < deadline:  # what has begun is brought to its end
        time.sleep(0.01)
    print("stopped", flush=True)


def waking_signals():
    """SIGTERM and SIGINT set `stopping`; and a file descriptor to wait on, so that nobody has to look now and then."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return woken


main()
