import pytest

from k8slab.widgets import pod_state
from k8slab.widgets.unplaced import explain
from tests.widgets import cluster

STATES = [
    ("ready", "ready", "Ready"),
    ("notready", "notready", "Not ready"),
    ("starting", "starting", "Starting"),
    ("pending", "pending", "Pending"),
    ("unplaced", "pending", "Pending"),
    ("crashing", "failed", "Crashing"),
    ("noimage", "failed", "No image"),
    ("failed", "failed", "Failed"),
    ("done", "done", "Completed"),
]


@pytest.mark.parametrize(("given", "state", "word"), STATES)
def test_state_and_word(given, state, word):
    read = pod_state.read(cluster.pod(state=given))
    assert (read.state, read.word) == (state, word)


def test_a_pod_that_is_to_go_is_terminating_whatever_else():
    assert pod_state.read(cluster.leaving(cluster.pod(state="crashing"))).state == "terminating"


def test_on_a_silent_node_nobody_knows():
    assert pod_state.read(cluster.pod(), silent=True).state == "unknown"


def test_an_init_container_that_fails_is_told():
    pod = cluster.pod(state="starting")
    pod["status"]["initContainerStatuses"] = [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    assert pod_state.read(pod).word == "Crashing"


def test_the_last_words_of_a_crash_are_told():
    why = pod_state.read(cluster.pod(state="crashing", restarts=4)).why
    assert "exit code 1: “no DATABASE_URL”" in why


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ({"exitCode": 137}, "was ended by signal 9 (exit code 137)"),
        ({"exitCode": 137, "reason": "OOMKilled"}, "used more memory than its limit and was killed"),
        ({"exitCode": 3}, "ended with exit code 3"),
    ],
)
def test_how_a_container_ended(end, told):
    assert pod_state.told(end) == told


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("", ""),
        ("0/3 nodes are available: 3 Insufficient cpu.", "No node takes it: 3 have too little CPU left."),
        (
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient memory. preemption: 0/3 nodes",
            "No node takes it: 1 has been cordoned, 2 have too little memory left.",
        ),
        (
            "0/1 nodes are available: 1 Insufficient example.com/gpu.",
            "No node takes it: 1 has too little example.com/gpu left.",
        ),
        ("0/0 nodes are available: .", "There is no node yet."),
        ("skip schedule deleting pod", "skip schedule deleting pod"),
        ("0/2 nodes are available: 2 something new.", "No node takes it: 2: something new."),
    ],
)
def test_why_no_node_takes_it(message, sentence):
    assert explain(message) == sentence
