"""What the checks of lessons 01 and 03 say of pretended clusters; `test_checks.py` has the other lessons' and runs all."""

from __future__ import annotations

from tests.teach.fakelab import deployment, pod


def config_map(name, **data):
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


SHARES = {
    "nothing": ([], "none"),
    "a key is missing": ([config_map("shares", a="1", b="38")], "wrong"),
    "with a sign": ([config_map("shares", a="1 %", b="38", c="75")], "wrong"),
    "of the work": ([config_map("shares", a="1", b="60", c="75")], "wrong"),
    "all three": ([config_map("shares", a="1", b="37", c="75")], "right"),
}
CHOICE = {
    "nothing": ([], "none"),
    "a third kind": ([config_map("choice", tests="cloud", driver="vm", guest="vm")], "wrong"),
    "a machine for each test": ([config_map("choice", tests="vm", driver="vm", guest="vm")], "wrong"),
    "strangers in containers": ([config_map("choice", tests="container", driver="vm", guest="container")], "wrong"),
    "well chosen": ([config_map("choice", tests="container", driver="vm", guest="vm")], "right"),
}


def small(hostname="inside", memory="64Mi", **more):
    found = pod("small", owner="", **more)
    found["spec"] |= {"hostname": hostname} if hostname else {}
    if memory:
        found["spec"]["containers"][0]["resources"] = {"limits": {"memory": memory}}
    return found


FENCED = {
    "nothing": ([], "none"),
    "leaving": ([small(leaving=True)], "wrong"),
    "its own name": ([small(hostname="")], "wrong"),
    "no limit": ([small(memory="")], "wrong"),
    "another limit": ([small(memory="1Gi")], "wrong"),
    "starting": ([small(ready=False)], "soon"),
    "ready": ([small()], "right"),
}


def app(name, *, replicas=3, arrived=True, **env):
    """A Deployment whose container has this environment; `arrived`: in all its pods."""
    found = deployment(name, replicas)
    container = {"name": name, "env": [{"name": key, "value": value} for key, value in env.items()]}
    found["spec"]["template"] = {"spec": {"containers": [container]}}
    found["metadata"]["generation"] = 2
    seen = replicas if arrived else replicas - 1
    counts = {"replicas": replicas, "updatedReplicas": seen, "readyReplicas": seen}
    found["status"] = {"observedGeneration": 2, **counts}
    return found


def sticky(affinity, selector="shop"):
    spec = {"selector": {"app": selector}, "sessionAffinity": affinity}
    return {"kind": "Service", "metadata": {"name": "shop"}, "spec": spec, "status": {}}


SIGNED = {
    "no shop": ([], "none"),
    "no secret": ([app("shop", STATE="cookie")], "none"),
    "an empty one": ([app("shop", STATE="cookie", SECRET="")], "wrong"),
    "in memory": ([app("shop", STATE="memory", SECRET="x")], "wrong"),
    "one pod": ([app("shop", STATE="cookie", SECRET="x", replicas=1)], "wrong"),
    "on its way": ([app("shop", STATE="cookie", SECRET="x", arrived=False)], "soon"),
    "one secret": ([app("shop", STATE="cookie", SECRET="x")], "right"),
}
SHOPS = [pod(f"shop-{n}", app="shop") for n in range(3)]
STICKY = {
    "no shop": ([], "none"),
    "no Service": ([app("shop")], "none"),
    "as it was": ([app("shop"), sticky("None"), *SHOPS], "none"),
    "of nobody": ([app("shop"), sticky("ClientIP", "shp"), *SHOPS], "wrong"),
    "by address": ([app("shop"), sticky("ClientIP"), *SHOPS], "right"),
}
REDIS = [
    app("redis", replicas=1),
    {"kind": "Service", "metadata": {"name": "redis"}, "spec": {"selector": {"app": "redis"}}, "status": {}},
]
KEPT = {
    "no shop": (REDIS, "none"),
    "in memory": ([app("shop", STATE="memory"), *REDIS], "none"),
    "in the cookie": ([app("shop", STATE="cookie"), *REDIS], "wrong"),
    "no Redis": ([app("shop", STATE="redis")], "wrong"),
    "no name": ([app("shop", STATE="redis"), REDIS[0]], "wrong"),
    "somewhere else": ([app("shop", STATE="redis", REDIS="cache:6379"), *REDIS], "wrong"),
    "Redis starts": ([app("shop", STATE="redis"), app("redis", replicas=1, arrived=False), REDIS[1]], "soon"),
    "on its way": ([app("shop", STATE="redis", arrived=False), *REDIS], "soon"),
    "kept": ([app("shop", STATE="redis"), *REDIS], "right"),
}
