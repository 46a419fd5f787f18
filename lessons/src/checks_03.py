"""The exercises of lesson 03: where the shop keeps what it knows of its customers, as the cluster has it written.

The form is that of `checks_05.py`: read, compare, answer; any route counts, and nothing is remembered.
"""

from k8slab import Lab
from k8slab.teach import Ask, check

NO_SHOP = "There is no Deployment `shop`. Run the manifest at the start of the lesson again."
NO_SERVICE = "There is no Service `shop`. Run the manifest at the start of the lesson again."
NO_REDIS = "There is no Deployment `redis`. Run its manifest again."


@check("signed")
def signed(lab: Lab, ask: Ask) -> str:
    shop = lab.read("deployment/shop")
    ask.begun(shop, NO_SHOP)
    env = environment(shop)
    ask.begun("SECRET" in env, "The pods of `shop` have no `SECRET` yet, so each makes its own.")
    ask.that(env["SECRET"] != "", "`SECRET` is there, but it is empty. Each pod still makes one of its own.")
    state = env.get("STATE", "memory")
    ask.that(state == "cookie", "`STATE` is {state}, and it should be `cookie` for this.", state=state)
    replicas = shop.spec["replicas"]
    ask.that(replicas > 1, "There is one pod only, so nobody else has to believe it. Scale `shop` to three.")
    ask.soon(complete(lab, shop), "The secret is set. The pods that know it are still on their way.")
    return "One secret for all: each pod believes what another signed."


def memory_again(lab: Lab) -> None:
    """Before the exercise: three pods that remember by themselves, and a Service that spreads."""
    if lab.read("deployment/shop"):
        lab.kubectl("set env deployment/shop STATE=memory")
        lab.kubectl("scale deployment shop --replicas=3")
        lab.wait("deployment/shop")
    if lab.read("service/shop"):
        lab.kubectl(["patch", "service", "shop", "-p", '{"spec": {"sessionAffinity": "None"}}'])


@check("sticky", start=memory_again)
def sticky(lab: Lab, ask: Ask) -> str:
    ask.begun(lab.read("deployment/shop"), NO_SHOP)
    service = lab.read("service/shop")
    ask.begun(service, NO_SERVICE)
    affinity = service.spec.get("sessionAffinity", "None")
    ask.begun(affinity == "ClientIP", "The Service `shop` still chooses a pod for each connection anew.")
    selected = [pod for pod in lab.pods(service.selector) if not pod.terminating]
    ask.that(selected, "The Service is sticky, but its selector finds no pod any more.")
    return "One client, one pod, as long as that pod lives."


def spread_again(lab: Lab) -> None:
    """Before the exercise: a Service that spreads, so that Redis has to do the work."""
    if lab.read("service/shop"):
        lab.kubectl(["patch", "service", "shop", "-p", '{"spec": {"sessionAffinity": "None"}}'])


@check("kept", start=spread_again)
def kept(lab: Lab, ask: Ask) -> str:
    shop = lab.read("deployment/shop")
    ask.begun(shop, NO_SHOP)
    env = environment(shop)
    state = env.get("STATE", "memory")
    ask.begun(state != "memory", "The shop still keeps its state in the memory of each pod.")
    ask.that(state == "redis", "`STATE` is {state}. A cart there is not what this exercise asks for.", state=state)
    redis = lab.read("deployment/redis")
    ask.that(redis, NO_REDIS)
    ask.that(
        lab.read("service/redis"), "There is no Service `redis`, so the name leads nowhere. Run its manifest again."
    )
    where = env.get("REDIS", "redis:6379")
    ask.that(where.partition(":")[0].startswith("redis"), "The shop looks for Redis at {where}.", where=where)
    ask.soon(complete(lab, redis), "Redis is not ready yet.")
    ask.soon(complete(lab, shop), "The switch is turned. The pods that obey it are still on their way.")
    return "The carts are in Redis. Any pod of the shop may die now."


def environment(deployment):
    """What its first container is given, by name; what comes from elsewhere counts as given."""
    entries = deployment.spec["template"]["spec"]["containers"][0].get("env") or []
    return {
        entry["name"]: entry.get("value", "" if "valueFrom" not in entry else "from elsewhere") for entry in entries
    }


def complete(lab, deployment):
    """Whether the last change has arrived in every pod, and all are ready."""
    status, wish = deployment.status, deployment.spec["replicas"]
    seen = status.get("observedGeneration") == deployment.metadata["generation"]
    return seen and status.get("updatedReplicas") == status.get("readyReplicas") == status.get("replicas") == wish
