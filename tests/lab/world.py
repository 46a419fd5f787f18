"""Objects as an API server has them, in one line each."""


def meta(name, owner=None, labels=None, leaving=False):
    made = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
    if labels:
        made["labels"] = labels
    if leaving:
        made["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if owner:
        above = owner["metadata"]
        ref = {"kind": owner["kind"], "name": above["name"], "uid": above["uid"], "controller": True}
        made["ownerReferences"] = [ref]
    return made


def pod(name, owner=None, *, ready=True, leaving=False, node="node-1", labels=None, restarts=0):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, owner, labels or {"app": "web"}, leaving),
        "spec": {"nodeName": node, "containers": [{"name": "c"}]},
        "status": {
            "phase": "Running",
            "podIP": "127.64.1.2",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "c", "restartCount": restarts, "state": {"running": {}}}],
        },
    }


def workload(kind, name, owner=None, *, replicas=3, updated=None, seen=1, leaving=False):
    status = {"observedGeneration": seen, "readyReplicas": replicas}
    status |= {"updatedReplicas": replicas if updated is None else updated} if kind == "Deployment" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": meta(name, owner, None, leaving),
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {}},
        "status": status,
    }


def service(name, selector=None, ports=(80,), address="127.64.240.7", **annotations):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta(name), "uid": f"uid-svc-{name}", "annotations": annotations},
        "spec": {"clusterIP": address, "selector": selector, "ports": [{"port": port} for port in ports]},
    }


def snapshot(*objects):
    found = {"Deployment": [], "ReplicaSet": [], "Pod": [], "Service": [], "EndpointSlice": [], "Node": []}
    for obj in objects:
        found[obj["kind"]].append(obj)
    return found
