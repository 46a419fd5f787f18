"""Warnings reach the client in the headers of the answer, good or bad."""

from __future__ import annotations

import asyncio

from k8slab.apiserver.warnings import Warnings, listening, warn
from tests.apiserver.conftest import DEPLOYMENT

PODS = "/api/v1/namespaces/default/pods"
HIDES = '299 - "spec.containers[0].env[1]: hides previous definition of \\"A\\", which may be dropped when using apply"'


def pod(**spec):
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i", "env": twice}], **spec}}


def heard(answer):
    return answer.headers.get_list("warning")


def test_a_write_is_warned_of_what_it_writes(http):
    assert heard(http.post(PODS, json=pod(), params={"dryRun": "All"})) == [HIDES]
    assert heard(http.get(PODS)) == []


def test_only_what_is_valid_is_worth_a_warning_but_unknown_fields_are_told_in_any_case(http):
    refused = http.post(PODS, json=pod(bogus=1, restartPolicy="Sometimes"))
    assert (refused.status_code, heard(refused)) == (422, ['299 - "unknown field \\"spec.bogus\\""'])


def test_whoever_asks_for_a_kind_that_goes_away_is_told(http):
    said = ['299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"']
    assert heard(http.get("/api/v1/endpoints")) == said
    assert heard(http.get("/api/v1/namespaces/default/endpoints/nobody")) == said


def test_a_template_that_did_not_change_is_not_spoken_of(http):
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    made = {**DEPLOYMENT, "metadata": {"name": "web"}}
    made["spec"] = {**DEPLOYMENT["spec"], "template": {"metadata": {"labels": {"app": "web"}}, **pod()}}
    made["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}
    assert len(heard(http.post(deployments, json=made))) == 1
    merge = {"Content-Type": "application/merge-patch+json"}
    assert heard(http.patch(f"{deployments}/web", json={"metadata": {"labels": {"a": "b"}}}, headers=merge)) == []
    assert len(heard(http.patch(f"{deployments}/web", json={"spec": {"replicas": 3}}, headers=merge))) == 1


async def test_each_is_said_once_and_only_while_somebody_listens():
    sent = []

    async def endpoint(scope, receive, send):
        warn("a\nb", "c", "c")
        await asyncio.create_task(send({"type": "http.response.start", "status": 200}))
        assert listening()

    async def send(message):
        sent.append(message)

    await Warnings(endpoint)({"type": "http"}, send, send)
    assert sent[0]["headers"] == [(b"warning", b'299 - "a b"'), (b"warning", b'299 - "c"')]
    assert not listening()
    warn("nobody hears this")
