"""Keep an eye on a cluster: list, watch, and begin again wherever it broke off, on one thread for all kinds.

`http.py` makes one for every view and every wait. The law is the controllers': whoever is called gets all there is,
not the change. (Kubernetes' reflector does the same: k8s.io/client-go/tools/cache/reflector.go.)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import httpx

from k8slab.api.errors import ApiError, Gone, Unauthorized, from_status
from k8slab.api.objects import Key, Obj, decode, key_of
from k8slab.client import kubeconfig
from k8slab.client.resources import Resource
from k8slab.clock import Clock
from k8slab.settings import LabError

Snapshot = Mapping[str, Sequence[Obj]]  # kind -> every object of that kind, shared: never change one

WATCH_SECONDS = 290  # a watch ends by then on the server's side, and is taken up again (a real API server: 5-10 min)
PAUSE, LONGEST_PAUSE = 0.05, 2.0  # before trying again, doubled each time
QUIET = 4.0  # s of a lost connection that nobody is told of: a server that restarts is back sooner
log = logging.getLogger(__name__)


class Follow:
    """Follows some kinds until `close` (or being called). `problem` says why nothing is heard, or is empty."""

    def __init__(
        self,
        cluster: kubeconfig.Cluster,
        resources: Mapping[str, Resource],
        changed: Callable[[Snapshot], None],
        namespace: str = "",
    ) -> None:
        self.problem = ""
        self.closed = False
        self._cluster = cluster
        self._resources = resources
        self._changed = changed
        self._namespace = namespace
        self._objects: dict[str, dict[Key, Obj]] = {}
        self._since: float | None = None  # when the connection was lost, while it is
        self._loop = asyncio.new_event_loop()
        self._news: asyncio.Event | None = None
        self._clock = Clock()
        self._thread = threading.Thread(target=self._run, name="k8slab follow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; no call comes after it returns (unless it is called from within one). May be called twice."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(RuntimeError):  # its loop has ended by itself
            self._loop.call_soon_threadsafe(self._main.cancel)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    __call__ = close

    def _run(self) -> None:
        self._main = self._loop.create_task(self._follow_all())
        if self.closed:
            self._main.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._main)
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    async def _follow_all(self) -> None:
        self._news = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell())
            tasks.create_task(self._keep_connected())

    async def _tell(self) -> None:
        """One call for everything that came in one go, and none before every kind has been listed."""
        assert self._news is not None
        while True:
            await self._news.wait()
            self._news.clear()
            if self._objects.keys() == self._resources.keys():
                try:
                    self._changed({kind: list(objects.values()) for kind, objects in self._objects.items()})
                except Exception:
                    log.exception("a view could not take the news")

    async def _keep_connected(self) -> None:
        """A connection for all kinds; when the server has gone, another, at the address the kubeconfig has by then."""
        pause = PAUSE
        while True:
            began = self._clock.monotonic()
            try:
                await self._connected()
            except* (httpx.HTTPError, ApiError, LabError, OSError, ValueError) as errors:
                self._lost(str(errors.exceptions[0]) or type(errors.exceptions[0]).__name__)
            pause = PAUSE if self._clock.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await self._clock.sleep(pause)
            with contextlib.suppress(LabError):
                self._cluster = kubeconfig.again(self._cluster)

    async def _connected(self) -> None:
        async with httpx.AsyncClient(
            base_url=self._cluster.server,
            verify=self._cluster.ssl_context(),
            headers={"User-Agent": "k8slab", "Accept": "application/json", **self._cluster.headers()},
            timeout=httpx.Timeout(30, read=WATCH_SECONDS + 30),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        ) as http, asyncio.TaskGroup() as tasks:  # fmt: skip
            for kind in self._resources:
                tasks.create_task(self._list_and_watch(http, kind))

    async def _list_and_watch(self, http: httpx.AsyncClient, kind: str) -> None:
        path = self._resources[kind].path(self._namespace)
        while True:
            revision = await self._list(http, kind, path)
            self._since = None
            self._set_problem("")
            with contextlib.suppress(Gone):  # more history than is kept: list again
                while True:
                    revision = await self._watch(http, kind, path, revision)

    async def _list(self, http: httpx.AsyncClient, kind: str, path: str) -> str:
        answer = await http.get(path)
        _check(answer)
        page = decode(answer.content)
        resource, known = self._resources[kind], self._objects.get(kind, {})
        objects: dict[Key, Obj] = {}
        for item in page.get("items") or []:
            obj = {"apiVersion": resource.api_version, "kind": resource.kind, **item}
            before = known.get(key_of(obj))
            objects[key_of(obj)] = before if before == obj else obj
        self._objects[kind] = objects
        self._heard()
        return str(page["metadata"]["resourceVersion"])

    async def _watch(self, http: httpx.AsyncClient, kind: str, path: str, revision: str) -> str:
        """Follow until the server ends it; returns the revision to go on from. Raises Gone."""
        params = {"watch": "1", "resourceVersion": revision, "allowWatchBookmarks": "true"}
        params["timeoutSeconds"] = str(WATCH_SECONDS)
        async with http.stream("GET", path, params=params) as answer:
            if answer.is_error:
                await answer.aread()
                _check(answer)
            async for event in _events(answer):
                obj = event["object"]
                if event["type"] == "ERROR":
                    raise from_status(obj) if obj.get("reason") else Gone(obj.get("message", ""))
                revision = obj["metadata"]["resourceVersion"]
                self._take(kind, event["type"], obj)
        return revision

    def _take(self, kind: str, type_: str, obj: Obj) -> None:
        if type_ == "DELETED":
            self._objects[kind].pop(key_of(obj), None)
        elif type_ != "BOOKMARK":
            self._objects[kind][key_of(obj)] = obj
        self._heard()

    def _heard(self) -> None:
        assert self._news is not None
        self._news.set()

    def _lost(self, why: str) -> None:
        """Tell of it once it has lasted; at once, when nothing has ever been heard."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since >= QUIET or self._objects.keys() != self._resources.keys():
            self._set_problem(why)

    def _set_problem(self, text: str) -> None:
        if text != self.problem:
            self.problem = text
            self._heard()


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """One JSON object a line, however the lines were cut into pieces on the way."""
    rest = b""
    async for chunk in answer.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield decode(line)


def _check(answer: httpx.Response) -> None:
    if answer.status_code == Unauthorized.code:
        raise Unauthorized("Unauthorized")
    if answer.is_error:
        try:
            raise from_status(decode(answer.content))
        except ValueError:
            raise ApiError(f"{answer.status_code} {answer.reason_phrase}") from None
