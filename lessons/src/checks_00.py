"""The exercises of lesson 00: what each one asks of the cluster. `checks_05.py` says how checks are written."""

from k8slab import Lab
from k8slab.teach import Ask, check

NO_SECOND = "There is no pod `second` yet."
IMAGE = "k8slab/web:v2"
LEAVING = "`second` is on its way out. When it is gone, start it again."
OTHER_IMAGE = (
    "`second` runs the image `{image}`, and `{wanted}` is asked for. Delete it, then start it from the other one."
)
NOT_READY = "`second` is there, from the right image. It is not ready yet."
NO_CRASH = "`second` has not been restarted: RESTARTS is 0."
COMING_BACK = "Its process ended, and the kubelet is starting it again."
FIRST_MAKE_IT = "There is no pod `second`. Do the exercise before this one, or start this one over."
GONE = "`second` is being deleted. Delete ends the pod, Crash only its process. Start the exercise over."


@check("second")
def second(lab: Lab, ask: Ask) -> str:
    pod = lab.read("pod/second")
    ask.begun(pod, NO_SECOND)
    ask.that(not leaving(pod), LEAVING)
    image = pod.spec["containers"][0]["image"]
    ask.that(image == IMAGE, OTHER_IMAGE, image=image, wanted=IMAGE)
    ask.soon(container(pod)["ready"], NOT_READY)
    return "`second` is ready, from `k8slab/web:v2`."


def second_runs(lab: Lab) -> None:
    """Before the exercise, when the learner starts it over: a pod `second` that has not crashed."""
    if lab.read("pod/second"):
        lab.kubectl("delete pod second")
    lab.kubectl(f"run second --image={IMAGE}")
    lab.wait("pod/second")


@check("click", start=second_runs)
def click(lab: Lab, ask: Ask) -> str:
    pod = lab.read("pod/second")
    ask.begun(pod, FIRST_MAKE_IT)
    ask.that(not leaving(pod), GONE)
    web = container(pod)
    ask.begun(web["restartCount"] or "running" not in web["state"], NO_CRASH)
    ask.soon(web["restartCount"] and web["ready"], COMING_BACK)
    return "The process was killed, and the kubelet has started it again. The pod is still the same one."


def leaving(pod):
    return "deletionTimestamp" in pod.metadata


def container(pod):
    """What the kubelet says of the pod's one container: all from one look, so that its parts belong together."""
    unknown = {"ready": False, "restartCount": 0, "state": {"running": {}}}
    return next(iter(pod.status.get("containerStatuses") or ()), unknown)
