"""Scheduling as a person meets it, in a real browser."""

from __future__ import annotations

import pytest

from k8slab.widgets.scheduling import show
from tests.widgets import scheduled
from tests.widgets.alive import Alive, shot
from tests.widgets.axe import violations
from tests.widgets.browser import FAULTS
from tests.widgets.scheduled import SchedulingLab, pod

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(request):
    return SchedulingLab(*scheduled.waiting(), name=f"scheduling-{request.node.name}")


@pytest.fixture
def view(lab):
    view = show(lab)
    yield view
    view.close()


def sentence(page):
    return page.locator(".sentence").inner_text()


def rows(page):
    return page.locator(".node").all_inner_texts()


def test_who_refused_and_why_then_less_is_asked_for(page, view, lab):
    shown = Alive(page, view)
    assert sentence(page) == "No node takes report-9c2vl."
    assert page.locator(".step", has_text="NodeResourcesFit").locator(".out").inner_text() == "2 out: node-1 and node-2"
    assert page.locator(".told").inner_text().startswith("FailedScheduling ×4")
    cpu = page.get_by_role("slider", name="CPU")
    assert cpu.input_value() == "3200"
    cpu.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    shown.until(lambda: sentence(page) == "report-9c2vl would go to node-1.")
    assert cpu.get_attribute("aria-valuetext") == "3"
    assert "3" in page.locator(".asks .turned").inner_text()
    page.get_by_role("button", name="Back to what happened").click()
    shown.until(lambda: sentence(page) == "No node takes report-9c2vl.")
    assert cpu.input_value() == "3200"


def test_a_slider_that_is_dragged_asks_for_the_latest_only(page, view, lab):
    shown = Alive(page, view)
    page.evaluate("""() => {
      const slider = document.querySelector(".fields input");
      for (const n of [2000, 1500, 1000, 500]) slider.value = n, slider.dispatchEvent(new Event("input"));
    }""")
    shown.until(lambda: page.locator(".asks").inner_text().find("CPU 0.5") >= 0)
    assert [wish.get("cpu") for what, _, *rest in lab.asked if what == "what_if" for wish in rest] == ["2000m", "500m"]


def test_a_taint_is_tolerated_and_a_label_asked_for(page, view, lab):
    shown = Alive(page, view)
    box = page.get_by_label("gpu=yes:NoSchedule")
    box.focus()
    page.keyboard.press("Space")
    shown.until(lambda: sentence(page) == "report-9c2vl would go to node-3.")
    assert page.locator(".detail").first.inner_text() == "No other node would do."
    page.get_by_label("Node selector").select_option("disk=ssd")
    shown.until(lambda: sentence(page) == "No node would take report-9c2vl.")
    assert "no label disk" in page.locator(".node", has_text="node-3").inner_text()
    assert page.locator(".step", has_text="NodeAffinity").count() == 1
    assert page.locator(".command").inner_text().startswith("lab.what_if('report-9c2vl', node_selector=")
    page.get_by_label("Node selector").select_option("as it is")
    page.get_by_label("Priority class").select_option("high")
    page.get_by_label("gpu=yes:NoSchedule").uncheck()
    shown.until(lambda: sentence(page) == "report-9c2vl would wait for node-1: web-7d5bc-b3v6d must leave first.")
    assert page.locator(".node").first.inner_text().startswith("node-1\nTo be cleared")
    shot(
        page,
        "scheduling-what-if",
        "**What if** it were more important: which node would be cleared for it, and who would have to leave. The "
        "scheduler thinks it through, and nothing is done.",
    )


def test_another_pod_is_chosen_by_keyboard(page, view, lab):
    shown = Alive(page, view)
    page.locator("[role=option][aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shown.until(lambda: sentence(page) == "web-7d5bc-x2j5h went to node-2.")
    assert (
        page.locator(".detail").first.inner_text()
        == "95 points ahead of node-1: +100 spread, +7 balance, −12 free room."
    )
    assert page.locator(".node.chosen .points").get_attribute("aria-label") == "free room 64, spread 200, balance 92"
    assert page.locator(".node.chosen .total").inner_text() == "356"
    assert [row.split("\n")[0] for row in rows(page)] == ["node-2", "node-1", "node-3"]
    page.get_by_label("Node selector").select_option("disk=ssd")  # node-1 alone: the same bar, and now the longest
    shown.until(lambda: sentence(page) == "web-7d5bc-x2j5h would go to node-1, not to node-2.")
    bar, ends = page.locator(".chosen .points").bounding_box(), page.locator(".chosen .seg").last.bounding_box()
    assert bar["width"] - 20 < ends["x"] + ends["width"] - bar["x"] <= bar["width"]
    shown.changes(lambda: lab.api.becomes(*lab.api.all(), pod("late", "node-2", cpu="100m")))
    assert page.locator(".pod").count() == 6


def test_fifty_nodes_are_grouped_by_reason(page, lab):
    crowd = SchedulingLab(*scheduled.many(), name="scheduling-crowd")
    view = show(crowd, "web-7d5bc-x2j5h")
    Alive(page, view)
    assert page.locator(".node").count() == 8
    group = page.locator(".node", has_text="26 nodes")
    assert "NodeResourcesFit" in group.inner_text()
    group.get_by_text("Which").click()
    assert group.get_by_text("node-1, node-2, node-4").is_visible()
    group.get_by_text("Which").click()
    chosen = page.locator("[role=option][aria-selected=true]").bounding_box()
    listed = page.locator(".pods").bounding_box()
    assert listed["y"] <= chosen["y"] <= listed["y"] + listed["height"]
    assert page.evaluate("scrollY") == 0
    shot(page, "scheduling-50-nodes", "Fifty nodes: the **best** in full, the others by what they have in common.")
    view.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", [{}, {"width": 800}, {"width": 420}], indirect=True, ids=["1280", "800", "420"])
@pytest.mark.parametrize("wish", [{}, {"priority": "high", "cpu": 3000, "tolerate": ["gpu=yes:NoSchedule"]}])
def test_names_sizes_and_contrast(page, view, dark, wish):
    shown = Alive(page, view, dark=dark)
    shown.changes(lambda: view.post(lambda: view.act({"do": "wish", **wish})))
    assert violations(page) == []
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_a_cluster_there_is_no_what_if(page, lab):
    lab.context = "kind-prod"
    view = show(lab)
    Alive(page, view)
    assert page.get_by_text("only a lab's tells").is_visible()
    assert page.get_by_role("slider").count() == 0
    assert page.locator(".room.short").count() == 2
    assert violations(page) == []
    view.close()
