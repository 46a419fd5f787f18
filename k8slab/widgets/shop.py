"""The shop: browsers side by side on one Service, who they are to it, which pod answered, and where that is kept.

`shop_model.py` makes the picture; the browsers are the lab's own (`lab/browser.py`), real clients with real cookies.
`shop.js` draws it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from k8slab.lab.browser import Browser
from k8slab.lab.services import Answer
from k8slab.settings import LabError
from k8slab.widgets import shop_model, still
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.shop_model import Seen
from k8slab.widgets.watching import LabView

COOKIE = "shop"  # the name of the cookie that k8slab/cart sets
REMEMBERED = 200  # visits of a browser
RUSH = 20  # requests in one press
ASKS = {  # what a press sends: method, path, the name of the form's field
    "look": ("GET", "/", ""),
    "login": ("POST", "/login", "user"),
    "add": ("POST", "/cart", "item"),
    "checkout": ("POST", "/checkout", ""),
    "logout": ("POST", "/logout", ""),
}


def show(lab: Any, url: str = "http://shop", *browsers: Browser) -> Shop:
    """The shop at this URL, with these browsers, or with two new ones called ada and bo."""
    view = Shop.of(lab, url)
    view.use(browsers)
    return view


class Shop(LabView):
    """Browsers on a Service that serves k8slab/cart, or anything that answers as it does."""

    KINDS = ("Pod", "Service")
    _esm = source(*STAGE, "shop.js")
    _css = source("tokens.css", "live.css", "shop.css")

    def __init__(self, lab: Any, url: str) -> None:
        self.url = url if "//" in url else f"http://{url}"
        self._name, _, rest = self.url.partition("//")[2].partition("/")[0].partition(":")[0].partition(".")
        self._namespace = rest.partition(".")[0] or lab.namespace
        self._browsers = {name: lab.browser(self.url, name) for name in ("ada", "bo")}
        self._visits: dict[str, list[Seen]] = defaultdict(list)
        self._rushed: dict[str, Picture] = {}
        self._state = ""  # where the shop keeps its customers, as it said last
        super().__init__(lab, url)

    def use(self, browsers: tuple[Browser, ...]) -> None:
        """Show these browsers from now on; none: those there are."""
        if browsers:
            self._browsers = {one.name: one for one in browsers}
            self.changed()

    def draw(self) -> Picture:
        """The picture as it is now."""
        service = next((s for s in self.latest.get("Service", ()) if self._is_mine(s)), None)
        state = self._state
        drawn = {
            name: shop_model.browser(
                order, name, one.cookies.get(COOKIE, ""), self._visits[name], state, self._rushed.get(name)
            )
            for order, (name, one) in enumerate(self._browsers.items())
        }
        return {
            "url": self.url,
            "state": state,
            "where": shop_model.WHERE.get(
                state, "Nobody has asked yet, so nobody knows where the shop keeps its customers."
            ),
            "browsers": drawn,
            "pods": shop_model.pods(service, self.latest.get("Pod", ()), self._visits, state),
            "problem": self.problem or ("" if service else f"There is no Service {self._name!r} yet."),
        }

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a click asked for."""
        do = str(message.get("do"))
        if do == "kill":
            self._kill(str(message["uid"]))
            return {}
        who = self._browsers.get(str(message.get("who")))
        if who is None or do not in (*ASKS, "rush", "forget", "tamper", "steal"):
            return super().act(message)
        if do in ASKS:
            self._visit(who, do, str(message.get("with", "")))
        elif do == "rush":
            seen = [self._visit(who, "look", "") for _ in range(RUSH)]
            known = sum(one.knows and one.status == 200 for one in seen)
            self._rushed[who.name] = {"asked": RUSH, "known": known}
        elif do == "tamper":
            who.cookies[COOKIE] = shop_model.tampered(who.cookies.get(COOKIE, ""), self._state)
        else:
            others = [one for one in self._browsers.values() if one is not who]
            who.cookies = dict(others[0].cookies) if do == "steal" and others else {}
        return {}

    def text(self) -> str:
        """The view in plain words."""
        return shop_model.text(self._picture)

    def html(self) -> str:
        """The view in plain words, for a page without a kernel."""
        return still.words(f"The shop at {self.url}", self.text())

    def join(self, lab: Any) -> None:
        """Go on with this one of the lab's clients; the browsers too, with their cookies."""
        super().join(lab)
        for one in self._browsers.values():
            one.client = lab.api

    def _visit(self, who: Browser, do: str, value: str) -> Seen:
        method, path, field = ASKS[do]
        asked = f"{method} {path}" + (f" {field}={value}" if field else "")
        try:
            answer = who.get(path) if method == "GET" else who.post(path, **({field: value} if field else {}))
            seen = Seen(asked, answer.status, answer.headers.get("x-pod", ""), _told(answer))
        except LabError as problem:
            seen = Seen(asked, problem=str(problem))
        self._state = str(seen.told.get("state", self._state))
        visits = self._visits[who.name]
        visits.append(seen)
        del visits[:-REMEMBERED]
        return seen

    def _kill(self, uid: str) -> None:
        pod = next((pod for pod in self.latest.get("Pod", ()) if pod["metadata"]["uid"] == uid), None)
        if pod is None:
            raise LabError("That pod is gone already.")
        self.lab.api.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])

    def _is_mine(self, service: Any) -> bool:
        meta = service["metadata"]
        return bool((meta["name"], meta["namespace"]) == (self._name, self._namespace))


def _told(answer: Answer) -> Mapping[str, Any]:
    try:
        told = answer.json()
    except LabError:
        return {}
    return told if isinstance(told, dict) else {}
