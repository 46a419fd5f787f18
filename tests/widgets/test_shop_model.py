"""What the Shop view makes of the shop's answers."""

from __future__ import annotations

import base64
import json

import pytest

from k8slab.lab.services import Answer
from k8slab.settings import LabError
from k8slab.widgets import shop, shop_model
from k8slab.widgets.shop_model import Seen
from tests.widgets import cluster


def told(user=None, cart=None, note="", orders=0, state="memory"):
    return {"user": user, "cart": cart or {}, "note": note, "orders": orders, "state": state}


ADA = Seen("POST /login user=ada", 200, "web-1-aaaaa", told("ada"))
NOBODY = Seen("GET /", 200, "web-1-bbbbb", told(note="The cookie names a session that this process does not know."))


@pytest.mark.parametrize(
    ("before", "now", "word"),
    [
        (None, Seen("GET /", 200, "p", told()), "new"),
        (None, ADA, "known"),
        (ADA, Seen("POST /cart item=tea", 200, "p", told("ada", {"tea": 1})), "known"),
        (ADA, NOBODY, "lost"),
        (NOBODY, NOBODY, "lost"),
        (ADA, Seen("GET /", 200, "p", told()), "lost"),  # known before, and no longer, whatever the note says
        (ADA, Seen("POST /cart item=tea", 200, "p", told(None, {"tea": 1}, "does not know")), "anew"),
        (ADA, Seen("POST /logout", 200, "p", told()), "left"),
        (ADA, Seen("GET /", 503, "p", {"error": "The shop cannot reach its Redis"}), "failed"),
        (ADA, Seen("GET /", problem="http://shop does not answer"), "failed"),
        (Seen("POST /checkout", 200, "p", told(orders=1)), Seen("GET /", 200, "p", told(orders=1)), "known"),
    ],
)
def test_a_visit_is_judged_by_what_was_known_before(before, now, word):
    assert shop_model.verdict(before, now) == word


def test_a_card_says_what_the_shop_last_said():
    card = shop_model.browser(0, "ada", "abc123", [ADA, NOBODY], "memory", None)
    assert (card["user"], card["cart"], card["verdict"]) == ("", "", "lost")
    assert "does not know" in card["say"]
    assert [visit["pod"] for visit in card["visits"]] == ["aaaaa", "bbbbb"]
    assert [visit["verdict"] for visit in card["visits"]] == ["known", "lost"]
    assert card["reading"] == ""
    many = shop_model.browser(0, "ada", "", [ADA] * 20, "memory", None)
    assert [visit["n"] for visit in many["visits"]] == list(range(14, 20))


def test_a_signed_cookie_is_readable_by_all_and_writable_by_none():
    text = base64.urlsafe_b64encode(json.dumps({"user": "ada", "cart": {}}).encode()).decode()
    cookie = f"{text}.signature"
    assert json.loads(shop_model.reading(cookie, "cookie"))["user"] == "ada"
    forged = shop_model.tampered(cookie, "cookie")
    assert json.loads(shop_model.reading(forged, "cookie"))["user"] == "boss"
    assert forged.endswith(".signature")  # which is no longer that of the text
    assert shop_model.tampered("123", "redis") != "123"
    assert shop_model.reading("nonsense.x", "cookie") == ""


class FakeBrowser:
    """A browser on a shop with one pod, which remembers."""

    def __init__(self, url, name):
        self.url, self.name, self.cookies, self.client = url, name, {}, None
        self.known = {"user": None, "cart": {}, "orders": 0, "note": "", "state": "memory"}

    def get(self, path):
        return self.post(path)

    def post(self, path, **form):
        if "user" in form:
            self.known["user"], self.cookies["shop"] = form["user"], "AbC123xyz"
        if "item" in form:
            self.known["cart"] = {form["item"]: self.known["cart"].get(form["item"], 0) + 1}
        return Answer(200, json.dumps(self.known), {"x-pod": "shop-7d5bc-aaaaa"})


class ShopLab(cluster.FakeLab):
    """A lab with the shop in it."""

    def __init__(self, **more):
        pods = [
            cluster.pod(f"shop-7d5bc-{name}", state=state)
            for name, state in (("aaaaa", "ready"), ("bbbbb", "starting"))
        ]
        for pod in pods:
            pod["metadata"]["labels"] = {"app": "shop"}
        super().__init__(cluster.service("shop"), *pods, **more)

    def browser(self, url, name):
        return FakeBrowser(url, name)


def test_what_a_press_does():
    view = shop.show(ShopLab(name="pressed"))
    try:
        for press in ({"do": "login", "with": "ada"}, {"do": "add", "with": "tea"}, {"do": "rush"}):
            view.act({"who": "ada", **press})
        view.act({"who": "bo", "do": "steal"})
        view.act({"who": "bo", "do": "tamper"})
        ada, bo = view.draw()["browsers"].values()
        assert (ada["user"], ada["cart"], ada["rush"]) == ("ada", "tea ×1", {"asked": 20, "known": 20})
        assert ada["visits"][-1]["asked"] == "GET /"
        assert bo["cookie"] not in ("", ada["cookie"])
        assert "Browser ada: the shop says ada" in shop_model.text(view.draw())
        view.act({"do": "kill", "uid": "Pod/shop-7d5bc-aaaaa"})
        with pytest.raises(LabError, match="gone already"):
            view.act({"do": "kill", "uid": "nobody"})
    finally:
        view.close()


def test_pods_say_whom_they_know_only_where_state_lives_in_them():
    service = {"metadata": {"name": "shop", "namespace": "default"}, "spec": {"selector": {"app": "shop"}}}
    one, other = cluster.pod("web-1-aaaaa"), cluster.pod("web-1-bbbbb")
    one["metadata"]["labels"] = {"app": "shop"}
    visits = {"ada": [ADA, NOBODY]}
    pods = shop_model.pods(service, [one, other], visits, "memory")
    assert [pod["short"] for pod in pods.values()] == ["aaaaa"]
    assert next(iter(pods.values()))["knows"] == ["ada"]
    assert next(iter(shop_model.pods(service, [one], visits, "redis").values()))["knows"] == []
    assert shop_model.pods(None, [one], visits, "memory") == {}
