"""What every view promises in the page: axe-core finds nothing, keys do all, two copies agree, nothing is left behind."""

from itertools import pairwise

import pytest

from tests.widgets.alive import Alive, shot
from tests.widgets.axe import violations
from tests.widgets.browser import FAULTS
from tests.widgets.views import VIEWS

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("case", VIEWS, ids=str)]
WIDE = """[...document.querySelectorAll('.kl section')].filter((el) => el.scrollWidth > el.clientWidth + 1)
    .map((el) => el.className)"""
UNREACHED = """() => {
  // What can be pressed, and neither reached with Tab nor by arrows from something that can.
  const able = [...document.querySelectorAll(".kl :is(button, input, select, textarea, a[href], summary, [role=option])")];
  const all = able.filter((el) => el.offsetParent && !el.disabled && !el.closest("[inert], [aria-hidden=true]"));
  const held = (el) => el.parentElement.closest("ul, ol, [role=toolbar], [role=listbox], [role=tablist], [role=radiogroup]");
  return all.filter((el) => el.tabIndex < 0 && ![...(held(el)?.querySelectorAll("*") ?? [])].some((o) => o.tabIndex === 0))
    .map((el) => el.outerHTML.slice(0, 120));
}"""


@pytest.fixture
def view(case):
    view = case.show(case.lab())
    yield view
    view.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", [{"width": w} for w in (1280, 800)], indirect=True, ids=lambda o: str(o["width"]))
def test_it_is_for_everybody(page, case, view, dark):
    """axe-core's findings, names, sizes, contrast; nothing cut off; the picture is kept for the gallery."""
    alive = Alive(page, view, dark=dark)
    alive.changes(lambda: case.change(view.lab, view))
    width = page.viewport_size["width"]
    name = f"{case.name}{'-dark' if dark else ''}{'' if width == 1280 else f'-{width}'}"
    shot(page, name, "" if dark or width != 1280 else case.caption)
    assert violations(page) == []
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(WIDE) == []
    assert page.evaluate(UNREACHED) == []


def test_two_copies_follow_and_go(page, case, view):
    alive = Alive(page, view)
    page.evaluate("window.first = stop; show(); null")
    assert page.locator("#out > .kl").count() == 2
    alive.changes(lambda: case.change(view.lab, view))
    page.evaluate("first(); null")
    assert page.locator("#out > .kl").count() == 1
    page.evaluate("stop(); null")
    assert page.evaluate("[listening(), document.querySelectorAll('.kl').length]") == [0, 0]
    alive.until(lambda: view._watched is False)


def test_out_of_sight_it_pauses_and_resumes_in_step(page, case, view):
    alive = Alive(page, view)
    page.evaluate("document.getElementById('out').style.marginTop = '5000px'")
    alive.until(lambda: view._watched is False)
    seq = view._seq
    case.change(view.lab, view)
    alive.until(lambda: view._seq > seq)
    page.evaluate("document.getElementById('out').style.marginTop = '0'")
    alive.until(lambda: view._watched)
    page.evaluate("window.hellos = sent.filter((m) => m.do === 'seen' && m.on).length")
    assert page.evaluate("hellos") == 1
    alive.until("document.querySelector('.kl') && !document.querySelector('.kl.unseen')")


def test_a_kernel_that_is_gone_is_told(page, case, view):
    alive = Alive(page, view)
    page.evaluate("fire('comm_live_update')")
    page.get_by_text("Run this cell again").first.wait_for()
    case.change(view.lab, view)
    alive.until("!document.querySelector('.kl').textContent.includes('Run this cell again')")


@pytest.mark.parametrize("page", [{"motion": "reduce"}], indirect=True, ids=["still"])
def test_nothing_moves_for_those_who_asked(page, case, view):
    alive = Alive(page, view)
    alive.changes(lambda: case.change(view.lab, view))
    assert page.evaluate("document.getAnimations().filter((a) => a.playState === 'running').length") == 0


TELL = """() => {
  window.told = [];
  const line = document.querySelector(".kl [role=status]");
  new MutationObserver(() => told.push(performance.now())).observe(line, { childList: true, characterData: true, subtree: true });
}"""


def test_news_is_told_in_one_polite_line_and_not_too_often(page, case, view):
    alive = Alive(page, view)
    line = page.locator(".kl [aria-live]:not([aria-live=off])")
    assert line.count() == 1
    assert (line.get_attribute("aria-live"), line.get_attribute("role")) == ("polite", "status")
    alive.until("document.querySelector('.kl [role=status]').textContent.trim()")
    page.evaluate(TELL)
    for _ in range(3):
        alive.changes(lambda: case.change(view.lab, view))
    times = page.evaluate("told")
    assert all(later - earlier > 1900 for earlier, later in pairwise(times))


def test_it_asks_nobody_on_the_network(page, case, view):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    Alive(page, view)
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
    assert [line for line in view._esm.splitlines() if line.startswith("import ")] == []
