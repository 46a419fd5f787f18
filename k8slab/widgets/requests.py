"""Requests to a Service, so many a second, from a handful of clients: real ones, sent from here and not by the browser.

`traffic.py` says how many and when none; `traffic_model.py` counts what comes back. In a lab they go straight to the
Service's address, each client from an address of its own. On any other cluster they go through the API server's proxy.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field

from k8slab.client.http import HttpClient, Unreachable
from k8slab.clock import Clock
from k8slab.lab import services
from k8slab.lab.browser import keep
from k8slab.settings import LabError

CLIENTS = 6
WORKERS = 24  # requests on their way at once; what falls due beyond is not sent, and said
PATIENCE = 5.0  # s to wait for an answer
BEAT = 0.25  # s between two pictures while requests are sent
SEEN = 4096  # bytes of an answer in which a pod's name is looked for
SAYS_POD, SAYS_VERSION = "x-pod", "x-version"  # headers of k8slab's own images


@dataclass(frozen=True)
class Result:
    """One request and what became of it. `status` 0: nobody answered, and `problem` says how that showed."""

    at: float  # s since 1970, when it ended
    took: float  # s
    status: int = 0
    pod: str = ""  # as the answer's X-Pod says
    text: str = ""  # the beginning of the answer, if it did not
    problem: str = ""


Cookies = dict[str, str]
Ask = Callable[[int, Cookies], Result]  # the client's number and its cookies, which it may change


@dataclass
class Way:
    """How to reach a Service. `asks` from a client; where it leads is looked up anew after `moved`."""

    api: HttpClient
    url: str  # http://web/path
    namespace: str
    direct: bool
    clock: Clock = field(default_factory=Clock)
    _place: services.Place | None = None

    def moved(self) -> None:
        """The Service has changed: look it up again."""
        self._place = None

    def ask(self, client: int, cookies: Cookies) -> Result:
        """Send one request and wait for its answer. Never raises."""
        began = self.clock.monotonic()
        try:
            status, headers, body = self._answer(client, cookies)
        except (OSError, http.client.HTTPException, LabError) as error:
            return Result(self.clock.time(), self.clock.monotonic() - began, problem=problem_of(error))
        pod = headers.get(SAYS_POD, "")
        keep(cookies, headers.get("set-cookie", "").splitlines())
        text = "" if pod else body[:SEEN].decode("utf-8", "replace")
        return Result(self.clock.time(), self.clock.monotonic() - began, status, pod, text)

    def _answer(self, client: int, cookies: Cookies) -> tuple[int, Mapping[str, str], bytes]:
        place = self._place = self._place or services.find(self.api, self.url, self.namespace)
        path = services.path_of(self.url)
        headers = {"Accept": "application/json", "User-Agent": f"k8slab-client-{client}"}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if not self.direct:
            return self._through_proxy(f"{place.proxy}/{path.lstrip('/')}", headers)
        mine = (f"127.77.0.{client}", 0) if place.host.startswith("127.") else None
        line = http.client.HTTPConnection(place.host, place.port, timeout=PATIENCE, source_address=mine)
        with closing(line):
            line.request("GET", path, headers={"Host": services.host_of(self.url), **headers, "Connection": "close"})
            answer = line.getresponse()
            return answer.status, _lower(answer.getheaders()), answer.read()

    def _through_proxy(self, path: str, headers: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        answer = self.api.send("GET", path, headers=headers, timeout=PATIENCE)
        return answer.status_code, _lower(answer.headers.multi_items()), answer.content


def problem_of(error: Exception) -> str:
    """What went wrong, as a whole clause: it is counted under these words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nobody listens there"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)):
        return "the connection was cut before an answer came"
    if isinstance(error, Unreachable):
        return "the cluster does not answer"
    return str(error).split(". ")[0] or type(error).__name__


class Load:
    """Sends requests at a rate, while it is on. `done` hears of each, `beat` now and then; both on threads of its own.

    At rate 0, switched off or closed it sends nothing and wakes nobody.
    """

    def __init__(self, ask: Ask, done: Callable[[Result], None], beat: Callable[[], None]) -> None:
        self._ask, self._done, self._beat = ask, done, beat
        self._clock = Clock()
        self._news = threading.Condition()
        self._rate, self._until, self._closed = 0.0, 0.0, False
        self._on_the_way, self._number, self._beaten = 0, 0, 0.0
        self.keeps_cookies = False
        self.late = 0  # fell due while all workers waited
        self._jars: list[Cookies] = [{} for _ in range(CLIENTS)]
        self._pool = ThreadPoolExecutor(WORKERS, "k8slab request")
        self._pacer = threading.Thread(target=self._pace, name="k8slab traffic", daemon=True)
        self._pacer.start()

    @property
    def sends(self) -> bool:
        """Whether requests are being sent now."""
        return not self._closed and self._rate > 0 and self._clock.monotonic() < self._until

    def allow(self, rate: float, seconds: float) -> None:
        """From now on so many requests a second, for so many seconds unless asked again."""
        with self._news:
            if rate != self._rate or not self.sends:
                self._beaten = 0.0
            self._rate, self._until = rate, self._clock.monotonic() + seconds
            self._news.notify_all()

    def forget_cookies(self) -> None:
        """Every client begins anew."""
        self._jars = [{} for _ in range(CLIENTS)]

    def close(self) -> None:
        """Send no more; those on their way come to their end unheard. May be called twice."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._pool.shutdown(wait=not self._on_the_way, cancel_futures=True)
        if threading.current_thread() is not self._pacer:
            self._pacer.join(timeout=1)

    def _pace(self) -> None:
        due = 0.0
        while not self._closed:
            with self._news:
                if not self.sends:
                    self._beat_soon(last=True)
                    self._news.wait_for(lambda: self.sends or self._closed)
                    due = self._clock.monotonic()
                    continue
                gap = 1 / self._rate
                wait = due - self._clock.monotonic()
                if wait > 0:
                    self._news.wait(min(wait, BEAT))
                    continue
            due = max(due + gap, self._clock.monotonic() - gap)
            self._send_one()

    def _send_one(self) -> None:
        self._number += 1
        if self._on_the_way >= WORKERS:
            self.late += 1
            self._beat_soon()
            return
        with self._news:
            self._on_the_way += 1
        with suppress(RuntimeError):  # closed meanwhile
            self._pool.submit(self._one, self._number % CLIENTS)

    def _one(self, client: int) -> None:
        cookies = self._jars[client] if self.keeps_cookies else {}
        result = self._ask(client + 1, cookies)
        with self._news:
            self._on_the_way -= 1
        if not self._closed:
            self._done(result)
            self._beat_soon(last=not self._on_the_way)

    def _beat_soon(self, last: bool = False) -> None:
        now = self._clock.monotonic()
        if now - self._beaten >= BEAT or (last and not self.sends):
            self._beaten = now
            self._beat()


def _lower(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by name in small letters; several cookies are joined by newlines."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}\n{value}" if key in found and key == "set-cookie" else value
    return found
