"""The race and isolation as a person uses them: with mouse and keyboard, in a real page."""

from __future__ import annotations

import pytest

from k8slab.races import reference
from k8slab.settings import LabError
from k8slab.widgets import isolation, race
from tests.widgets.alive import Alive
from tests.widgets.cluster import FakeLab
from tests.widgets.views import looked, raced

pytestmark = pytest.mark.browser


@pytest.fixture
def view():
    view = race.show(FakeLab(), runner=raced)
    view.result()
    yield view
    view.close()


def lane(page, name):
    return page.locator(".lane", has=page.get_by_role("heading", name=name, exact=True))


def test_a_race_with_more_copies(page, view):
    alive = Alive(page, view)
    alive.until("document.querySelectorAll('.lane').length === 4")
    page.get_by_role("button", name="One copy more").click()
    page.get_by_role("button", name="Race again").click()
    alive.until("document.querySelector('.lane .words').textContent.startsWith('4 begun')")
    assert view.result().n == 4
    assert lane(page, "virtual machine").locator(".dot").count() == 4


def test_whose_kernel(page, view):
    Alive(page, view).until("document.querySelector('.overhead:not([hidden])')")
    assert "borrows its machine’s kernel" in lane(page, "local container").inner_text()
    assert "brings its own kernel" in lane(page, "virtual machine").inner_text()
    assert "15 times as long" in lane(page, "virtual machine").inner_text()  # emulated


def test_a_recording_says_that_it_is_one(page, view):
    Alive(page, view).until("document.querySelector('.overhead:not([hidden])')")
    docker = lane(page, "Docker container")
    assert docker.get_by_text("recorded", exact=True).is_visible()
    assert docker.get_by_text("docker is not installed here").is_visible()
    assert lane(page, "process").get_by_text("recorded", exact=True).is_hidden()
    assert reference().date in page.get_by_text("Recorded: not measured here").inner_text()


def test_longer_work_makes_the_share_small(page, view):
    alive = Alive(page, view)
    alive.until("document.querySelector('.overhead:not([hidden])')")
    share = page.locator("tbody tr", has_text="virtual machine").locator("td").first
    assert int(share.inner_text().split()[0]) > 50
    page.get_by_role("slider", name="Work of each copy").focus()
    page.keyboard.press("End")
    alive.until("document.querySelector('.slide b').textContent === '1 hour'")
    assert share.inner_text() == "< 1 %"
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "1 hour"


def test_what_cannot_be_raced(view):
    with pytest.raises(LabError, match="1 to 50"):
        view.begin(51)
    again = race.show(view.lab, 2, runner=raced)
    assert again is view
    assert view.result().n == 2


def test_a_race_that_fails_says_so(page):
    def broken(n, hear):
        raise OSError("no processes left")

    view = race.show(FakeLab(), runner=broken)
    with pytest.raises(LabError, match="no processes left"):
        view.result()
    alive = Alive(page, view)
    alive.until("document.querySelector('.sentence').textContent.includes('no processes left')")
    view.close()


def test_fences_one_by_one_with_the_keyboard(page):
    view = isolation.show(FakeLab(), looker=looked)
    alive = Alive(page, view)
    alive.until("document.querySelectorAll('[role=option]').length === 5")
    seen = page.get_by_role("region", name="What it sees")
    assert "laptop" in seen.inner_text()
    page.get_by_role("option").first.focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    alive.until("document.querySelector('.seen h3').textContent === 'a host name of its own'")
    assert page.locator(".sees .news").inner_text().split("\n") == ["host name", "inside"]
    page.keyboard.press("ArrowDown")
    alive.until("document.querySelector('.seen .why:not([hidden])')")
    assert "Operation not permitted" in seen.inner_text()
    page.get_by_role("option", name="a virtual machine").click()
    alive.until("document.querySelector('.seen h3').textContent === 'a virtual machine'")
    assert "6.1.0-56" in seen.inner_text()
    view.close()
