"""A hundred watchers and fifty writers: nothing is lost, reordered or doubled for anybody, and nothing stays behind.

The truth is what the writers were told, and the order is the revisions'. Some watchers see everything, some what a
label selects, some read slowly, some lose their connection and come back where they were.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field

import psutil
import pytest

from benchmarks.wire import Server
from k8slab.clock import Clock

SHARDS = 5
ROOM = 40e6  # bytes more after a storm than after the one before: a collector that looks seldom keeps so much a while
EVENT = re.compile(rb'\{"type":"(\w+)","object":(.*)\}')
CLOCK = Clock()


@dataclass
class Truth:
    """What the writers were told."""

    written: dict[int, str] = field(default_factory=dict)  # revision -> name, of creates and patches
    deleted: Counter[str] = field(default_factory=Counter)


@dataclass
class Watcher:
    """One of the hundred: `seen` are (revision, type, name, shard)."""

    selects: str = ""
    slow: bool = False
    leaves: bool = False
    seen: list[tuple[int, str, str, str]] = field(default_factory=list)
    came_back: int = 0

    async def run(self, server: Server, path: str, since: int, seed: int) -> None:
        rng, at, over = random.Random(seed), since, False
        while not over:
            async with await server.connect(limit=4096 if self.slow else 1 << 20) as connection:
                selector = f"&labelSelector=shard={self.selects}" if self.selects else ""
                connection.send("GET", f"{path}?watch=1&resourceVersion={at}{selector}")
                code, _ = await connection.head()
                assert code == 200
                patience = rng.randrange(20, 60) if self.leaves else 1 << 40
                over = await self._follow(connection, patience)
            at = self.seen[-1][0] if self.seen else at
            self.came_back += not over

    async def _follow(self, connection, patience: int) -> bool:
        """Whether the end was seen; else it is the connection that ends here."""
        rest = b""
        async for chunk in connection.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.seen.append(told(line))
                if self.seen[-1][2] == f"end-{self.selects or 'all'}":
                    return True
                patience -= 1
                if not patience:
                    return False
            if self.slow:
                await CLOCK.sleep(0.02)
        raise AssertionError("the server ended a watch")


def told(line: bytes) -> tuple[int, str, str, str]:
    match = EVENT.fullmatch(line)
    assert match, line
    meta = json.loads(match[2])["metadata"]
    return int(meta["resourceVersion"]), match[1].decode(), meta["name"], (meta.get("labels") or {}).get("shard", "")


async def write(server: Server, path: str, number: int, seconds: float, per_second: float, truth: Truth) -> None:
    """Create, change, move between shards and delete; at a rate, so that machines of all speeds test the same."""
    rng, end, round_ = random.Random(number), CLOCK.monotonic() + seconds, 0
    patch = "application/merge-patch+json"

    async def ask(method, path, body=None, content_type="application/json"):
        code, answer = await connection.request(method, path, body, content_type)
        assert code in (200, 201), answer
        if method != "DELETE":
            truth.written[int(json.loads(answer)["metadata"]["resourceVersion"])] = name
        await CLOCK.sleep(rng.uniform(0, 2 / per_second))

    async with await server.connect() as connection:
        while CLOCK.monotonic() < end:
            name, round_ = f"w{number}-{round_ % 3}", round_ + 1
            await ask("POST", path, {"metadata": {"name": name, "labels": {"shard": str(rng.randrange(SHARDS))}}})
            for step in range(rng.randrange(4)):
                change = {"data": {"step": str(step)}}
                if rng.random() < 0.5:
                    change["metadata"] = {"labels": {"shard": str(rng.randrange(2 * SHARDS))}}
                await ask("PATCH", f"{path}/{name}", {**change, "data": {"n": f"{round_}-{step}"}}, patch)
            await ask("DELETE", f"{path}/{name}")
            truth.deleted[name] += 1


async def storm(
    server: Server, namespace: str, crowd: list[Watcher], writers: int, seconds: float, rate: float
) -> Truth:
    path, truth = f"/api/v1/namespaces/{namespace}/configmaps", Truth()
    async with await server.connect() as connection:
        listed = json.loads((await connection.request("GET", path))[1])
        since = int(listed["metadata"]["resourceVersion"])
        async with asyncio.TaskGroup() as group:
            for seed, watcher in enumerate(crowd):
                group.create_task(watcher.run(server, path, since, seed))
            async with asyncio.TaskGroup() as writing:
                for number in range(writers):
                    writing.create_task(write(server, path, number, seconds, rate / writers, truth))
            for shard in (*map(str, range(SHARDS)), "all"):
                end = {"metadata": {"name": f"end-{shard}", "labels": {"shard": shard}}}
                code, answer = await connection.request("POST", path, end)
                assert code == 201
                truth.written[int(json.loads(answer)["metadata"]["resourceVersion"])] = f"end-{shard}"
    return truth


def selected(everything: list[tuple[int, str, str, str]], shard: str) -> list[tuple[int, str, str]]:
    """What a selector makes of the whole story: who enters is ADDED, who leaves is DELETED."""
    inside, story = set(), []
    for revision, type_, name, now in everything:
        is_in = type_ != "DELETED" and now == shard
        if is_in or name in inside:
            story.append((revision, "MODIFIED" if is_in and name in inside else "ADDED" if is_in else "DELETED", name))
        (inside.add if is_in else inside.discard)(name)
    return story


def check(crowd: list[Watcher], truth: Truth) -> None:
    whole = next(watcher for watcher in crowd if not watcher.selects).seen
    revisions = [revision for revision, *_ in whole]
    assert revisions == sorted(set(revisions)), "reordered or doubled"
    assert {r: name for r, type_, name, _ in whole if type_ != "DELETED"} == truth.written, "lost, or never written"
    assert Counter(name for _, type_, name, _ in whole if type_ == "DELETED") == truth.deleted
    alive = set()
    for _, type_, name, _ in whole:
        assert (name in alive) == (type_ != "ADDED")
        (alive.discard if type_ == "DELETED" else alive.add)(name)
    for watcher in crowd:
        if not watcher.selects:
            assert watcher.seen == whole, watcher
        else:
            end = next(i for i, event in enumerate(whole) if event[2] == f"end-{watcher.selects}")
            assert [event[:3] for event in watcher.seen] == selected(whole[: end + 1], watcher.selects)


def crowd_of(size: int) -> list[Watcher]:
    """Of ten watchers five see all, two see a shard, one reads slowly, one of each sort loses its connection."""
    kinds = [
        lambda i: Watcher(), lambda i: Watcher(), lambda i: Watcher(), lambda i: Watcher(), lambda i: Watcher(),
        lambda i: Watcher(str(i % SHARDS)), lambda i: Watcher(str((i + 2) % SHARDS)), lambda i: Watcher(slow=True),
        lambda i: Watcher(leaves=True), lambda i: Watcher(str(i % SHARDS), leaves=True),
    ]  # fmt: skip
    return [kinds[i % 10](i // 10) for i in range(size)]


async def play(lab_settings, namespace: str, size: int, writers: int, seconds: float, rate: float) -> None:
    server = Server(lab_settings.folder.kubeconfig)
    process = psutil.Process(json.loads(lab_settings.folder.server.read_text())["pid"])
    await storm(server, namespace, crowd_of(size), writers, seconds / 5, 2 * rate)  # the level: history, buffers, code
    async with await server.connect() as connection:
        await connection.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps")
    await all_gone(process, 12)
    before, open_before = process.memory_info().rss, process.num_fds()
    crowd = crowd_of(size)
    check(crowd, await storm(server, namespace, crowd, writers, seconds, rate))
    assert any(watcher.came_back for watcher in crowd)
    await all_gone(process, open_before)
    assert process.memory_info().rss - before < ROOM


async def all_gone(process: psutil.Process, fds: int) -> None:
    end = CLOCK.monotonic() + 10
    while process.num_fds() > fds:
        assert CLOCK.monotonic() < end, "a disconnected watcher is not freed"
        await CLOCK.sleep(0.02)


async def test_nothing_is_lost_reordered_or_doubled(lab_settings, namespace):
    await play(lab_settings, namespace, size=30, writers=15, seconds=3, rate=80)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_hundred_watchers_and_fifty_writers(lab_settings, namespace):
    await play(lab_settings, namespace, size=100, writers=50, seconds=30, rate=150)
