"""Holding the loops below one object, so that they are turned by hand: what `lab.loop(…, hold=True)` asks for.

`base.py` asks the gate before it looks at a key. A held key is set aside, not lost: it is given back on release. What a
turn did is seen at the informers, which are fed inside every write, in the context of the loop that writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from k8slab.api.errors import Conflict
from k8slab.api.objects import Key, Obj, controller_of
from k8slab.client.base import Client
from k8slab.client.workqueue import WorkQueue
from k8slab.clock import Clock

LONGEST = 300.0  # real seconds after which a hold ends by itself
KINDS = {
    "deployment-controller": "Deployment",
    "replicaset-controller": "ReplicaSet",
    "statefulset-controller": "StatefulSet",
    "daemonset-controller": "DaemonSet",
    "job-controller": "Job",
}
Held = tuple[str, Key]  # the kind a loop serves, and the object it would look at

_turn: ContextVar[list[dict[str, Any]] | None] = ContextVar("turn", default=None)


class Loop(Protocol):
    """What is needed of a controller."""

    name: str
    queue: WorkQueue[Any]
    gate: Turning | None


class Turning:
    """At most one hold at a time, on the loops of an object and of all it owns."""

    def __init__(self, client: Client) -> None:
        self._client, self._real = client, Clock()
        self._loops: dict[str, Loop] = {}  # by the kind they serve
        self._root: Held | None = None
        self._waiting: dict[Held, None] = {}
        self._turned: dict[Held, int] = {}  # when each was last turned, counted in turns
        self._passing: dict[Held, asyncio.Future[list[dict[str, Any]]]] = {}
        self._end: Callable[[], None] | None = None

    def take(self, loop: Loop) -> None:
        """A loop that can be held, if it is of a kind that can."""
        if kind := KINDS.get(loop.name):
            self._loops[kind], loop.gate = loop, self
            self._client.informer(kind).subscribe(_noted)
            if kind == "ReplicaSet":
                self._client.informer("Pod").subscribe(_noted)

    def hold(self, kind: str, key: Key) -> None:
        """Hold the loops of this object and of what it owns; any other hold ends."""
        self.release()
        self._root = (kind, key)
        self._end = self._real.call_later(LONGEST, self.release)

    def release(self) -> None:
        """Let all go on; what was set aside is looked at."""
        if self._end:
            self._end()
        waiting, self._root, self._end = list(self._waiting), None, None
        self._waiting.clear()
        self._turned.clear()
        for kind, key in waiting:
            self._loops[kind].queue.add(key)

    def holds(self, kind: str, key: Key) -> bool:
        """Whether this object's loops are the held ones."""
        return self._root == (kind, key)

    @property
    def waiting(self) -> list[Held]:
        """What would be looked at now, the one longest not turned first."""
        return sorted(self._waiting, key=lambda held: self._turned.get(held, 0))

    async def ask(self, do: str, kind: str, key: Key) -> dict[str, Any]:
        """What the lab is asked: hold, release, turn, or look. Raises Conflict for a kind without such a loop."""
        if kind not in self._loops:
            raise Conflict(f"the loops of a {kind} cannot be held: only those of {', '.join(self._loops)}")
        wrote: list[dict[str, Any]] = []
        if do == "hold":
            self.hold(kind, key)
        elif do == "release":
            self.release()
        elif do == "turn":
            if self._root is None:
                raise Conflict("no loop is held: there is nothing to turn")
            wrote = await self.turn(kind, key)
        waiting = [{"kind": kind_, "namespace": at.namespace, "name": at.name} for kind_, at in self.waiting]
        held = self._root is not None if do == "turn" else self.holds(kind, key)  # turned is what is below
        return {"held": held, "waiting": waiting, "wrote": wrote}

    async def turn(self, kind: str, key: Key) -> list[dict[str, Any]]:
        """Let one loop look at one key, once. Returns what it wrote."""
        held = (kind, key)
        self._turned[held] = 1 + max(self._turned.values(), default=0)
        self._waiting.pop(held, None)
        done = self._passing.setdefault(held, asyncio.get_running_loop().create_future())
        self._loops[kind].queue.add(key)
        return await done

    def stops(self, name: str, key: Any) -> bool:
        """Whether the loop of this name must leave the key; one that passes is written down until `passed`."""
        held = (KINDS.get(name, ""), key)
        if held in self._passing:
            _turn.set([])
            return False
        if self._root and self._is_below(*held):
            self._waiting[held] = None
            return True
        return False

    def passed(self, name: str, key: Any) -> None:
        """The look at the key is over."""
        if (wrote := _turn.get()) is None:
            return
        _turn.set(None)
        done = self._passing.pop((KINDS[name], key), None)
        if done and not done.done():
            done.set_result(wrote)

    def _is_below(self, kind: str, key: Key) -> bool:
        while (kind, key) != self._root:
            found = self._client.informer(kind).get(key.name, key.namespace)
            owner = controller_of(found) if found else None
            if owner is None or owner["kind"] not in self._loops:
                return False
            kind, key = owner["kind"], Key(key.namespace, owner["name"])
        return True


def _noted(before: Obj | None, after: Obj | None) -> None:
    wrote, obj = _turn.get(), after or before
    if wrote is None or obj is None:
        return
    verb = "created" if before is None else "deleted" if after is None or _leaves(before, after) else "changed"
    told = {"verb": verb, "kind": obj["kind"], "name": obj["metadata"]["name"]}
    was, now = ((each or {}).get("spec", {}).get("replicas") for each in (before, after))
    wrote.append({**told, **({"was": was, "now": now} if verb == "changed" and was != now else {})})


def _leaves(before: Obj, after: Obj) -> bool:
    return "deletionTimestamp" in after["metadata"] and "deletionTimestamp" not in before["metadata"]
