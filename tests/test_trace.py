"""Hops: heard only by whoever follows, along the chain of owners, one journey for each apply."""

import pytest

from k8slab import trace
from k8slab.api.objects import Key, controller_ref
from k8slab.trace import FOLLOWED, MOST, PODS, Tracer

WEB = Key("default", "web")


def thing(kind, name, owner=None, **spec):
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    if owner:
        meta["ownerReferences"] = [controller_ref(owner)]
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec}


DEPLOYMENT = thing("Deployment", "web", replicas=2)
RS = thing("ReplicaSet", "web-1", DEPLOYMENT, replicas=2)
POD = thing("Pod", "web-1-a", RS)


@pytest.fixture
def tracer():
    tracer = Tracer()
    yield tracer
    tracer.close()
    assert not trace.listening()


def apply(obj=DEPLOYMENT):
    """What the API server says of a request that is stored."""
    trace.arrives(method="POST", path="/", agent="kubectl/v1")
    for name in ("read", "defaulted", "admitted", "validated"):
        trace.hop(name, obj)
    trace.hop("stored", obj, before=None)


def names(tracer, kind="Deployment", key=WEB, **since):
    return [hop["hop"] for hop in tracer.journey(kind, key, **since)["hops"]]


def test_nobody_follows(tracer):
    assert not trace.listening()
    apply()
    with pytest.raises(KeyError):
        tracer.journey("Deployment", WEB)


def test_a_request_from_the_door_to_the_store(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    told = tracer.journey("Deployment", WEB)
    assert told["journey"] == 1
    assert names(tracer) == ["received", "read", "defaulted", "admitted", "validated", "stored"]
    times = [hop["at"] for hop in told["hops"]]
    assert times == sorted(times)
    assert times[0] == 0
    assert told["hops"][0]["agent"] == "kubectl/v1"


def test_what_is_still_being_changed_is_kept_as_it_was(tracer):
    tracer.follow("Deployment", WEB)
    obj = thing("Deployment", "web", replicas=2)
    trace.arrives(method="POST")
    trace.hop("read", obj)
    obj["spec"]["replicas"] = 9
    trace.hop("stored", obj)
    assert tracer.journey("Deployment", WEB)["hops"][1]["object"]["spec"] == {"replicas": 2}


def test_down_the_chain_of_owners_and_no_further(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    other = thing("ReplicaSet", "other", thing("Deployment", "other"))
    for obj in (RS, POD, other, thing("Pod", "stray"), thing("Pod", "other-a", other)):
        trace.hop("stored", obj)
    trace.hop("looked", controller="replicaset-controller", key=Key("default", "web-1"))
    trace.hop("looked", controller="deployment-controller", key=Key("default", "web-1"))
    trace.hop("decided", POD, node="node-1")
    told = tracer.journey("Deployment", WEB, number=1, since=6)["hops"]
    assert [(hop["hop"], (hop["object"] or {}).get("kind")) for hop in told] == [
        ("stored", "ReplicaSet"), ("stored", "Pod"), ("looked", None), ("decided", "Pod"),
    ]  # fmt: skip
    assert (told[2]["kind"], told[3]["node"]) == ("ReplicaSet", "node-1")


def test_what_an_earlier_apply_made_is_left_out(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    trace.hop(
        "stored", thing("ReplicaSet", "web-0", DEPLOYMENT, replicas=1), before=thing("ReplicaSet", "x", replicas=2)
    )
    trace.hop("stored", thing("Pod", "old", RS), before=thing("Pod", "old", RS))
    assert names(tracer)[6:] == []
    trace.hop("stored", RS, before=thing("ReplicaSet", "web-1", DEPLOYMENT, replicas=1))
    grown = tracer.journey("Deployment", WEB)["hops"][6]
    assert grown["before"]["spec"] == {"replicas": 1}


def test_a_slice_belongs_where_it_lists_a_pod(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    for obj in (RS, POD):
        trace.hop("stored", obj)
    for uid in ("uid-somebody", "uid-web-1-a"):
        trace.hop("served", {**thing("EndpointSlice", f"for-{uid}"), "endpoints": [{"targetRef": {"uid": uid}}, {}]})
    assert [hop["object"]["metadata"]["name"] for hop in tracer.journey("Deployment", WEB)["hops"][8:]] == [
        "for-uid-web-1-a"
    ]


def test_another_apply_is_another_journey(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    trace.hop("stored", DEPLOYMENT, before=DEPLOYMENT)  # a controller's status: no request brought it
    assert len(names(tracer)) == 7
    apply()
    assert (tracer.journey("Deployment", WEB)["journey"], len(names(tracer))) == (2, 6)
    assert names(tracer, number=2, since=5) == ["stored"]
    assert len(names(tracer, number=1, since=5)) == 6


def test_what_is_refused_ends_there(tracer):
    tracer.follow("Deployment", WEB)
    trace.arrives(method="POST")
    trace.hop("read", DEPLOYMENT)
    trace.hop("refused", message="no", code=422)
    trace.hop("refused", message="of something else", code=404)
    told = tracer.journey("Deployment", WEB)["hops"]
    assert [hop["hop"] for hop in told] == ["received", "read", "refused"]
    assert told[-1]["message"] == "no"


def test_a_request_that_changes_nothing_leaves_the_journey_before_it(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    trace.arrives(method="PATCH")
    trace.hop("read", DEPLOYMENT)
    assert tracer.journey("Deployment", WEB)["journey"] == 1


def test_there_are_bounds(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    trace.hop("stored", RS)
    for n in range(PODS + 3):
        trace.hop("stored", thing("Pod", f"web-1-{n}", RS))
    assert names(tracer).count("stored") == 2 + PODS
    for _ in range(MOST):
        trace.hop("stored", POD | {"metadata": RS["metadata"]}, before=RS)
    assert len(names(tracer)) == MOST
    for n in range(FOLLOWED):
        tracer.follow("Pod", Key("default", f"pod-{n}"))
    with pytest.raises(KeyError):
        tracer.journey("Deployment", WEB)


def test_followed_twice_what_is_known_stays_and_left_it_is_gone(tracer):
    tracer.follow("Deployment", WEB)
    apply()
    tracer.follow("Deployment", WEB)
    assert len(names(tracer)) == 6
    tracer.leave("Deployment", WEB)
    tracer.leave("Deployment", WEB)
    assert not trace.listening()
