"""chart.js in a page: drawn at its real width, described in a sentence, in step with its data."""

import json

import pytest

from k8slab.widgets.base import STAGE, source
from tests.widgets.axe import violations

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><html lang="en"><head><title>a chart</title><style>{css}</style></head>
<body data-jp-theme-light="true"><main class="kl" id="out" style="width:{width}px"></main></body></html>"""
DATA = {
    "say": "Load rose from 10 to 90 percent.",
    "from": 940,
    "to": 1000,
    "high": 100,
    "unit": "%",
    "bands": [{"low": 80, "kind": "warn"}, {"from": 990, "to": 1200, "kind": "quiet"}],
    "lines": [
        {"points": [[900, 10], [950, 20], [1000, 90]], "step": True},
        {"points": [[940, 50], [1000, 50]], "kind": "wish"},
    ],
    "marks": [{"at": 970, "name": "scaled"}, {"at": 800, "name": "long ago"}, {"at": 950, "value": 20}],
}


@pytest.fixture
def drawn(page):
    page.set_content(PAGE.format(css=source("tokens.css", "chart.css"), width=600))
    script = source(*STAGE, "chart.js") + "\nwindow.made = chart(140); window.ticks = ticks;"
    page.add_script_tag(content=script, type="module")
    page.wait_for_function("window.made")
    page.evaluate("(data) => { document.getElementById('out').append(made.el); made.draw(data); }", DATA)
    page.wait_for_selector(".kl-chart path")
    return page


def test_it_is_as_wide_as_its_place_and_its_text_does_not_scale(drawn):
    assert drawn.locator(".kl-chart svg").bounding_box()["width"] == 600
    drawn.evaluate("document.getElementById('out').style.width = '300px'")
    drawn.wait_for_function("document.querySelector('.kl-chart svg').getAttribute('width') === '300'")
    assert drawn.evaluate("getComputedStyle(document.querySelector('.kl-chart text')).fontSize") == "11px"
    assert drawn.locator(".kl-chart svg").get_attribute("viewBox") == "0 0 300 140"


def test_what_is_drawn(drawn):
    words = drawn.locator(".kl-chart text").all_text_contents()
    assert {"0%", "100%", "now", "scaled"} <= set(words)
    assert "long ago" not in words
    assert drawn.locator(".kl-chart .band").count() == 2
    assert drawn.locator(".kl-chart circle").count() == 1
    assert drawn.locator(".kl-chart .line").first.get_attribute("d").startswith("M36.0 ")
    inside = drawn.evaluate("""[...document.querySelectorAll('.kl-chart .band')].every((el) => +el.getAttribute('width') >= 0
        && +el.getAttribute('x') + +el.getAttribute('width') <= 590.01 && +el.getAttribute('height') > 0)""")
    assert inside


def test_it_is_told_in_a_sentence(drawn):
    assert drawn.get_by_role("img", name="Load rose from 10 to 90 percent.").is_visible()
    assert violations(drawn) == []


@pytest.mark.parametrize(
    ("low", "high", "count", "want"),
    [
        (0, 100, 4, [0, 50, 100]),
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-60, 0, 5, [-60, -40, -20, 0]),
        (3, 8, 5, [3, 4, 5, 6, 7, 8]),
    ],
)
def test_round_values(drawn, low, high, count, want):
    assert json.loads(json.dumps(drawn.evaluate("([l, h, c]) => ticks(l, h, c)", [low, high, count]))) == want
