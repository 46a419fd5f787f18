"""Rollout as a person meets it, in a real browser."""

import time

import pytest

from k8slab.widgets.rollout import Rollout
from tests.widgets.alive import Alive
from tests.widgets.browser import FAULTS
from tests.widgets.cluster import FakeLab, service
from tests.widgets.test_rollout import NEW, OLD, WEB2, of, pods, web

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(request):
    web1 = web(revision="1")
    rs = of(web1, "aaa", "1")
    return FakeLab(web1, rs, service(), *pods(rs, 3), name=f"rollout-{request.node.name}")


@pytest.fixture
def view(lab):
    view = Rollout(lab, "web", "default")
    yield view
    view.close()


def test_versions_trade_places_between_the_bounds(page, view, lab):
    shown = Alive(page, view)
    shown.until(lambda: page.get_by_text("All is as wished: 3 of v1, all ready.").is_visible())
    assert page.get_by_text("at most 4 in all").is_visible()
    assert page.locator(".fill").count() == 1
    lab.api.becomes(WEB2, OLD, NEW, service(), *pods(OLD, 2), *pods(NEW, 1, "notready"))
    shown.until(lambda: page.get_by_text("no more of v1 may go.").is_visible())
    assert page.get_by_text("v1 → v2").is_visible()
    lab.api.becomes(WEB2, OLD, NEW, service(), *pods(OLD, 1), *pods(NEW, 2))
    shown.until(lambda: page.locator(".fill").count() == 2)
    assert (
        page.get_by_role("img").get_attribute("aria-label").startswith("Ready pods over time. Now: 1 of v1, 2 of v2.")
    )


def test_pause_by_keyboard_shows_its_kubectl_line(page, view, lab):
    shown = Alive(page, view)
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    shown.until(lambda: lab.api.calls)
    assert lab.api.calls[0][4] == {"spec": {"paused": True}}
    shown.until(lambda: page.get_by_text("kubectl rollout pause deployment/web").is_visible())
    assert page.get_by_role("button", name="Undo").is_disabled()


def test_a_failed_request_becomes_a_bar(page, view):
    shown = Alive(page, view)
    page.get_by_label("Count failures with 5 requests a second").check()
    shown.until(lambda: page.locator(".err").count() > 0)  # nobody listens at the Service's address
    shown.until(lambda: page.get_by_text("in all", exact=False).first.is_visible())
    page.get_by_label("Count failures with 5 requests a second").uncheck()
    shown.until(lambda: view._probe is None)


def test_at_rest_it_sends_nothing_and_draws_nothing(page, view):
    shown = Alive(page, view)
    shown.rest(0.3)
    page.evaluate("(now) => heard({ type: 'diff', seq: 99, now, patch: {} })", time.time())
    heard = len(shown.heard)
    shown.rest(0.5)
    assert len(shown.heard) <= heard + 1


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", [{}, {"width": 800}], indirect=True)
def test_names_sizes_and_contrast(page, view, dark):
    shown = Alive(page, view, dark=dark)
    shown.rest(0.2)
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
