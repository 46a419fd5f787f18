"""Traffic as a person meets it: real requests to a pretended Service, in a real browser."""

import pytest

from k8slab.widgets.traffic import Traffic
from tests.widgets.alive import Alive
from tests.widgets.answering import Server, answering
from tests.widgets.browser import FAULTS
from tests.widgets.cluster import FakeLab, endpoints, service
from tests.widgets.test_traffic import RS, WEB, mine

pytestmark = pytest.mark.browser


@pytest.fixture
def lab():
    with answering() as server:
        pods = [mine("a"), mine("b", "notready")]
        address = service(port=server.server_port, address="127.0.0.1")
        yield FakeLab(WEB, RS, address, endpoints(pods[0]), *pods, name=f"browser-{server.server_port}")


@pytest.fixture
def view(lab):
    view = Traffic(lab, "web", "default")
    port = lab.api.find("Service", "web")["spec"]["ports"][0]["port"]
    view._way.url = f"http://web:{port}/"
    yield view
    view.close()


def answered(page):
    return int(page.locator(".sum b").first.inner_text().replace("\u202f", ""))


def test_requests_fly_and_are_counted_and_stop_when_told(page, view):
    shown = Alive(page, view)
    shown.until(lambda: page.locator(".fan .dot").count() and answered(page) >= 3)
    assert page.locator('[data-pod="a"]').inner_text().startswith(str(answered(page))[0])
    assert page.get_by_text("Its readiness probe fails: the Service leaves it out.").is_visible()
    assert page.locator(".fan .wire.cut").count() == 1
    page.get_by_role("button", name="Stop").click()
    shown.until(lambda: page.get_by_text("No requests are sent now.").is_visible())
    before, heard = len(Server.cookies), len(shown.heard)
    shown.rest(0.5)
    assert (len(Server.cookies), len(shown.heard)) == (before, heard)
    page.get_by_role("button", name="Busy 40").click()
    shown.until(lambda: answered(page) > before + 10)
    assert page.get_by_role("button", name="Busy 40").get_attribute("aria-pressed") == "true"


def test_a_failure_is_told_with_its_pod_and_its_reason(page, view):
    shown = Alive(page, view)
    Server.status = 500
    shown.until(lambda: page.get_by_text("failed. The last at web-7d5bc-a: answered with 500.").is_visible())
    assert page.locator(".top .bad b").inner_text() != "0"
    assert page.locator('[data-pod="a"] .bad').is_visible()
    page.get_by_role("button", name="Count from zero").click()
    Server.status = 200
    shown.until(lambda: page.locator(".top .bad").count() == 0)


def test_cookies_and_affinity_are_switched_by_keyboard(page, view, lab):
    shown = Alive(page, view)
    page.get_by_label("Clients keep cookies").focus()
    page.keyboard.press("Space")
    shown.until(lambda: "session=one" in Server.cookies)
    page.get_by_label("Keep each client with one pod").focus()
    page.keyboard.press("Space")
    shown.until(lambda: lab.api.calls)
    assert lab.api.calls[0][4] == {"spec": {"sessionAffinity": "ClientIP"}}
    assert page.get_by_text("kubectl patch service web").is_visible()


@pytest.mark.parametrize("page", [{"motion": "reduce"}], indirect=True)
def test_with_reduced_motion_nothing_flies_and_the_line_grows(page, view):
    shown = Alive(page, view)
    shown.until(lambda: answered(page) >= 3)
    assert page.locator(".dot").count() == 0
    assert float(page.locator(".fan .wire").first.get_attribute("stroke-width")) > 4


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", [{}, {"width": 800}], indirect=True)
def test_names_sizes_and_contrast(page, view, dark):
    shown = Alive(page, view, dark=dark)
    shown.until(lambda: answered(page) >= 2)
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_that_goes_ends_the_requests(page, view):
    shown = Alive(page, view)
    shown.until(lambda: answered(page) >= 2)
    page.evaluate("stop(); null")
    shown.until(lambda: not view._load.sends)
    assert page.evaluate("[listening(), document.querySelectorAll('.kl').length]") == [0, 0]
