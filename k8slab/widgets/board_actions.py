"""What can be done from the board: each action calls the API and says what was done, for the story.

`board.py` hands the message of a click in; nothing in it is trusted beyond a name that must be on the board.
Next door, `board.js` shows the kubectl line that does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from k8slab.api.objects import Obj, controller_of
from k8slab.widgets.board_drain import Drains, to_evict
from k8slab.widgets.board_model import app_of, chain
from k8slab.widgets.feed import Api
from k8slab.widgets.noticing import World, calling
from k8slab.widgets.story import Deed

MOST = 1000  # replicas one may ask for by a click
TAIL = 500  # lines of a log shown


@dataclass(frozen=True)
class Done:
    """What an action did: for the story, for the answer to the click, and which nodes are now with or without power."""

    deed: Deed | None = None
    answer: Mapping[str, Any] | None = None
    power: tuple[str, bool] | None = None
    drain: Obj | None = None  # a node to be emptied, bit by bit


def run(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """Do what the message asks. Raises ValueError, or the API's error, with a sentence for the learner."""
    action = ACTIONS.get(str(message.get("do")))
    if action is None:
        raise ValueError(f"The board does not know how to {message.get('do')}.")
    return action(message, world, api)


def delete(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """As `kubectl delete pod`."""
    pod = pod_of(message, world)
    api.delete("Pod", _name(pod), _namespace(pod))
    return Done(_deed("You deleted", pod, world, "deleted"))


def crash(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """End the first process of its container, as a bug would. No kubectl command does this."""
    pod = pod_of(message, world)
    api.post("/k8slab/crash", {"namespace": _namespace(pod), "pod": _name(pod)})
    return Done(_deed("You crashed", pod, world, "crashed"))


def logs(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """As `kubectl logs`, with `--previous` if asked for."""
    pod = pod_of(message, world)
    text = api.logs(_name(pod), _namespace(pod), tail=TAIL, previous=bool(message.get("previous")))
    return Done(answer={"text": text})


def scale(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """As `kubectl scale`."""
    owner, wants = world.wishers.get(str(message.get("uid"))), message.get("replicas")
    if owner is None:
        raise ValueError("It is no longer there.")
    if not isinstance(wants, int) or isinstance(wants, bool) or not 0 <= wants <= MOST:
        raise ValueError(f"Ask for a whole number of pods from 0 to {MOST}.")
    api.patch(owner["kind"], _name(owner), _namespace(owner), {"spec": {"replicas": wants}})
    uid, was = owner["metadata"]["uid"], owner["spec"].get("replicas", 1)
    title = f"You asked for {wants} {'pod' if wants == 1 else 'pods'} of **{_name(owner)}**, not {was} any more"
    return Done(Deed(title, frozenset({uid}), frozenset({f"scaled:{uid}:{wants}"})))


def cordon(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """As `kubectl cordon`, or `kubectl uncordon`."""
    node, on = _node(message, world), bool(message.get("on"))
    name = _name(node)
    api.patch("Node", name, "", {"spec": {"unschedulable": on or None}})
    title = f"You cordoned **{name}**: no new pod may go there" if on else f"You let **{name}** take pods again"
    cause = f"{'cordoned' if on else 'uncordoned'}:{name}"
    return Done(Deed(title, frozenset({node["metadata"]["uid"], f"node:{name}"}), frozenset({cause})))


def drain(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """As `kubectl drain`: no new pods, and those that are there are asked to go, as disruption budgets allow."""
    node = _node(message, world)
    name = _name(node)
    Drains().begin(node, world)  # refuses before anything is changed
    api.patch("Node", name, "", {"spec": {"unschedulable": True}})
    here = to_evict(name, world)
    about = {node["metadata"]["uid"], f"node:{name}"}.union(*(world.pod("", pod).about for pod in here))
    causes = {f"cordoned:{name}"} | {f"deleted:{pod['metadata']['uid']}" for pod in here}
    return Done(Deed(f"You drained **{name}**: its pods are evicted", frozenset(about), frozenset(causes)), drain=node)


def power(message: Mapping[str, Any], world: World, api: Api) -> Done:
    """Pull a node's plug, or put it back. No kubectl command does this."""
    node, on = _node(message, world), bool(message.get("on"))
    name = _name(node)
    api.post("/k8slab/power", {"node": name, "on": on})
    here = [pod for pod in world.pods.values() if pod["spec"].get("nodeName") == name]
    about = {node["metadata"]["uid"], f"node:{name}"}.union(*(world.pod("", pod).about for pod in here))
    title = f"You put **{name}**’s plug back in" if on else f"You pulled **{name}**’s plug"
    deed = Deed(title, frozenset(about), frozenset({f"back:{name}" if on else f"silent:{name}"}))
    return Done(deed, power=(name, on))


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], World, Api], Done]] = {
    "delete": delete,
    "crash": crash,
    "logs": logs,
    "scale": scale,
    "cordon": cordon,
    "drain": drain,
    "power": power,
}


def _deed(verb: str, pod: Obj, world: World, cause: str) -> Deed:
    links = chain(pod, world.wishers)
    of = f", a pod of **{app_of(pod, links)}**" if controller_of(pod) else ""
    uid = pod["metadata"]["uid"]
    title = f"{verb} **{calling(pod, links)}**{of}"
    return Deed(title, world.pod("", pod).about, frozenset({f"{cause}:{uid}"}))


def pod_of(message: Mapping[str, Any], world: World) -> Obj:
    """The pod that was meant."""
    pod = world.pods.get(str(message.get("uid")))
    if pod is None:
        raise ValueError("That pod is gone already.")
    return pod


def _node(message: Mapping[str, Any], world: World) -> Obj:
    found = next((node for node in world.nodes.values() if _name(node) == message.get("node")), None)
    if found is None:
        raise ValueError(f"There is no node {message.get('node')}.")
    return found


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _namespace(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))
