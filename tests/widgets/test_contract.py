"""What every view promises in the kernel. The browser is played by `page.py`; test_contract_browser.py has a real one."""

import threading
from html.parser import HTMLParser

import ipywidgets
import pytest

from k8slab.widgets import base
from tests.widgets.page import Page
from tests.widgets.views import VIEWS

EVERY = pytest.mark.parametrize("case", VIEWS, ids=str)
pytestmark = EVERY


@pytest.fixture
def lab(case):
    return case.lab()


@pytest.fixture
def view(case, lab):
    view = case.show(lab)
    yield view
    view.close()


def kinds(page):
    return [message["type"] for message in page.heard]


def test_the_first_picture_is_there_at_once_and_in_step(view, lab, case):
    page = Page(view)
    assert page.picture
    case.change(lab, view)
    page.until(lambda: "diff" in kinds(page))
    page.settled()
    assert page.picture == view._picture


def test_idle_it_sends_nothing(view, lab):
    page = Page(view)
    page.settled()
    page.heard.clear()
    for follower in lab.api.followers:
        follower(lab.api.now)
    view.changed()
    page.settled()
    assert kinds(page) == []


def test_a_page_that_lost_its_place_gets_the_whole(view, lab, case):
    page = Page(view)
    page.seq -= 5
    case.change(lab, view)
    page.until(lambda: "diff" in kinds(page))
    page.say(do="resync")
    page.until(lambda: "state" in kinds(page))
    page.settled()
    assert (page.seq, page.picture) == (view._seq, view._picture)


def test_hidden_it_is_silent_and_comes_back_in_step(view, lab, case):
    page = Page(view)
    page.say(do="hello", on=True)
    page.say(do="seen", on=False)
    page.settled()
    page.heard.clear()
    case.change(lab, view)
    page.settled()
    assert kinds(page) == []
    page.say(do="seen", on=True, seq=page.seq)
    page.until(lambda: "state" in kinds(page))
    assert page.picture == view._picture


def test_it_goes_on_while_one_of_two_pages_looks(view, lab, case):
    page = Page(view)
    for client in ("one", "other"):
        page.say(do="hello", on=True, client=client)
    page.say(do="seen", on=False, client="one")
    page.settled()
    page.heard.clear()
    case.change(lab, view)
    page.until(lambda: "diff" in kinds(page))
    page.say(do="bye", client="other")
    page.settled()
    page.heard.clear()
    case.change(lab, view)
    page.settled()
    assert kinds(page) == []


def test_what_it_does_not_know_it_says(view):
    page = Page(view)
    answer = page.press(do="no such thing")
    assert answer["ok"] is False
    assert "no such thing" in answer["say"]


def test_a_cell_run_fifty_times_shows_one_view(case, lab, view):
    threads, models = threading.active_count(), len(ipywidgets.widgets.widget._instances)
    heard = len(lab.api.followers), len(view._msg_callbacks.callbacks)
    assert all(case.show(lab) is view for _ in range(50))
    assert (len(lab.api.followers), len(view._msg_callbacks.callbacks)) == heard
    assert threading.active_count() == threads
    assert len(ipywidgets.widgets.widget._instances) == models


def test_close_frees_all(case, lab):
    threads, models, shown = set(threading.enumerate()), len(ipywidgets.widgets.widget._instances), len(base._shown)
    for _ in range(5):
        view = case.show(lab)
        view.close()
        view.close()
    assert [t for t in threading.enumerate() if t not in threads and t.is_alive()] == []
    assert len(ipywidgets.widgets.widget._instances) == models
    assert len(base._shown) == shown
    assert lab.api.followers == []


def test_a_new_lab_object_of_the_same_name_goes_on_with_the_same_view(case, lab, view):
    other = case.lab()
    assert case.show(other) is view
    assert lab.api.followers == []


class Outline(HTMLParser):
    """The words of a page, and whether its elements close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in ("br", "img", "hr", "path", "rect", "circle", "line", "polyline", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        self.words += data.split()


def test_it_leaves_words_and_a_still_picture(view):
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"].strip()
    assert "<" not in data["text/plain"].split("\n")[0]
    still = Outline(data["text/html"])
    assert still.open == []
    assert len(still.words) > 5
    assert not still.tags & {"script", "style", "iframe", "link"}
