"""Traffic without a browser: what it counts, what it says, when it sends and when it does not."""

import threading

import pytest

from k8slab.clock import Clock
from k8slab.widgets import traffic_model, versions
from k8slab.widgets.requests import Load, Result, Way
from k8slab.widgets.tally import Tally, named_in
from k8slab.widgets.traffic import Traffic
from k8slab.widgets.traffic_model import Sending, behind, picture
from tests.widgets import cluster
from tests.widgets.answering import Server, answering
from tests.widgets.cluster import START, FakeLab, deployment, endpoints, leaving, pod, replica_set, service

WEB = deployment(replicas=2)
RS = replica_set(owner=WEB)
SENDING = Sending(5.0, True, "/", True, False)


def mine(name, state="ready", **more):
    made = pod(f"web-7d5bc-{name}", state=state, owner=RS, **more)
    made["metadata"]["labels"]["app"] = "web"
    return made


def drawn(*objects, tally=None, sending=SENDING, now=START):
    there = behind(cluster.snapshot(WEB, RS, *objects), "web", "default")
    keys = traffic_model.version_keys(there.pods, there.owners)
    known = versions.learn({}, [(keys[p["metadata"]["name"]], p) for p in there.pods], {})
    return picture(there, known, tally or Tally(), sending, now)


def answered(tally, pod, status=200, took=0.01, at=START, problem="", version="default/web/7d5bc"):
    tally.add(Result(at, took, status, pod, problem=problem), pod, version if pod else "")


# ---- counting -----------------------------------------------------------------------------------------------------


def test_answers_and_failures_are_counted_for_all_for_the_pod_and_for_the_version():
    tally = Tally()
    for status in (200, 404, 500, 0):
        answered(tally, "a", status, problem="" if status else "no answer in time")
    answered(tally, "", 0, problem="no answer in time")
    assert (tally.all.answered, tally.all.failed) == (2, 3)
    assert (tally.pods["a"].answered, tally.pods["a"].failed) == (2, 2)
    assert tally.versions["default/web/7d5bc"].failed == 2
    assert tally.reasons == {"answered with 500": 1, "no answer in time": 2}
    assert tally.seconds() == {int(START): (2, 3)}
    tally.clear()
    assert (tally.all.answered, tally.seconds()) == (0, {int(START): (2, 3)})


@pytest.mark.parametrize(
    ("times", "half", "most"),
    [([], 0, 0), ([0.010], 10, 10), ([0.001] * 95 + [0.5] * 5, 1, 500), ([0.001 * n for n in range(1, 101)], 51, 96)],
)
def test_latency(times, half, most):
    tally = Tally()
    for took in times:
        answered(tally, "a", took=took)
    assert (tally.all.within(0.5), tally.all.within(0.95)) == (half, most)


def test_few_requests_are_shown_flying_and_failures_first():
    tally = Tally()
    for _ in range(50):
        answered(tally, "a")
    answered(tally, "b", 500)
    flights = tally.flights()
    assert len(flights) <= 4
    assert ("b", True) in flights
    assert tally.flights() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("Hostname: web-1\n", "web-1"), ("hello", ""), ("web-1 knows web-2", ""), ('{"pod": "web-2"}', "web-2")],
)
def test_an_image_that_prints_its_hostname_tells_who_answered(text, found):
    assert named_in(text, ["web-1", "web-2"]) == found


# ---- the picture --------------------------------------------------------------------------------------------------


def test_pods_behind_a_service_and_why_some_get_nothing():
    pods = [mine("a"), mine("b", "notready"), mine("c", "starting"), leaving(mine("d"))]
    told = drawn(service(), endpoints(pods[0]), *pods, pod("other"))
    rows = {row["id"]: row for row in told["pods"].values()}
    assert [rows[name]["serving"] for name in "abcd"] == [True, False, False, False]
    assert rows["a"]["why"] == ""
    assert rows["b"]["why"] == "Its readiness probe fails: the Service leaves it out."
    assert rows["d"]["why"] == "Stopping: it gets no new requests."
    assert told["service"] | {"serving": 1, "pods": 4, "address": "127.64.250.9:80", "sticky": False} == told["service"]


def test_many_pods_are_summed_up_and_those_that_serve_come_first():
    pods = [mine(f"{n:02d}", "notready" if n < 5 else "ready") for n in range(20)]
    told = drawn(service(), endpoints(*pods[5:]), *pods)
    assert len(told["pods"]) == traffic_model.DRAWN
    assert told["more"] == 8
    assert all(row["serving"] for row in told["pods"].values())


@pytest.mark.parametrize(
    ("objects", "failures", "sending", "said"),
    [
        ((), [], SENDING, "There is no such Service. When there is one, its traffic begins."),
        ((service(),), [], SENDING, "No ready pod stands behind the Service: nobody can answer."),
        ((service(), endpoints(mine("a")), mine("a")), [], SENDING, "All requests are answered."),
        (
            (service(), endpoints(mine("a")), mine("a")),
            [],
            Sending(0, False, "/", True, False),
            "No requests are sent now.",
        ),
        (
            (service(), endpoints(mine("a")), mine("a")),
            [("web-7d5bc-a", 500, "")],
            SENDING,
            "One request failed. The last at web-7d5bc-a: answered with 500.",
        ),
        (
            (service(), endpoints(mine("a")), mine("a"), leaving(mine("b"))),
            [("", 0, "the connection was cut before an answer came")] * 3,
            SENDING,
            "3 requests failed. The last: the connection was cut before an answer came, while web-7d5bc-b was stopping.",
        ),
    ],
)
def test_what_it_says(objects, failures, sending, said):
    tally = Tally()
    for at, status, problem in failures:
        answered(tally, at, status, problem=problem)
    assert drawn(*objects, tally=tally, sending=sending, now=START + 1)["say"] == said


def test_in_words_and_as_a_table():
    tally = Tally()
    answered(tally, "web-7d5bc-a")
    told = drawn(service(), endpoints(mine("a")), mine("a"), tally=tally)
    assert "a v1 Ready: 1 answered, 0 failed, half within 10 ms" in traffic_model.text("web", told)
    assert "<td>a</td><td>v1</td><td>Ready</td><td>1</td>" in traffic_model.html("web", told)


# ---- sending ------------------------------------------------------------------------------------------------------


@pytest.fixture
def port():
    with answering() as server:
        yield server.server_port


@pytest.fixture
def lab(port):
    return FakeLab(
        WEB, RS, service(port=port, address="127.0.0.1"), endpoints(mine("a")), mine("a"), name=f"traffic-{port}"
    )


def until(what):
    for _ in range(1000):
        if found := what():
            return found
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def test_one_request_and_who_answered(lab, port):
    way = Way(lab.api, f"http://web:{port}/", "default", direct=True)
    cookies = {}
    found = way.ask(3, cookies)
    assert (found.status, found.pod, cookies) == (200, "web-7d5bc-a", {"session": "one"})
    assert way.ask(3, cookies).status == 200
    assert (Server.cookies, Server.clients) == (["", "session=one"], {"127.77.0.3"})


def test_a_request_that_nobody_answers_says_why(lab, port):
    lab.api.becomes(service(port=80, address="127.77.77.77"))
    found = Way(lab.api, "http://web/", "default", direct=True).ask(1, {})
    assert (found.status, found.problem) == (0, "connection refused: nobody listens there")
    assert (
        Way(lab.api, "http://shop/", "default", direct=True)
        .ask(1, {})
        .problem.startswith("The namespace 'default' has no")
    )


@pytest.fixture
def view(lab, port):
    view = Traffic(lab, "web", "default")
    view._way.url = f"http://web:{port}/"
    yield view
    view.close()


def say(view, **message):
    view._handle_custom_msg({"client": "page", **message}, [])


def test_it_sends_and_counts_while_a_page_looks(view):
    view.ask_for(50, cookies=False)
    until(lambda: view._picture["sum"]["answered"] >= 5)
    row = next(iter(view._picture["pods"].values()))
    assert row["answered"] == view._picture["sum"]["answered"]
    assert view._picture["flights"]["dots"]


@pytest.mark.parametrize("end", [{"do": "rate", "rate": 0}, {"do": "seen", "on": False}, {"do": "bye"}])
def test_it_sends_nothing_at_rate_0_hidden_or_gone(view, end):
    say(view, do="hello", on=True)
    view.ask_for(100, cookies=False)
    until(lambda: view.tally.all.answered >= 3)
    say(view, **end)
    until(lambda: not view._picture["on"] and not view._load._on_the_way)
    before = len(Server.cookies)
    threading.Event().wait(0.2)  # for the last picture
    sent = view._seq
    threading.Event().wait(0.3)
    assert (len(Server.cookies), view._seq) == (before, sent)


def test_a_page_that_is_no_longer_heard_ends_it():
    clock, load = Clock(), Load(lambda *_: Result(0, 0, 200), lambda _: None, lambda: None)
    load.allow(100, 0.1)
    began = clock.monotonic()
    until(lambda: not load.sends)
    assert clock.monotonic() - began < 5
    load.close()


def test_closed_it_leaves_no_thread(lab):
    before = {t.name for t in threading.enumerate()}
    view = Traffic(lab, "web", "default")
    view.ask_for(50, cookies=False)
    until(lambda: view._load._number)
    view.close()
    until(lambda: {t.name for t in threading.enumerate()} <= before)


def test_what_is_pressed(view, lab):
    view.act({"do": "sticky", "on": True})
    view.act({"do": "sticky", "on": False})
    assert [call[4]["spec"]["sessionAffinity"] for call in lab.api.calls] == ["ClientIP", "None"]
    view.act({"do": "cookies", "on": True})
    assert view.cookies
    with pytest.raises(Exception, match="Ask for 0 to 200"):
        view.act({"do": "rate", "rate": 9999})
