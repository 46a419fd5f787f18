"""The image k8slab/load as plain Python: it sends what it is told to, and tells how it goes."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import AbstractAsyncContextManager
from typing import Any

from tests.runtime.test_web import ask, web
from tests.runtime.world import image_process


def load(target: str, **env: str) -> AbstractAsyncContextManager[tuple[str, asyncio.subprocess.Process]]:
    return image_process("load", b"ask me at", "-I", **{"TARGET": target, "WORKERS": "8", **env})


async def told(address: str, path: str = "/", method: str = "GET") -> tuple[int, dict[str, Any]]:
    for _ in range(100):
        try:
            head, _, body = (await ask(address, f"{method} {path} HTTP/1.1\n\n")).partition("\r\n\r\n")
            return int(head.split()[1]), json.loads(body)
        except ConnectionRefusedError:  # its door opens just after it has spoken
            await asyncio.sleep(0.01)
    raise TimeoutError


async def until(address: str, field: str, least: float) -> dict[str, Any]:
    for _ in range(500):
        _, found = await told(address)
        if found[field] >= least:
            return found
        await asyncio.sleep(0.01)
    raise TimeoutError(found)


async def test_the_rate_can_be_changed_while_it_runs() -> None:
    async with web() as (server, _), load(f"http://{server}:8080/", RATE="0") as (address, process):
        status, found = await told(address)
        assert (status, found["rate"], found["sent"], found["p95_ms"]) == (200, 0, 0, None)
        assert (await told(address, "/rate?rate=200", "POST"))[1]["rate"] == 200
        found = await until(address, "sent", 30)
        assert found["failed"] == 0
        assert list(found["pods"]) == ["web-1"]
        assert found["p50_ms"] > 0
        await told(address, "/rate?rate=0", "POST")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_posts_another_target_and_failures() -> None:
    async with load("http://127.98.0.1:9/", RATE="50", METHOD="POST", BODY="x") as (address, _):
        found = await until(address, "failed", 5)
        assert (found["ok"], found["method"]) == (0, "POST")
        async with web() as (server, _):
            await told(address, f"/target?url=http://{server}:8080/slow?ms=1", "POST")
            assert (await until(address, "ok", 5))["ok"] >= 5


async def test_what_cannot_be_meant() -> None:
    async with load("http://127.98.0.1:9/", RATE="0") as (address, _):
        for path, method, status in (
            ("/rate?rate=-1", "POST", 400), ("/rate?rate=many", "POST", 400), ("/rate", "POST", 400),
            ("/target?url=file:///etc/passwd", "POST", 400), ("/rate?rate=1", "GET", 405), ("/x", "GET", 404),
        ):  # fmt: skip
            assert (path, (await told(address, path, method))[0]) == (path, status)


async def test_what_cannot_be_served_is_dropped() -> None:
    async with (
        web() as (server, _),
        load(f"http://{server}:8080/slow?ms=2000", RATE="500", WORKERS="2") as (address, _),
    ):
        assert (await until(address, "late", 20))["sent"] <= 2
