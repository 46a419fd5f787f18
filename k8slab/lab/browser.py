"""`lab.browser("http://shop")`: a client with a cookie jar, as a customer's browser; real HTTP, from this machine.

`services.py` says where a name leads. Each browser has an address of its own where the lab's network allows it, so that
a Service which is sticky by client can tell them apart; and a connection of its own for each request, so that one which
is not sticky can spread them.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlencode

import httpx

from k8slab.client.http import HttpClient, Unreachable
from k8slab.lab.services import Answer, locate
from k8slab.settings import LabError

KEPT = 50  # answers that a browser remembers
PATIENCE = 10.0  # s to wait for an answer
NETWORK = "127.77.1."  # where browsers have their addresses, in a lab whose own are on the loopback too
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Visit:
    """One request of a browser, and what came back."""

    asked: str  # "POST /cart item=tea"
    answer: Answer

    @property
    def pod(self) -> str:
        """The pod that answered, as its X-Pod header says; empty if it has none."""
        return self.answer.headers.get("x-pod", "")


class Browser:
    """A customer. `get` and `post` ask and remember cookies; `cookies` may be looked at, changed and copied."""

    def __init__(self, client: HttpClient, url: str, namespace: str, *, name: str, direct: bool) -> None:
        self.name, self.url = name, url if "//" in url else f"http://{url}"
        self.cookies: dict[str, str] = {}
        self.visits: deque[Visit] = deque(maxlen=KEPT)
        self.client = client
        self._namespace, self._direct = namespace, direct
        self._address = f"{NETWORK}{1 + next(_numbers) % 250}"

    def get(self, path: str = "/") -> Answer:
        """Ask for a page. Raises LabError when nobody answers."""
        return self._ask("GET", path, "")

    def post(self, path: str, **form: Any) -> Answer:
        """Send a form: `post("/cart", item="tea")`. Raises LabError when nobody answers."""
        return self._ask("POST", path, urlencode(form))

    def forget(self) -> None:
        """Throw all cookies away."""
        self.cookies.clear()

    def __repr__(self) -> str:
        kept = ", ".join(f"{name}={value}" for name, value in self.cookies.items()) or "no cookies"
        return f"<Browser {self.name} at {self.url}: {kept}>"

    def _ask(self, method: str, path: str, form: str) -> Answer:
        headers = {"Accept": "application/json"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            response = self._send(method, path, form.encode(), headers)
        except (httpx.TransportError, Unreachable) as error:
            raise LabError(f"{self.url} does not answer: {error}. Is a pod behind it ready?") from None
        keep(self.cookies, response.headers.get_list("set-cookie"))
        answer = Answer(response.status_code, response.text, dict(response.headers))
        self.visits.append(Visit(f"{method} {path} {form}".strip(), answer))
        return answer

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        target = httpx.URL(self.url)
        place = locate(self.client, target.host, target.port or 80, self._namespace)
        if not self._direct:
            return self.client.send(method, f"{place.proxy}{path}", content=body, headers=headers, timeout=PATIENCE)
        mine = self._address if place.host.startswith("127.") else None
        with httpx.Client(transport=httpx.HTTPTransport(local_address=mine), timeout=PATIENCE) as http:
            at = f"http://{place.host}:{place.port}{path}"
            return http.request(method, at, content=body, headers={"Host": target.host, **headers})


def keep(cookies: dict[str, str], set_cookies: list[str]) -> None:
    """Take over what an answer's Set-Cookie headers say: a value, or, with no value or no time to live, its end."""
    for line in set_cookies:
        with suppress(CookieError):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value and morsel["max-age"] != "0":
                    cookies[name] = morsel.coded_value
                else:
                    cookies.pop(name, None)
