"""The image k8slab/web as plain Python: what it answers, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import AbstractAsyncContextManager

import pytest

from tests.runtime.world import get, image_process


def web(**env: str) -> AbstractAsyncContextManager[tuple[str, asyncio.subprocess.Process]]:
    return image_process("web", b"answers at", "-I", **{"HOSTNAME": "web-1", "NODE_NAME": "node-2", **env})


async def ask(address: str, request: str) -> str:
    reader, writer = await asyncio.open_connection(address, 8080)
    writer.write(request.replace("\n", "\r\n").encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


async def test_it_says_who_it_is_in_three_forms() -> None:
    async with web(VERSION="v2", COLOUR="purple") as (address, _):
        said = await ask(address, "GET / HTTP/1.1\nAccept: application/json\nConnection: close\n\n")
        told = json.loads(said.partition("\r\n\r\n")[2])
        assert told == {
            "version": "v2", "pod": "web-1", "node": "node-2", "address": address, "colour": "purple", "served": 1
        }  # fmt: skip
        assert "pod: web-1\n" in (await get(address))[1]
        page = await ask(address, "GET / HTTP/1.1\nAccept: text/html,*/*\nConnection: close\n\n")
        assert "<h1>web v2</h1>" in page
        assert "#cc79a7" in page
        assert "X-Pod: web-1" in page


async def test_health_and_readiness() -> None:
    async with web() as (address, _):
        assert (await get(address, "/healthz"))[0] == 200
        assert (await get(address, "/ready"))[0] == 200
        assert (await ask(address, "POST /ready?off HTTP/1.1\nConnection: close\n\n")).startswith("HTTP/1.1 503")
        assert (await get(address, "/ready"))[0] == 503
        assert (await get(address, "/healthz"))[0] == 200
        assert (await ask(address, "POST /ready?on HTTP/1.1\nConnection: close\n\n")).startswith("HTTP/1.1 200")


async def test_connections_are_kept_and_bodies_taken() -> None:
    async with web() as (address, _):
        said = await ask(
            address,
            "POST / HTTP/1.1\nContent-Length: 5\n\nhelloGET /env HTTP/1.1\n\nHEAD / HTTP/1.1\nConnection: close\n\n",
        )
        assert said.count("HTTP/1.1 200 OK") == 3
        assert "HOSTNAME=web-1" in said


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /nothing HTTP/1.1", 404), ("DELETE / HTTP/1.1", 405), ("GET /slow?ms=nonsense HTTP/1.1", 200)],
)
async def test_odd_requests(request_line: str, status: int) -> None:
    async with web() as (address, _):
        assert (await ask(address, f"{request_line}\nConnection: close\n\n")).startswith(f"HTTP/1.1 {status}")


async def test_noise_ends_only_its_own_connection() -> None:
    async with web() as (address, _):
        assert await ask(address, "\x00\x01 nonsense\n\n") == ""
        assert (await get(address))[0] == 200


async def test_secrets_are_not_shown() -> None:
    async with web(API_TOKEN="hush") as (address, _):
        assert "API_TOKEN=***" in (await get(address, "/env"))[1]


async def test_sigterm_answers_what_has_begun_then_ends_well() -> None:
    async with web() as (address, process):
        slow = asyncio.ensure_future(get(address, "/slow?ms=300"))
        assert (await get(address, "/burn?ms=5"))[0] == 200
        process.send_signal(signal.SIGTERM)
        assert (await slow)[0] == 200
        assert await process.wait() == 0
        assert process.stdout
        logged = (await process.stdout.read()).decode()
        assert "GET /slow?ms=300 200" in logged
        assert logged.endswith("stopped\n")


async def test_crash_ends_with_exit_code_1() -> None:
    async with web() as (address, process):
        assert await ask(address, "GET /crash HTTP/1.1\n\n") == ""
        assert await process.wait() == 1


async def test_the_broken_version_starts_answers_errors_and_is_never_ready() -> None:
    async with web(VERSION="v3", FAULT="errors") as (address, _):
        status, body = await get(address)
        assert status == 500
        assert "v3" in body
        assert (await get(address, "/ready"))[0] == 503
        assert (await get(address, "/healthz"))[0] == 500


async def test_the_port_can_be_chosen() -> None:
    async with web(PORT="8099") as (address, _):
        assert (await get(address, port=8099))[0] == 200
