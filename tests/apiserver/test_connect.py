"""`pods/log`: its options as the query has them, and which container is meant."""

from __future__ import annotations

import pytest

from tests.apiserver.conftest import POD

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(autouse=True)
def pods(http):
    two = {"containers": [{"name": n, "image": "i"} for n in "ab"], "initContainers": [{"name": "i", "image": "i"}]}
    for name, spec in (
        ("web", {**POD["spec"], "nodeName": "n"}),
        ("free", POD["spec"]),
        ("two", two | {"nodeName": "n"}),
    ):
        http.post(PODS, json={**POD, "metadata": {"name": name}, "spec": spec}).raise_for_status()


def test_the_log_of_the_only_container_and_of_one_by_name(http, nodes):
    assert http.get(f"{PODS}/web/log").text == "one\ntwo\n"
    assert http.get(f"{PODS}/two/log?container=i").text == "one\ntwo\n"
    assert [asked[1] for asked in nodes.asked] == ["c", "i"]


def test_the_options(http, nodes):
    query = "follow=1&previous=true&timestamps=true&limitBytes=2&sinceSeconds=4&insecureSkipTLSVerifyBackend=true"
    assert http.get(f"{PODS}/web/log?{query}&stream=Stderr").status_code == 200
    options = nodes.asked[0][2]
    assert (options.follow, options.previous, options.timestamps, options.stream) == (True, True, True, "Stderr")
    assert (options.limit_bytes, options.since_seconds, options.tail_lines) == (2, 4, None)


def test_a_pod_that_no_node_runs_has_said_nothing(http, nodes):
    answer = http.get(f"{PODS}/free/log")
    assert (answer.status_code, answer.text, nodes.asked) == (200, "", [])


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("nobody/log", 404, 'pods "nobody" not found'),
        ("two/log", 400, "a container name must be specified for pod two, choose one of: [i a b]"),
        ("two/log?container=c", 400, "container c is not valid for pod two"),
        ("web/log?tailLines=x", 400, "tailLines must be a whole number, not 'x'"),
        (
            "web/log?tailLines=-1",
            422,
            'PodLogOptions "" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            "web/log?limitBytes=0",
            422,
            'PodLogOptions "" is invalid: limitBytes: Invalid value: 0: must be greater than 0',
        ),
        ("web/log?sinceTime=x", 400, 'sinceTime: "x" is not an RFC 3339 time'),
        (
            "web/log?stream=x",
            422,
            'PodLogOptions "" is invalid: stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout"',
        ),
    ],
)
def test_what_cannot_be_read(http, path, code, words):
    answer = http.get(f"{PODS}/{path}")
    assert (answer.status_code, answer.json()["message"]) == (code, words)


@pytest.mark.parametrize("query", ["sinceTime=2026-01-01T00:00:00Z&sinceSeconds=1", "tailLines=1&stream=Stdout"])
def test_what_excludes_each_other(http, query):
    answer = http.get(f"{PODS}/web/log?{query}")
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["reason"] == "FieldValueForbidden"
