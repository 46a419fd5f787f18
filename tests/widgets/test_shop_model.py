"""What the Shop view makes of the shop's answers."""

from __future__ import annotations

import base64
import json

import pytest

from k8slab.widgets import shop_model
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
