"""Stories: a few looks at a cluster, and what is told of them."""

from k8slab.widgets import board_actions, story
from k8slab.widgets.noticing import World, notice
from tests.widgets.cluster import START, FakeApi, deployment, leaving, node, pod, replica_set, snapshot, thing

NOW = START + 100


class Teller:
    def __init__(self, *objects):
        self.world = World(snapshot(*objects))
        self.story: story.Story = ()
        self.now = NOW

    def then(self, *objects, after=0.4, deeds=()):
        world = World(snapshot(*objects))
        self.story = story.advance(self.story, [], deeds, self.now)
        self.now += after
        self.story = story.advance(self.story, notice(self.world, world), [], self.now)
        self.world = world
        return self

    def do(self, **message):
        return board_actions.run(message, self.world, FakeApi()).deed

    def told(self):
        return [[c["title"], *[line["say"] for line in c["lines"]]] for c in story.told(self.story).values()]


def shop(replicas, *pods, image="k8slab/web:v1"):
    web = deployment(replicas=replicas, image=image)
    rs = replica_set(owner=web, replicas=replicas)
    return [web, rs, *(one | {} for one in pods)]


WEB = deployment()
RS = replica_set(owner=WEB)


def mine(name, state="ready", **more):
    return pod(f"web-7d5bc-{name}", state=state, owner=RS, **more)


def test_deleting_a_pod_from_the_board():
    a, b, x = mine("aaaaa"), mine("bbbbb"), mine("x2j5h")
    teller = Teller(WEB, RS, a, b, x)
    deed = teller.do(do="delete", uid=x["metadata"]["uid"])
    teller.then(WEB, RS, a, b, leaving(x), mine("k9abc", "pending"), deeds=[deed], after=0.1)
    teller.then(WEB, RS, a, b, leaving(x), mine("k9abc", "starting"), after=0.1)
    teller.then(WEB, RS, a, b, mine("k9abc"), after=0.2)
    assert teller.told() == [
        [
            "You deleted **x2j5h**, a pod of **web**",
            "ReplicaSet 7d5bc wanted 3, saw 2, made **k9abc**.",
            "The scheduler put **k9abc** on node-1.",
            "**x2j5h** is gone.",
            "**k9abc** was ready after 0.4 s.",
        ]
    ]


def test_all_in_one_look_reads_the_same():
    a, b, x = mine("aaaaa"), mine("bbbbb"), mine("x2j5h")
    teller = Teller(WEB, RS, a, b, x).then(WEB, RS, a, b, mine("k9abc"))
    (chapter,) = teller.told()
    assert chapter[0] == "**x2j5h**, a pod of **web**, was deleted"
    assert "ReplicaSet 7d5bc wanted 3, saw 2, made **k9abc**." in chapter


def test_a_new_deployment():
    pods = [mine(name) for name in ("aaaaa", "bbbbb", "ccccc")]
    teller = Teller().then(WEB, RS, *pods)
    assert teller.told() == [
        [
            "Deployment **web** was created and wants 3 pods",
            "The Deployment made a new ReplicaSet, 7d5bc.",
            "ReplicaSet 7d5bc wanted 3, saw 0, made **aaaaa**, **bbbbb** and **ccccc**.",
            "The scheduler put 3 pods on node-1.",
            "All 3 were ready at once.",
        ]
    ]


def test_scaling_down_is_the_controllers_choice():
    a, b, c = mine("aaaaa"), mine("bbbbb"), mine("ccccc")
    teller = Teller(WEB, RS, a, b, c)
    deed = teller.do(do="scale", uid="Deployment/web", replicas=1)
    less = [deployment(replicas=1), replica_set(owner=WEB, replicas=1)]
    teller.then(*less, a, leaving(b), leaving(c), deeds=[deed])
    assert teller.told() == [
        [
            "You asked for 1 pod of **web**, not 3 any more",
            "ReplicaSet 7d5bc has more than it wants: **bbbbb** and **ccccc** may go.",
        ]
    ]


def test_scaling_with_kubectl_has_the_same_consequences():
    a = mine("aaaaa")
    teller = Teller(deployment(replicas=1), replica_set(owner=WEB, replicas=1), a)
    teller.then(deployment(replicas=2), replica_set(owner=WEB, replicas=2), a, mine("bbbbb", "pending"))
    assert teller.told() == [
        ["**web** should have 2 pods, not 1 any more", "ReplicaSet 7d5bc wanted 2, saw 1, made **bbbbb**."]
    ]


def test_a_release():
    new = replica_set("web-9f2c4", 1, WEB, "2")
    web2 = deployment(image="k8slab/web:v2")
    one = pod("web-9f2c4-zzzzz", owner=new, image="k8slab/web:v2")
    teller = Teller(WEB, RS, mine("aaaaa")).then(web2, RS, new, mine("aaaaa"), one)
    (chapter,) = teller.told()
    assert chapter[0] == "**v2** of **web** was released"
    assert chapter[1] == "The Deployment made a new ReplicaSet, 9f2c4."


def test_a_crash_by_the_learner_and_the_next_one_by_itself():
    a = mine("aaaaa")
    teller = Teller(WEB, RS, a)
    deed = teller.do(do="crash", uid=a["metadata"]["uid"])
    teller.then(WEB, RS, mine("aaaaa", restarts=1), deeds=[deed])
    teller.then(WEB, RS, mine("aaaaa", "crashing", restarts=2))
    newest, oldest = teller.told()
    assert oldest[0] == "You crashed **aaaaa**, a pod of **web**"
    assert oldest[1].endswith("The kubelet on node-1 started it again.")
    assert newest[0] == "**aaaaa**, a pod of **web**, crashed for the second time"


def test_no_image_is_told_as_bad_where_the_release_is_told():
    new = replica_set("web-9f2c4", 1, WEB, "2")
    web2 = deployment(image="k8slab/web:v9")
    one = pod("web-9f2c4-zzzzz", owner=new, state="noimage", image="k8slab/web:v9")
    teller = Teller(WEB, RS).then(web2, RS, new, one)
    lines = next(iter(story.told(teller.story).values()))["lines"]
    assert lines[-1] == {"say": "**zzzzz** cannot start: there is no image web:v9", "bad": True}


def test_a_pulled_plug_and_what_the_cluster_makes_of_it():
    here, a = node(), mine("aaaaa")
    teller = Teller(here, WEB, RS, a)
    deed = teller.do(do="power", node="node-1", on=False)
    teller.then(node(ready="Unknown"), WEB, RS, a, deeds=[deed])
    eviction = thing("Event", "e1", {}, {}) | {
        "reason": "TaintManagerEviction",
        "involvedObject": {"uid": a["metadata"]["uid"]},
    }
    teller.then(node(ready="Unknown"), WEB, RS, leaving(a), mine("bbbbb", "pending"), eviction)
    (chapter,) = teller.told()
    assert chapter == [
        "You pulled **node-1**’s plug",
        "Its heartbeat stopped. How its pods are, nobody knows.",
        "**aaaaa**: given up, because node-1 does not answer.",
        "ReplicaSet 7d5bc wanted 3, saw 0, made **bbbbb**.",
    ]


def test_a_released_pod_is_a_cause():
    teller = Teller(WEB, RS, mine("aaaaa")).then(WEB, RS, pod("web-7d5bc-aaaaa"))
    assert teller.told()[0] == [
        "**aaaaa** was released: it no longer belongs to web-7d5bc",
        "Its labels no longer match, so it does not count. It goes on running.",
    ]


def test_a_failing_probe_is_told_once():
    event = thing("Event", "e1", {}, {}) | {
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "involvedObject": {"uid": "Pod/web-7d5bc-aaaaa"},
    }
    teller = Teller(WEB, RS, mine("aaaaa", "notready")).then(WEB, RS, mine("aaaaa", "notready"), event)
    teller.then(WEB, RS, mine("aaaaa", "notready"), {**event, "count": 2})
    assert teller.told() == [
        [
            "**aaaaa** fails its readiness probe",
            "**aaaaa** runs, but its readiness probe fails: no requests for it yet.",
        ]
    ]


def test_old_causes_are_not_blamed_for_ever():
    a, x = mine("aaaaa"), mine("xxxxx")
    teller = Teller(WEB, RS, a, x).then(WEB, RS, a)
    teller.then(WEB, RS, a, mine("bbbbb", "pending"), after=600)
    assert teller.told()[0][0] == "ReplicaSet 7d5bc had too few pods"


def test_a_story_has_an_end():
    teller = Teller()
    for number in range(30):
        teller.then(*(deployment(f"d{n}") for n in range(number + 1)))
    assert len(teller.story) == story.CHAPTERS
    assert teller.told()[0][0].startswith("Deployment **d29**")
