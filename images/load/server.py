"""A load generator: requests to a URL, so many a second, and who changes the rate asks for it over HTTP.

    TARGET  what to ask (http://web/burn?ms=5)       RATE   requests a second, 0 for none
    METHOD  GET or POST                               BODY   what a POST sends
    WORKERS how many wait for an answer at once

`GET /` tells how it goes, `POST /rate?rate=50` changes the rate, `POST /target?url=http://…` what is asked. A request
that is due while all workers wait is counted as late and dropped: load that cannot be served does not pile up here.
Plain sockets keep their connection; an address is looked up anew with each new one, so that new pods get their share.
"""

import http.client
import json
import os
import signal
import socket
import socketserver
import threading
import time
from collections import deque
from urllib.parse import parse_qs, urlsplit

WINDOW = 10  # seconds: what `GET /` tells about
KEEP = 20  # requests on one connection, then a new one: a Service spreads connections, not requests

settings = {
    "target": os.environ.get("TARGET", "http://web"),
    "rate": float(os.environ.get("RATE", "10")),
    "method": os.environ.get("METHOD", "GET"),
    "workers": int(os.environ.get("WORKERS", "64")),
}
BODY = os.environ.get("BODY", "").encode()
stopping = threading.Event()
changed = threading.Condition()
due = deque()
counting = threading.Lock()
totals = {"sent": 0, "ok": 0, "failed": 0, "late": 0}
recent = deque(maxlen=100_000)  # (when, took in seconds, status or 0, who answered)


def pace():
    """Put a request on the line whenever one is due."""
    begun, rate, number = time.monotonic(), settings["rate"], 0
    while not stopping.is_set():
        if rate != settings["rate"]:
            begun, rate, number = time.monotonic(), settings["rate"], 0
        if rate <= 0:
            stopping.wait(0.05)
            continue
        wait = begun + number / rate - time.monotonic()
        if wait > 0:
            stopping.wait(min(wait, 0.05))
            continue
        number += 1
        with changed:
            if len(due) >= settings["workers"]:
                totals["late"] += 1
            else:
                due.append(settings["target"])
                changed.notify()


def work():
    """Send what is on the line, one at a time."""
    connection, where, used = None, "", 0
    while not stopping.is_set():
        with changed:
            while not due:
                changed.wait(1)
                if stopping.is_set():
                    return
            target = due.popleft()
        url = urlsplit(target)
        if connection is None or where != url.netloc or used >= KEEP:
            if connection:
                connection.close()
            kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
            connection, where, used = kind(url.netloc, timeout=10), url.netloc, 0
        used += 1
        if not ask(connection, url):
            connection = None


def ask(connection, url):
    """One request, counted; whether the connection may be used again."""
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    begun, status, who = time.monotonic(), 0, ""
    try:
        connection.request(settings["method"], path, BODY if settings["method"] == "POST" else None)
        answer = connection.getresponse()
        answer.read()
        status, who = answer.status, answer.getheader("X-Pod") or ""
        keep = not answer.will_close
    except (OSError, http.client.HTTPException):
        keep = False
        connection.close()
    with counting:
        totals["sent"] += 1
        totals["ok" if 0 < status < 500 else "failed"] += 1
        recent.append((begun, time.monotonic() - begun, status, who))
    return keep


def report():
    """How it goes: totals, and the last ten seconds."""
    now = time.monotonic()
    with counting:
        last = [entry for entry in recent if now - entry[0] <= WINDOW]
        told = {**settings, **totals}
    took = sorted(entry[1] for entry in last)
    told["per_second"] = round(len(last) / WINDOW, 1)
    told["failed_per_second"] = round(sum(not 0 < entry[2] < 500 for entry in last) / WINDOW, 1)
    for name, part in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        told[name] = round(took[min(len(took) - 1, int(len(took) * part))] * 1000, 1) if took else None
    pods = {}
    for entry in last:
        if entry[3]:
            pods[entry[3]] = pods.get(entry[3], 0) + 1
    return {**told, "pods": dict(sorted(pods.items()))}


def answer(method, target):
    """Status and what to say. Raises ValueError for what cannot be meant."""
    url = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    if url.path == "/healthz":
        return 200, {"ok": True}
    if url.path in ("/rate", "/target") and method not in ("POST", "PUT"):
        return 405, {"error": f"POST {url.path} changes it"}
    if url.path == "/rate":
        rate = float(query["rate"])
        if not 0 <= rate <= 10_000:
            raise ValueError("rate: 0 to 10000 requests a second")
        settings["rate"] = rate
    elif url.path == "/target":
        wished = urlsplit(query["url"])
        if wished.scheme not in ("http", "https") or not wished.netloc:
            raise ValueError("url: http://… is needed")
        settings["target"] = query["url"]
    elif url.path != "/":
        return 404, {"error": f"no {url.path} here, but: / /healthz /rate /target"}
    return 200, report()


class Connection(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self):
        try:
            method, target, _ = self.rfile.readline(8192).decode("latin-1").split()
            while self.rfile.readline(8192).strip():
                pass
            status, body = answer(method, target)
        except (KeyError, ValueError) as error:
            status, body = 400, {"error": f"{error}"}
        except OSError:
            return
        data = json.dumps(body).encode() + b"\n"
        words = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
        head = f"HTTP/1.1 {status} {words[status]}\r\nContent-Type: application/json\r\n"
        self.wfile.write(f"{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    address = os.environ.get("POD_IP", ""), int(os.environ.get("PORT", "8080"))
    server = Server(address, Connection)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threads = [pace, server.serve_forever, *[work] * settings["workers"]]
    for target in threads:
        threading.Thread(target=target, daemon=True).start()
    rate, target = settings["rate"], settings["target"]
    print(f"load: {rate:g}/s to {target}; ask me at {address[0] or socket.gethostname()}:{address[1]}", flush=True)
    while not stopping.wait(WINDOW):
        told = report()
        print(f"{told['per_second']}/s, {told['failed_per_second']}/s failed, p95 {told['p95_ms']} ms", flush=True)
    print(f"stopped: {totals['sent']} sent, {totals['failed']} failed", flush=True)


main()
