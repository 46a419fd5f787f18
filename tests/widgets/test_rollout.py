"""Rollout without a browser: what it remembers, what it says, what its buttons do."""

import pytest

from k8slab.widgets import rollout_actions, rollout_model, versions
from k8slab.widgets.requests import Result
from k8slab.widgets.rollout import Rollout
from k8slab.widgets.rollout_model import REVISION, History, Release, advance, bounds, look, picture, undone
from tests.widgets import cluster
from tests.widgets.answering import answering
from tests.widgets.cluster import START, FakeLab, deployment, leaving, pod, replica_set, service


def web(replicas=3, revision="1", name="web", **spec):
    made = deployment(name, replicas)
    made["spec"] |= {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        **spec,
    }
    made["metadata"]["annotations"] = {REVISION: revision}
    made["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}
    return made


def of(owner, hash_, revision, image="k8slab/web:v1", **more):
    made = replica_set(f"{owner['metadata']['name']}-{hash_}", owner=owner, revision=revision, **more)
    labels = {"app": "web", "pod-template-hash": hash_}
    made["spec"]["template"] = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return made


def pods(owner, number, state="ready", **more):
    name = owner["metadata"]["name"]
    image = owner["spec"]["template"]["spec"]["containers"][0]["image"]
    return [pod(f"{name}-{state[:2]}{n}", state=state, owner=owner, image=image, **more) for n in range(number)]


WEB1, WEB2 = web(revision="1"), web(revision="2")
OLD, NEW = of(WEB2, "aaa", "1"), of(WEB2, "bbb", "2", "k8slab/web:v2", at=START + 5)
A, B = "default/web/aaa", "default/web/bbb"


def seen(*objects):
    return look(cluster.snapshot(*objects), "web", "default")


def known(now):
    return versions.learn({}, [(key, rollout_model.as_pod(rs)) for key, rs in now.sets.items()], {})


def said(history, now):
    return picture(history, now, known(now), "web")["say"]


def release(new=1):
    """A release on its way: so many new pods are ready, and one is not."""
    return [WEB2, OLD, NEW, service(), *pods(OLD, 3 - new), *pods(NEW, new), *pods(NEW, 1, "notready")]


def further(lab):
    """The same release a step further, or back."""
    ready = sum(p["metadata"]["name"].startswith("web-bbb-re") for p in lab.api.now["Pod"])
    return release(3 - ready)


@pytest.mark.parametrize(
    ("replicas", "strategy", "found"),
    [
        (6, {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}, (7, 5)),
        (4, {}, (5, 3)),
        (3, {}, (4, 3)),  # 25 % of 3: surge rounds up, unavailability down
        (2, {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}, (2, 1)),
        (5, {"type": "Recreate"}, (5, 0)),
    ],
)
def test_bounds(replicas, strategy, found):
    limits = bounds(web(replicas, strategy=strategy))
    assert (limits.most, limits.least) == found


def test_the_history_of_a_release():
    history = advance(History(), seen(WEB1, of(WEB1, "aaa", "1"), *pods(of(WEB1, "aaa", "1"), 3)), 100)
    assert (history.steps[-1].ready, history.release, history.done) == ({A: 3}, None, 100)
    same = advance(history, seen(WEB1, of(WEB1, "aaa", "1"), *pods(of(WEB1, "aaa", "1"), 3)), 101)
    assert same is history
    begun = advance(history, seen(WEB2, OLD, NEW, *pods(OLD, 2), *pods(NEW, 1, "starting")), 105)
    assert (begun.release, begun.done) == (Release(105, A, B), 0)
    assert (begun.steps[-1].ready, begun.steps[-1].total) == ({A: 2, B: 0}, 3)
    over = advance(begun, seen(WEB2, OLD, NEW, *pods(NEW, 3), leaving(pods(OLD, 1)[0])), 110)
    assert (over.done, over.steps[-1].total, over.steps[-1].ready) == (110, 3, {B: 3})


def test_opened_in_the_middle_it_reckons_when_the_release_began():
    history = advance(History(), seen(WEB2, OLD, NEW, *pods(OLD, 2), *pods(NEW, 1)), START + 60)
    assert history.release == Release(START + 5, A, B)


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ([WEB2, OLD, NEW, *pods(NEW, 3)], "All is as wished: 3 of v2, all ready."),
        ([web(0, "1"), of(web(0, "1"), "aaa", "1")], "It wishes for no pod."),
        (
            [WEB2, OLD, NEW, *pods(OLD, 2), *pods(NEW, 1, "notready")],
            "Waits for no0: until it is ready, no more of v1 may go.",
        ),
        ([WEB2, OLD, NEW, *pods(OLD, 2), *pods(NEW, 1)], "Old pods go, and new ones come."),
        (
            [WEB2, OLD, NEW, *pods(OLD, 2), *pods(NEW, 2, "noimage")],
            "no0 does not get ready: there is no image web:v9 v1 stays where it is. Undo leads back.",
        ),
        (
            [web(3, "2", paused=True), OLD, NEW, *pods(OLD, 2), *pods(NEW, 1)],
            "Paused: 2 of the old version stay until it goes on.",
        ),
    ],
)
def test_what_it_says(objects, sentence):
    now = seen(*objects)
    assert said(advance(History(), now, START), now) == sentence


def test_without_a_deployment():
    assert picture(History(), None, {}, "web") == {"name": "web", "found": False, "say": "There is no Deployment web."}


def test_a_canary_is_a_version_of_its_own_with_a_share():
    few = web(1, name="web-canary")
    theirs = of(few, "ccc", "1", "k8slab/web:v2")
    now = seen(WEB1, of(WEB1, "aaa", "1"), few, theirs, *pods(of(WEB1, "aaa", "1"), 3), *pods(theirs, 1))
    told = picture(advance(History(), now, START), now, known(now), "web")
    assert told["canary"] == {"name": "web-canary", "pods": 1, "of": 4}
    assert (told["wish"], told["most"], told["least"]) == (4, 6, 2)
    assert [(v["name"], v["ready"], v["canary"]) for v in told["versions"].values()] == [
        ("v1", 3, False),
        ("v2", 1, True),
    ]


def test_undo_takes_the_template_before_without_its_hash():
    template = undone(rollout_model.previous(seen(WEB2, OLD, NEW)))
    assert template == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "k8slab/web:v1"}]},
    }


class Patches:
    def __init__(self):
        self.made = []

    def patch(self, kind, name, namespace, patch, form="merge"):
        self.made.append((name, patch, form))


@pytest.mark.parametrize(
    ("message", "command", "made"),
    [
        (
            {"do": "pause", "on": True},
            "kubectl rollout pause deployment/web",
            [("web", {"spec": {"paused": True}}, "merge")],
        ),
        (
            {"do": "pause", "on": False},
            "kubectl rollout resume deployment/web",
            [("web", {"spec": {"paused": None}}, "merge")],
        ),
        (
            {"do": "canary", "pods": 2},
            "kubectl scale deployment/web-canary --replicas=2 && kubectl scale deployment/web --replicas=2",
            [("web-canary", {"spec": {"replicas": 2}}, "merge"), ("web", {"spec": {"replicas": 2}}, "merge")],
        ),
    ],
)
def test_what_is_pressed(message, command, made):
    api = Patches()
    now = seen(WEB2, OLD, NEW, web(1, name="web-canary"))
    assert (rollout_actions.run(message, now, api), api.made) == (command, made)


@pytest.mark.parametrize(
    ("objects", "message", "refusal"),
    [
        ([web(3, "2", paused=True), OLD, NEW], {"do": "undo"}, "resume it first"),
        ([WEB1, of(WEB1, "aaa", "1")], {"do": "undo"}, "no earlier version"),
        ([WEB1], {"do": "canary", "pods": 1}, "no canary"),
        ([WEB1], {"do": "fly"}, "does not know how"),
        ([], {"do": "undo"}, "is gone"),
    ],
)
def test_what_is_refused(objects, message, refusal):
    with pytest.raises(ValueError, match=refusal):
        rollout_actions.run(message, seen(*objects), Patches())


def test_it_counts_failures_itself_when_asked_and_only_while_somebody_looks():
    with answering() as server:
        lab = FakeLab(WEB1, of(WEB1, "aaa", "1"), service(port=server.server_port, address="127.0.0.1"), name="rollout")
        view = Rollout(lab, "web", "default")
        assert (view._picture["failures"], view._picture["found"]) == (
            {"service": "web", "by": "", "seconds": {}},
            True,
        )
        view.act({"do": "probe", "on": True})
        load, tally, _ = view._probe
        assert load.sends
        tally.add(Result(view._clock.time(), 0.1, 500, "a"), "a", "")
        assert view.draw()["failures"]["seconds"]
        view._handle_custom_msg({"client": "page", "do": "hello", "on": False}, [])
        for _ in range(500):
            if not load.sends:
                break
            view._closing.wait(0.01)
        assert not load.sends
        view.close()
        assert view._probe is None


def test_in_words():
    now = seen(WEB2, OLD, NEW, *pods(OLD, 2), *pods(NEW, 1))
    told = picture(advance(History(), now, START), now, known(now), "web")
    assert "2 of v1, 1 of v2 ready, wish 3, at most 4 pods, at least 2 ready" in rollout_model.html(told)
