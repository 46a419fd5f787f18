"""What every controller is: changes wake a key; the key is looked at as a whole; what is missing is done.

A subclass says which changes wake which keys (`watches`) and makes one key right (`reconcile`); `server.py` runs them
all. The informers are fed inside every write and so are never stale: what Kubernetes needs "expectations" for
(pkg/controller/controller_utils.go) cannot happen here. Who owns what is next door, in `ownership.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from k8slab import trace
from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Key, Obj, controller_of, key_of
from k8slab.client.base import Client
from k8slab.client.events import Recorder
from k8slab.client.workqueue import WorkQueue
from k8slab.clock import Clock
from k8slab.controllers.turning import Turning

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
Wakes = Callable[[Obj | None, Obj | None], Iterable[K]]  # a change (before, after) -> the keys to look at

MANY = 500  # objects behind one key that are looked through at every change, without a rest
COUNTING = 60e-6  # real seconds of rest for each object beyond: some ten times what looking at it takes


class Controller(Generic[K]):
    """A loop that makes the world what the objects of one kind ask for."""

    name: str  # `source.component` of its events
    gate: Turning | None = None  # who may hold its keys
    workers = 5  # kube-controller-manager's --concurrent-…-syncs; one key is never with two of them

    def __init__(self, client: Client, clock: Clock) -> None:
        self.client, self.clock = client, clock
        self.queue: WorkQueue[K] = WorkQueue(clock)
        self.recorder = Recorder(client, clock, self.name)

    def watches(self) -> Mapping[str, Wakes[K]]:
        """For each kind it listens to, the keys a change wakes."""
        raise NotImplementedError

    async def reconcile(self, key: K) -> float | None:
        """Read the state, never the event; compare; act. Returns in how many Kubernetes seconds to look again."""
        raise NotImplementedError

    def rest(self, key: K) -> float:
        """Real seconds during which nothing wakes a key that was just looked at (`rest_after`)."""
        return 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        for kind, wakes in self.watches().items():
            self.client.informer(kind).subscribe(self._wake(wakes))
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work())

    def _wake(self, wakes: Wakes[K]) -> Callable[[Obj | None, Obj | None], None]:
        def changed(before: Obj | None, after: Obj | None) -> None:
            for key in wakes(before, after):
                self.queue.add(key)

        return changed

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            if self.gate and self.gate.stops(self.name, key):
                self.queue.done(key)
                continue
            trace.hop("looked", controller=self.name, key=key)
            try:
                again = await self.reconcile(key)
            except (Conflict, NotFound) as error:  # somebody was faster: look again
                log.debug("%s: %s: %s", self.name, key, error)
                self.queue.retry(key)
            except ApiError as error:
                log.info("%s: %s: %s, again in %.3g s", self.name, key, error, self.queue.retry(key))
            except Exception:
                log.exception("%s: %s failed, again in %.3g s", self.name, key, self.queue.retry(key))
            else:
                self.queue.forget(key)
                if again is not None:
                    self.queue.add_after(key, again)
            finally:
                if self.gate:
                    self.gate.passed(self.name, key)
                self._let_go(key)
            await asyncio.sleep(0)  # the API answers between two keys

    def _let_go(self, key: K) -> None:
        if (seconds := self.rest(key)) > 0:
            self.clock.call_later(seconds * self.clock.speed, partial(self.queue.done, key))
        else:
            self.queue.done(key)


def rest_after(objects: int) -> float:
    """How long a key rests whose look goes through so many objects: else a look at each change of n would take n²."""
    return max(0, objects - MANY) * COUNTING


def itself(before: Obj | None, after: Obj | None) -> Iterable[Key]:
    """Wakes the key of the object that changed."""
    obj = after or before
    return (key_of(obj),) if obj else ()


def owners_of(kind: str) -> Wakes[Key]:
    """Wakes the controllers of this kind that the object has, or had before the change."""

    def wakes(before: Obj | None, after: Obj | None) -> Iterable[Key]:
        for obj in (before, after):
            owner = controller_of(obj) if obj else None
            if obj and owner and owner["kind"] == kind:
                yield Key(obj["metadata"].get("namespace", ""), owner["name"])

    return wakes


def is_namespace_ending(error: ApiError) -> bool:
    """Whether creating was refused because the namespace is being deleted: nothing to report, no use trying again."""
    return "because it is being terminated" in error.message


def drop_empty(status: Mapping[str, Any], keep: Iterable[str] = ()) -> Obj:
    """The status as Go writes it: fields marked `omitempty` are left out when zero; those to `keep` are not."""
    kept = set(keep)
    return {name: value for name, value in status.items() if name in kept or value not in (0, None, "", [])}
