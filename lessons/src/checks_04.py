"""The exercises of lesson 04: what each one asks of the cluster. `checks_05.py` says how checks are written."""

from k8slab import Lab
from k8slab.teach import Ask, check

NO_POD = "There is no pod `{pod}` yet."
LEAVING = "`{pod}` is on its way out. When it is gone, make it again."
ONE = "`{pod}` has {count} containers, and two are asked for."
NO_VOLUME = "`team` has no emptyDir that both of its containers mount."
NOT_READY = (
    "`{pod}` is there, and {ready} of its {count} containers are ready. Is one of them crashing? Look at its log."
)
NO_PROBE = "The container of `watched` has no {probe} probe."
WRONG_PATH = "The {probe} probe asks for `{path}`, and `{wanted}` is asked for."
WRONG_PORT = "The {probe} probe asks at port {port}. The server listens on 8080."
NO_CRASHER = "There is no pod `crasher`. Make it again, this time with the variable."
STILL = "`crasher` has no variable `DATABASE` yet."
OTHER = "`crasher` should run the same command as before: it tests `$DATABASE`."


@check("team")
def team(lab: Lab, ask: Ask) -> str:
    pod = there(lab, ask, "team")
    containers = pod.spec["containers"]
    ask.that(len(containers) == 2, ONE, pod="team", count=len(containers))
    shared = {volume["name"] for volume in pod.spec.get("volumes") or [] if "emptyDir" in volume}
    for container in containers:
        shared &= {mount["name"] for mount in container.get("volumeMounts") or []}
    ask.that(shared, NO_VOLUME)
    all_ready(ask, pod, "team")
    return "Two containers, one folder, both ready."


@check("watched")
def watched(lab: Lab, ask: Ask) -> str:
    pod = there(lab, ask, "watched")
    container = pod.spec["containers"][0]
    for probe, wanted in (("liveness", "/healthz"), ("readiness", "/ready")):
        asks = (container.get(probe + "Probe") or {}).get("httpGet")
        ask.that(asks, NO_PROBE, probe=probe)
        ask.that(asks.get("path") == wanted, WRONG_PATH, probe=probe, path=asks.get("path"), wanted=wanted)
        ask.that(asks["port"] == 8080, WRONG_PORT, probe=probe, port=asks["port"])
    all_ready(ask, pod, "watched")
    return "`watched` is ready, and the kubelet asks it both questions."


@check("repair")
def repair(lab: Lab, ask: Ask) -> str:
    pod = lab.read("pod/crasher")
    ask.begun(pod, NO_CRASHER)
    container = pod.spec["containers"][0]
    variables = {each["name"]: each.get("value", "") for each in container.get("env") or []}
    ask.begun(variables.get("DATABASE"), STILL)
    ask.that("deletionTimestamp" not in pod.metadata, LEAVING, pod="crasher")
    ask.that("$DATABASE" in " ".join(container.get("command") or []), OTHER)
    all_ready(ask, pod, "crasher")
    return "`crasher` has what it needs, and runs."


def there(lab, ask, name):
    """The pod, begun and not on its way out."""
    pod = lab.read(f"pod/{name}")
    ask.begun(pod, NO_POD, pod=name)
    ask.that("deletionTimestamp" not in pod.metadata, LEAVING, pod=name)
    return pod


def all_ready(ask, pod, name):
    statuses = pod.status.get("containerStatuses") or []
    ready, count = sum(bool(each["ready"]) for each in statuses), len(pod.spec["containers"])
    ask.soon(ready == count, NOT_READY, pod=name, ready=ready, count=count)
