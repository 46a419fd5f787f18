"""What the events tell of a life: in the order, and in the words, of a real Kubernetes 1.36.

`lives.txt` was recorded there, with every command that was given and every event that followed; no kubelet took part.
Here the same commands are given to a cluster in virtual time. Lines of one burst may swap where nothing depends on it:
so events about a Deployment (StatefulSet, Job, ...) have to come in the recorded order, those about the pods and
ReplicaSets below it have to be the same ones. What kubelets say is compared pod by pod, at the end of this file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slab.api.objects import Obj
from tests.behaviour.test_timings import crashing
from tests.virtual import VirtualLab, container, meta, virtual_lab

Story = dict[str, Callable[[VirtualLab], Any]]  # a command, and what it does

MASKS = (
    (r"\b(web)-[0-9a-z]{6,10}-[0-9a-z]{5}\b", r"\1-<hash>-<id>"),
    (r"\b(web)-[0-9a-z]{6,10}\b", r"\1-<hash>"),
    (r"\b(many|agent)-[0-9a-z]{5}\b", r"\1-<id>"),
    (r"(assigned) [a-z]+/", r"\1 life/"),
    (r"to node-\d", "to <node>"),
)


def masked(line: str) -> str:
    for pattern, said in MASKS:
        line = re.sub(pattern, said, line)
    return line


class Listener:
    """Hears every event as it is written or counted up."""

    def __init__(self, lab: VirtualLab) -> None:
        self.heard: list[Obj] = []
        lab.client.informer("Event").subscribe(lambda before, after: self.heard.append(after) if after else None)
        self.heard.clear()

    def take(self) -> list[Obj]:
        taken, self.heard[:] = list(self.heard), []
        return taken


def line(event: Obj) -> str:
    kind, component = event["involvedObject"]["kind"], event["reportingComponent"]
    return masked(f"{event['type']} {event['reason']} ({component}) on {kind}: {event['message']}")


def in_order(lines: list[str]) -> dict[str, list[str]]:
    """By what they are about; pods and ReplicaSets, of which there are several, sorted."""
    about: dict[str, list[str]] = {}
    for said in lines:
        about.setdefault(said.split(") on ")[1].split(":")[0], []).append(said)
    return {kind: sorted(said) if kind in ("Pod", "ReplicaSet") else said for kind, said in about.items()}


def recorded(title: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a life, and what followed each."""
    text = Path(__file__).with_name("lives.txt").read_text()
    (life,) = (part for part in text.split("## ") if part.startswith(title))
    for step in life.split("\n$ ")[1:]:
        command, *lines = step.strip().splitlines()
        yield command, [masked(said.strip()) for said in lines]


# ---- what the commands do ---------------------------------------------------------------------------------------


def workload(kind: str, name: str, image: str, **spec: Any) -> Callable[[VirtualLab], Any]:
    box = {"name": "c", "image": image}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [box]}}
    wish = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    made = {"apiVersion": "apps/v1", "kind": kind, **meta(name), "spec": wish}
    return lambda lab: lab.client.create(made)


def image(kind: str, name: str, image: str) -> Callable[[VirtualLab], Any]:
    template = {"spec": {"containers": [{"name": "c", "image": image}]}}
    return lambda lab: lab.client.patch(kind, name, "default", {"spec": {"template": template}})


def scale(kind: str, name: str, replicas: int) -> Callable[[VirtualLab], Any]:
    return lambda lab: lab.client.patch(kind, name, "default", {"spec": {"replicas": replicas}})


def delete(kind: str, name: str) -> Callable[[VirtualLab], Any]:
    return lambda lab: lab.client.delete(kind, name, "default", propagation="Background")


def many(lab: VirtualLab) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]}}
    spec = {"completions": 3, "parallelism": 2, "template": template}
    lab.client.create({"apiVersion": "batch/v1", "kind": "Job", **meta("many"), "spec": spec})


DEPLOYMENT: Story = {
    "kubectl create deployment web --image=nginx:1.26 --replicas=2": workload(
        "Deployment", "web", "nginx:1.26", replicas=2
    ),
    "kubectl scale deploy web --replicas=4": scale("Deployment", "web", 4),
    "kubectl set image deploy/web nginx=nginx:1.27": image("Deployment", "web", "nginx:1.27"),
    "kubectl set image deploy/web nginx=nginx:does-not-exist": image("Deployment", "web", "nginx:does-not-exist"),
    "kubectl rollout undo deploy/web": image("Deployment", "web", "nginx:1.27"),
    "kubectl delete deploy web": delete("Deployment", "web"),
    "kubectl apply -f recreate.yaml": workload(
        "Deployment", "web", "nginx:1.26", replicas=2, strategy={"type": "Recreate"}
    ),
}
STATEFUL: Story = {
    "kubectl apply -f sts.yaml": workload("StatefulSet", "db", "redis:7", replicas=3, serviceName="db"),
    "kubectl set image sts/db db=redis:8": image("StatefulSet", "db", "redis:8"),
    "kubectl scale sts db --replicas=1": scale("StatefulSet", "db", 1),
    "kubectl delete sts db": delete("StatefulSet", "db"),
}
OTHERS: Story = {
    "kubectl apply -f job.yaml": many,
    "kubectl delete job many": delete("Job", "many"),
    "kubectl apply -f ds.yaml": workload("DaemonSet", "agent", "busybox:1.36"),
    "kubectl cordon node-2": lambda lab: lab.client.patch("Node", "node-2", "", {"spec": {"unschedulable": True}}),
    "kubectl set image ds/agent a=busybox:1.37": image("DaemonSet", "agent", "busybox:1.37"),
    "kubectl delete ds agent": delete("DaemonSet", "agent"),
    "kubectl apply -f picky.yaml": lambda lab: lab.pod("picky", nodeSelector={"disk": "ssd"}),
    "kubectl label node node-1 disk=ssd": lambda lab: lab.client.patch(
        "Node", "node-1", "", {"metadata": {"labels": {"disk": "ssd"}}}
    ),
    "kubectl delete pod picky": lambda lab: lab.client.delete("Pod", "picky", "default"),
}
DOES = DEPLOYMENT | STATEFUL | OTHERS
LIVES = ["deployment: ", "deployment with Recreate", "statefulset: ", "job: ", "daemonset: ", "pod nobody can place"]


@pytest.mark.parametrize("title", LIVES)
async def test_a_life_is_told_as_in_kubernetes(title: str) -> None:
    async with virtual_lab() as lab:
        listener = Listener(lab)
        for command, said in recorded(title):
            DOES[command](lab)
            await lab.after(5)
            heard = [event for event in listener.take() if event["reportingComponent"] != "kubelet"]
            assert in_order([line(event) for event in heard if event["involvedObject"]["kind"] != "Node"]) == in_order(
                said
            ), command
            for event in heard:  # the scheduler's are of the newer kind
                newer = event["reportingComponent"] == "default-scheduler"
                assert event["source"] == ({} if newer else {"component": event["reportingComponent"]})
                assert (event["eventTime"] is not None) == newer


# ---- what kubelets say ------------------------------------------------------------------------------------------

FIRST = [
    "Normal Scheduled x1: Successfully assigned default/p to node-1",
    'Normal Pulling x1: Pulling image "nginx"',
    'Normal Pulled x1: Successfully pulled image "nginx" in 0s (0s including waiting).',
    "Normal Created x1: Container created",
    "Normal Started x1: Container started",
]
NOT_FOUND = (
    'Failed to pull image "web:does-not-exist": rpc error: code = NotFound desc = failed to pull and unpack image '
    '"docker.io/library/web:does-not-exist": failed to resolve reference "docker.io/library/web:does-not-exist": '
    "docker.io/library/web:does-not-exist: not found"
)
PRESENT = 'Container image "nginx" already present on machine and can be accessed by the pod'


def told(lab: VirtualLab) -> list[str]:
    """`kubectl events --for pod/p`: in the order each was first said, and how often."""
    found = [e for e in lab.client.informer("Event").list() if e["involvedObject"]["name"] == "p"]
    found.sort(key=lambda event: event["metadata"]["name"])  # made of the nanosecond
    for event in found:
        if event["reportingComponent"] == "kubelet":
            assert event["source"]["host"] == event["reportingInstance"] == "node-1"
            assert event["involvedObject"]["fieldPath"] == "spec.containers{c}"
    uid = (lab.find("Pod", "p") or {"metadata": {"uid": "<uid>"}})["metadata"]["uid"]
    times = [e.get("count") or (e.get("series") or {"count": 1})["count"] for e in found]
    said = [f"{e['type']} {e['reason']}" for e in found]
    words = [e["message"].replace(uid, "<uid>") for e in found]
    return [f"{what} x{count}: {message}" for what, count, message in zip(said, times, words, strict=True)]


async def test_a_pod_that_runs_and_is_deleted() -> None:
    async with virtual_lab(nodes=1) as lab:
        lab.pod("p")
        await lab.after(5)
        assert told(lab) == FIRST
        lab.client.delete("Pod", "p", "default")
        await lab.after(5)
        assert told(lab) == [*FIRST, "Normal Killing x1: Stopping container c"]


async def test_a_pod_that_crashes_again_and_again() -> None:
    """It waits 10, 20 and 40 s: tries five times in 75 s, and says that it waits with each crash and every 10 s."""
    async with virtual_lab(nodes=1) as lab:
        crashing(lab, lambda spec: 0)
        lab.pod("p", containers=[container() | {"imagePullPolicy": "IfNotPresent"}])
        await lab.after(75)
        again = [said.replace("x1", "x5") for said in FIRST[3:]]
        waits = "Warning BackOff x8: Back-off restarting failed container c in pod p_default(<uid>)"
        assert told(lab) == [*FIRST[:3], *again, f"Normal Pulled x4: {PRESENT}", waits]


async def test_a_pod_whose_image_cannot_be_pulled() -> None:
    """It tries at 0, 10 and 30 s; in between it says that it does not try all the time."""
    async with virtual_lab(nodes=1) as lab:
        lab.pod("p", containers=[{"name": "c", "image": "web:does-not-exist"}])
        await lab.after(60)
        assert told(lab) == [
            FIRST[0],
            'Normal Pulling x3: Pulling image "web:does-not-exist"',
            f"Warning Failed x3: {NOT_FOUND}",
            "Warning Failed x3: Error: ErrImagePull",
            'Normal BackOff x6: Back-off pulling image "web:does-not-exist"',
            "Warning Failed x6: Error: ImagePullBackOff",
        ]
