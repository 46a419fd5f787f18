"""Traffic: requests through a Service as dots that fly to the pod that answered, and what became of them in numbers.

`show(lab, "web")` gives the one view of a Service. It joins what others decide: `requests.py` sends, `tally.py` counts,
`traffic_model.py` makes the picture; `traffic.js` draws it. Requests are sent from here, and only while a page shows
the view: a page that is hidden or gone says so, or is no longer heard, and then they end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slab.api.objects import Obj
from k8slab.lab import Lab
from k8slab.settings import LabError
from k8slab.widgets import traffic_model, versions
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.requests import Load, Result, Way
from k8slab.widgets.tally import Tally, named_in
from k8slab.widgets.traffic_model import KINDS, OWNERS, Sending
from k8slab.widgets.watching import LabView

LEASE = 30.0  # s for which requests go on without a word from a page: a notebook that is run has none at first
MOST = 200  # requests a second
RECORDS = "Containers of the simulated runtime are records: nobody answers there."


def show(lab: Lab, service: str, rate: float | None = None, path: str = "/", cookies: bool | None = None) -> Traffic:
    """The view of this Service; the same one however often it is asked for, with the rate asked for last."""
    if lab.api.find("Service", service, lab.namespace) is None:
        raise LabError(
            f"The namespace {lab.namespace!r} has no Service {service!r}. `kubectl get services` lists them."
        )
    view = Traffic.of(lab, service, lab.namespace, path)
    view.ask_for(view.rate if rate is None else rate, view.cookies if cookies is None else cookies)
    return view


def running(lab: Lab, service: str) -> Traffic | None:
    """The open view of this Service, if there is one."""
    return next((v for v in Traffic.open_views() if v.is_of(lab, service)), None)


class Traffic(LabView):
    """Requests to one Service."""

    KINDS = KINDS
    lab: Lab
    _esm = source(*STAGE, "live.js", "traffic_scene.js", "traffic.js")
    _css = source("tokens.css", "live.css", "traffic.css")

    def __init__(self, lab: Lab, service: str, namespace: str, path: str = "/") -> None:
        self.service, self._namespace, self._path = service, namespace, path
        self.rate, self.cookies = 5.0, False
        self.tally = Tally()
        self._versions: dict[str, str] = {}  # pod name -> version key, also of pods that are gone
        self._flight = 0
        self._dots: list[list[Any]] = []
        self._seen, self._until = "", 0.0
        super().__init__(lab, (service, namespace, path))

    @classmethod
    def open_views(cls) -> list[Traffic]:
        """Every open one of this kernel."""
        return [view for view in cls.all_shown() if isinstance(view, cls)]

    def is_of(self, lab: Lab, service: str) -> bool:
        """Whether it shows this Service."""
        return (self.lab.name, self._namespace, self.service) == (lab.name, lab.namespace, service)

    def start(self) -> None:
        """Follow the cluster; requests come later, when they are asked for."""
        url = f"http://{self.service}.{self._namespace}{self._path}"
        self._way = Way(self.lab.api, url, self._namespace, direct=self.lab.context is None)
        self._load = Load(self._way.ask, self._count, self.changed)
        self._load.keeps_cookies = self.cookies
        super().start()

    def stop(self) -> None:
        """Send no more, follow no more."""
        self._load.close()
        super().stop()

    def changed(self) -> None:
        """The cluster has, or the counts."""
        self.post(self._renew)

    def ask_for(self, rate: float, cookies: bool) -> None:
        """Send so many requests a second from now on; with cookies, clients send back what they were given."""
        if not 0 <= rate <= MOST:
            raise LabError(f"Ask for 0 to {MOST} requests a second.")
        self.rate, self.cookies, self._load.keeps_cookies = rate, cookies, cookies
        if not cookies:
            self._load.forget_cookies()
        self._lease()

    def draw(self) -> Picture:
        """The Service, its pods and the counts."""
        there = self._there()
        known = self._learn(there)
        sends = self._load.sends
        sending = Sending(
            self.rate, sends, self._path, self._way.direct, self.cookies, self._load.late, self._why_not(there.service)
        )
        told = traffic_model.picture(there, known, self.tally, sending, self._clock.time())
        uids = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in there.pods}
        if flights := self.tally.flights():
            self._flight += 1
            self._dots = [[uids.get(pod, ""), failed] for pod, failed in flights]
        flying = {"number": self._flight, "dots": self._dots}
        return {**told, "name": self.service, "flights": flying, "problem": self.problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change the rate, the cookies or the Service's affinity; count from zero; `alive` from a page that looks."""
        do = message.get("do")
        if do == "rate" and isinstance(rate := message.get("rate"), (int, float)):
            self.ask_for(float(rate), self.cookies)
        elif do == "cookies":
            self.ask_for(self.rate, bool(message.get("on")))
        elif do == "zero":
            self.tally.clear()
            self._load.late = 0
        elif do == "sticky":
            affinity = "ClientIP" if message.get("on") else "None"
            spec = {"sessionAffinity": affinity} | ({"sessionAffinityConfig": None} if affinity == "None" else {})
            self.lab.api.patch("Service", self.service, self._namespace, {"spec": spec})
        elif do != "alive":
            return super().act(message)
        return {}

    def text(self) -> str:
        """The counts in plain words."""
        return traffic_model.text(self.service, self._picture)

    def html(self) -> str:
        """The counts as a table."""
        return traffic_model.html(self.service, self._picture)

    def _hear(self, message: Any) -> None:
        super()._hear(message)
        if isinstance(message, dict):
            self._lease()

    def _lease(self) -> None:
        """Somebody is there: go on for a while."""
        self._until = self._clock.monotonic() + LEASE
        self.post(self._renew)

    def _renew(self) -> None:
        """Let the load go on while it may, or end it: nobody looks, or there is nobody to ask."""
        service = self._there().service
        revision = service["metadata"].get("resourceVersion", "") if service else ""
        if revision != self._seen:
            self._seen = revision
            self._way.moved()
        fine = self._watched and not self._why_not(service) and not self._closing.is_set()
        self._load.allow(self.rate if fine else 0.0, self._until - self._clock.monotonic())

    def _why_not(self, service: Obj | None) -> str:
        if service is None:
            return "There is no such Service."
        networked = self.lab.context is not None or self.lab.abilities.get("networked", True)
        return "" if networked else RECORDS

    def _there(self) -> traffic_model.Behind:
        return traffic_model.behind(self.latest, self.service, self._namespace)

    def _learn(self, there: traffic_model.Behind) -> versions.Versions:
        book, keys = versions.book(self.lab.name), traffic_model.version_keys(there.pods, there.owners)
        self._versions.update(keys)
        pods = [(keys[pod["metadata"]["name"]], pod) for pod in there.pods]
        owners = {o["metadata"]["uid"]: o for kind in OWNERS for o in self.latest.get(kind, ())}
        return book.share(versions.learn(book.known, pods, versions.revisions(owners)))

    def _count(self, result: Result) -> None:
        """A result, on the thread of the load."""
        pod = result.pod or named_in(result.text, self._versions)
        self.tally.add(result, pod, self._versions.get(pod, ""))
