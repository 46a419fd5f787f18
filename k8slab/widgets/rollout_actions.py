"""What can be done to a rollout: each action writes what a kubectl command writes, and names it.

`rollout.py` hands in the message of a click.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8slab.api.objects import Obj
from k8slab.client.http import HttpClient
from k8slab.widgets.rollout_model import Look, previous, undone


def run(message: Mapping[str, Any], now: Look | None, api: HttpClient) -> str:
    """Do what the message asks; the kubectl line that does the same. Raises with a sentence for the learner."""
    action = ACTIONS.get(str(message.get("do")))
    if action is None:
        raise ValueError(f"The rollout does not know how to {message.get('do')}.")
    if now is None:
        raise ValueError("The Deployment is gone.")
    return action(message, now, api)


def pause(message: Mapping[str, Any], now: Look, api: HttpClient) -> str:
    """As `kubectl rollout pause` and `resume`."""
    on = bool(message.get("on"))
    name, namespace = _named(now.deployment)
    api.patch("Deployment", name, namespace, {"spec": {"paused": on or None}})
    return f"kubectl rollout {'pause' if on else 'resume'} deployment/{name}"


def undo(message: Mapping[str, Any], now: Look, api: HttpClient) -> str:
    """As `kubectl rollout undo`: the template of the revision before."""
    name, namespace = _named(now.deployment)
    if now.deployment["spec"].get("paused"):
        raise ValueError("A paused Deployment cannot be undone: resume it first.")
    back = previous(now)
    if back is None:
        raise ValueError("There is no earlier version to go back to.")
    patch = [{"op": "replace", "path": "/spec/template", "value": undone(back)}]
    api.patch("Deployment", name, namespace, patch, form="json")
    return f"kubectl rollout undo deployment/{name}"


def canary(message: Mapping[str, Any], now: Look, api: HttpClient) -> str:
    """Move the canary's share by scaling both Deployments: the sum of their pods stays as it is."""
    few = message.get("pods")
    if now.canary is None:
        raise ValueError("There is no canary.")
    of = sum(int(d["spec"].get("replicas", 1)) for d in (now.canary, now.deployment))
    if not isinstance(few, int) or isinstance(few, bool) or not 0 <= few <= of:
        raise ValueError(f"Give the canary 0 to {of} of the pods.")
    lines = []
    for deployment, pods in ((now.canary, few), (now.deployment, of - few)):
        name, namespace = _named(deployment)
        api.patch("Deployment", name, namespace, {"spec": {"replicas": pods}})
        lines.append(f"kubectl scale deployment/{name} --replicas={pods}")
    return " && ".join(lines)


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], Look, HttpClient], str]] = {
    "pause": pause,
    "undo": undo,
    "canary": canary,
}


def _named(obj: Obj) -> tuple[str, str]:
    return obj["metadata"]["name"], obj["metadata"].get("namespace", "")
