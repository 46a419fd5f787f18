"""What a story of `test_invariants.py` asks for: its Deployments, its StatefulSet, its DaemonSet and its Job.

Each is remembered as it was asked for last, and made into the object that is sent.
"""

from __future__ import annotations

from tests.behaviour.cluster import Obj
from tests.behaviour.lookout import Promise

GOOD, BAD = ("k8slab/web:v1", "k8slab/web:v2"), "k8slab/web:does-not-exist"
NAMES, SET, DAEMONS, JOB = ("a", "b", "c"), "s", "d", "j"


class Wanted:
    """A Deployment as it was asked for last."""

    def __init__(self, replicas: int, surge: int, unavailable: int) -> None:
        self.replicas, self.surge, self.unavailable = replicas, surge, unavailable
        self.image = GOOD[0]
        self.before = GOOD[0]  # what `rollout undo` goes back to
        self.steady = False  # whether it had come to rest, with nothing broken since

    def promise(self, *also: int) -> Promise:
        """What its pods keep to now, and on the way from other sizes."""
        sizes = (self.replicas, *also)
        return Promise(max(sizes) + self.surge, min(sizes) - self.unavailable if self.steady else 0)


class WantedSet:
    """The StatefulSet as it was asked for last."""

    def __init__(self, replicas: int, ordered: bool) -> None:
        self.replicas, self.ordered, self.image = replicas, ordered, GOOD[0]


class WantedJob:
    """The Job as it was asked for; pods that fail are made anew, however often something is broken."""

    def __init__(self, completions: int, parallelism: int) -> None:
        self.completions, self.parallelism = completions, parallelism


def deployment(name: str, wanted: Wanted, *, real: bool) -> Obj:
    web = {"name": "web", "image": wanted.image}
    if real:
        web |= {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5}}
    rolling = {"maxSurge": wanted.surge, "maxUnavailable": wanted.unavailable}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": wanted.replicas, "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [web], "terminationGracePeriodSeconds": 10}},
        },
    }  # fmt: skip


def stateful_set(wanted: WantedSet, *, real: bool) -> Obj:
    made = deployment(SET, Wanted(wanted.replicas, 1, 0), real=real)
    del made["spec"]["strategy"]
    policy = "OrderedReady" if wanted.ordered else "Parallel"
    return made | {"kind": "StatefulSet", "spec": made["spec"] | {"serviceName": SET, "podManagementPolicy": policy}}


def daemon_set(image: str) -> Obj:
    made = Wanted(1, 1, 0)
    made.image = image
    spec = deployment(DAEMONS, made, real=False)["spec"]
    meta = {"name": DAEMONS, "namespace": "default"}
    wanted = {"selector": spec["selector"], "template": spec["template"]}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": wanted}


def job(wanted: WantedJob) -> Obj:
    work = {"name": "web", "image": GOOD[0], "command": ["sleep", "0.2"]}
    template = {"metadata": {"labels": {"app": JOB}}, "spec": {"containers": [work], "restartPolicy": "Never"}}
    spec = {"completions": wanted.completions, "parallelism": wanted.parallelism, "backoffLimit": 100}
    meta = {"name": JOB, "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {**spec, "template": template}}


def service(name: str) -> Obj:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec}
