"""The board's further parts: owners, Services, namespaces, drain, exec, the scale handle; in the kernel and in a page."""

import time

import pytest

from k8slab.api.errors import ApiError
from k8slab.widgets import board
from k8slab.widgets.board_drain import AGAIN, Drains
from k8slab.widgets.board_services import all_services
from k8slab.widgets.noticing import World
from tests.widgets import cluster
from tests.widgets.alive import Alive, shot
from tests.widgets.axe import violations
from tests.widgets.cluster import FakeApi, FakeLab, endpoints, node, pod, replica_set, service, snapshot
from tests.widgets.page import Page

RS = replica_set()
ONE, TWO, LATE = (pod(f"web-7d5bc-{n}", "node-1", owner=RS) for n in ("one", "two", "late"))


# ---- pure ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ready", "waiting", "lit", "told"),
    [
        ([ONE, TWO], [], 2, "web sends its requests to 2 pods."),
        ([ONE], [LATE], 1, "web sends its requests to one pod; one pod with its labels is not ready."),
        ([], [ONE, LATE], 0, "Nobody gets the requests to web; 2 pods with its labels are not ready."),
        ([], [], 0, "Nobody gets the requests to web."),
    ],
)
def test_whom_a_service_reaches(ready, waiting, lit, told):
    (found,) = all_services([service()], [endpoints(*ready, waiting=waiting)]).values()
    assert (len(found["pods"]), found["told"]) == (lit, told)


def test_an_end_that_says_nothing_of_itself_is_ready():
    ends = endpoints(ONE)
    ends["endpoints"][0].pop("conditions")
    assert all_services([service()], [ends])["Service/web"]["pods"] == ["Pod/web-7d5bc-one"]


class Budget(FakeApi):
    """An API that lets so many pods go."""

    def __init__(self, allowed):
        super().__init__()
        self.allowed = allowed

    def post(self, path, body):
        if self.allowed == 0:
            error = ApiError("Cannot evict pod as it would violate the pod's disruption budget.")
            error.code = 429
            raise error
        self.allowed -= 1
        super().post(path, body)


def drained(api, *pods):
    world = World(snapshot(node(cordoned=True), RS, *pods))
    drains = Drains()
    drains.begin(node(), world)
    return drains, world


def test_a_drain_evicts_all_but_what_belongs_to_the_node():
    api, daemon = FakeApi(), cluster.thing("DaemonSet", "logger", {}, {})
    drains, world = drained(api, ONE, pod("logger-x", owner=daemon), pod("done", state="done", owner=RS))
    drains.go_on(world, api, 0.0)
    assert [call[1].split("/")[-2:] for call in api.calls] == [["web-7d5bc-one", "eviction"]]
    assert drains.notes == {"node-1": "draining"}


def test_what_a_budget_holds_back_is_tried_again_and_not_sooner():
    api = Budget(1)
    drains, world = drained(api, ONE, TWO)
    drains.go_on(world, api, 0.0)
    assert drains.notes == {"node-1": "draining: a disruption budget holds one pod back"}
    api.allowed = 5
    drains.go_on(world, api, AGAIN - 1)
    assert len(api.calls) == 1
    drains.go_on(World(snapshot(node(cordoned=True), RS, TWO)), api, AGAIN)
    assert len(api.calls) == 2
    drains.go_on(World(snapshot(node(cordoned=True))), api, 2 * AGAIN)
    assert (drains.notes, drains.wake()) == ({}, None)


def test_a_node_that_takes_pods_again_is_drained_no_more():
    api = Budget(0)
    drains, world = drained(api, ONE)
    drains.go_on(world, api, 0.0)
    drains.go_on(World(snapshot(node(), RS, ONE)), api, AGAIN)
    assert drains.notes == {}


# ---- in the kernel -------------------------------------------------------------------------------------------------


@pytest.fixture
def lab():
    return FakeLab(*cluster.mixed(time.time()))


@pytest.fixture
def view(lab):
    view = board.show(lab)
    yield view
    view.close()


def test_drain_cordons_then_evicts_and_the_story_knows_who(lab, view):
    page = Page(view)
    assert page.press(do="drain", node="node-2")["ok"]
    page.settled()
    assert lab.api.calls[0][0] == "patch"
    assert all(call[1].endswith("/eviction") for call in lab.api.calls[1:])
    page.until(lambda: any("You drained **node-2**" in c["title"] for c in page.picture["story"].values()))
    assert page.picture["draining"]["node-2"] == "draining"


def test_a_pod_that_nobody_would_make_again_stops_a_drain_before_it_begins(lab, view):
    lab.api.becomes(*lab.objects, pod("alone", "node-2"))
    answer = Page(view).press(do="drain", node="node-2")
    assert answer["say"].startswith("Nobody would make alone again")
    assert lab.api.calls == []


def test_exec_opens_a_terminal_in_the_pod_and_close_hangs_up(lab, view):
    page = Page(view)
    page.press(do="exec", uid="Pod/cart-6f8d9-1xk2")
    page.until(lambda: "/app $" in str(page.picture.get("console")))
    assert page.picture["console"]["same"] == "kubectl exec -it cart-6f8d9-1xk2 -n shop -- sh"
    page.press(do="type", keys="ls\r")
    page.until(lambda: "you typed" in str(page.picture["console"]))
    page.press(do="hang_up")
    page.until(lambda: "console" not in page.picture)


# ---- in a page -----------------------------------------------------------------------------------------------------


@pytest.fixture
def alive(page, view):
    return Alive(page, view)


def test_by_owner_every_card_is_a_deployment(page, alive):
    page.get_by_role("button", name="Owners").click()
    web, cart = page.get_by_role("region", name="Deployment web"), page.get_by_role("region", name="Deployment cart")
    assert web.get_by_role("button", name="Pod web-").count() == 10
    assert cart.get_by_role("button", name="Pod cart-").count() == 2
    assert web.get_by_text("wants 3, has 2 ready").is_visible()
    shot(page, "board-by-owner", "The board with its pods grouped by **owner**: a Deployment's pods wherever they run.")
    assert violations(page) == []
    page.get_by_role("button", name="Nodes").click()
    assert page.get_by_role("region", name="node-1, ready").is_visible()


def test_a_service_lights_up_whom_it_reaches(page, alive):
    page.get_by_role("button", name="Service web: 2 pods get its requests").click()
    assert page.locator(".tile.lit").evaluate_all("(all) => all.map((el) => el.dataset.uid).sort()") == [
        "Pod/web-7d5bc-read0",
        "Pod/web-7d5bc-read7",
    ]
    assert page.get_by_text("web sends its requests to 2 pods; one pod with its labels is not ready.").is_visible()
    shot(
        page, "board-service", "A **Service's endpoints** lit up: who gets its requests now, and who does not, and why."
    )
    assert page.locator(".lit").first.get_attribute("aria-description") == "Gets the requests to web"
    assert violations(page) == []
    page.keyboard.press("Enter")
    assert page.locator(".lit").count() == 0


def test_one_namespace_at_a_time(page, alive):
    page.get_by_label("Namespace").select_option("shop")
    page.get_by_role("heading", name="wants 2 · has 2 ready").wait_for()
    page.wait_for_function("document.querySelectorAll('.place .tile:not(.kl-goes)').length === 2")
    page.get_by_label("Namespace").select_option("")
    assert page.locator(".place .tile").count() > 10


def test_the_handle_scales_by_hand_and_by_keys(page, alive, lab):
    handle = page.get_by_role("slider", name="Replicas of web")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + 70, box["y"] + 8, steps=4)
    assert handle.inner_text().strip() == "5"
    assert lab.api.calls == []
    page.mouse.up()
    alive.until(lambda: len(lab.api.calls) == 1)
    assert lab.api.calls[0][-1] == {"spec": {"replicas": 5}}
    handle.focus()
    page.keyboard.press("ArrowLeft")
    alive.until(lambda: len(lab.api.calls) == 2)
    assert lab.api.calls[1][-1] == {"spec": {"replicas": 4}}


def test_a_terminal_opens_below_and_is_typed_into(page, alive):
    page.locator('[data-uid="Pod/web-7d5bc-read0"]').focus()
    page.keyboard.press("e")
    alive.until("document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.type("ls")
    page.keyboard.press("Enter")
    alive.until("document.querySelector('.console .rows').textContent.includes('you typed')")
    shot(
        page,
        "board-exec",
        "A **terminal in a pod**, opened from its tile; the kubectl line that does the same beside it.",
    )
    assert violations(page) == []
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.tagName") != "TEXTAREA"
    page.get_by_role("button", name="Close the terminal").click()
    alive.until("document.querySelector('.exec').hidden")


def test_a_pod_is_seen_going_from_the_waiting_room_to_its_node(page, alive, lab):
    uid = "Pod/web-7d5bc-unpl6"
    placed = pod("web-7d5bc-unpl6", "node-1", "starting", owner=cluster.replica_set())
    lab.api.becomes(*(obj for obj in lab.objects if obj["metadata"]["uid"] != uid), placed)
    alive.until(f"document.querySelector('.place [data-uid=\"{uid}\"]')")
    assert page.locator(f'.waiting [data-uid="{uid}"]').count() == 0


def test_a_real_cluster_says_what_it_cannot(page):
    view = board.show(FakeLab(*cluster.mixed(), name="kind", runtime="cluster", power=False, crash=False))
    Alive(page, view)
    assert page.get_by_text("A real cluster has no button to pull a plug or to crash a container.").is_visible()
    assert page.get_by_role("button", name="Pull the plug").count() == 0
    view.close()
