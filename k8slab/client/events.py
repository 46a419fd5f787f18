"""Telling what happened: `kubectl describe` shows it under Events, `kubectl get events` in a list.

Every controller, the scheduler and the kubelets hold a `Recorder`. Like client-go's (tools/record/events_cache.go) it
counts what repeats instead of writing it again, folds what is alike, and stays quiet when somebody talks too much.
In very large labs it also keeps quiet when everybody does (`Budget`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar
from weakref import WeakKeyDictionary

from k8slab.api.errors import AlreadyExists, ApiError, NotFound
from k8slab.api.objects import Obj, key_of, reference_to
from k8slab.client.base import Client
from k8slab.clock import Clock

log = logging.getLogger(__name__)

REMEMBERED = 4096  # entries of each memory, the oldest go first
ALIKE, ALIKE_WITHIN = 10, 600.0  # the tenth different message about one thing within ten minutes is folded
BURST, REFILL = 25.0, 1 / 300  # events about one object: 25 at once, then one every five minutes
AT_ONCE, PER_SECOND = (
    5000.0,
    100.0,
)  # normal events of a whole lab; real seconds, since it is the machine that is spared
TELL_EVERY = 60.0  # real seconds between two words in the log about events that were not written
COMBINED = "(combined from similar events): "

V = TypeVar("V")


class Memory(OrderedDict[Hashable, V], Generic[V]):
    """A dict that keeps the entries used last."""

    def recall(self, key: Hashable) -> V | None:
        if key in self:
            self.move_to_end(key)
        return self.get(key)

    def keep(self, key: Hashable, value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > REMEMBERED:
            self.popitem(last=False)


@dataclass
class _Similar:
    """The different messages of events that are otherwise the same."""

    last: float
    messages: set[str] = field(default_factory=set)


@dataclass
class _Written:
    """An Event in the API that may be counted up; without a name it was kept quiet about so far."""

    namespace: str = ""
    name: str = ""
    count: int = 0


@dataclass
class _Allowance:
    """A token bucket."""

    tokens: float
    since: float

    def take(self, now: float, most: float, refill: float) -> bool:
        """One token, if there is one."""
        self.tokens = min(most, self.tokens + (now - self.since) * refill)
        self.since = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Budget:
    """How many normal events all recorders of one lab may write: four a pod are too many when pods come by the ten
    thousand. What is left out is counted in the log. Warnings are always written.

    client-go drops events when a thousand are queued (tools/record, maxQueuedEvents); a lab has no such queue.
    """

    _budgets: ClassVar[WeakKeyDictionary[Client, Budget]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._allowance = _Allowance(AT_ONCE, 0.0)
        self._left_out, self._told = 0, -TELL_EVERY

    @classmethod
    def of(cls, client: Client) -> Budget:
        """The one of all who speak through this client."""
        return cls._budgets.setdefault(client, cls())

    def allows(self, now: float) -> bool:
        """Whether one more may be written, at this real second."""
        if self._allowance.take(now, AT_ONCE, PER_SECOND):
            return True
        self._left_out += 1
        if now - self._told >= TELL_EVERY:
            log.warning("so much happens that not every normal event is written (%d left out so far)", self._left_out)
            self._told = now
        return False


class Namer:
    """Creates Events, each under a name of its own: what it is about, and a moment."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock, self._last = client, clock, 0

    def create(self, event: Obj) -> Obj:
        """Create it, whoever else speaks about the same thing in the same instant."""
        while True:
            event["metadata"]["name"] = f"{event['involvedObject']['name']}.{self._stamp():016x}"
            try:
                return self._client.create(event)
            except AlreadyExists:  # another recorder's
                continue

    def _stamp(self) -> int:
        """Nanoseconds since 1970, each only once."""
        self._last = max(self._last + 1, int(self._clock.time() * 1e9))
        return self._last


class Recorder:
    """Writes Events as `component` (on `host`). All intervals are Kubernetes seconds."""

    def __init__(self, client: Client, clock: Clock, component: str, host: str = "") -> None:
        self._client, self._clock = client, clock
        self.component, self.host = component, host
        self._similar: Memory[_Similar] = Memory()
        self._written: Memory[_Written] = Memory()
        self._allowances: Memory[_Allowance] = Memory()
        self._names = Namer(client, clock)
        self._budget = Budget.of(client)

    def event(self, obj: Obj, type: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say that it happened to `obj`: an object, or an ObjectReference to one (the kubelet adds a `fieldPath`).

        Never raises: what happened has happened, whether or not it can be written down.
        """
        if type == "Normal" and not self._budget.allows(self._clock.monotonic()):
            return
        try:
            self._record(reference_to(obj) if "metadata" in obj else obj, type, reason, message)
        except ApiError as error:
            log.debug("event %s about %s not written: %s", reason, obj.get("kind"), error)
        except Exception:
            log.exception("event %s about %s not written", reason, obj.get("kind"))

    def _record(self, about: Obj, type_: str, reason: str, message: str) -> None:
        subject = tuple(about.get(name, "") for name in ("kind", "namespace", "name", "uid", "apiVersion"))
        message, key = self._fold((*subject, type_, reason), message, about.get("fieldPath", ""))
        known = self._written.recall(key) or _Written()
        known.count += 1
        self._written.keep(key, known)
        if not self._may_speak(subject):
            return  # the next one that is written counts it
        if known.name:
            patch = {"count": known.count, "lastTimestamp": self._clock.timestamp(), "message": message}
            try:
                self._client.patch("Event", known.name, known.namespace, patch)
                return
            except NotFound:
                pass  # an hour has passed and it has expired: write it anew, with its count
        known.namespace, known.name = key_of(self._create(about, type_, reason, message, known.count))

    def _fold(self, alike: tuple[str, ...], message: str, path: str) -> tuple[str, Hashable]:
        """The message to write, and what it has in common with those that count as its repetition."""
        now = self._now()
        seen = self._similar.recall(alike)
        if seen is None or now - seen.last > ALIKE_WITHIN:
            seen = _Similar(now)
            self._similar.keep(alike, seen)
        seen.last = now
        seen.messages.add(message)
        if len(seen.messages) < ALIKE:
            return message, (*alike, message, path)
        seen.messages.discard(message)
        return COMBINED + message, alike

    def _may_speak(self, subject: tuple[str, ...]) -> bool:
        now = self._now()
        allowance = self._allowances.recall(subject)
        if allowance is None:
            allowance = _Allowance(BURST, now)
            self._allowances.keep(subject, allowance)
        return allowance.take(now, BURST, REFILL)

    def _create(self, about: Obj, type_: str, reason: str, message: str, count: int) -> Obj:
        now = self._clock.timestamp()
        source = {"component": self.component} | ({"host": self.host} if self.host else {})
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": about.get("namespace") or "default"},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": count,
            "type": type_,
            "eventTime": None,
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        }
        return self._names.create(event)

    def _now(self) -> float:
        return self._clock.monotonic() * self._clock.speed
