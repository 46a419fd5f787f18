"""Pods that would open the machine."""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj
from k8slab.apiserver.bootstrap import bootstrap
from k8slab.apiserver.host_access import asked
from k8slab.apiserver.verbs import Verbs
from k8slab.clock import VirtualClock
from k8slab.store.memory import MemoryStore


def pod(context: Obj | None = None, **spec: Any) -> Obj:
    box = {"name": "c", "image": "web", **({"securityContext": context} if context else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [box], **spec}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pod(), ""),
        (pod({"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}), ""),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/etc"}}]), ""),
        (pod(hostNetwork=True, hostPID=True), "asks for hostNetwork, hostPID;"),
        (pod({"privileged": True}), 'asks for privileged (container "c");'),
        (pod({"capabilities": {"add": ["SYS_ADMIN"]}}), 'asks for capabilities SYS_ADMIN (container "c");'),
        (pod({"procMount": "Unmasked"}), "asks for procMount Unmasked"),
    ],
)
def test_what_is_asked(given: Obj, words: str) -> None:
    assert (words in asked(given)) if words else asked(given) == ""


@pytest.mark.parametrize("closed", [True, False])
def test_the_door(closed: bool) -> None:
    verbs = Verbs(MemoryStore(), VirtualClock(), "10.96.0.0/16", closed=closed)
    bootstrap(verbs, "127.0.0.1", 6443)
    if closed:
        with pytest.raises(Forbidden, match='pods "p" is forbidden: this lab keeps its machine closed'):
            verbs.create(KINDS["Pod"], pod(hostNetwork=True), "default")
    else:
        assert verbs.create(KINDS["Pod"], pod(hostNetwork=True), "default")
    assert verbs.create(KINDS["Pod"], pod() | {"metadata": {"name": "q"}}, "default")
