"""The board in a real browser: drawn, pressed, walked through by keyboard; in both themes and all widths."""

import os
import time

import pytest

from k8slab.widgets.story import Deed
from tests.widgets import cluster
from tests.widgets.browser import FAULTS, Shown
from tests.widgets.cluster import deployment, leaving, node, pod, replica_set

pytestmark = pytest.mark.browser

WEB = deployment(replicas=3)
RS = replica_set(owner=WEB)
NODES = [node(f"node-{n}", zone="abc"[n - 1]) for n in (1, 2, 3)]


def mine(name, on="node-1", state="ready", **more):
    return pod(f"web-7d5bc-{name}", on, state, owner=RS, **more)


def mixed():
    """Every state at once."""
    states = ["ready", "notready", "starting", "crashing", "noimage", "done", "unplaced", "ready"]
    pods = [mine(f"{state[:4]}{n}", f"node-{n % 2 + 1}", state, restarts=n // 4) for n, state in enumerate(states)]
    gone = leaving(mine("leaves"), 30, time.time())
    off = [NODES[0], NODES[1], node("node-3", ready="Unknown", since=time.time() - 5)]
    return [*off, WEB, RS, *pods, gone, mine("lost1", "node-3")]


def tile(page, name):
    return page.locator(f'[data-uid="Pod/web-7d5bc-{name}"]')


def focused(page):
    return page.evaluate("document.activeElement.dataset.uid ?? document.activeElement.textContent")


def three(page, **more):
    return Shown(page, *NODES, WEB, RS, mine("aaaaa"), mine("bbbbb", "node-2"), mine("ccccc"), **more)


def test_it_shows_wish_nodes_and_pods(page):
    three(page)
    assert page.get_by_role("heading", name="wants 3 · has 3 ready").is_visible()
    assert page.get_by_role("region", name="node-1, ready").get_by_role("button", name="Pod web-7d5bc-").count() == 2
    assert page.get_by_role("button", name="Pod web-7d5bc-bbbbb, version v1, ready").is_visible()
    assert page.get_by_text("×10 lesson time").is_visible()
    assert page.get_by_text("Nothing has happened since").is_visible()


def test_it_introduces_itself_and_says_goodbye(page):
    shown = three(page)
    assert shown.sent("hello")[0]["on"] is True
    page.evaluate("stop(); null")
    assert len(shown.sent("bye")) == 1
    assert page.evaluate("[listening(), document.querySelectorAll('.kl').length]") == [0, 0]


def test_a_click_selects_and_delete_asks_the_kernel(page):
    shown = three(page)
    tile(page, "bbbbb").click()
    assert tile(page, "bbbbb").get_attribute("aria-pressed") == "true"
    assert page.get_by_text("kubectl delete pod web-7d5bc-bbbbb").is_visible()
    page.get_by_role("button", name="Delete").click()
    assert [m["uid"] for m in shown.sent("delete")] == ["Pod/web-7d5bc-bbbbb"]


def test_a_selection_moves_nothing(page):
    three(page)
    where = "[...document.querySelectorAll('.kl section, .tile')].map((e) => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(where)
    tile(page, "bbbbb").click()
    page.mouse.move(0, 0)
    assert page.evaluate(where) == before


def test_by_keyboard_alone(page):
    shown = three(page)
    page.focus("#before")
    stops = []
    for _ in range(12):
        page.keyboard.press("Tab")
        stops.append(focused(page))
    assert stops.count("Pod/web-7d5bc-aaaaa") == 1
    assert "Pod/web-7d5bc-ccccc" not in stops  # same node: one stop, arrows inside
    tile(page, "aaaaa").focus()
    page.keyboard.press("ArrowRight")
    assert focused(page) == "Pod/web-7d5bc-ccccc"
    page.keyboard.press("Enter")
    assert focused(page).startswith("Logs")
    page.keyboard.press("ArrowLeft")
    assert focused(page).startswith("Delete")
    page.keyboard.press("Escape")
    assert focused(page) == "Pod/web-7d5bc-ccccc"
    page.keyboard.press("Delete")
    assert [m["uid"] for m in shown.sent("delete")] == ["Pod/web-7d5bc-ccccc"]
    page.keyboard.press("c")
    assert len(shown.sent("crash")) == 1


def test_the_notebooks_own_keys_are_kept_away(page):
    three(page)
    page.evaluate("window.keys = 0; document.addEventListener('keydown', () => keys++)")
    tile(page, "aaaaa").focus()
    page.keyboard.press("d")
    assert page.evaluate("keys") == 0
    assert page.locator(".kl").first.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_tiles_keep_their_place_when_a_pod_goes_and_comes(page):
    shown = three(page)
    box = tile(page, "ccccc").bounding_box()
    rest = [*NODES, WEB, RS, mine("bbbbb", "node-2"), mine("ccccc")]
    shown.becomes(*rest)
    tile(page, "aaaaa").wait_for(state="detached")
    assert tile(page, "ccccc").bounding_box() == box
    shown.becomes(*rest, mine("ddddd", at=cluster.START + 9))
    tile(page, "ddddd").wait_for()
    assert tile(page, "ccccc").bounding_box() == box
    assert tile(page, "ddddd").bounding_box()["x"] < box["x"]


def test_focus_goes_on_when_its_pod_goes(page):
    shown = three(page)
    tile(page, "aaaaa").focus()
    shown.becomes(*NODES, WEB, RS, mine("bbbbb", "node-2"), mine("ccccc"))
    tile(page, "aaaaa").wait_for(state="detached")
    assert focused(page) == "Pod/web-7d5bc-ccccc"


def test_a_state_changes_on_the_same_tile(page):
    shown = three(page)
    page.evaluate("window.old = document.querySelector('[data-uid=\"Pod/web-7d5bc-aaaaa\"]')")
    shown.becomes(*NODES, WEB, RS, mine("aaaaa", state="crashing", restarts=2), mine("bbbbb", "node-2"), mine("ccccc"))
    page.get_by_role("button", name="Pod web-7d5bc-aaaaa, version v1, crashing, 2 restarts").wait_for()
    assert page.evaluate("old.isConnected && old.dataset.state") == "failed"
    assert page.get_by_text("↻ 2").is_visible()


def test_a_missing_number_is_noticed_and_mended(page):
    shown = three(page)
    shown.seq += 1  # one diff never arrived
    shown.becomes(*NODES, WEB, RS, mine("aaaaa"))
    assert len(shown.sent("resync")) == 1
    assert tile(page, "ccccc").count() == 1
    shown.whole()
    tile(page, "ccccc").wait_for(state="detached")
    shown.becomes(*NODES, WEB, RS, mine("aaaaa"), mine("eeeee"))
    tile(page, "eeeee").wait_for()
    assert len(shown.sent("resync")) == 1


def test_an_old_number_is_ignored(page):
    shown = three(page)
    shown.hear(type="diff", seq=1, now=time.time(), patch={"pods": None})
    assert tile(page, "aaaaa").is_visible()
    assert shown.sent("resync") == []


def test_two_copies_of_one_view(page):
    shown = three(page)
    page.evaluate("window.first = stop; show(); null")
    assert page.locator(".kl.board").count() == 2
    shown.becomes(*NODES, WEB, RS, mine("aaaaa"))
    page.wait_for_function("document.querySelectorAll('.tile').length === 2")
    assert len(shown.sent("hello")) == 1
    page.evaluate("first(); null")
    shown.becomes(*NODES, WEB, RS, mine("aaaaa"), mine("eeeee"))
    tile(page, "eeeee").wait_for()
    assert page.evaluate("listening()") == 2


def test_scaling_shows_the_wish_at_once_and_takes_it_back_when_refused(page):
    shown = three(page)
    page.get_by_role("button", name="One more").dblclick()
    assert [m["replicas"] for m in shown.sent("scale")] == [4, 5]
    assert page.get_by_role("heading", name="wants 5 · has 3 ready").is_visible()
    shown.hear(type="answer", id=shown.sent("scale")[-1]["id"], ok=False, say="the quota is used up")
    page.get_by_role("heading", name="wants 3 · has 3 ready").wait_for()
    page.get_by_role("status").get_by_text("the quota is used up").wait_for()


def test_node_actions(page):
    shown = three(page)
    page.get_by_role("button", name="Cordon node-2").click()
    page.get_by_role("button", name="Pull the plug of node-1").click()
    assert [(m["node"], m["on"]) for m in shown.sent("cordon") + shown.sent("power")] == [
        ("node-2", True),
        ("node-1", False),
    ]


def test_what_the_lab_cannot_do_is_not_offered(page):
    three(page, power=False, crash=False)
    tile(page, "aaaaa").click()
    assert page.get_by_role("button", name="Pull the plug").count() == 0
    assert page.get_by_role("button", name="Crash").count() == 0
    assert page.get_by_role("button", name="Delete").is_visible()


def test_the_log_has_its_own_panel(page):
    shown = three(page)
    tile(page, "aaaaa").click()
    page.get_by_role("button", name="Logs").click()
    shown.hear(type="answer", id=shown.sent("logs")[0]["id"], ok=True, text="<img src=x onerror=alert(1)>\nsecond line")
    log = page.get_by_role("region", name="Log of web-7d5bc-aaaaa")
    log.get_by_text("second line").wait_for()
    assert log.locator("img").count() == 0
    page.get_by_role("button", name="Close the log").click()
    assert focused(page).startswith("Logs")
    assert not log.is_visible()


def test_a_kernel_that_does_not_answer_is_told(page):
    page.clock.install()
    shown = three(page)
    tile(page, "aaaaa").click()
    page.get_by_role("button", name="Delete").click()
    page.clock.run_for(7000)
    assert page.get_by_role("status").get_by_text("kernel is busy or gone").is_visible()
    shown.hear(type="answer", id=shown.sent("delete")[0]["id"], ok=True)
    page.clock.run_for(3000)
    assert page.get_by_role("status").get_by_text("All is as wished.").is_visible()


def test_a_cluster_that_does_not_answer_is_told(page):
    shown = three(page)
    shown.hear(type="diff", seq=2, now=time.time(), patch={"problem": "connection refused"})
    page.get_by_text("The cluster does not answer").wait_for()


def test_nothing_in_it_is_ever_markup(page):
    bad = "<img src=x onerror=document.title='hacked'>"
    hostile = pod(bad, "node-1", image=f"a:{bad}")
    shown = Shown(page, node(), hostile)
    shown.tell(Deed(f"You **deleted** {bad}", frozenset()))
    shown.becomes(node(zone=bad), hostile)
    page.get_by_text("You deleted <img").wait_for()
    assert page.locator(".kl img").count() == 0
    assert page.title() == "a view"


def test_the_story_is_told(page):
    shown = three(page)
    shown.tell(Deed("You deleted **x2j5h**", frozenset()), Deed("You crashed **b3v6d**", frozenset()))
    shown.becomes(*NODES, WEB, RS, mine("aaaaa"))
    page.get_by_text("You crashed").wait_for()
    titles = page.get_by_role("region", name="What happened").get_by_role("listitem").all_inner_texts()
    assert ["crashed" in title for title in titles] == [True, False]


def test_the_news_is_read_out_politely_and_not_too_often(page):
    shown = three(page)
    page.get_by_role("status").get_by_text("All is as wished.").wait_for()
    page.evaluate("""window.said = [];
      new MutationObserver(() => said.push(document.querySelector('[role=status]').textContent))
        .observe(document.querySelector('[role=status]'), { childList: true, characterData: true, subtree: true })""")
    for state in ("notready", "crashing", "starting", "notready"):
        shown.becomes(*NODES, WEB, RS, mine("aaaaa", state=state), mine("bbbbb", "node-2"), mine("ccccc"))
    page.get_by_role("status").get_by_text("web has 2 of 3 ready.").wait_for()
    assert len(page.evaluate("said")) == 1


def test_the_grace_runs_down(page):
    shown = three(page)
    shown.becomes(*NODES, WEB, RS, leaving(mine("aaaaa"), 30, time.time()), mine("bbbbb", "node-2"))
    tile(page, "aaaaa").get_by_text("Terminating").wait_for()
    left = "Number(document.querySelector('[data-uid=\"Pod/web-7d5bc-aaaaa\"]').style.getPropertyValue('--kl-left'))"
    first = page.evaluate(left)
    page.wait_for_function(f"{left} < {first} - 0.05")
    assert page.evaluate("parseFloat(document.querySelector('.tile[data-state=terminating] .pips').textContent)") <= 3


@pytest.mark.parametrize(
    ("count", "level", "what"), [(30, "tiles", ".tile"), (31, "chips", ".chip"), (101, "cells", ".cell")]
)
def test_density(page, count, level, what):
    Shown(page, *cluster.shop(count))
    assert page.locator(f'.kl[data-density="{level}"] {what}').count() == count


def test_many_pods_are_bars_and_cells_when_asked_for(page):
    Shown(page, *cluster.shop(303))
    assert page.locator(".group-bar").count() == 3
    page.get_by_role("button", name="Show each pod").first.click()
    assert page.get_by_role("option").count() == 101
    page.get_by_role("option").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert focused(page).startswith("Logs")
    assert page.locator('[role=option][aria-selected="true"]').count() == 1


def test_waiting_pods_say_why(page):
    Shown(page, *NODES, WEB, RS, mine("waits", "", "unplaced"))
    waiting = page.get_by_role("region", name="Pods waiting for a node")
    assert waiting.get_by_text("2 have too little CPU left").is_visible()


def test_an_empty_cluster(page):
    Shown(page, *NODES)
    assert page.get_by_text("Nothing is here yet").is_visible()
    assert page.get_by_role("button", name="One more").count() == 0


def test_it_tells_the_kernel_when_nobody_looks(page):
    shown = three(page)
    page.evaluate("document.getElementById('out').style.marginTop = '5000px'")
    page.wait_for_function("sent.some((m) => m.do === 'seen' && !m.on)")
    page.evaluate("document.getElementById('out').style.marginTop = '0'")
    page.wait_for_function("sent.some((m) => m.do === 'seen' && m.on)")
    assert shown.sent("seen")[-1]["seq"] == 1


@pytest.mark.parametrize("page", [{"motion": "reduce"}], indirect=True)
def test_nothing_moves_for_those_who_asked(page):
    shown = Shown(page, *mixed())
    shown.becomes(*mixed()[:-1])
    page.wait_for_function("!document.querySelector('[data-uid=\"Pod/web-7d5bc-lost1\"]')")
    assert page.evaluate("document.getAnimations().filter((a) => a.playState === 'running').length") == 0


@pytest.mark.parametrize("page", [{"forced": "active"}], indirect=True)
def test_states_survive_forced_colours(page):
    Shown(page, *mixed())
    colours = "[...document.querySelectorAll('.tile')].map((el) => getComputedStyle(el).getPropertyValue('--c'))"
    assert set(page.evaluate(colours)) == {"CanvasText"}
    shapes = "[...document.querySelectorAll('.tile')].map((el) => getComputedStyle(el).getPropertyValue('--g'))"
    assert len(set(page.evaluate(shapes))) >= 6


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    "page", [{"width": w} for w in (1280, 900, 800, 420)], indirect=True, ids=lambda o: str(o["width"])
)
def test_every_theme_and_width(page, dark, tmp_path):
    """No fault a machine can find, nothing cut off; the picture is kept for eyes (in $K8SLAB_SHOTS if that is set)."""
    shown = Shown(page, *mixed(), dark=dark)
    shown.tell(
        Deed("You pulled **node-3**’s plug", frozenset()), Deed("You deleted **x2j5h**, a pod of **web**", frozenset())
    )
    shown.becomes(*mixed())
    page.get_by_text("You deleted").wait_for()
    tile(page, "cras3").click()
    page.mouse.move(0, 0)
    width = page.viewport_size["width"]
    page.screenshot(
        path=f"{os.environ.get('K8SLAB_SHOTS', tmp_path)}/board-{'dark' if dark else 'light'}-{width}.png",
        full_page=True,
    )
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = "[...document.querySelectorAll('.kl section')].filter((el) => el.scrollWidth > el.clientWidth + 1)"
    assert page.evaluate(f"{wide}.map((el) => el.className)") == []
