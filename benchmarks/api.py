"""The API under a steady load: requests leave at their appointed times, whether or not earlier ones were answered.

So a server that stops for a second shows it in two hundred requests, not in one (an open loop; no coordinated
omission). Real HTTPS, connections kept alive, the lab of the other measurements behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.lab import Bench
from benchmarks.wire import Connection, Server

RATE = 200  # requests a second
CONNECTIONS = 16
WARM = RATE  # requests before those that count
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
Request = tuple[str, str, object, str]


def reads(bench: Bench) -> list[float]:
    """A ConfigMap, by name."""
    return _measure(bench, lambda number: ("GET", f"{CONFIGMAPS}/bench-{number % 50}", None, ""))


def writes(bench: Bench) -> list[float]:
    """A merge patch of one of fifty ConfigMaps."""
    return _measure(bench, lambda n: ("PATCH", f"{CONFIGMAPS}/bench-{n % 50}", {"data": {"n": str(n)}}, MERGE))


def _measure(bench: Bench, request: Callable[[int], Request]) -> list[float]:
    bench.client.list("Node")
    server = Server(Path(bench.env["K8SLAB_STATE_DIR"], "default", "kubeconfig"))
    return asyncio.run(_open_loop(server, request, WARM + RATE * bench.runs))


async def _open_loop(server: Server, request: Callable[[int], Request], count: int) -> list[float]:
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await server.connect())
    for number in range(50):
        connection = await free.get()
        await connection.request("POST", CONFIGMAPS, {"metadata": {"name": f"bench-{number}"}, "data": {"n": ""}})
        free.put_nowait(connection)
    began, spent = time.perf_counter() + 0.1, []

    async def ask(number: int) -> None:
        due = began + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = await free.get()
        code, _ = await connection.request(*request(number))
        assert code == 200
        free.put_nowait(connection)
        if number >= WARM:
            spent.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(ask(number) for number in range(count)))
    while not free.empty():
        free.get_nowait().close()
    return spent
