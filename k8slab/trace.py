"""Where one apply is: every hop on its way says so with `hop`, and a Tracer hears it, with the object as it stood then.

The parts say it where docs/map.md has them. While nobody follows anything that is a look at an empty list. The door is
`apiserver/private.py`; `widgets/journey.py` makes a way of what is read there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from k8slab.api.objects import Key, Obj, controller_of, copy, key_of
from k8slab.clock import Clock

FOLLOWED = 4  # objects at a time: whose journey was asked for first is forgotten
PODS = 8  # of one journey; whoever looks chooses one of them
MOST, LONGEST = 400, 600.0  # hops of one journey, and real seconds after which no more are added
INSIDE = ("read", "defaulted", "admitted", "validated")  # hops of a write before it is stored

_tracers: list[Tracer] = []
_request: ContextVar[Request | None] = ContextVar("request", default=None)


@dataclass
class Request:
    """A request at the door, and its hops until something is stored; then its journey has begun."""

    at: float
    facts: Mapping[str, str]
    hops: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False


def listening() -> bool:
    """Whether anybody follows anything: to be asked before a hop's facts are put together at some cost."""
    return bool(_tracers)


def arrives(**facts: str) -> None:
    """A request is at the door, its token known; what is written in its name has this beginning."""
    if _tracers:
        _request.set(Request(Clock().monotonic(), facts))


def hop(name: str, obj: Obj | None = None, **facts: Any) -> None:
    """This is where the object is now."""
    for tracer in _tracers:
        tracer.heard(name, obj, facts)


@dataclass
class Journey:
    """The way of the latest apply of one object, and of what it owns."""

    number: int = 0
    since: float = 0.0
    hops: list[dict[str, Any]] = field(default_factory=list)
    followed: dict[str, tuple[str, Key]] = field(default_factory=dict)  # uid -> kind, key

    def add(self, name: str, at: float, obj: Obj | None, facts: Mapping[str, Any]) -> None:
        """One hop more, if there is still room and time."""
        if len(self.hops) < MOST and at - self.since < LONGEST:
            self.hops.append({"hop": name, "at": round((at - self.since) * 1000, 3), "object": obj, **facts})


class Tracer:
    """Follows objects by name, through all they own, for whoever asks. A lab has one."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._journeys: OrderedDict[tuple[str, Key], Journey] = OrderedDict()

    def follow(self, kind: str, key: Key) -> None:
        """Listen for the next apply of this object; what is known of an earlier one stays."""
        self._journeys.setdefault((kind, key), Journey())
        while len(self._journeys) > FOLLOWED:
            self._journeys.popitem(last=False)
        if self not in _tracers:
            _tracers.append(self)

    def leave(self, kind: str, key: Key) -> None:
        """Listen no more."""
        self._journeys.pop((kind, key), None)
        if not self._journeys and self in _tracers:
            _tracers.remove(self)

    def close(self) -> None:
        """Follow nothing any more."""
        for kind, key in [*self._journeys]:
            self.leave(kind, key)

    def journey(self, kind: str, key: Key, number: int = 0, since: int = 0) -> dict[str, Any]:
        """The way so far; of the journey of this number only the hops after `since`. Raises KeyError: not followed."""
        found = self._journeys[kind, key]
        return {"journey": found.number, "hops": found.hops[since if number == found.number else 0 :]}

    def heard(self, name: str, obj: Obj | None, facts: Mapping[str, Any]) -> None:
        """A hop, of whatever: what nobody follows is left out here."""
        if name in INSIDE:
            self._inside(name, obj or {}, facts)
        elif name == "refused":
            self._refused(facts)
        elif name == "looked":
            self._looked(facts)
        elif obj is not None:
            self._passed(name, obj, facts)

    def _inside(self, name: str, obj: Obj, facts: Mapping[str, Any]) -> None:
        """Before it is stored an object is still being changed, so that a copy is kept; with the request that asked."""
        request = _request.get()
        if request is None or request.over or not (name == "read" or request.hops):  # a status is no apply
            return
        if self._root(obj) in self._journeys:
            at = (self._clock.monotonic() - request.at) * 1000
            request.hops.append({"hop": name, "at": round(at, 3), "object": copy(obj), **facts})

    def _refused(self, facts: Mapping[str, Any]) -> None:
        request = _request.get()
        if request is not None and not request.over and request.hops:
            self._begin(request, request.hops[-1]["object"]).add("refused", self._clock.monotonic(), None, facts)

    def _looked(self, facts: Mapping[str, Any]) -> None:
        """A controller takes up a key: that of something followed, if it is the controller of its kind."""
        at, seen = self._clock.monotonic(), facts["key"]
        for journey in self._journeys.values():
            for kind, key in journey.followed.values():
                if key == seen and facts["controller"] == f"{kind.lower()}-controller":
                    journey.add("looked", at, None, {"kind": kind, "name": key.name})

    def _passed(self, name: str, obj: Obj, facts: Mapping[str, Any]) -> None:
        at, request, before = self._clock.monotonic(), _request.get(), facts.get("before")
        coming = request.hops if request is not None and not request.over and name == "stored" else []
        if request is not None and coming and self._root(obj) == self._root(coming[0]["object"]):
            self._begin(request, obj)
        for journey in self._journeys.values():
            first = obj["metadata"]["uid"] not in journey.followed
            if self._is_followed(journey, obj, before):
                kept = {fact: value for fact, value in facts.items() if fact != "before" or (first and value)}
                journey.add(name, at, obj, kept)

    def _begin(self, request: Request, obj: Obj) -> Journey:
        """A new journey: the request has come to something."""
        request.over = True
        root = self._root(obj)
        found = self._journeys[root]
        uid = obj["metadata"].get("uid", "")
        new = Journey(found.number + 1, request.at, [], {uid: root})
        new.hops = [{"hop": "received", "at": 0.0, "object": None, **request.facts}, *request.hops]
        self._journeys[root] = new
        return new

    @staticmethod
    def _root(obj: Obj) -> tuple[str, Key]:
        meta = obj.get("metadata") or {}
        return obj.get("kind", ""), Key(meta.get("namespace", ""), meta.get("name", ""))

    @staticmethod
    def _is_followed(journey: Journey, obj: Obj, before: Obj | None) -> bool:
        """Whether it is of this journey: the object, what it made or made larger, or where a pod of it is listed."""
        followed, meta = journey.followed, obj["metadata"]
        if not followed:
            return False
        if meta["uid"] in followed:
            return True
        if obj["kind"] == "EndpointSlice":
            return any((one.get("targetRef") or {}).get("uid") in followed for one in obj.get("endpoints") or ())
        owner = controller_of(obj)
        if owner is None or owner["uid"] not in followed or (before is not None and not _grew(before, obj)):
            return False
        if obj["kind"] == "Pod" and sum(kind == "Pod" for kind, _ in followed.values()) >= PODS:
            return False
        followed[meta["uid"]] = (obj["kind"], key_of(obj))
        return True


def _grew(before: Obj, after: Obj) -> bool:
    """Whether more replicas are wished for than before: what shrinks is of an earlier apply."""
    was, now = ((each.get("spec") or {}).get("replicas") for each in (before, after))
    return isinstance(was, int) and isinstance(now, int) and now > was
