from __future__ import annotations

import logging

import pytest

from k8slab.api.objects import Obj
from k8slab.client.base import Informer
from k8slab.client.informer import LiveInformer


def pod(name: str, namespace: str = "default", owner: str = "", node: str = "") -> Obj:
    meta: Obj = {"name": name, "namespace": namespace}
    if owner:
        meta["ownerReferences"] = [{"uid": "not-in-charge"}, {"uid": owner, "controller": True}]
    return {"kind": "Pod", "metadata": meta, "spec": {"nodeName": node} if node else {}}


def names(objects: list[Obj]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]


@pytest.mark.parametrize("asked_first", [True, False], ids=["index before the changes", "index after the changes"])
def test_indexes_follow_every_change(asked_first: bool) -> None:
    a, b = pod("a", owner="u1"), pod("b", "other", owner="u1", node="node-1")
    informer = LiveInformer("Pod", [a, b])
    if asked_first:
        assert names(informer.by("owner", "u1")) == ["a", "b"]
        assert names(informer.by("node", "")) == ["a"]
        assert names(informer.list("other")) == ["b"]
    placed = pod("a", owner="u1", node="node-1")
    informer.feed(a, placed)
    informer.feed(b, None)
    informer.feed(None, pod("c"))
    assert names(informer.by("owner", "u1")) == ["a"]
    assert names(informer.by("owner", "")) == ["c"]
    assert names(informer.by("node", "node-1")) == ["a"]
    assert names(informer.by("node", "")) == ["c"]
    assert names(informer.list("other")) == []
    assert names(informer.list()) == ["a", "c"]
    assert informer.get("a", "default") is placed
    assert informer.get("b", "other") is None


def test_a_list_may_be_walked_while_the_world_changes() -> None:
    informer = LiveInformer("Pod", [pod("a"), pod("b")])
    for obj in informer.list("default"):
        informer.feed(obj, None)
    assert informer.list() == []


def test_subscribers_hear_in_order_and_what_was_there_first() -> None:
    informer: Informer = LiveInformer("Pod", [pod("a")])
    heard: list[str] = []
    for who in ("first", "second"):
        informer.subscribe(
            lambda before, after, who=who: heard.append(f"{who} {(after or before or {})['metadata']['name']}")
        )
    assert isinstance(informer, LiveInformer)
    informer.feed(None, pod("b"))
    assert heard == ["first a", "second a", "first b", "second b"]


def test_a_subscriber_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    informer, heard = LiveInformer("Pod"), []

    def broken(before: Obj | None, after: Obj | None) -> None:
        raise RuntimeError("oh")

    informer.subscribe(broken)
    informer.subscribe(lambda before, after: heard.append(after))
    with caplog.at_level(logging.ERROR):
        informer.feed(None, pod("a"))
    assert len(heard) == 1
    assert informer.get("a", "default") is not None
    assert "a subscriber failed on a change of default/a" in caplog.text


def test_a_subscriber_sees_the_new_world() -> None:
    informer = LiveInformer("Pod")
    seen: list[bool] = []
    informer.subscribe(lambda before, after: seen.append(informer.get("a", "default") is after))
    informer.feed(None, pod("a"))
    assert seen == [True]
