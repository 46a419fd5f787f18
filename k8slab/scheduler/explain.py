"""A decision for whoever asks why: each node with what refused it, or what each score gave it. Plain data.

`server.py` hands it to `GET /k8slab/explain`, or one that was only thought through to `POST`; `lab.explain("pod")`,
`lab.what_if("pod", cpu="2")` and the view `lab.scheduling("pod")` show it.
"""

from __future__ import annotations

from typing import Any

from k8slab.scheduler.decide import Decision
from k8slab.scheduler.scores import WEIGHTS


def explained(decision: Decision, names: list[str]) -> dict[str, Any]:
    """The decision as JSON can carry it; `names` are the nodes of the cluster, in the order to show them."""
    namespace, pod = decision.pod
    preemption = {
        "node": decision.cleared,
        "victims": [str(victim) for victim in decision.victims],
        "message": decision.preemption or "",
    }
    return {
        "namespace": namespace,
        "pod": pod,
        "node": decision.node or "",
        "message": "" if decision.node else decision.message,
        "filters": [*decision.filters],
        "weights": {plugin: WEIGHTS[plugin] for plugin in decision.plugins},
        "nodes": [_node(decision, name) for name in names],
        "preemption": preemption,
    }


def _node(decision: Decision, name: str) -> dict[str, Any]:
    if name in decision.scores:
        scores = dict(zip(decision.plugins, decision.scores[name], strict=True))
        return {"name": name, "verdict": "fits", "scores": scores, "total": sum(scores.values())}
    if refusal := decision.refused.get(name) or decision.verdict or decision.absent:
        why = {"plugin": refusal.plugin, "reasons": [*refusal.reasons], "resolvable": refusal.resolvable}
        return {"name": name, "verdict": "refused", **why}
    return {"name": name, "verdict": "not looked at"}
