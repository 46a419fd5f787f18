"""Sends requests at a steady rate, whether or not earlier ones were answered: `steady_load.py ADDRESS PORT RATE`.

An open loop, as users are. Each request is a connection of its own. Says `warm` after a second, goes on until a line
comes in, then tells how many were answered, by which version, how many were not, and the rate that was reached.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter


async def ask(address: str, port: int, told: Counter[str], times: list[float]) -> None:
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError) as error:
        told["failed"] += 1
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return
    if answer.startswith(b"HTTP/1.1 200 "):
        told["v2" if b"version: v2" in answer else "v1"] += 1
        times.append(time.perf_counter() - begun)
    else:
        told["failed"] += 1
        print(f"answered {answer[:80]!r}", file=sys.stderr)


async def main(address: str, port: int, rate: int) -> None:
    told: Counter[str] = Counter()
    times: list[float] = []
    stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    asking: set[asyncio.Task[None]] = set()
    begun, sent = time.perf_counter(), 0
    while not stop.done():
        due = int((time.perf_counter() - begun) * rate)
        for _ in range(min(due - sent, 100)):
            task = asyncio.create_task(ask(address, port, told, times))
            asking.add(task)
            task.add_done_callback(asking.discard)
            sent += 1
        if sent >= rate and not told["warm"]:
            told["warm"] = 1
            print("warm", flush=True)
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - begun
    await asyncio.gather(*asking)
    times.sort()
    p99 = times[int(len(times) * 0.99)] * 1000 if times else 0
    print(f"v1={told['v1']} v2={told['v2']} failed={told['failed']} rate={sent / seconds:.0f} p99_ms={p99:.1f}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
