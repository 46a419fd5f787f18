"""Events as the scheduler writes them: the newer kind, with an action, a time in microseconds, and series of their own.

Beside `events.py`, whose recorder everybody else holds. What repeats is counted here and told twice: when it becomes a
series, and when that is over or half an hour old. The rules are client-go's (tools/events/event_broadcaster.go): events
are the same if they are about the same version of an object, whatever their words.
"""

from __future__ import annotations

import logging
import platform
from dataclasses import dataclass
from typing import Any, Literal

from k8slab.api.errors import ApiError, NotFound
from k8slab.api.objects import Obj, key_of, reference_to
from k8slab.client.base import Client
from k8slab.client.events import Budget, Memory, Namer
from k8slab.clock import Clock

log = logging.getLogger(__name__)

OVER, REFRESH = 360.0, 1800.0  # Kubernetes seconds: a series ends when it was silent, is told again while it lasts
LONGEST = 1024  # characters of a message


@dataclass
class _Told:
    """An Event in the API, and how often it has happened since."""

    event: Obj
    seen: float
    told: float
    count: int = 1
    last: str = ""


class SeriesRecorder:
    """Writes Events as `component`, on a machine (this one, unless it has another name)."""

    def __init__(self, client: Client, clock: Clock, component: str, host: str = "") -> None:
        self._client, self._clock = client, clock
        self.component, self.instance = component, f"{component}-{host or platform.node()}"
        self._told: Memory[_Told] = Memory()
        self._swept = self._now()
        self._names = Namer(client, clock)
        self._budget = Budget.of(client)

    def event(
        self, obj: Obj, type: Literal["Normal", "Warning"], reason: str, action: str, message: str,
        related: Obj | None = None,
    ) -> None:  # fmt: skip
        """Say that it happened to an object while something was done. Never raises: what happened has happened."""
        if type == "Normal" and not self._budget.allows(self._clock.monotonic()):
            return
        try:
            self._sweep()
            self._record(reference_to(obj), type, reason, action, message, related and reference_to(related))
        except ApiError as error:
            log.debug("event %s about %s not written: %s", reason, obj.get("kind"), error)
        except Exception:
            log.exception("event %s about %s not written", reason, obj.get("kind"))

    def _record(self, about: Obj, type_: str, reason: str, action: str, message: str, related: Obj | None) -> None:
        key = (type_, reason, action, *about.items(), *(related or {}).items())
        now, known = self._now(), self._told.recall(key)
        if known is None:
            event = self._create(about, type_, reason, action, message, related)
            self._told.keep(key, _Told(event, now, now))
            return
        known.count, known.seen, known.last = known.count + 1, now, self._clock.micro_timestamp()
        if known.count == 2 or now - known.told >= REFRESH:
            self._tell(known)

    def _sweep(self) -> None:
        """Tell the end of what has not happened for a while, and forget it."""
        now = self._now()
        if now - self._swept < OVER:
            return
        self._swept = now
        for key, known in [*self._told.items()]:
            if now - known.seen > OVER:
                if known.count > 1:
                    self._tell(known)
                del self._told[key]

    def _tell(self, known: _Told) -> None:
        known.told = self._now()
        namespace, name = key_of(known.event)
        series = {"series": {"count": known.count, "lastObservedTime": known.last}}
        try:
            self._client.patch("Event", name, namespace, series)
        except NotFound:  # it has expired: write it anew
            self._client.create({**known.event, "metadata": {"name": name, "namespace": namespace}, **series})

    def _create(self, about: Obj, type_: str, reason: str, action: str, message: str, related: Obj | None) -> Obj:
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": about.get("namespace") or "default"},
            "involvedObject": about,
            "reason": reason,
            "message": message if len(message) <= LONGEST else f"{message[: LONGEST - 4]} ...",
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "type": type_,
            "eventTime": self._clock.micro_timestamp(),
            "action": action,
            "reportingComponent": self.component,
            "reportingInstance": self.instance,
        }
        if related:
            event["related"] = related
        return self._names.create(event)

    def _now(self) -> float:
        return self._clock.monotonic() * self._clock.speed
