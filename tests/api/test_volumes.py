from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj, copy
from k8slab.api.volumes import belongs_to, best, class_of, is_reachable
from tests.controllers.storage import claim, volume


def free(*args: Any, **spec: Any) -> Obj:
    return volume(*args, **spec) | {"status": {"phase": "Available"}}


def name(found: Obj | None) -> str:
    return found["metadata"]["name"] if found else ""


@pytest.mark.parametrize(
    ("wanted", "volumes", "expected"),
    [
        (claim(), [free("a", "5Gi"), free("b", "2Gi"), free("c", "500Mi")], "b"),
        (claim(), [free("b"), free("a")], "a"),
        (claim(), [volume("a")], ""),  # not available yet
        (claim(class_="fast"), [free("a"), free("b", class_="fast")], "b"),
        (claim(), [free("a", class_="fast")], ""),
        (claim(accessModes=["ReadWriteMany"]), [free("a")], ""),
        (claim(), [free("a", accessModes=["ReadWriteOnce", "ReadOnlyMany"])], "a"),
        (claim(volumeMode="Block"), [free("a")], ""),
        (claim(selector={"matchLabels": {"disk": "b"}}), [free("a"), free("b", "9Gi")], "b"),
        (claim(), [free("a"), free("z", "9Gi", claimRef={"namespace": "default", "name": "data"})], "z"),
        (claim(), [free("a", claimRef={"namespace": "default", "name": "other"})], ""),
        (claim(size="2Gi"), [free("a", claimRef={"namespace": "default", "name": "data"})], ""),
    ],
)
def test_best(wanted: Obj, volumes: list[Obj], expected: str) -> None:
    wanted = copy(wanted)
    wanted["metadata"]["uid"] = "u-1"
    assert name(best(wanted, volumes)) == expected


def test_what_waits_for_a_pod_gets_only_what_is_reserved() -> None:
    wanted = claim()
    wanted["metadata"]["uid"] = "u-1"
    reserved = free("z", claimRef={"namespace": "default", "name": "data"})
    assert best(wanted, [free("a")], delayed=True) is None
    assert name(best(wanted, [free("a"), reserved], delayed=True)) == "z"


def test_nodes_and_what_is_taken() -> None:
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    bound_to_zone = free("z", "500Mi", nodeAffinity={"required": {"nodeSelectorTerms": terms}})
    here: Obj = {"metadata": {"name": "node-1", "labels": {"zone": "a"}}}
    there: Obj = {"metadata": {"name": "node-2", "labels": {"zone": "b"}}}
    wanted = claim(size="100Mi")
    assert name(best(wanted, [free("a"), bound_to_zone], node=here)) == "z"
    assert name(best(wanted, [free("a"), bound_to_zone], node=there)) == "a"
    assert name(best(wanted, [free("a"), bound_to_zone], node=here, taken={"z"})) == "a"
    by_name = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]}]
    pinned = free("p", nodeAffinity={"required": {"nodeSelectorTerms": by_name}})
    assert (is_reachable(pinned, here), is_reachable(pinned, there)) == (False, True)
    assert not is_reachable(free("n", nodeAffinity={"required": {"nodeSelectorTerms": [{}]}}), here)


def test_whose() -> None:
    mine = claim()
    mine["metadata"]["uid"] = "u-1"
    ref = {"namespace": "default", "name": "data"}
    assert belongs_to(volume(claimRef=ref), mine)
    assert belongs_to(volume(claimRef=ref | {"uid": "u-1"}), mine)
    assert not belongs_to(volume(claimRef=ref | {"uid": "u-0"}), mine)
    assert not belongs_to(volume(), mine)
    old = claim(class_=None)
    old["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "slow"}
    assert class_of(old) == "slow"
