"""A learner walks through every lesson in JupyterLab: guesses, solves, presses what is live, and sees it change.

Each lesson's live steps are in `DEEDS`: after which cell, what to do. With K8SLAB_SHOTS a picture of each is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect, sync_playwright

from k8slab.teach import words
from tests.browser.lab import CHROMIUM, LATEST, SWITCHES, Notebook, failed, served
from tests.lessons.notebooks import ROOT, build_notebooks
from tests.widgets.alive import shot

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]
SOURCES = build_notebooks.sources()
CALL = re.compile(r'lesson\.(predict|reveal|check|quiz)\("([\w-]+)"')


class Walk:
    """One lesson, walked through by one learner."""

    def __init__(self, notebook: Notebook, number: str) -> None:
        self.notebook, self.page, self.number = notebook, notebook.page, number
        self.words = words.load(number)
        self.board: Any = None
        self.typed: set[str] = set()
        self.took: dict[str, float] = {}

    def go(self) -> None:
        """From the first cell to the last."""
        deeds = DEEDS.get(self.number, {})
        done = set()
        while self.notebook.at < len(self.notebook.cells):
            place, source = self.notebook.cells[self.notebook.at], self.notebook.source
            self.solve(place)
            cell = self.notebook.run()
            if place["cell_type"] == "code":
                meant = "raises-exception" in place["metadata"].get("tags", ())
                assert bool(failed(cell)) == meant, f"{source}\n{failed(cell)}"
            for kind, key in CALL.findall(source):
                getattr(self, kind)(cell, key)
            for fragment, deed in deeds.items():
                if fragment in source and fragment not in done:
                    done.add(fragment)
                    deed(self, cell)
        assert done == set(deeds), "a cell that a live step follows is not there"

    def solve(self, place: Mapping[str, Any]) -> None:
        """Type the solution into an exercise's cell."""
        key = place["metadata"].get("key")
        if place["cell_type"] != "code" or not key or (self.number, key) in BY_CLICK:
            return
        parts = [part["code"] for part in self.words.exercise[key].solution if "code" in part]
        turn = sum(known.startswith(f"{key} ") for known in self.typed)
        self.typed.add(f"{key} {turn}")
        self.notebook.write(parts[turn])

    def predict(self, cell: Any, key: str) -> None:
        """Guess: the first option of every lesson's first question, the right one of all others."""
        first = next(key for kind, key in self.words.steps if kind == "predict")
        chosen = 0 if key == first else self.words.predict[key].right
        cell.wait_for_selector(".lesson-card[data-kind=predict] .opt")
        for option in (chosen, (chosen + 1) % 3, chosen):  # a page that reconnects to its kernel may lose a click
            cell.query_selector_all(".opt")[option].click()
            try:
                cell.wait_for_selector("text=This is your guess", timeout=LATEST / 2)
                return
            except TimeoutError:
                continue
        raise AssertionError(f"the guess {key!r} was never heard")

    def reveal(self, cell: Any, key: str) -> None:
        """What happened stands there, with the guess beside it and every fact filled in."""
        said = cell.wait_for_selector(".lesson-card .said").inner_text()
        assert said
        assert not re.search(r"\{\w+\}", said)
        assert cell.query_selector(".opt.yes")

    def check(self, cell: Any, key: str) -> None:
        """An exercise that is done by a click is done now, and its check pressed again; it says Right."""
        if deed := BY_CLICK.get((self.number, key)):
            expect(self.card(cell)).to_contain_text("Not begun")
            deed(self)
            self.press(cell, "Check")
        cell.wait_for_selector(".lesson-card[data-kind=check] .out[data-state=ready]", timeout=LATEST)

    def card(self, cell: Any) -> Locator:
        """The check's card that was drawn last."""
        cell.wait_for_selector(".lesson-card .out")
        return self.page.locator(".lesson-card[data-kind=check]").last

    def press(self, cell: Any, word: str) -> None:
        """Press a button of a cell's card."""
        button = cell.wait_for_selector(f".lesson-card button:has-text('{word}')")
        button.scroll_into_view_if_needed()
        button.click()

    def quiz(self, cell: Any, key: str) -> None:
        """A wrong answer, its reason read, then the right one."""
        question = self.words.quiz[key]
        wrong = next(i for i, option in enumerate(question.options) if not option.right)
        cell.wait_for_selector(".lesson-card .opt")
        cell.query_selector_all(".opt")[wrong].click()
        assert cell.wait_for_selector(".opt.no .why").inner_text()
        self.press(cell, "Try again")
        cell.wait_for_selector(".opt input")
        cell.query_selector_all(".opt")[question.right].click()
        cell.wait_for_selector(".opt.yes .why")

    def timed(self, what: str, act: Callable[[], object], el: Locator, change: str) -> None:
        """Press something, wait until the page shows the change (JavaScript about `el`), and note how long that took."""
        self.page.evaluate(WATCH, [el.element_handle(), change])
        act()
        self.took[what] = round(self.page.evaluate("window.changed") / 1000, 2)

    def shot(self, name: str, of: Locator | None = None) -> None:
        """A picture of the whole window, with this in sight."""
        if of:
            of.scroll_into_view_if_needed()
        shot(self.page, f"lesson-{self.number}-{name}", CAPTIONS.get(f"{self.number} {name}", ""), of="#main")


WATCH = """([el, change]) => {
  const changed = new Function("el", "was", `return ${change}`), was = el.innerText;
  let begin = 0;
  for (const press of ["pointerdown", "keydown"]) addEventListener(press, () => (begin ||= performance.now()), { capture: true, once: true });
  window.changed = new Promise((done) => {
    const look = () => (begin && changed(el, was) ? done(performance.now() - begin) : requestAnimationFrame(look));
    look();
  });
}"""

# ---- the live steps ----------------------------------------------------------------------------------------------------


def put_board_beside(walk: Walk, cell: Any) -> None:
    walk.board = walk.notebook.beside(cell, ".kl.board")
    expect(walk.board).to_be_visible(timeout=LATEST)


def tile(walk: Walk, name: str) -> Locator:
    return walk.board.locator(".pods .tile").filter(has_text=re.compile(name)).first


def crash_second(walk: Walk) -> None:
    """Lesson 00's second exercise: by a click on the board."""
    found = walk.board.locator('.pods .tile[aria-label*="second"]')
    found.click()
    walk.timed(
        "Crash: the tile shows it",
        walk.board.get_by_role("button", name=re.compile("^Crash")).click,
        found,
        'el.dataset.state !== "ready" || el.ariaLabel.includes("1 restart")',
    )
    walk.shot("crash")
    expect(found).to_have_attribute("aria-label", re.compile("ready, 1 restart"), timeout=LATEST)


def delete_a_pod(walk: Walk, cell: Any) -> None:
    """Lesson 05: one of three is deleted on the board; three are ready again, and the story says why."""
    ready = walk.board.locator('.pods .tile[data-state="ready"]')
    expect(ready).to_have_count(3, timeout=LATEST)
    victim = ready.first
    name = victim.get_attribute("data-uid")
    victim.click()
    walk.timed(
        "Delete: the tile shows it",
        walk.board.get_by_role("button", name=re.compile("^Delete")).click,
        walk.board.locator(".pods").first,
        f"!el.closest('.board').querySelector('.pods .tile[data-uid=\"{name}\"][data-state=ready]')",
    )
    walk.shot("delete")
    expect(ready).to_have_count(3, timeout=LATEST)
    expect(walk.board.locator(".story")).to_contain_text("You deleted")


def look(name: str, of: str) -> Callable[[Walk, Any], None]:
    """A picture of a view, once it is there."""

    def deed(walk: Walk, cell: Any) -> None:
        view = walk.page.locator(f".jp-Notebook {of}").last
        expect(view).to_be_visible(timeout=LATEST)
        walk.shot(name, view)

    return deed


def watch_the_race(walk: Walk, cell: Any) -> None:
    race = walk.page.locator(".jp-Notebook .kl.race").last
    slider = race.get_by_role("slider")
    walk.timed(
        "slider: the shares change",
        lambda: (slider.focus(), walk.page.keyboard.press("ArrowRight")),
        race,
        "el.innerText !== was",
    )
    walk.shot("race", race)


def walk_down_the_fences(walk: Walk, cell: Any) -> None:
    view = walk.page.locator(".jp-Notebook .kl.isolation").last
    expect(view).to_be_visible(timeout=LATEST)
    walk.shot("fences", view)


def fill_adas_cart(walk: Walk, cell: Any) -> None:
    """Lesson 03: with one pod the shop knows her, however often she reloads."""
    walk.shop = walk.notebook.beside(cell, ".kl.shop")
    mine = walk.shop.get_by_role("region", name="Browser of ada")
    mine.get_by_role("button", name="Log in as ada").click()
    expect(mine).to_contain_text("You are ada", timeout=LATEST)
    walk.timed(
        "tea: it is in the cart",
        mine.get_by_role("button", name="Put tea into the cart").click,
        mine,
        "/Cart:.*tea/.test(el.innerText)",
    )
    assert reloaded(mine) == 20


def reloaded(mine: Locator) -> int:
    """Twenty reloads: how many found a pod that knows her."""
    rush = mine.locator(".rush")
    before = rush.text_content()
    mine.get_by_role("button", name="Reload twenty times, and count").click()
    expect(rush).not_to_have_text(before, timeout=LATEST)  # each time it finds another number
    return int(re.search(r"reloads, (\d+) found", rush.inner_text())[1])


def lose_the_cart(walk: Walk, cell: Any) -> None:
    """Three pods, sessions in the memory of each: about one reload in three finds hers."""
    mine = walk.shop.get_by_role("region", name="Browser of ada")
    known = reloaded(mine)
    walk.shot("lost")
    assert 0 < known < 20


def keep_the_cart(walk: Walk, cell: Any) -> None:
    """Sessions in Redis: she logs in once more, all pods were killed since, and every reload knows her."""
    mine = walk.shop.get_by_role("region", name="Browser of ada")
    mine.get_by_role("button", name="Log in as ada").click()
    mine.get_by_role("button", name="Put tea into the cart").click()
    expect(mine).to_contain_text(re.compile("Cart:.*tea"), timeout=LATEST)
    assert reloaded(mine) == 20
    walk.shot("saved")


def shake_hands(walk: Walk, cell: Any) -> None:
    view = walk.page.locator(".jp-Notebook .kl.handshake").last
    view.get_by_role("button", name=re.compile("^Connect")).click()
    expect(view).to_contain_text("SYN", timeout=LATEST)
    walk.shot("handshake", view)


def be_busy(walk: Walk, cell: Any) -> None:
    view = walk.page.locator(".jp-Notebook .kl.traffic").last
    walk.timed(
        "Busy 40: the counts change",
        view.get_by_role("button", name=re.compile("Busy")).click,
        view,
        "el.innerText !== was",
    )
    walk.shot("traffic", view)


CAPTIONS = {  # of the pictures that docs/gallery.md shows
    "00 crash": "**Lesson 00**: the process of a pod is killed by a click, and the check will see it.",
    "01 race": "**Lesson 01**: processes, containers and virtual machines, started at once, and the share of getting to work.",
    "03 lost": "**Lesson 03**: three pods, sessions in the memory of each: most reloads do not find Ada's cart.",
    "03 saved": "**Lesson 03**: sessions in Redis: every pod was replaced, and every reload knows Ada.",
    "04 loop": "**Lesson 04**: a guess, and what happened.",
    "05 delete": "**Lesson 05**: three pods on three nodes, one just deleted, and its replacement.",
    "06 traffic": "**Lesson 06**: requests through a Service, and the pods that answer.",
}
BY_CLICK: Mapping[tuple[str, str], Callable[[Walk], None]] = {("00", "click"): crash_second}
DEEDS: Mapping[str, Mapping[str, Callable[[Walk, Any], None]]] = {
    "00": {"lab.doctor()": look("machine", ".kl.doctor"), "lab.board()": put_board_beside},
    "01": {"view.result()": watch_the_race, "lab.isolation()": walk_down_the_fences},
    "03": {
        "lab.shop(": fill_adas_cart,
        "Counter((answer": lose_the_cart,
        'lesson.reveal("all-die"': keep_the_cart,
        "lab.handshake()": shake_hands,
    },
    "04": {"lab.board()": put_board_beside, 'lesson.reveal("loop")': look("loop", "[data-kind=predict]")},
    "05": {
        "lab.board()": put_board_beside,
        'lesson.reveal("delete-one"': delete_a_pod,
        "loop.step(3)": look("loop", ".kl.loop"),
    },
    "06": {'lab.traffic("web"': be_busy},
}


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = browser.new_page(viewport={"width": 1440, "height": 960})
        page.set_default_timeout(LATEST)
        yield page
        browser.close()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name[:2])
def test_a_learner_walks_through(source: Path, page: Page, tmp_path: Path, record_property: Any) -> None:
    with served(tmp_path) as address:
        number = source.name[:2]
        walk = Walk(Notebook(page, address, ROOT / "lessons" / f"{source.stem}.ipynb"), number)
        walk.go()
        done = json.loads((tmp_path / "lessons/k8slab-progress.json").read_text())["lessons"][number]
        assert all(step["right"] for kind in ("exercise", "quiz") for step in done[kind].values())
        assert {(kind, key) for kind in done for key in done[kind]} == set(walk.words.steps)
    record_property("took", walk.took)
    print(number, walk.took)
