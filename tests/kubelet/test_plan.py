"""Deciding: tables of what is seen and what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kubelet_world import container, pod

from k8slab.api.objects import Obj
from k8slab.kubelet.notes import Backoff, Ending, Note, Refusal, Verdict
from k8slab.kubelet.plan import decide
from k8slab.kubelet.restarts import restarts
from k8slab.kubelet.status import duration, pod_status
from k8slab.kubelet.view import View
from k8slab.runtime.base import ContainerState

NOW = 1_767_225_600.0


def since(then: float) -> float:
    return NOW - then


def state(*, code: int | None = None, attempt: int = 0, name: str = "web", ago: float = 0) -> ContainerState:
    phase: Any = "running" if code is None else "exited"
    return ContainerState(f"{name}-{attempt}", "u", name, attempt, phase, None, NOW - 100, NOW - ago, code)


def view(*states: ContainerState, of: Obj | None = None, **fields: Any) -> View:
    grouped: dict[str, list[ContainerState]] = {}
    for one in states:
        grouped.setdefault(one.name, []).append(one)
    return replace(View(of or pod(), NOW, since, "127.64.1.2", "127.64.1.1", "fake", grouped), **fields)


def deleted(grace: int = 30, **spec: Any) -> Obj:
    gone = pod(**spec)
    gone["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": grace}
    return gone


def ending(grace: float, *, ago: float = 0, **how_far: bool) -> dict[str, Ending]:
    return {"web-0": Ending(NOW - ago, grace, **how_far)}


def crashed(delay: float, ago: float) -> dict[str, Note]:
    return {"web": Note(crash=Backoff(10, 300, delay, NOW - ago))}


def plain(seen: View) -> dict[str, Any]:
    """A plan in few words."""
    plan = decide(seen)
    return {
        "start": [(s.container["name"], s.attempt) for s in plan.start],
        "stop": [(s.container["name"], s.grace) for s in plan.stop],
        "signal": [(s.id, s.grace) for s in plan.signal],
        "look": plan.look,
        "over": plan.over,
    }


BOTH = {"containers": [container("web"), container("side")]}
DEBUGGED: dict[str, Any] = {"ephemeralContainers": [container("dbg")]}


@pytest.mark.parametrize(
    ("seen", "want"),
    [
        (view(), {"start": [("web", 0)]}),
        (view(of=pod(**BOTH)), {"start": [("web", 0), ("side", 0)]}),
        (view(state()), {}),
        (view(state(), of=pod(**BOTH)), {"start": [("side", 0)]}),
        (view(state(code=1)), {"start": [("web", 1)]}),
        (view(state(code=1, ago=3), notes=crashed(10, 20)), {"look": 7.0}),
        (view(state(code=1, ago=10), notes=crashed(10, 20)), {"start": [("web", 1)]}),
        (view(state(code=1, ago=1), notes=crashed(300, 700)), {"start": [("web", 1)]}),
        (view(state(code=0), of=pod(restartPolicy="OnFailure")), {}),
        (view(state(code=2), of=pod(restartPolicy="Never")), {}),
        (view(state(), of=deleted(5)), {"stop": [("web", 5.0)]}),
        (view(state(), of=deleted(5), stopping=ending(5)), {}),
        (view(state(), of=deleted(5), stopping=ending(5, ago=1, hooked=True)), {"signal": [("web-0", 4.0)]}),
        (view(state(), of=deleted(5), stopping=ending(5, ago=9, hooked=True)), {"signal": [("web-0", 2.0)]}),
        (view(state(), of=deleted(5), stopping=ending(5, hooked=True, signalled=True)), {}),
        (view(state(), of=deleted(2), stopping=ending(5, hooked=True, signalled=True)), {"stop": [("web", 2.0)]}),
        (view(state(), of=deleted(2), stopping=ending(5, ago=4)), {}),
        (view(state(), refused=Refusal("Evicted", "low", grace=1)), {"stop": [("web", 1)]}),
        (view(state(code=0), of=deleted()), {"over": True}),
        (view(of=deleted()), {"over": True}),
        (view(of=pod(initContainers=[container("one")])), {"start": [("one", 0)]}),
        (view(state(name="one"), of=pod(initContainers=[container("one")])), {}),
        (view(state(name="one", code=0), of=pod(initContainers=[container("one")])), {"start": [("web", 0)]}),
        (view(state(), of=pod(initContainers=[container("one")])), {}),
        (view(of=pod(**DEBUGGED), address=""), {"start": [("web", 0)]}),
        (view(state(), of=pod(**DEBUGGED)), {"start": [("dbg", 0)]}),
        (view(state(), state(name="dbg"), of=pod(**DEBUGGED)), {}),
        (view(state(), state(name="dbg", code=1), of=pod(**DEBUGGED)), {}),
        (view(state(), state(name="dbg"), of=deleted(5, **DEBUGGED)), {"stop": [("web", 5.0), ("dbg", 5.0)]}),
        (view(state(code=0), state(name="dbg"), of=deleted(**DEBUGGED)), {"stop": [("dbg", 30.0)]}),
        (
            view(state(code=0), state(name="dbg"), of=pod(restartPolicy="Never", **DEBUGGED)),
            {"stop": [("dbg", 30.0)]},
        ),
    ],
)
def test_decisions(seen: View, want: dict[str, Any]) -> None:
    assert plain(seen) == {"start": [], "stop": [], "signal": [], "look": None, "over": False} | want


def test_liveness_stops_only_the_container_it_was_about() -> None:
    notes = {"web": Note(verdict=Verdict("web-0", "Container web failed liveness probe, will be restarted", 7))}
    (stop,) = decide(view(state(), notes=notes)).stop
    assert stop.message == "Container web failed liveness probe, will be restarted"
    assert stop.grace == 7
    assert decide(view(state(code=1), state(attempt=1), notes=notes)).stop == []


SIDECARS = {"initContainers": [container("one", restartPolicy="Always"), container("two", restartPolicy="Always")]}
EVERYTHING = (state(), state(name="one"), state(name="two"))


def hooked(*names: str, ago: float = 1, signalled: tuple[str, ...] = ()) -> dict[str, Ending]:
    return {f"{name}-0": Ending(NOW - ago, 30, True, name in signalled) for name in names}


@pytest.mark.parametrize(
    ("running", "stopping", "signals"),
    [
        (EVERYTHING, hooked("web", "one", "two"), [("web-0", 29.0)]),
        (EVERYTHING, hooked("web", "one", "two", signalled=("web",)), []),
        ((state(code=0), *EVERYTHING[1:]), hooked("web", "one", "two"), [("two-0", 29.0)]),
        ((state(code=0), state(name="one"), state(name="two", code=0)), hooked("one"), [("one-0", 29.0)]),
        (EVERYTHING, hooked("web", "one", "two", ago=31, signalled=("web",)), [("two-0", 2.0), ("one-0", 2.0)]),
    ],
)
def test_sidecars_end_after_the_others_last_started_first(
    running: tuple[ContainerState, ...], stopping: dict[str, Ending], signals: list[tuple[str, float]]
) -> None:
    plan = decide(view(*running, of=deleted(**SIDECARS), stopping=stopping))
    assert [(s.id, s.grace) for s in plan.signal] == signals
    assert plan.stop == []


def test_all_hooks_are_run_at_once() -> None:
    plan = decide(view(*EVERYTHING, of=deleted(**SIDECARS)))
    assert [stop.container["name"] for stop in plan.stop] == ["web", "two", "one"]


IN_42 = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]


@pytest.mark.parametrize(
    ("box", "pod_policy", "code", "again"),
    [
        ({}, "Always", 0, True),
        ({}, "OnFailure", 0, False),
        ({}, "OnFailure", 1, True),
        ({}, "Never", 1, False),
        ({"restartPolicy": "Never"}, "Always", 1, False),
        ({"restartPolicy": "OnFailure"}, "Never", 1, True),
        ({"restartPolicy": "Never", "restartPolicyRules": IN_42}, "Never", 42, True),
        ({"restartPolicy": "Never", "restartPolicyRules": IN_42}, "Never", 41, False),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [
                {"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [1]}}]},
            "Never", 2, True,
        ),
    ],
)  # fmt: skip
def test_who_is_started_again(box: Obj, pod_policy: str, code: int, again: bool) -> None:
    told = pod(restartPolicy=pod_policy, containers=[container(**box)])
    assert restarts(told, told["spec"]["containers"][0], state(code=code)) is again


@pytest.mark.parametrize(
    ("seen", "phase"),
    [
        (view(), "Pending"),
        (view(state()), "Running"),
        (view(state(), of=pod(**BOTH)), "Pending"),
        (view(state(code=1), notes=crashed(10, 1)), "Running"),
        (view(state(code=0), of=pod(restartPolicy="Never")), "Succeeded"),
        (view(state(code=1), of=pod(restartPolicy="Never")), "Failed"),
        (view(state(code=0), state(name="side"), of=pod(restartPolicy="Never", **BOTH)), "Running"),
        (view(state(code=0), state(name="side", code=9), of=pod(restartPolicy="Never", **BOTH)), "Failed"),
        (view(state(code=143), of=deleted()), "Failed"),
        (view(state(code=0), of=deleted()), "Succeeded"),
        (view(state(name="one", code=1), of=pod(initContainers=[container("one")], restartPolicy="Never")), "Failed"),
        (view(state(), state(name="dbg", code=1), of=pod(**DEBUGGED)), "Running"),
        (view(state(code=0), state(name="dbg"), of=pod(restartPolicy="Never", **DEBUGGED)), "Succeeded"),
    ],
)
def test_phases(seen: View, phase: str) -> None:
    assert pod_status(seen)["phase"] == phase


def test_an_ephemeral_container_has_a_status_of_its_own_and_is_never_ready() -> None:
    status = pod_status(view(state(), state(name="dbg"), of=pod(**DEBUGGED)))
    (told,) = status["ephemeralContainerStatuses"]
    assert (told["name"], told["ready"], [*told["state"]]) == ("dbg", False, ["running"])
    assert [c["name"] for c in status["containerStatuses"]] == ["web"]
    assert said(status, "Ready")[0] == "True"
    ended = pod_status(view(state(), state(name="dbg", code=3), of=pod(**DEBUGGED)))["ephemeralContainerStatuses"]
    assert ended[0]["state"]["terminated"]["exitCode"] == 3


def said(status: Obj, type_: str) -> tuple[str, str, str]:
    found = next(c for c in status["conditions"] if c["type"] == type_)
    return found["status"], found.get("reason", ""), found.get("message", "")


def test_conditions_of_a_pod_that_is_not_ready() -> None:
    probed = container(readinessProbe={"httpGet": {"port": 80}})
    status = pod_status(view(state(), of=pod(containers=[probed])))
    words = ("False", "ContainersNotReady", "containers with unready status: [web]")
    assert said(status, "Ready") == said(status, "ContainersReady") == words
    assert said(status, "Initialized") == ("True", "", "")
    assert status["containerStatuses"][0]["started"] is True
    order = [c["type"] for c in status["conditions"]]
    assert order == ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]


def test_conditions_of_a_pod_that_is_done() -> None:
    status = pod_status(view(state(code=0), of=pod(restartPolicy="Never")))
    assert said(status, "Ready") == ("False", "PodCompleted", "")
    assert said(status, "PodReadyToStartContainers")[0] == "False"
    assert said(pod_status(view(state(code=1), of=pod(restartPolicy="Never"))), "Ready") == ("False", "PodFailed", "")


def test_readiness_gates() -> None:
    gated = pod(readinessGates=[{"conditionType": "ok"}])
    words = 'corresponding condition of pod readiness gate "ok" does not exist.'
    assert said(pod_status(view(state(), of=gated)), "Ready") == ("False", "ReadinessGatesNotReady", words)
    gated["status"]["conditions"].append({"type": "ok", "status": "True"})
    status = pod_status(view(state(), of=gated))
    assert said(status, "Ready")[0] == "True"
    assert status["conditions"][-1] == {"type": "ok", "status": "True"}


def test_what_has_not_changed_keeps_its_time() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    old = pod()
    old["status"]["conditions"].append(ready)
    status = pod_status(view(state(), of=old))
    times = {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
    assert times["Ready"] == "2020-01-01T00:00:00Z"
    assert times["ContainersReady"] == "2026-01-01T00:00:00Z"


def test_a_status_told_twice_is_the_same() -> None:
    seen = view(state())
    first = pod_status(seen)
    again = pod_status(replace(seen, pod={**seen.pod, "status": first}, now=NOW + 60))
    assert again == first


def test_container_status() -> None:
    (status,) = pod_status(view(state(code=1, attempt=1), state(attempt=2)))["containerStatuses"]
    assert status["containerID"] == "fake://web-2"
    assert status["restartCount"] == 2
    assert status["ready"] is True
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["state"]["running"]["startedAt"] == "2025-12-31T23:58:20Z"


@pytest.mark.parametrize(("seconds", "words"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_durations_are_written_as_go_does(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_refused_pod_fails_for_the_nodes_reason() -> None:
    refusal = Refusal("Evicted", "The node was low on resource: memory.", 1, disrupted=True)
    status = pod_status(view(state(code=137), refused=refusal))
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", refusal.reason, refusal.message)
    assert said(status, "DisruptionTarget") == ("True", "TerminationByKubelet", refusal.message)
    assert pod_status(view(state(), refused=refusal))["phase"] == "Running"  # until it has ended


def test_a_command_that_could_not_be_run() -> None:
    dead = replace(state(code=128), started=0.0, reason="StartError", message="no such file")
    (status,) = pod_status(view(dead, notes=crashed(10, 1)))["containerStatuses"]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"] | {"containerID": ""} == {
        "containerID": "", "exitCode": 128, "finishedAt": "2026-01-01T00:00:00Z", "message": "no such file",
        "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z",
    }  # fmt: skip


def test_a_record_says_no_more_than_a_pretended_kubelet() -> None:
    status = pod_status(view(state(), real=False))
    assert not {"hostIPs", "observedGeneration"} & status.keys()
    assert not any("observedGeneration" in c for c in status["conditions"])
