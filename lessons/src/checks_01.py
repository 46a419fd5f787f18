"""The exercises of lesson 01: what each one asks of the cluster. `checks_05.py` says how checks are written."""

from k8slab import Lab
from k8slab.teach import Ask, check

NO_SHARES = "There is no ConfigMap `shares` yet."
NO_KEY = "`{name}` has no key `{key}`."
NO_NUMBER = "Under `{key}` stands `{value}`. A whole number is asked for, without a sign for per cent."
OTHER_SHARE = "Under `{key}` stands {value}. Divide the start by start and work together: the work is 0.5 s."
STARTS = {"a": 0.005, "b": 0.3, "c": 1.5}
WORK = 0.5

NO_SMALL = "There is no pod `small` yet."
LEAVING = "`small` is on its way out. When it is gone, start it again."
OTHER_NAME = (
    "`small` calls itself `{name}`, and `inside` is asked for. Delete it and start it again: a pod's name stays."
)
NO_LIMIT = "The container of `small` has no memory limit."
OTHER_LIMIT = "The memory limit is {limit}, and 64Mi is asked for."
NOT_READY = "`small` is there, with its name and its limit. It is not ready yet."

NO_CHOICE = "There is no ConfigMap `choice` yet."
NEITHER = "Under `{key}` stands `{value}`. Choose `container` or `vm`."
WHY = {
    "tests": "Under `tests` stands `vm`. A thousand short programs would pay for a thousand starts.",
    "driver": "Under `driver` stands `container`. A container has no kernel to try out: it borrows one.",
    "guest": "Under `guest` stands `container`. A mistake in the shared kernel would let a stranger out of it.",
}
RIGHT = {"tests": "container", "driver": "vm", "guest": "vm"}


@check("shares")
def shares(lab: Lab, ask: Ask) -> str:
    data = written(lab, ask, "shares", NO_SHARES, STARTS)
    for key, start in STARTS.items():
        value = data[key].strip()
        ask.that(value.isdigit(), NO_NUMBER, key=key, value=value)
        ask.that(abs(int(value) - 100 * start / (start + WORK)) <= 1, OTHER_SHARE, key=key, value=value)
    return "1, 38 and 75 per cent: the shorter the work, the more the start counts."


@check("fenced")
def fenced(lab: Lab, ask: Ask) -> str:
    pod = lab.read("pod/small")
    ask.begun(pod, NO_SMALL)
    ask.that("deletionTimestamp" not in pod.metadata, LEAVING)
    name = pod.spec.get("hostname") or "small"
    ask.that(name == "inside", OTHER_NAME, name=name)
    limit = ((pod.spec["containers"][0].get("resources") or {}).get("limits") or {}).get("memory")
    ask.that(limit, NO_LIMIT)
    ask.that(limit in ("64Mi", "65536Ki", str(64 << 20)), OTHER_LIMIT, limit=limit)
    ready = any(pod.ready for pod in lab.pods() if pod.name == "small")
    ask.soon(ready, NOT_READY)
    return "`small` calls itself `inside`, and its memory ends at 64Mi."


@check("choice")
def choice(lab: Lab, ask: Ask) -> str:
    data = written(lab, ask, "choice", NO_CHOICE, RIGHT)
    for key, right in RIGHT.items():
        value = data[key].strip()
        ask.that(value in ("container", "vm"), NEITHER, key=key, value=value)
        ask.that(value == right, WHY[key])
    return "Many quick starts among friends: containers. A kernel of one's own, or a stranger: virtual machines."


def written(lab, ask, name, missing, keys):
    """What the learner wrote into a ConfigMap."""
    found = lab.read(f"configmap/{name}")
    ask.begun(found, missing)
    data = found.obj.get("data") or {}
    for key in keys:
        ask.that(key in data, NO_KEY, name=name, key=key)
    return data
