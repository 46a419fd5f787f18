"""The cards in a real browser: drawn in both themes and all widths, pressed with mouse and keyboard."""

import pytest

from tests.teach import page as pages
from tests.teach.shots import all_kinds
from tests.widgets.browser import CHROMIUM, FAULTS, SWITCHES

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser):
    tab = browser.new_page(viewport={"width": 1000, "height": 900})
    tab.set_default_timeout(5000)
    errors = []
    tab.on("pageerror", lambda error: errors.append(error))
    yield tab
    tab.close()
    assert errors == []


def show(tab, *pictures, dark=False):
    tab.set_content(pages.html(*pictures, dark=dark))
    tab.wait_for_function("window.ready")


def sent(tab, do):
    return tab.evaluate("(what) => sent.filter(([, m]) => m.do === what).map(([, m]) => m)", do)


def question(**more):
    options = [{"text": text, "mark": "", "note": ""} for text in ("Two.", "**Three**.", "`four`")]
    return {
        "kind": "predict",
        "tag": "Predict",
        "ask": "How many?",
        "open": True,
        "options": options,
        "chosen": -1,
        "note": "Choose one.",
        **more,
    }


def check(**more):
    rungs = [{"title": f"Hint {n}", "text": ""} for n in (1, 2, 3)]
    outcome = {"state": "none", "title": "Not begun", "say": "`web` wishes for 3."}
    return {
        "kind": "check",
        "tag": "Exercise 1",
        "ask": "Five",
        "goal": ["Make it five."],
        "outcome": outcome,
        "busy": "",
        "until": 0,
        "checked": 1,
        "can_start": True,
        "ladder": rungs,
        "opened": 0,
        **more,
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1000, 460])
def test_every_card_reads_well(tab, tmp_path, dark, width):
    tab.set_viewport_size({"width": width, "height": 900})
    for picture in all_kinds(tmp_path):
        show(tab, picture, dark=dark)
        assert tab.evaluate(FAULTS) == [], picture["kind"]
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_guess_is_one_click(tab):
    show(tab, question())
    tab.get_by_text("Three").click()
    assert [message["option"] for message in sent(tab, "guess")] == [1]
    tab.evaluate("models[0].becomes({ chosen: 1, note: 'This is your guess.' })")
    assert tab.get_by_label("Three").is_checked()
    assert tab.get_by_text("This is your guess.").is_visible()


def test_a_guess_by_keyboard_keeps_the_focus(tab):
    show(tab, question())
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    tab.keyboard.press("ArrowDown")
    assert [message["option"] for message in sent(tab, "guess")] == [0, 1]
    tab.evaluate("models[0].becomes({ chosen: 1, note: 'This is your guess.' })")
    assert tab.evaluate("document.activeElement.dataset.k") == "option-1"


def test_words_are_text_and_never_markup(tab):
    show(tab, question(ask="<img src=x onerror=alert(1)> **bold** `<b>`", note="<script>"))
    assert tab.locator("img, .ask script").count() == 0
    assert tab.locator(".ask b").inner_text() == "bold"
    assert tab.locator(".ask code").inner_text() == "<b>"


def test_what_is_revealed(tab):
    options = [
        {"text": "Two.", "mark": "guess", "note": "your guess"},
        {"text": "Three.", "mark": "yes", "note": "what happened"},
    ]
    show(tab, question(open=False, options=options, said=["`web` was **complete**."]))
    assert tab.locator("li.yes").inner_text().split("\n") == ["Three.", "what happened"]
    assert tab.locator(".said").inner_text() == "web was complete."
    assert tab.locator("input").count() == 0


def test_a_check_is_pressed_and_its_outcome_told(tab):
    show(tab, check())
    tab.get_by_role("button", name="Check", exact=True).click()
    assert len(sent(tab, "check")) == 1
    tab.evaluate("models[0].becomes({ outcome: { state: 'ready', title: 'Right', say: 'Five of five.' } })")
    assert tab.locator(".out").get_attribute("data-state") == "ready"
    assert tab.get_by_role("status").inner_text() == "Right. Five of five."
    assert tab.evaluate("document.activeElement.dataset.k") == "check"


def test_while_it_looks_again_it_says_how_long(tab):
    show(tab, check(until=9e9))
    assert "It looks again by itself" in tab.locator("[data-when]").inner_text()
    tab.evaluate("models[0].becomes({ until: 0, busy: 'It is being put in place …' })")
    assert tab.locator("[data-when]").inner_text() == "It is being put in place …"
    assert tab.get_by_role("button", name="Start this exercise over").is_disabled()


def test_hints_open_one_after_the_other(tab):
    show(tab, check())
    assert tab.locator("button.rung").count() == 1
    tab.locator("button.rung").click()
    assert len(sent(tab, "hint")) == 1
    rungs = [{"title": "Where", "text": "Look `here`."}, {"title": "Which", "text": ""}, {"title": "How", "text": ""}]
    tab.evaluate("(ladder) => models[0].becomes({ ladder, opened: 1 })", rungs)
    assert tab.get_by_text("Look here.").is_visible()
    assert tab.locator("button.rung").inner_text().split("\n")[1] == "Which"
    assert tab.evaluate("document.activeElement.dataset.k") == "hint"


def test_a_refused_press_says_why(tab):
    show(tab, question())
    tab.evaluate("window.refuse = 'The lab does not run.'")
    tab.get_by_text("Two.").click()
    tab.get_by_text("The lab does not run.").first.wait_for()


def test_a_card_that_goes_lets_go_of_everything(tab):
    show(tab, question(), check())
    tab.evaluate("ends.forEach((end) => end())")
    assert tab.locator(".lesson-card").count() == 0
    assert tab.evaluate("models.map((model) => Object.keys(model.heard).length)") == [0, 0]
    assert len(sent(tab, "bye")) == 2
