"""kubeproxy's data path beside its backend alone and, where it is installed, nginx. Each in a process of its own.

The backend answers a short page from memory; sixteen clients ask as fast as they are answered. All share the machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.lab import Bench

CLIENTS = 16
SECONDS = 1.0  # a measurement
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
ASK = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
NGINX = """daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream pods {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{ proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}"""


def kubeproxy(bench: Bench) -> list[float]:
    with _backend() as backend, _kubeproxy(backend) as port:
        return _measure(bench, port, keep=True)


def backend_alone(bench: Bench) -> list[float]:
    with _backend() as port:
        return _measure(bench, port, keep=True)


def nginx(bench: Bench) -> list[float]:
    with _backend() as backend, _nginx(backend) as port:
        return _measure(bench, port, keep=True) if port else []


def short(bench: Bench) -> list[float]:
    with _backend() as backend, _kubeproxy(backend) as port:
        return _measure(bench, port, keep=False)


def short_alone(bench: Bench) -> list[float]:
    with _backend() as port:
        return _measure(bench, port, keep=False)


def short_nginx(bench: Bench) -> list[float]:
    with _backend() as backend, _nginx(backend) as port:
        return _measure(bench, port, keep=False) if port else []


# ---- the three servers ---------------------------------------------------------------------------------------------


class _Page(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(PAGE * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined] # it is one that writes


async def _serve_pages(sock: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(_Page, sock=sock, backlog=1024)
    await server.serve_forever()


async def _forward(sock: socket.socket, backend: int) -> None:
    from k8slab.clock import Clock
    from k8slab.kubeproxy.balance import Backend, Balancer
    from k8slab.kubeproxy.forward import Door

    balancer = Balancer()
    balancer.backends = (Backend("127.0.0.1", backend),)
    sock.setblocking(False)
    Door(sock, balancer, Clock(), set())
    await asyncio.Event().wait()


def _run(work: Callable[..., object], *given: object) -> None:
    asyncio.run(work(*given))  # type: ignore[arg-type] # the work is a coroutine


@contextmanager
def _process(work: Callable[..., object], *given: object) -> Iterator[int]:
    """The work in another process, on a socket of its own: its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        port = int(sock.getsockname()[1])
        process = multiprocessing.get_context("fork").Process(target=_run, args=(work, sock, *given), daemon=True)
        process.start()
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def _backend() -> Iterator[int]:
    return _process(_serve_pages)  # type: ignore[return-value] # a context manager of it


def _kubeproxy(backend: int) -> Iterator[int]:
    return _process(_forward, backend)  # type: ignore[return-value]


@contextmanager
def _nginx(backend: int) -> Iterator[int]:
    """Its port; 0 where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        yield 0
        return
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = int(sock.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="k8slab-nginx-") as folder:
        Path(folder, "conf").write_text(NGINX.format(folder=folder, backend=backend, port=port))
        process = subprocess.Popen([program, "-c", f"{folder}/conf"], stderr=subprocess.DEVNULL)
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


# ---- the clients -----------------------------------------------------------------------------------------------------


class _Client(asyncio.Protocol):
    """Asks again as soon as it is answered; counts."""

    def __init__(self, counted: list[int], keep: bool, again: Callable[[], None]) -> None:
        self._counted, self._keep, self._again = counted, keep, again

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(ASK)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._counted[0] += data.count(b"HTTP/1.1 200")
        if self._keep:
            self._transport.write(ASK)  # type: ignore[attr-defined]
        else:
            self._transport.abort()  # type: ignore[attr-defined]
            self._again()


def _measure(bench: Bench, port: int, *, keep: bool) -> list[float]:
    return asyncio.run(_rates(port, bench.runs, keep))


async def _rates(port: int, runs: int, keep: bool) -> list[float]:
    loop, counted, tasks = asyncio.get_running_loop(), [0], set()

    def again() -> None:
        made = loop.create_connection(lambda: _Client(counted, keep, again), "127.0.0.1", port)
        tasks.add(task := loop.create_task(made))
        task.add_done_callback(tasks.discard)

    await _listening(port)
    for _ in range(CLIENTS):
        again()
    await asyncio.sleep(0.3)
    rates = []
    for _ in range(runs):
        before, began = counted[0], time.perf_counter()
        await asyncio.sleep(SECONDS)
        rates.append((counted[0] - before) / (time.perf_counter() - began))
    return rates


async def _listening(port: int) -> None:
    end = time.perf_counter() + 10
    while time.perf_counter() < end:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
    raise TimeoutError("nobody listens")
