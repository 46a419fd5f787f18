"""The board in the kernel: its life, what it sends and when, what a click does. The browser is played by the test."""

import threading

import pytest

from k8slab.api.errors import Conflict
from k8slab.widgets.board import Board, show
from tests.widgets import cluster
from tests.widgets.cluster import FakeLab, leaving, node, pod
from tests.widgets.page import Page


@pytest.fixture
def lab():
    return FakeLab(*cluster.shop(2))


@pytest.fixture
def page(lab):
    board = Board(lab)
    yield Page(board)
    board.close()


def kinds(page):
    return [message["type"] for message in page.heard]


def test_the_first_picture_is_there_at_once(page):
    assert page.picture["lab"]["name"] == "shop"
    assert len(page.picture["pods"]) == 2
    assert page.picture["story"] == {}


def test_changes_come_as_diffs(lab, page):
    lab.api.becomes(*lab.objects, pod("web-7d5bc-00002"))
    page.until(lambda: len(page.picture["pods"]) == 3)
    assert kinds(page) == ["diff"]
    assert list(page.heard[0]["patch"]["pods"]) == ["Pod/web-7d5bc-00002"]


def test_nothing_is_sent_when_nothing_changed(lab, page):
    lab.api.becomes(*lab.objects)
    lab.api.becomes(*lab.objects)
    page.say(do="resync")
    page.until(lambda: page.heard)
    assert kinds(page) == ["state"]


def test_a_burst_comes_as_few_pictures_and_none_is_lost(lab, page):
    for number in range(3, 60):
        lab.api.becomes(*cluster.shop(number))
    page.until(lambda: len(page.picture["pods"]) == 59)
    assert len(page.heard) < 10


def test_a_page_that_asks_gets_the_whole(lab, page):
    page.say(do="resync")
    page.until(lambda: page.heard)
    assert page.heard[0]["picture"] == page.picture
    assert page.heard[0]["now"] > cluster.START


def test_nothing_is_sent_while_nobody_looks_and_all_of_it_after(lab, page):
    page.say(do="hello", on=True)
    page.say(do="seen", on=False, seq=0)
    page.until(lambda: not page.view._watched)
    before = len(page.heard)
    lab.api.becomes(*cluster.shop(5))
    page.until(lambda: len(page.view._picture["pods"]) == 5)
    assert kinds(page)[before:] == []
    page.say(do="seen", on=True, seq=0)
    page.until(lambda: len(page.picture["pods"]) == 5)
    assert kinds(page)[before:] == ["state"]


def test_another_page_keeps_it_going(page):
    for client in ("a", "b"):
        page.view._handle_custom_msg({"do": "hello", "client": client, "on": True}, [])
    page.view._handle_custom_msg({"do": "bye", "client": "a"}, [])
    page.until(lambda: page.view._clients == {"b": True})
    assert page.view._watched


def test_delete(lab, page):
    answer = page.press(do="delete", uid="Pod/web-7d5bc-00000")
    assert answer["ok"]
    assert lab.api.calls == [("delete", "Pod", "web-7d5bc-00000", "default")]
    page.until(lambda: page.picture["story"])
    assert page.picture["story"]["1"]["title"] == "You deleted **00000**, a pod of **web**"


def test_crash_scale_cordon_power(lab, page):
    for message in (
        {"do": "crash", "uid": "Pod/web-7d5bc-00000"},
        {"do": "scale", "uid": "Deployment/web", "replicas": 5},
        {"do": "cordon", "node": "node-1", "on": True},
        {"do": "cordon", "node": "node-1", "on": False},
        {"do": "power", "node": "node-2", "on": False},
    ):
        page.heard.clear()
        assert page.press(**message)["ok"]
    assert lab.api.calls == [
        ("post", "/k8slab/crash", {"namespace": "default", "pod": "web-7d5bc-00000"}),
        ("patch", "Deployment", "web", "default", {"spec": {"replicas": 5}}),
        ("patch", "Node", "node-1", "", {"spec": {"unschedulable": True}}),
        ("patch", "Node", "node-1", "", {"spec": {"unschedulable": None}}),
        ("post", "/k8slab/power", {"node": "node-2", "on": False}),
    ]
    page.until(lambda: page.picture["nodes"]["node-2"]["state"] == "off")


def test_power_that_came_back_by_other_hands_is_seen(lab, page):
    page.press(do="power", node="node-2", on=False)
    page.until(lambda: page.picture["nodes"]["node-2"]["state"] == "off")
    back = [o for o in cluster.shop(2) if o["metadata"]["name"] != "node-2"]
    lab.api.becomes(*back, node("node-2", since=page.view._clock.time() + 2))
    page.until(lambda: page.picture["nodes"]["node-2"]["state"] == "ready")


def test_logs(page):
    assert page.press(do="logs", uid="Pod/web-7d5bc-00000")["text"].startswith("log of web-7d5bc-00000")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"do": "delete", "uid": "Pod/nobody"}, "That pod is gone already."),
        ({"do": "delete"}, "That pod is gone already."),
        ({"do": "scale", "uid": "Deployment/web", "replicas": -1}, "Ask for a whole number of pods from 0 to 1000."),
        ({"do": "scale", "uid": "Deployment/web", "replicas": True}, "Ask for a whole number of pods from 0 to 1000."),
        ({"do": "scale", "uid": "Deployment/web", "replicas": "3"}, "Ask for a whole number of pods from 0 to 1000."),
        ({"do": "scale", "uid": "x", "replicas": 1}, "It is no longer there."),
        ({"do": "power", "node": "../etc"}, "There is no node ../etc."),
        ({"do": "rm -rf"}, "The board does not know how to rm -rf."),
    ],
)
def test_what_cannot_be_done_is_said_and_not_tried(lab, page, message, sentence):
    assert page.press(**message) == {"type": "answer", "id": "0", "ok": False, "say": sentence}
    assert lab.api.calls == []


def test_a_refusal_is_passed_on(lab, page):
    lab.api.refuse = Conflict("the pod has changed meanwhile")
    assert page.press(do="delete", uid="Pod/web-7d5bc-00000")["say"] == "the pod has changed meanwhile"
    assert page.picture["story"] == {}


def test_showing_again_shows_the_same(lab):
    board = show(lab)
    try:
        assert show(lab) is board
        assert show(FakeLab(name="other")) is not board
    finally:
        board.close()
        show(FakeLab(name="other")).close()
    again = show(lab)
    assert again is not board
    again.close()


def test_another_client_of_the_same_lab_takes_over(lab):
    board, other = show(lab), FakeLab(*cluster.shop(5))
    try:
        assert show(other) is board
        assert (len(lab.api.followers), len(other.api.followers)) == (0, 1)
        assert Page(board).press(do="delete", uid="Pod/web-7d5bc-00004")["ok"]
        assert other.api.calls
    finally:
        board.close()


def test_close_frees_all(lab):
    before = threading.active_count()
    boards = [Board(lab) for _ in range(20)]
    assert len(lab.api.followers) == 20
    for board in boards:
        board.close()
        board.close()
    assert lab.api.followers == []
    assert threading.active_count() == before


def test_a_trouble_in_drawing_is_told_and_survived(lab, page):
    lab.api.becomes({"kind": "Pod", "metadata": {}})
    page.until(lambda: "trouble" in kinds(page))
    lab.api.becomes(*cluster.shop(3))
    page.until(lambda: len(page.picture["pods"]) == 3)


def test_its_words_and_its_still_picture():
    hostile = pod("<img src=x>", image="a:<b>")
    board = Board(FakeLab(*cluster.shop(2), hostile, pod("lost", "", "unplaced"), leaving(pod("bye"))))
    try:
        bundle, _ = board._repr_mimebundle_()
    finally:
        board.close()
    assert "Deployment web: wants 2, has 2 ready" in bundle["text/plain"]
    assert "web-7d5bc-00000 v1: Ready, 1/1" in bundle["text/plain"]
    assert "On no node" in bundle["text/html"]
    assert "<img" not in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_its_source_is_text_read_once():
    assert isinstance(Board._esm, str)
    assert "http://" not in Board._esm.replace("http://www.w3.org", "")
    assert "innerHTML" not in Board._esm
