"""`pods/eviction`: a deletion that asks the PodDisruptionBudgets first (`kubectl drain`).

`app.py` routes here. The rules and the words are those of pkg/registry/core/pod/storage/eviction.go in Kubernetes 1.36;
the budgets' numbers are kept by their controller, and taken from here at once, so that two evictions never share one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from k8slab.api.errors import ApiError, BadRequest, Forbidden, TooManyRequests
from k8slab.api.kinds import KINDS, Kind
from k8slab.api.objects import Obj, condition_is, encode, is_terminating, labels_of
from k8slab.api.selectors import from_object
from k8slab.apiserver.connect import POD
from k8slab.apiserver.deletion import DeleteOptions
from k8slab.apiserver.requests import checked, read_object
from k8slab.apiserver.verbs import Verbs

EVICTION = Kind("policy", "v1", "Eviction", "evictions")
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
MOST_DISRUPTED = 2000  # evictions a budget's controller has not confirmed yet (MaxDisruptedPodSize)
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Verdict(NamedTuple):
    """What a budget says to an eviction: a refusal, or whether it costs one of its disruptions."""

    refusal: ApiError | None = None
    costs: bool = False


class Evictions:
    """Evicts pods."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def routes(self) -> list[Route]:
        """To be tried before the routes of objects."""
        return [Route(POD + "eviction", self._handle, methods=["POST"])]

    async def _handle(self, request: Request) -> Response:
        content = request.headers.get("content-type", "")
        body = await request.body()
        sent = read_object(body, content)
        if isinstance(sent, dict) and sent.get("apiVersion") == "policy/v1beta1":
            sent = {**sent, "apiVersion": "policy/v1"}
        raw = b"" if "protobuf" in content else body
        wish = checked(sent, EVICTION, raw, request.query_params.get("fieldValidation") or "Warn")
        options = _options(wish, dict(request.query_params))
        name, namespace = request.path_params["name"], request.path_params["namespace"]
        if wish.get("metadata", {}).get("name") != name:
            raise BadRequest("name in URL does not match name in Eviction object")
        self.evict(namespace, name, options)
        return Response(encode(SUCCESS), 201, media_type="application/json")

    def evict(self, namespace: str, name: str, options: DeleteOptions) -> None:
        """Delete a pod if its budget allows it. Raises NotFound, Conflict, TooManyRequests, Forbidden."""
        pods = KINDS["Pod"]
        pod = self._verbs.get(pods, name, namespace)
        options.check(pods, pod)
        if not is_over(pod):
            budgets = self._budgets(pod)
            if len(budgets) > 1:
                error = ApiError(TWO_BUDGETS)
                error.reason = ""
                raise error
            for budget in budgets:
                self._ask(budget, pod, options.dry_run)
        if not options.dry_run and not is_terminating(pod):
            self._mark(pod)
            options = replace(options, resource_version="")  # it was the right one, and is the old one now
        self._verbs.delete(pods, name, namespace, options)

    def _budgets(self, pod: Obj) -> list[Obj]:
        kind = KINDS.get("PodDisruptionBudget")
        budgets = self._verbs.list(kind, pod["metadata"]["namespace"]) if kind else []
        return [budget for budget in budgets if covers(budget, pod)]

    def _ask(self, budget: Obj, pod: Obj, dry_run: bool) -> None:
        verdict = decide(budget, pod)
        if verdict.refusal:
            raise verdict.refusal
        if verdict.costs and not dry_run:
            meta, now = budget["metadata"], self._verbs.clock.timestamp()
            taken = {**budget, "status": spent(budget["status"], pod["metadata"]["name"], now)}
            kind = KINDS["PodDisruptionBudget"]
            self._verbs.update(kind, meta["name"], meta["namespace"], lambda _: taken, subresource="status")

    def _mark(self, pod: Obj) -> None:
        """The condition that tells whoever looks why the pod goes (KEP-3329)."""
        meta, now = pod["metadata"], self._verbs.clock.timestamp()
        told = {
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastProbeTime": None, "lastTransitionTime": now,
        }  # fmt: skip

        def marked(current: Obj) -> Obj:
            status = current.get("status") or {}
            others = [c for c in status.get("conditions") or [] if c["type"] != told["type"]]
            current["status"] = {**status, "conditions": [*others, told]}
            return current

        self._verbs.update(KINDS["Pod"], meta["name"], meta["namespace"], marked, subresource="status")


def is_over(pod: Obj) -> bool:
    """Whether a pod is beyond disruption, so that no budget is asked (canIgnorePDB)."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or is_terminating(pod)


def covers(budget: Obj, pod: Obj) -> bool:
    """Whether a budget is about this pod. One without a selector is about none."""
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and from_object(selector).matches(labels_of(pod))


def decide(budget: Obj, pod: Obj) -> Verdict:
    """What a budget says to a pod's eviction. Pure."""
    meta, status = budget["metadata"], budget.get("status") or {}
    name, allowed = meta["name"], status.get("disruptionsAllowed", 0)
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if not condition_is(pod, "Ready"):  # it does not count as healthy, so losing it costs nothing
        if (budget["spec"].get("unhealthyPodEvictionPolicy") or "") == "AlwaysAllow":
            return Verdict()
        if healthy >= desired > 0:
            return Verdict()
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return Verdict(_refused(f"The disruption budget {name} is still being processed by the server.", 10))
    if allowed < 0:
        return Verdict(Forbidden.of("policy", "poddisruptionbudget", name, "pdb disruptions allowed is negative"))
    if len(status.get("disruptedPods") or {}) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        return Verdict(Forbidden.of("policy", "poddisruptionbudget", name, why))
    if allowed == 0:
        return Verdict(_refused(_why(name, status, healthy, desired)))
    return Verdict(costs=True)


def _why(name: str, status: Obj, healthy: int, desired: int) -> str:
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"], condition["reason"]) == (
            "DisruptionAllowed",
            "False",
            "SyncFailed",
        ):
            why = condition.get("message", "")
            return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"
    return f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"


def spent(status: Obj, pod: str, now: str) -> Obj:
    """A budget's status with one disruption less, and the pod it went to."""
    left = status["disruptionsAllowed"] - 1
    new = {**status, "disruptionsAllowed": left, "disruptedPods": {**(status.get("disruptedPods") or {}), pod: now}}
    if left == 0:
        new["conditions"] = [_none_left(c, now) for c in status.get("conditions") or []]
    return new


def _none_left(condition: Obj, now: str) -> Obj:
    if condition["type"] != "DisruptionAllowed" or condition["status"] == "False":
        return condition
    return {**condition, "status": "False", "reason": "InsufficientPods", "lastTransitionTime": now}


def _refused(why: str, seconds: int = 0) -> TooManyRequests:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    return TooManyRequests(VIOLATES, details | ({"retryAfterSeconds": seconds} if seconds else {}))


def _options(wish: Obj, query: dict[str, str]) -> DeleteOptions:
    """The DeleteOptions inside, with a dry run asked for by the query. Raises BadRequest."""
    inside = dict(wish.get("deleteOptions") or {})
    asked = [query["dryRun"]] if query.get("dryRun") else []
    for value in (*asked, *(inside.get("dryRun") or ())):
        if value != "All":
            raise BadRequest(f'Invalid value: "{value}": dryRun must be "All" or not set')
    inside["dryRun"] = asked or inside.get("dryRun") or []
    return DeleteOptions.read(inside, {})
