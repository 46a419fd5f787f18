"""Whatever is done to a lab, in whatever order: once it is quiet, what is wanted is what runs, and nothing else is left.

Hypothesis makes up the stories: Deployments, a StatefulSet, a DaemonSet and a Job come, grow, are updated (well and
badly), rolled back, deleted; containers crash; nodes are cordoned, drained, lose their power and get it back; the server is killed with
SIGKILL and started again. `lookout.py` watches meanwhile that none breaks its promises. The long run does it with real
processes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from k8slab.api.errors import ApiError, NotFound
from k8slab.api.objects import condition_is, is_pod_ready
from tests.behaviour.cluster import Cluster, Obj, running
from tests.behaviour.lookout import Lookout, Promise
from tests.behaviour.wishes import (
    BAD,
    DAEMONS,
    GOOD,
    JOB,
    NAMES,
    SET,
    Wanted,
    WantedJob,
    WantedSet,
    daemon_set,
    deployment,
    job,
    service,
    stateful_set,
)  # fmt: skip
from tests.waiting import until

NODES = ("node-1", "node-2", "node-3")
QUIET = 0.25  # seconds without a change


class Lab(RuleBasedStateMachine):
    """One story. `cluster` is set by the test that tells it."""

    cluster: ClassVar[Cluster]
    real: ClassVar[bool]
    most_crashes: ClassVar[int]
    story: ClassVar[list[str]]

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[str, Wanted] = {}
        self.set: WantedSet | None = None
        self.daemons = ""  # their image
        self.job: WantedJob | None = None
        self.off: set[str] = set()
        self.cordoned: set[str] = set()
        self.since_quiet = self.crashes = 0
        Lab.story = []

    @initialize(replicas=st.integers(1, 5), surge=st.integers(0, 2), unavailable=st.integers(0, 2))
    def begin(self, replicas: int, surge: int, unavailable: int) -> None:
        self.api = self.cluster.api
        self.api.post("/k8slab/reset", {})
        self.lookout = Lookout(self.api, "default")
        self.create(replicas, surge, unavailable)

    def teardown(self) -> None:
        if hasattr(self, "lookout"):
            try:
                self.settle()
            finally:
                self.lookout.close()
                print(f"{self.lookout.seen} changes of pods seen:", "; ".join(Lab.story))

    def note(self, *words: object) -> None:
        Lab.story.append(" ".join(map(str, words)))
        self.since_quiet += 1

    # ---- what is done -------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.wanted) < len(NAMES))
    @rule(replicas=st.integers(0, 5), surge=st.integers(0, 2), unavailable=st.integers(0, 2))
    def create(self, replicas: int, surge: int, unavailable: int) -> None:
        name = next(n for n in NAMES if n not in self.wanted)
        wanted = Wanted(replicas, surge or int(not unavailable), unavailable)
        self.note("create", name, replicas, "surge", wanted.surge, "unavailable", unavailable)
        until(lambda: self.find("Deployment", name) is None and not self.there(name), f"the old {name} is gone")
        self.wanted[name] = wanted
        self.lookout.promises[name] = wanted.promise()
        self.api.create(deployment(name, wanted, real=self.real))
        self.api.create(service(name))

    @precondition(lambda self: self.wanted)
    @rule(which=st.integers(0, 9), replicas=st.integers(0, 6))
    def scale(self, which: int, replicas: int) -> None:
        name, wanted = self.choose(which)
        self.note("scale", name, wanted.replicas, "->", replicas)
        wanted.replicas = replicas
        wanted.steady = False  # more replicas are not there at once, nor are fewer: until it is quiet, the most counts
        self.lookout.promises[name] = wanted.promise(self.lookout.promises[name].most - wanted.surge)
        self.api.patch("Deployment", name, "default", {"spec": {"replicas": replicas}}, "scale")

    @precondition(lambda self: self.wanted)
    @rule(which=st.integers(0, 9), image=st.sampled_from((*GOOD, BAD)))
    def update(self, which: int, image: str) -> None:
        name, wanted = self.choose(which)
        self.note("update", name, "to", image)
        if image != wanted.image:
            wanted.before, wanted.image = wanted.image, image
        containers = {"containers": [{"name": "web", "image": image}]}
        self.api.patch("Deployment", name, "default", {"spec": {"template": {"spec": containers}}}, form="strategic")

    @precondition(lambda self: self.since_quiet >= 2 and any(w.image != BAD for w in self.wanted.values()))
    @rule()
    def roll_out_in_peace(self) -> None:
        """Nothing is broken meanwhile: the promise of what stays available is kept."""
        self.settle()
        name = next(n for n, w in self.wanted.items() if w.image != BAD)
        self.update(sorted(self.wanted).index(name), next(i for i in GOOD if i != self.wanted[name].image))
        self.settle()

    @precondition(lambda self: any(w.image != w.before for w in self.wanted.values()))
    @rule()
    def undo(self) -> None:
        name, wanted = next((n, w) for n, w in self.wanted.items() if w.image != w.before)
        self.note("undo", name, "to", wanted.before)
        until(lambda: len(self.api.list("ReplicaSet", "default", f"app={name}")) >= 2, "there is something to undo")
        self.cluster.kubectl("rollout", "undo", f"deployment/{name}")
        wanted.image, wanted.before = wanted.before, wanted.image

    @precondition(lambda self: self.wanted)
    @rule(which=st.integers(0, 9))
    def delete(self, which: int) -> None:
        name, _ = self.choose(which)
        self.note("delete", name)
        del self.wanted[name], self.lookout.promises[name]
        self.api.delete("Deployment", name, "default")
        self.api.delete("Service", name, "default")

    @precondition(lambda self: self.set is None)
    @rule(replicas=st.integers(0, 4), ordered=st.booleans())
    def create_set(self, replicas: int, ordered: bool) -> None:
        self.note("create set", replicas, "in order" if ordered else "in parallel")
        until(lambda: self.find("StatefulSet", SET) is None and not self.there(SET), "the old set is gone")
        self.set = WantedSet(replicas, ordered)
        if ordered and not self.off | self.cordoned:
            self.lookout.in_order.add(SET)
        self.api.create(stateful_set(self.set, real=self.real))
        self.api.create(service(SET))

    @precondition(lambda self: self.set)
    @rule(replicas=st.integers(0, 4))
    def scale_set(self, replicas: int) -> None:
        assert self.set
        self.note("scale set", self.set.replicas, "->", replicas)
        self.set.replicas = replicas
        self.api.patch("StatefulSet", SET, "default", {"spec": {"replicas": replicas}}, "scale")

    @precondition(lambda self: self.set)
    @rule(image=st.sampled_from(GOOD))
    def update_set(self, image: str) -> None:
        """Never to a bad one: whoever goes back from that has to delete the pod that waits (as in Kubernetes)."""
        assert self.set
        self.note("update set to", image)
        self.set.image = image
        containers = {"containers": [{"name": "web", "image": image}]}
        self.api.patch("StatefulSet", SET, "default", {"spec": {"template": {"spec": containers}}}, form="strategic")

    @precondition(lambda self: self.set)
    @rule()
    def delete_set(self) -> None:
        self.note("delete set")
        self.set = None
        self.lookout.in_order.clear()
        self.api.delete("StatefulSet", SET, "default")
        self.api.delete("Service", SET, "default")

    @rule(image=st.sampled_from(GOOD))
    def run_daemons(self, image: str) -> None:
        """Made, or updated: one a node, also where a node is cordoned."""
        self.note("update" if self.daemons else "create", "daemons", image)
        containers = {"containers": [{"name": "web", "image": image}]}
        if self.daemons:
            change = {"spec": {"template": {"spec": containers}}}
            self.api.patch("DaemonSet", DAEMONS, "default", change, form="strategic")
        else:
            until(
                lambda: self.find("DaemonSet", DAEMONS) is None and not self.there(DAEMONS), "the old daemons are gone"
            )
            self.lookout.one_a_node.add(DAEMONS)
            self.api.create(daemon_set(image))
        self.daemons = image

    @precondition(lambda self: self.daemons)
    @rule()
    def delete_daemons(self) -> None:
        self.note("delete daemons")
        self.daemons = ""
        self.api.delete("DaemonSet", DAEMONS, "default")

    @rule(completions=st.integers(1, 4), parallelism=st.integers(1, 3))
    def run_job(self, completions: int, parallelism: int) -> None:
        self.note("job", completions, "in parallel", parallelism)
        if self.job:
            self.api.delete("Job", JOB, "default", propagation="Background")
            until(lambda: self.find("Job", JOB) is None and not self.there(JOB), "the old job is gone")
        self.job = WantedJob(completions, parallelism)
        self.lookout.promises[JOB] = Promise(parallelism)
        self.api.create(job(self.job))

    @precondition(lambda self: self.wanted)
    @rule(which=st.integers(0, 99), how=st.sampled_from(("crash", "delete", "force")))
    def kill(self, which: int, how: str) -> None:
        pods = [pod for pod in self.pods() if pod["spec"].get("nodeName")]
        name = pods[which % len(pods)]["metadata"]["name"] if pods else "nobody"
        self.note(how, name)
        self.broken()
        with suppress(ApiError):  # it may be gone, or its container may not run just now
            if how == "crash":
                self.api.post("/k8slab/crash", {"namespace": "default", "pod": name})
            else:
                self.api.delete("Pod", name, "default", grace=0 if how == "force" else None)

    @rule(node=st.sampled_from(NODES), evict=st.booleans())
    def drain(self, node: str, evict: bool) -> None:
        self.note("drain" if evict else "cordon", node)
        self.broken()
        self.cordoned.add(node)
        self.api.patch("Node", node, "", {"spec": {"unschedulable": True}})
        for pod in self.pods() if evict and node not in self.off else ():
            if pod["spec"].get("nodeName") == node:
                with suppress(NotFound):
                    self.evict(pod["metadata"]["name"])

    @precondition(lambda self: self.cordoned)
    @rule()
    def uncordon(self) -> None:
        self.note("uncordon", *self.cordoned)
        for node in self.cordoned:
            self.api.patch("Node", node, "", {"spec": {"unschedulable": None}})
        self.cordoned.clear()

    @precondition(lambda self: len(self.off) < 2)
    @rule(which=st.integers(0, 2))
    def power_off(self, which: int) -> None:
        node = [n for n in NODES if n not in self.off][which % (len(NODES) - len(self.off))]
        self.note("power off", node)
        self.broken()
        self.off.add(node)
        self.cluster.power(node, False)

    @precondition(lambda self: self.off)
    @rule()
    def power_on(self) -> None:
        self.note("power on", *self.off)
        self.broken()
        for node in self.off:
            self.cluster.power(node, True)
        self.off.clear()

    @precondition(lambda self: self.since_quiet >= 2 and self.crashes < self.most_crashes)
    @rule(calm=st.booleans())
    def crash_the_server(self, calm: bool) -> None:
        if calm:
            self.settle()
        self.note("kill -9 the server", "when it was quiet" if calm else "")
        self.crashes += 1
        before = self.identities()
        pid = int(self.api.request("GET", "/k8slab/status")["pid"])
        os.kill(pid, signal.SIGKILL)
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)
        self.cluster.up()
        if calm:
            self.settle()
            assert self.identities() == before, "a pod was replaced or restarted because the server was"

    @precondition(lambda self: self.since_quiet >= 3)
    @rule()
    def quiet(self) -> None:
        self.settle()

    # ---- what must hold -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until nothing changes and all that can be had is there, then look at everything."""
        self.note("settle")
        self.since_quiet = 0
        until(self.rested, f"it comes to rest; the story: {'; '.join(Lab.story)}", patience=90)
        until(lambda: self.lookout.has_seen(self.pods()), "the lookout has seen all of it")
        self.check_owners()
        self.check_addresses()
        for name in (*self.wanted, *([SET] if self.set else [])):
            until(lambda name=name: self.endpoints_match(name), f"endpoints of {name}; {Lab.story}")  # type: ignore[misc]
        if self.real:
            until(self.processes_match, f"processes; {Lab.story}")
        assert self.lookout.broken == [], f"{self.lookout.broken}; the story: {'; '.join(Lab.story)}"
        for name, wanted in self.wanted.items():
            wanted.steady = wanted.image != BAD and len(self.off | self.cordoned) < len(NODES)
            self.lookout.promises[name] = wanted.promise()
        if self.set and self.set.ordered and not self.off | self.cordoned:
            self.lookout.in_order.add(SET)

    def rested(self) -> bool:
        """Whether every Deployment is as wanted, and nothing has changed for a while."""
        version = self.versions()
        as_wanted = all(self.is_as_wanted(n, w) for n, w in self.wanted.items())
        others = self.set is None or self.is_set_as_wanted(self.set)
        others = others and self.are_daemons_as_wanted() and self.is_job_done()
        return as_wanted and others and self.is_still(version)

    def is_still(self, version: Any) -> bool:
        time.sleep(QUIET)
        return bool(self.versions() == version)

    def versions(self) -> Any:
        kinds = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod")
        return {
            (o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for k in kinds for o in self.api.list(k, "default")
        }

    def is_as_wanted(self, name: str, wanted: Wanted) -> bool:
        deployment = self.api.get("Deployment", name, "default")
        status = deployment["status"]
        if status.get("observedGeneration") != deployment["metadata"]["generation"]:
            return False
        alive = [p for p in self.pods(name) if "deletionTimestamp" not in p["metadata"] and not ended(p)]
        here = [p for p in alive if is_pod_ready(p) and p["spec"]["nodeName"] not in self.off]
        if any(p["spec"].get("nodeName") in self.off for p in alive):
            return False  # they are evicted in the end
        if not set(NODES) - self.off - self.cordoned:
            return True  # nothing can be started anywhere
        if wanted.image == BAD:
            return len(alive) <= wanted.replicas + wanted.surge
        same = all(p["spec"]["containers"][0]["image"] == wanted.image for p in here)
        counted = [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
        return same and len(alive) == len(here) == wanted.replicas and counted == [wanted.replicas] * 3

    def is_set_as_wanted(self, wanted: WantedSet) -> bool:
        found, pods = self.api.get("StatefulSet", SET, "default"), self.pods(SET)
        status = found["status"]
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return False
        lost = [p for p in pods if p["spec"].get("nodeName") in self.off]
        if lost or not set(NODES) - self.off - self.cordoned:  # no second pod of its name while the first may run
            return all("deletionTimestamp" in p["metadata"] for p in lost)
        good = [p for p in pods if is_pod_ready(p) and p["spec"]["containers"][0]["image"] == wanted.image]
        names = sorted(p["metadata"]["name"] for p in good)
        counted = [status.get(k, 0) for k in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")]
        return names == [f"{SET}-{n}" for n in range(wanted.replicas)] and counted == [len(pods)] * 4

    def are_daemons_as_wanted(self) -> bool:
        """A daemon on every node with power; all of the new image, unless one that cannot answer holds the others up."""
        if not self.daemons:
            return True
        found = self.api.get("DaemonSet", DAEMONS, "default")
        if found["status"].get("observedGeneration") != found["metadata"]["generation"]:
            return False
        here = [p for p in self.pods(DAEMONS) if p["spec"].get("nodeName") not in self.off and not ended(p)]
        same = {p["spec"]["containers"][0]["image"] for p in here} <= ({*GOOD} if self.off else {self.daemons})
        return same and all(map(is_pod_ready, here)) and (
            sorted(p["spec"]["nodeName"] for p in here) == sorted(set(NODES) - self.off)
        )  # fmt: skip

    def is_job_done(self) -> bool:
        if not self.job or not set(NODES) - self.off - self.cordoned:
            return True
        found = self.api.get("Job", JOB, "default")
        counted = (found["status"].get("succeeded"), found["status"].get("active"))
        return condition_is(found, "Complete") and counted == (self.job.completions, None)

    def check_owners(self) -> None:
        deployments = {d["metadata"]["uid"]: d["metadata"]["name"] for d in self.api.list("Deployment", "default")}
        assert set(deployments.values()) == set(self.wanted), Lab.story
        until(lambda: self.owners_of("ReplicaSet") <= set(deployments), f"ReplicaSets without owner; {Lab.story}")
        kinds = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job")
        sets = {s["metadata"]["uid"] for k in kinds for s in self.api.list(k, "default")}
        until(lambda: self.owners_of("Pod") <= sets, f"pods without owner; {Lab.story}")

    def owners_of(self, kind: str) -> set[str]:
        """The uids of the controllers of what is not on its way out on a node that cannot answer."""
        return {
            obj["metadata"]["ownerReferences"][0]["uid"] for obj in self.api.list(kind, "default")
            if not ("deletionTimestamp" in obj["metadata"] and obj["spec"].get("nodeName") in self.off)
        }  # fmt: skip

    def check_addresses(self) -> None:
        addresses = [p["status"]["podIP"] for p in self.pods() if p["status"].get("podIP") and not ended(p)]
        assert len(addresses) == len(set(addresses)), f"two pods with one address: {addresses}; {Lab.story}"

    def endpoints_match(self, name: str) -> bool:
        ready = {
            p["status"]["podIP"]
            for p in self.pods(name)
            if is_pod_ready(p) and "deletionTimestamp" not in p["metadata"]
        }
        slices = self.api.list("EndpointSlice", "default", f"kubernetes.io/service-name={name}")
        sliced = {
            a for s in slices for e in s.get("endpoints") or [] if e["conditions"]["ready"] for a in e["addresses"]
        }
        subsets = (self.find("Endpoints", name) or {}).get("subsets") or []
        plain = {a["ip"] for subset in subsets for a in subset.get("addresses") or []}
        return ready == sliced == plain

    def processes_match(self) -> bool:
        """Every running container of a powered node has its process, and there is no other."""
        wanted = {
            f"k8slab-container:default/{p['metadata']['name']}/{s['name']}"
            for p in self.pods() if p["spec"].get("nodeName") not in self.off
            for s in p["status"].get("containerStatuses") or [] if "running" in s["state"]
        }  # fmt: skip
        return wanted == set(self.titles())

    def titles(self) -> Iterator[str]:
        shim = next((p for p in psutil.process_iter() if is_shim_of(p, str(self.cluster.state))), None)
        for process in shim.children(recursive=True) if shim else ():
            with suppress(psutil.Error, IndexError):
                title = process.cmdline()[0]
                if title.startswith("k8slab-container:"):
                    yield title

    def identities(self) -> dict[str, Any]:
        """What every pod on a powered node is, and how often it was started."""
        return {
            p["metadata"]["uid"]: [(s["containerID"], s["restartCount"]) for s in p["status"]["containerStatuses"]]
            for p in self.pods() if is_pod_ready(p) and p["spec"]["nodeName"] not in self.off
        }  # fmt: skip

    # ---- small things -------------------------------------------------------------------------------------------

    def choose(self, which: int) -> tuple[str, Wanted]:
        names = sorted(self.wanted)
        name = names[which % len(names)]
        return name, self.wanted[name]

    def broken(self) -> None:
        """Something is broken on purpose: no roll out can keep its pods available now, nor its order."""
        self.lookout.in_order.clear()
        for name, wanted in self.wanted.items():
            wanted.steady = False
            self.lookout.promises[name] = wanted.promise(self.lookout.promises[name].most - wanted.surge)

    def pods(self, name: str = "") -> list[Obj]:
        return self.api.list("Pod", "default", f"app={name}" if name else "")

    def there(self, name: str) -> list[Obj]:
        """Its pods, but those that a node without power cannot let go of."""
        return [pod for pod in self.pods(name) if pod["spec"].get("nodeName") not in self.off]

    def find(self, kind: str, name: str) -> Obj | None:
        return self.api.find(kind, name, "default")

    def evict(self, name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
        self.api.post(f"/api/v1/namespaces/default/pods/{name}/eviction", eviction)


def ended(pod: Obj) -> bool:
    return pod["status"].get("phase") in ("Failed", "Succeeded")


def is_shim_of(process: psutil.Process, state: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any(word.endswith("/shim") for word in words) and any(word.startswith(state) for word in words)


def tell_stories(cluster: Cluster, *, real: bool, stories: int, steps: int) -> None:
    """Let Hypothesis make up so many. Failing ones are told, not shortened."""
    Lab.cluster, Lab.real, Lab.most_crashes = cluster, real, 4
    chosen = settings(
        max_examples=stories, stateful_step_count=steps, deadline=None, database=None,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    run_state_machine_as_test(Lab, settings=chosen)


def test_a_story_of_records(tmp_path: Any) -> None:
    """One that has a bit of everything; Hypothesis makes up the others."""
    with running(tmp_path, runtime="simulated", speed=50) as cluster:
        Lab.cluster, Lab.real, Lab.most_crashes = cluster, False, 2
        lab = Lab()
        try:
            lab.begin(3, 1, 0)
            lab.create_set(3, True)
            lab.run_daemons(GOOD[0])
            lab.run_job(4, 2)
            lab.settle()
            lab.update(0, GOOD[1])
            lab.update_set(GOOD[1])
            lab.run_daemons(GOOD[1])
            lab.settle()
            for number, how in enumerate(("crash", "delete", "force")):
                lab.kill(2 * number, how)
            lab.drain("node-1", True)
            lab.scale(0, 5)
            lab.scale_set(1)
            lab.crash_the_server(calm=True)
            lab.uncordon()
            lab.run_job(3, 3)
            lab.power_off(1)
            lab.scale_set(4)
            lab.settle()
            lab.update(0, BAD)
            lab.power_on()
            lab.create(2, 0, 1)
            lab.undo()
            lab.run_daemons(GOOD[0])
            lab.delete_set()
        finally:
            lab.teardown()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_long_stories_of_records(tmp_path: Any) -> None:
    with running(tmp_path, runtime="simulated", speed=50) as cluster:
        tell_stories(cluster, real=False, stories=7, steps=22)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stories_of_processes(tmp_path: Any) -> None:
    with running(tmp_path, runtime="local", speed=20) as cluster:
        tell_stories(cluster, real=True, stories=4, steps=18)
