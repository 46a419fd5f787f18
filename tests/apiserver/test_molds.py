"""That pods share their specs is nothing anybody can tell."""

from __future__ import annotations

import pytest

from k8slab.api.errors import Forbidden, Invalid
from k8slab.api.kinds import KINDS
from k8slab.api.objects import copy

PODS = KINDS["Pod"]


def wish(**spec):
    containers = [{"name": "web", "image": "web:v1"}]
    return {"metadata": {"generateName": "web-", "labels": {"app": "web"}}, "spec": {"containers": containers, **spec}}


def test_a_second_pod_is_as_the_first_and_shares_its_spec(verbs):
    sent = wish()
    first, second = (verbs.create(PODS, sent, "default") for _ in range(2))
    assert sent == wish()
    assert first["spec"] is second["spec"]
    assert list(first) == list(second)
    for made in (first, second):
        assert made["spec"]["restartPolicy"] == "Always"
        assert [t["key"] for t in made["spec"]["tolerations"]] == [
            "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable",
        ]  # fmt: skip
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_what_becomes_of_one_does_not_become_of_the_other(verbs):
    first, second = (verbs.create(PODS, wish(), "default") for _ in range(2))
    before, name = copy(second), first["metadata"]["name"]
    verbs.bind("default", name, {"target": {"name": "node-1"}})
    image = {"containers": [{**first["spec"]["containers"][0], "image": "web:v2"}]}
    verbs.update(PODS, name, "default", lambda pod: {**pod, "spec": {**pod["spec"], **image}})
    assert verbs.get(PODS, second["metadata"]["name"], "default") == before
    third = verbs.create(PODS, wish(), "default")
    assert third["spec"] == before["spec"]


def test_who_has_a_say_in_new_pods_is_asked_again_when_he_changes(verbs):
    verbs.create(PODS, wish(), "default")
    default = {"type": "Container", "default": {"memory": "64Mi"}}
    verbs.create(KINDS["LimitRange"], {"metadata": {"name": "l"}, "spec": {"limits": [default]}}, "default")
    limited = [verbs.create(PODS, wish(), "default")["spec"]["containers"][0]["resources"] for _ in range(2)]
    assert [each["limits"] for each in limited] == [{"memory": "64Mi"}] * 2
    verbs.create(KINDS["PriorityClass"], {"metadata": {"name": "high"}, "value": 7, "globalDefault": True})
    assert [verbs.create(PODS, wish(), "default")["spec"]["priority"] for _ in range(2)] == [7, 7]


def test_each_namespace_has_its_own(verbs):
    verbs.create(KINDS["Namespace"], {"metadata": {"name": "other"}})
    default = {"type": "Container", "default": {"memory": "64Mi"}}
    verbs.create(KINDS["LimitRange"], {"metadata": {"name": "l"}, "spec": {"limits": [default]}}, "other")
    here, there = (verbs.create(PODS, wish(), namespace) for namespace in ("default", "other"))
    assert "limits" not in here["spec"]["containers"][0].get("resources", {})
    assert there["spec"]["containers"][0]["resources"]["limits"] == {"memory": "64Mi"}


def test_what_depends_on_the_pods_own_labels_is_worked_out_for_each(verbs):
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "matchLabelKeys": ["app"]}
    sent = wish(topologySpreadConstraints=[spread | {"labelSelector": {}}])
    pods = [verbs.create(PODS, sent | {"metadata": {"name": n, "labels": {"app": n}}}, "default") for n in ("a", "b")]
    found = [pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"] for pod in pods]
    assert [each[0]["values"] for each in found] == [["a"], ["b"]]


def test_a_wrong_spec_is_refused_every_time_and_a_quota_counts_every_pod(verbs):
    for _ in range(2):
        with pytest.raises(Invalid):
            verbs.create(PODS, wish(restartPolicy="Sometimes"), "default")
    verbs.create(KINDS["ResourceQuota"], {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}, "default")
    for _ in range(2):
        verbs.create(PODS, wish(), "default")
    with pytest.raises(Forbidden):
        verbs.create(PODS, wish(), "default")
