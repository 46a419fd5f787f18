"""The outcomes of a check, and those of each lesson's checks as tables over pretended clusters."""

import pytest

from k8slab.settings import LabError
from k8slab.teach import Ask, check
from k8slab.teach.checks import Outcome, fill, load
from k8slab.teach.words import PACKAGE
from tests.teach import tables
from tests.teach.fakelab import FakeLab, deployment, pod, web

LESSONS = PACKAGE.parent / "lessons" / "src"


def outcome_of(read):
    return check("x")(read).run(FakeLab())


def test_the_first_fact_that_does_not_hold_decides():
    def read(lab, ask):
        ask.begun(True, "no")
        ask.that([], "{count} are missing.", count=2)
        ask.soon(False, "never asked")
        return "right"

    outcome = outcome_of(read)
    assert (outcome.kind, outcome.said) == ("wrong", "2 are missing.")


@pytest.mark.parametrize(("method", "kind"), [("begun", "none"), ("that", "wrong"), ("soon", "soon")])
def test_each_question_has_its_outcome(method, kind):
    assert outcome_of(lambda lab, ask: getattr(ask, method)(0, "Not so.")) == Outcome(kind, "Not so.")


def test_a_check_that_returns_is_right():
    assert outcome_of(lambda lab, ask: "All of it.") == Outcome("right", "All of it.")


@pytest.mark.parametrize(
    "read",
    [
        lambda lab, ask: lab.read("deployment/web").spec,
        lambda lab, ask: ask.that(False, "{pod} is missing, and nobody said which."),
        lambda lab, ask: None,
        lambda lab, ask: "A sentence with a {blank}.",
    ],
)
def test_a_check_that_crashes_says_that_it_is_our_mistake(read):
    outcome = outcome_of(read)
    assert outcome.kind == "fault"
    assert "our mistake" in outcome.said


def test_what_the_person_can_put_right_is_said_as_it_is():
    def read(lab, ask):
        raise LabError("The lab does not run.")

    assert outcome_of(read).said == "The lab does not run."


def test_values_are_filled_in_and_not_read_again():
    assert fill("`{pod}` is there.", {"pod": "{x}"}) == "`{x}` is there."
    with pytest.raises(KeyError, match="pod"):
        fill("{pod}", {})


def test_a_file_of_checks(tmp_path):
    path = tmp_path / "checks_77.py"
    path.write_text("from k8slab.teach import check\n\n@check('one')\ndef f(lab, ask):\n    return 'Yes.'\n")
    assert list(load(path)) == ["one"]
    assert load(tmp_path / "none.py") == {}
    assert isinstance(Ask(), Ask)


PATIENT = pod("web-7d5bc-0", app="patient", owner="", restarts=1)

FIVE = {
    "no Deployment": ([], "none"),
    "as in the lesson": ([deployment(), *web(3)], "none"),
    "after the lesson's scaling": ([deployment(replicas=4), *web(4)], "none"),
    "another number": ([deployment(replicas=6), *web(6)], "wrong"),
    "on its way": ([deployment(replicas=5), *web(3), *web(2, ready=False)], "soon"),
    "one is leaving": ([deployment(replicas=5), *web(4), pod("web-x", leaving=True)], "soon"),
    "five": ([deployment(replicas=5), *web(5)], "right"),
    "five, and a stranger": ([deployment(replicas=5), *web(5), pod("alone", owner="")], "right"),
}
KEEP_THE_PATIENT = {
    "no Deployment": ([], "none"),
    "nothing done": ([deployment(), *web(2), pod("web-7d5bc-z", restarts=1)], "none"),
    "the patient was deleted": ([deployment(), *web(3)], "wrong"),
    "another was freed": ([deployment(), *web(3, restarts=1), pod("web-7d5bc-q", app="x", owner="")], "wrong"),
    "freed, not ready": (
        [deployment(), *web(3), pod("web-7d5bc-q", app="x", owner="", restarts=1, ready=False)],
        "soon",
    ),
    "freed, web not complete": ([deployment(), *web(2), PATIENT], "soon"),
    "freed": ([deployment(), *web(3), PATIENT], "right"),
    "freed by taking the label away": (
        [deployment(), *web(3), pod("web-7d5bc-q", app="", owner="", restarts=2)],
        "right",
    ),
}
HANDS = [pod(f"hand-{n}", app="hand", owner="") for n in range(4)]
BY_HAND = {
    "nothing": ([deployment(), *web(3)], "none"),
    "a ReplicaSet did it": ([pod("hand-1", app="hand", owner="hand-rs")], "wrong"),
    "too few": (HANDS[:2], "wrong"),
    "too many": (HANDS, "wrong"),
    "one is starting": ([*HANDS[:2], pod("hand-9", app="hand", owner="", ready=False)], "soon"),
    "three": (HANDS[:3], "right"),
    "three, and one leaving": ([*HANDS[:3], pod("hand-9", app="hand", owner="", leaving=True)], "right"),
}
V2 = {"owner": "", "image": "k8slab/web:v2"}
SECOND = {
    "nothing": ([pod("first", owner="")], "none"),
    "another image": ([pod("second", owner="")], "wrong"),
    "leaving": ([pod("second", leaving=True, **V2)], "wrong"),
    "starting": ([pod("second", ready=False, **V2)], "soon"),
    "ready": ([pod("second", **V2)], "right"),
}
CLICK = {
    "nothing": ([], "none"),
    "it runs": ([pod("second", **V2)], "none"),
    "deleted": ([pod("second", leaving=True, **V2)], "wrong"),
    "just ended": ([pod("second", ready=False, running=False, **V2)], "soon"),
    "restarted, not ready": ([pod("second", ready=False, restarts=1, **V2)], "soon"),
    "back": ([pod("second", restarts=1, **V2)], "right"),
}


def made(name, *containers, volumes=(), ready=True, leaving=False):
    """A bare pod with these containers, all ready or none."""
    found = pod(name, owner="", leaving=leaving)
    found["spec"] |= {"containers": list(containers), "volumes": list(volumes)}
    found["status"]["containerStatuses"] = [{"name": c["name"], "ready": ready, "restartCount": 0} for c in containers]
    return found


NOTES, MOUNT = {"name": "notes", "emptyDir": {}}, [{"name": "notes", "mountPath": "/notes"}]
ONE, TWO = {"name": "one", "volumeMounts": MOUNT}, {"name": "two", "volumeMounts": MOUNT}
TEAM = {
    "nothing": ([], "none"),
    "leaving": ([made("team", ONE, TWO, volumes=[NOTES], leaving=True)], "wrong"),
    "one container": ([made("team", ONE, volumes=[NOTES])], "wrong"),
    "no folder": ([made("team", ONE, TWO)], "wrong"),
    "one does not mount it": ([made("team", ONE, {"name": "two"}, volumes=[NOTES])], "wrong"),
    "starting": ([made("team", ONE, TWO, volumes=[NOTES], ready=False)], "soon"),
    "ready": ([made("team", ONE, TWO, volumes=[NOTES])], "right"),
}


def asking(liveness="/healthz", readiness="/ready", port=8080):
    paths = {"livenessProbe": liveness, "readinessProbe": readiness}
    return {"name": "web"} | {probe: {"httpGet": {"path": path, "port": port}} for probe, path in paths.items() if path}


WATCHED = {
    "nothing": ([], "none"),
    "one probe": ([made("watched", asking(readiness=""))], "wrong"),
    "another path": ([made("watched", asking(liveness="/"))], "wrong"),
    "another port": ([made("watched", asking(port=80))], "wrong"),
    "not ready": ([made("watched", asking(), ready=False)], "soon"),
    "ready": ([made("watched", asking())], "right"),
}
GIVEN = {"name": "app", "command": ["sh", "-c", 'test "$DATABASE"'], "env": [{"name": "DATABASE", "value": "shop"}]}
REPAIR = {
    "nothing": ([], "none"),
    "as it was": ([made("crasher", {**GIVEN, "env": []})], "none"),
    "leaving": ([made("crasher", GIVEN, leaving=True)], "wrong"),
    "another command": ([made("crasher", {**GIVEN, "command": ["sleep", "9"]})], "wrong"),
    "starting": ([made("crasher", GIVEN, ready=False)], "soon"),
    "runs": ([made("crasher", GIVEN)], "right"),
}


def service(name, selector, port=80, target=8080):
    spec = {"selector": selector, "ports": [{"port": port, "targetPort": target}]}
    return {"kind": "Service", "metadata": {"name": name}, "spec": spec, "status": {}}


def behind(name, *pods):
    found = [{"targetRef": {"name": p["metadata"]["name"]}, "conditions": {"ready": True}} for p in pods]
    labels = {"kubernetes.io/service-name": name}
    return {"kind": "EndpointSlice", "metadata": {"name": name, "labels": labels}, "endpoints": found}


WEBS = web(3)
NOBODY = {
    "nothing": (WEBS, "none"),
    "as it was": ([*WEBS, service("shop", {"app": "wed"})], "none"),
    "another mistake": ([*WEBS, service("shop", {"app": "wbe"})], "wrong"),
    "the pods were changed": ([*WEBS, service("shop", {"app": "wed"}), behind("shop", WEBS[0])], "wrong"),
    "not yet": ([*WEBS, service("shop", {"app": "web"})], "soon"),
    "answered": ([*WEBS, service("shop", {"app": "web"}), behind("shop", *WEBS)], "right"),
}
FRONT = {
    "nothing": (WEBS, "none"),
    "another port": ([*WEBS, service("front", {"app": "web"}, 80)], "wrong"),
    "another target": ([*WEBS, service("front", {"app": "web"}, 8000, 8000)], "wrong"),
    "not yet": ([*WEBS, service("front", {"app": "web"}, 8000)], "soon"),
    "answered": ([*WEBS, service("front", {"app": "web"}, 8000), behind("front", *WEBS)], "right"),
}


def following(labels, image="k8slab/web:v2", replicas=1):
    found = deployment("next", replicas)
    found["spec"]["template"] = {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}
    return found


BOTH, TRY = {"app": "web", "track": "next"}, pod("next-1", app="web")
WEB_SERVICE = service("web", {"app": "web"})
SHARE = {
    "nothing": ([deployment(), WEB_SERVICE], "none"),
    "the Service was changed": ([deployment(), service("web", {"app": "all"}), following(BOTH)], "wrong"),
    "the old version": ([deployment(), WEB_SERVICE, following(BOTH, "k8slab/web:v1")], "wrong"),
    "too many": ([deployment(), WEB_SERVICE, following(BOTH, replicas=2)], "wrong"),
    "web is too small": ([deployment(replicas=1), WEB_SERVICE, following(BOTH)], "wrong"),
    "no label": ([deployment(), WEB_SERVICE, following({"track": "next"})], "wrong"),
    "not yet": ([deployment(), WEB_SERVICE, following(BOTH), behind("web", *WEBS)], "soon"),
    "a quarter": ([deployment(), WEB_SERVICE, following(BOTH), behind("web", *WEBS, TRY)], "right"),
}
TABLES = {
    ("01", "shares"): tables.SHARES,
    ("01", "fenced"): tables.FENCED,
    ("01", "choice"): tables.CHOICE,
    ("03", "signed"): tables.SIGNED,
    ("03", "sticky"): tables.STICKY,
    ("03", "kept"): tables.KEPT,
    ("04", "team"): TEAM,
    ("04", "watched"): WATCHED,
    ("04", "repair"): REPAIR,
    ("06", "nobody"): NOBODY,
    ("06", "front"): FRONT,
    ("06", "share"): SHARE,
    ("05", "five"): FIVE,
    ("05", "patient"): KEEP_THE_PATIENT,
    ("05", "by-hand"): BY_HAND,
    ("00", "second"): SECOND,
    ("00", "click"): CLICK,
}
CASES = [(lesson, key, name) for (lesson, key), table in TABLES.items() for name in table]


@pytest.mark.parametrize(("lesson", "key", "name"), CASES)
def test_the_checks_of_the_lessons(lesson, key, name):
    objects, kind = TABLES[lesson, key][name]
    outcome = load(LESSONS / f"checks_{lesson}.py")[key].run(FakeLab(*objects))
    assert outcome.kind == kind, outcome.said


def test_every_check_has_a_table():
    there = {(path.stem[-2:], key) for path in LESSONS.glob("checks_*.py") for key in load(path)}
    assert there == set(TABLES)


def test_the_patient_is_made_once():
    start = load(LESSONS / "checks_05.py")["patient"].start
    lab = FakeLab(deployment(), *web(3))
    start(lab)
    assert lab.told == ["crash web-7d5bc-0", "wait deployment/web"]
    lab = FakeLab(deployment(), *web(2), pod("web-7d5bc-z", restarts=1), PATIENT)
    start(lab)
    assert lab.told == ["delete pod web-7d5bc-0 --wait=false", "wait deployment/web"]
    lab = FakeLab()
    start(lab)
    assert lab.told == []
