"""What a kubelet does to a container from outside: ask over HTTP, TCP or gRPC, or run a command inside it.

`probes.py` judges the answers, `hooks.py` only cares whether it could be done. The words are those of pkg/probe and of
Go's net package. Timeouts are real seconds: work does not get faster with the lab's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ssl
from typing import Any, NamedTuple

from k8slab.api.objects import Obj
from k8slab.runtime.base import Runtime, RuntimeFailure

MOST_OUTPUT = 10 * 1024  # so much of an answer goes into a message (pkg/probe: maxRespBodyLength)
LATE = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
SERVING = {1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}  # grpc.health.v1
NO_GRPC = "grpc needs Python's grpcio, which this lab does not have: pip install grpcio, then restart the lab"


class Target(NamedTuple):
    """A running container, and where its pod is reached."""

    runtime: Runtime
    container_id: str
    container: Obj
    address: str


class Failed(Exception):
    """It was done, and failed; the message says how."""


class Impossible(Exception):
    """It cannot be done at all, which says nothing about the container."""


def port_number(port: int | str, container: Obj) -> int:
    """The number of a port that may be given by its name. Raises Impossible if the container has no such name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = {p["name"]: p["containerPort"] for p in container.get("ports") or [] if "name" in p}
    if port not in named:
        raise Impossible(f'strconv.Atoi: parsing "{port}": invalid syntax')
    return int(named[port])


# ----------------------------------------------------------------------------------------------- http


async def http_get(action: Obj, target: Target, timeout: float, agent: str) -> tuple[int, str]:
    """The answer's status code, and the status line. Raises Failed when none comes."""
    host = action.get("host") or target.address
    port = port_number(action["port"], target.container)
    scheme, path = action.get("scheme", "HTTP").lower(), action.get("path", "/")
    path = path if path.startswith("/") else "/" + path
    url = f"{scheme}://{host}:{port}{path}"
    headers = {"Host": f"{host}:{port}", "User-Agent": agent, "Accept": "*/*", "Connection": "close"}
    headers |= {h["name"]: h["value"] for h in action.get("httpHeaders") or []}
    request = "\r\n".join([f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""])
    try:
        async with asyncio.timeout(timeout):
            there = await _there(host, port, target)
            return await _ask(*there, _no_verification() if scheme == "https" else None, request)
    except TimeoutError:
        raise Failed(f'Get "{url}": {LATE}') from None
    except (OSError, ValueError) as error:
        raise Failed(f'Get "{url}": {_dial(host, port, error)}') from error


async def _ask(host: str, port: int, tls: ssl.SSLContext | None, request: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(request.encode("latin-1", "replace"))
        status = await reader.readline()
        if not status:
            raise ValueError("EOF")
        return int(status.split()[1]), status.decode(errors="replace")
    except IndexError:
        raise ValueError("malformed HTTP response") from None
    finally:
        writer.close()


def _no_verification() -> ssl.SSLContext:
    """Nobody looks at a container's certificate (docs/concepts/workloads/pods/probes, HTTPS)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# ------------------------------------------------------------------------------------------ tcp, grpc


async def tcp_connect(action: Obj, target: Target, timeout: float) -> None:
    """Open a connection. Raises Failed."""
    host, port = action.get("host") or target.address, port_number(action["port"], target.container)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(*await _there(host, port, target))
            writer.close()
    except TimeoutError:
        raise Failed(f"dial tcp {host}:{port}: i/o timeout") from None
    except OSError as error:
        raise Failed(_dial(host, port, error)) from error


async def _there(host: str, port: int, target: Target) -> tuple[str, int]:
    """Where to connect to from here. Raises OSError."""
    return await target.runtime.reach(host, port) if host == target.address else (host, port)


def _dial(host: str, port: int, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    return f"dial tcp {host}:{port}: {error}" if isinstance(error, OSError) else str(error)


async def grpc_health(action: Obj, target: Target, timeout: float) -> str:
    """Ask the gRPC health service (grpc.health.v1, Check); its word. Raises Failed unless it is SERVING."""
    try:
        grpc: Any = importlib.import_module("grpc.aio")
    except ImportError:
        raise Impossible(NO_GRPC) from None
    address, service = f"{target.address}:{action['port']}", (action.get("service") or "").encode()
    with contextlib.suppress(OSError):
        address = ":".join(map(str, await _there(target.address, int(action["port"]), target)))
    # HealthCheckRequest is one string, field 1; HealthCheckResponse one enum, field 1: no generated code needed.
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
    try:
        async with grpc.insecure_channel(address) as channel, asyncio.timeout(timeout):
            answer: bytes = await channel.unary_unary("/grpc.health.v1.Health/Check")(request)
    except TimeoutError:
        raise Failed(f'timeout: failed to connect service "{address}" within {timeout:g}s: DeadlineExceeded') from None
    except Exception as error:
        raise Failed(f'error: health rpc failed: {error}, address "{address}"') from error
    word = SERVING.get(answer[1] if len(answer) > 1 else 0, "UNKNOWN")
    if word != "SERVING":
        raise Failed(f'service unhealthy (responded with "{word}")')
    return word


# --------------------------------------------------------------------------------------------- inside


async def run_inside(command: list[str], target: Target, timeout: float | None) -> str:
    """Run a command inside; what it said. Raises Failed if it ends badly or late, Impossible if it cannot run."""
    try:
        running = await target.runtime.exec(target.container_id, command)
    except RuntimeFailure as error:
        raise Impossible(str(error)) from error
    said = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for _, data in running.output():
                said += data[: MOST_OUTPUT - len(said)]
            code = await running.wait()
    except TimeoutError:
        running.close()
        raise Failed(f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s') from None
    except asyncio.CancelledError:
        running.close()
        raise
    if code != 0:
        raise Failed(said.decode(errors="replace"))
    return said.decode(errors="replace")
