"""`pods/eviction`: what a budget says, and what becomes of the pod."""

from __future__ import annotations

import pytest

from k8slab.apiserver.eviction import covers, decide, is_over, spent
from tests.apiserver.conftest import POD

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def budget(generation=1, policy=None, **status):
    status = {
        "observedGeneration": 1,
        "disruptionsAllowed": 1,
        "currentHealthy": 3,
        "desiredHealthy": 2,
        "expectedPods": 3,
    } | status
    spec = {"selector": {"matchLabels": {"app": "web"}}} | ({"unhealthyPodEvictionPolicy": policy} if policy else {})
    return {"metadata": {"name": "b", "namespace": "default", "generation": generation}, "spec": spec, "status": status}


def pod(ready=True):
    return {"metadata": {"name": "web"}, "status": READY if ready else {"phase": "Running"}}


@pytest.mark.parametrize(
    ("said", "ready", "costs", "refusal"),
    [
        (budget(), True, True, None),
        (budget(), False, False, None),  # an unhealthy pod of a healthy application costs nothing
        (budget(disruptionsAllowed=0), False, False, None),
        (budget(disruptionsAllowed=0), True, False, "The disruption budget b needs 2 healthy pods and has 3 currently"),
        (budget(disruptionsAllowed=0, currentHealthy=1), False, False, "The disruption budget b needs 2 healthy pods and has 1 currently"),
        (budget(disruptionsAllowed=0, currentHealthy=1, policy="AlwaysAllow"), False, False, None),
        (budget(disruptionsAllowed=0, currentHealthy=0, desiredHealthy=0), False, False, "The disruption budget b needs 0 healthy pods and has 0 currently"),
        (budget(generation=2), True, False, "The disruption budget b is still being processed by the server."),
        (budget(disruptionsAllowed=0, conditions=[{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "why"}]), True, False,
         "The disruption budget b does not allow evicting pods currently because it failed sync: why"),
    ],
)  # fmt: skip
def test_what_a_budget_says(said, ready, costs, refusal):
    verdict = decide(said, pod(ready))
    assert verdict.costs == costs
    assert (verdict.refusal and verdict.refusal.details["causes"]) == (
        refusal and [{"reason": "DisruptionBudget", "message": refusal}]
    )


def test_odd_numbers_are_forbidden():
    many = {str(number): "t" for number in range(2001)}
    for status, words in (({"disruptionsAllowed": -1}, "is negative"), ({"disruptedPods": many}, "map too big")):
        refusal = decide(budget(**status), pod()).refusal
        assert (refusal.code, words in refusal.message) == (403, True)


def test_an_eviction_takes_one_and_the_last_one_is_told():
    status = budget(
        disruptionsAllowed=2, conditions=[{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}]
    )["status"]
    one = spent(status, "a", "now")
    assert (one["disruptionsAllowed"], one["disruptedPods"], one["conditions"][0]["status"]) == (
        1,
        {"a": "now"},
        "True",
    )
    two = spent(one, "b", "then")
    assert (two["disruptionsAllowed"], [*two["disruptedPods"]], two["conditions"][0]["reason"]) == (
        0,
        ["a", "b"],
        "InsufficientPods",
    )
    assert status["disruptionsAllowed"] == 2


@pytest.mark.parametrize(
    ("selector", "about"),
    [({"matchLabels": {"app": "web"}}, True), ({"matchLabels": {"app": "x"}}, False), ({}, True), (None, False)],
)
def test_which_pods_a_budget_is_about(selector, about):
    assert covers({"spec": {"selector": selector}}, {"metadata": {"labels": {"app": "web"}}}) == about


@pytest.mark.parametrize(
    ("status", "over"), [("Pending", True), ("Succeeded", True), ("Failed", True), ("Running", False)]
)
def test_pods_beyond_disruption(status, over):
    assert is_over({"metadata": {}, "status": {"phase": status}}) == over


# ---- over HTTP -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(http):
    """A pod that runs and is ready, on a node."""
    made = {**POD, "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {**POD["spec"], "nodeName": "n"}}
    http.post(PODS, json=made).raise_for_status()
    http.put(f"{PODS}/web/status", json=made | {"status": READY}).raise_for_status()


@pytest.fixture
def guarded(http, running):
    """The pod has a budget, whose status the test writes."""

    def put(name="b", **status):
        made = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
        made = http.post(
            BUDGETS, json=made | {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
        ).json()
        http.put(f"{BUDGETS}/{name}/status", json=made | {"status": budget(**status)["status"]}).raise_for_status()

    return put


def evict(http, query="", **body):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "default"}}
    return http.post(f"{PODS}/web/eviction{query}", json=eviction | body)


def test_without_a_budget_it_goes_with_a_word_why(http, running):
    answer = evict(http, deleteOptions={"gracePeriodSeconds": 7})
    assert (answer.status_code, answer.json()["status"]) == (201, "Success")
    gone = http.get(f"{PODS}/web").json()
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 7
    (told,) = [c for c in gone["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert (told["reason"], told["message"]) == ("EvictionByEvictionAPI", "Eviction API: evicting")
    assert evict(http).status_code == 201  # once more is no error


def test_a_budget_is_asked_and_pays(http, guarded):
    guarded(disruptionsAllowed=1)
    assert evict(http).status_code == 201
    status = http.get(f"{BUDGETS}/b").json()["status"]
    assert (status["disruptionsAllowed"], [*status["disruptedPods"]]) == (0, ["web"])


def test_a_budget_refuses(http, guarded):
    guarded(disruptionsAllowed=0)
    answer = evict(http)
    assert answer.status_code == 429
    assert answer.json()["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert answer.json()["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert "deletionTimestamp" not in http.get(f"{PODS}/web").json()["metadata"]


@pytest.mark.parametrize(
    ("query", "options"), [("?dryRun=All", {}), ("", {"dryRun": ["All"]}), ("?dryRun=All", {"dryRun": ["All"]})]
)
def test_a_dry_run_changes_nothing(http, guarded, query, options):
    guarded(disruptionsAllowed=1)
    before = [http.get(f"{PODS}/web").json(), http.get(f"{BUDGETS}/b").json()]
    assert evict(http, query, deleteOptions=options).status_code == 201
    assert [http.get(f"{PODS}/web").json(), http.get(f"{BUDGETS}/b").json()] == before


def test_a_budget_that_is_new_asks_for_patience(http, guarded):
    guarded(observedGeneration=0)
    answer = evict(http)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert answer.json()["details"]["retryAfterSeconds"] == 10


def test_two_budgets_are_one_too_many(http, guarded):
    guarded("b")
    guarded("c")
    answer = evict(http)
    assert (answer.status_code, "more than one PodDisruptionBudget" in answer.json()["message"]) == (500, True)


def test_preconditions_and_names(http, running):
    assert evict(http, deleteOptions={"preconditions": {"uid": "other"}}).status_code == 409
    assert (
        evict(http, metadata={"name": "other"}).json()["message"]
        == "name in URL does not match name in Eviction object"
    )
    assert evict(http, "?dryRun=x").status_code == 400
    assert evict(http, deleteOptions={"dryRun": ["x"]}).status_code == 400
    assert http.post(f"{PODS}/web/eviction", content="{").status_code == 400
    assert http.get(f"{PODS}/web/eviction").status_code == 405
    assert evict(http, apiVersion="policy/v1beta1").status_code == 201


def test_a_pod_there_is_not(http):
    answer = evict(http)
    assert (answer.status_code, answer.json()["message"]) == (404, 'pods "web" not found')
