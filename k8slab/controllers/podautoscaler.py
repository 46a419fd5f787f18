"""The HorizontalPodAutoscaler: every 15 s, as many replicas as the load asks for.

Reads the target's size and what its pods use, asks `metric_sources.py` what each metric wants, lets `scaling_limits.py`
hold back, writes the target's size. Sentences, reasons and the order of events are Kubernetes'
(pkg/controller/podautoscaler/horizontal.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from k8slab.api.errors import ApiError
from k8slab.api.metrics import PodUsage
from k8slab.api.objects import Key, Obj, copy, key_of, labels_of, with_condition
from k8slab.api.selectors import LabelSelector
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes
from k8slab.controllers.metric_sources import Answer, Failure, Scene, evaluate
from k8slab.controllers.replica_calculator import TOLERANCE, Tolerances
from k8slab.controllers.scale_targets import NoScale, pods_of, rivals, target_of
from k8slab.controllers.scaling_limits import History, limit, rules_of

PERIOD = 15.0  # Kubernetes seconds; --horizontal-pod-autoscaler-sync-period
GOT_SCALE = "the HPA controller was able to get the target's current scale"
NO_SCALE = "the HPA controller was unable to get the target's current scale: {}"

Usage = Callable[[str], Iterable[PodUsage]]  # of a namespace


@dataclass
class Look:
    """One look at an autoscaler: its status is put together here, and written once at the end."""

    hpa: Obj
    now: str
    conditions: list[Obj] = field(default_factory=list)
    metrics: list[Obj] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conditions = list((self.hpa.get("status") or {}).get("conditions") or [])

    def say(self, type_: str, status: bool, reason: str, message: str) -> None:
        """Set a condition."""
        new = {"type": type_, "status": str(status), "reason": reason, "message": message}
        self.conditions = with_condition(self.conditions, new, self.now)


class HorizontalPodAutoscalerController(Controller[Key]):
    """`usage` says what the pods of a namespace use now."""

    name = "horizontal-pod-autoscaler"

    def __init__(self, client: Client, clock: Clock, usage: Usage) -> None:
        super().__init__(client, clock)
        self._usage = usage
        self._histories: dict[Key, History] = {}

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"HorizontalPodAutoscaler": self._later}

    def _later(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """A change is seen with the next look, at most 15 s later; nothing wakes an autoscaler earlier."""
        if after:
            self.queue.add_after(key_of(after), PERIOD)
        elif before:
            self._histories.pop(key_of(before), None)
        return ()

    async def reconcile(self, key: Key) -> float | None:
        hpa = self.client.informer("HorizontalPodAutoscaler").get(key.name, key.namespace)
        if hpa is None:
            return None
        try:
            self._look(hpa, Look(hpa, self.clock.timestamp()))
        except ApiError as error:
            self.recorder.event(hpa, "Warning", "FailedUpdateStatus", str(error))
        return PERIOD

    def _look(self, hpa: Obj, look: Look) -> None:
        try:
            target = target_of(self.client, hpa)
        except NoScale as error:
            self.recorder.event(hpa, "Warning", "FailedGetScale", str(error))
            look.say("AbleToScale", False, "FailedGetScale", NO_SCALE.format(error))
            self._write(look, None, None)
            return
        look.say("AbleToScale", True, "SucceededGetScale", GOT_SCALE)
        current = int(target["spec"].get("replicas", 1))
        history = self._histories.setdefault(key_of(hpa), History())
        history.begin(current, self._time())
        wished = self._wished(look, target, current, history)
        if wished is None:
            self._write(look, current, None)
        elif wished[0] == current:
            self._write(look, current, current)
        else:
            self._rescale(look, target, current, *wished)

    def _wished(self, look: Look, target: Obj, current: int, history: History) -> tuple[int, str] | None:
        """How many replicas there should be, and why; None if nobody can say."""
        spec = look.hpa["spec"]
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        if current == 0 and least != 0:
            off = "scaling is disabled since the replica count of the target is zero"
            look.say("ScalingActive", False, "ScalingDisabled", off)
            return 0, ""
        if current > most:
            return most, "Current number of replicas above Spec.MaxReplicas"
        if current < least:
            return least, "Current number of replicas below Spec.MinReplicas"
        best = self._measure(look, target, current)
        if best is None:
            return None
        why = f"{best.name} above target" if best.replicas > current else ""
        why = "All metrics below target" if best.replicas < current else why
        limited = limit(spec, history, current, best.replicas, self._time())
        look.say("AbleToScale", True, *limited.able)
        look.say("ScalingLimited", limited.limited, *limited.limit)
        return limited.replicas, why

    def _measure(self, look: Look, target: Obj, current: int) -> Answer | None:
        """The metric that asks for most. With one that fails, the target may grow but not shrink."""
        selector = self._selector(look, target)
        if selector is None:
            return None
        metrics = look.hpa["spec"].get("metrics") or []
        scene = self._scene(look.hpa, selector, current)
        answers: list[Answer] = []
        failures: list[Failure] = []
        for metric in metrics:
            found = evaluate(metric, scene)
            if isinstance(found, Failure):
                failures.append(found)
                self.recorder.event(look.hpa, "Warning", found.reason, found.why)
                look.metrics.append({"type": ""})
            else:
                answers.append(found)
                look.metrics.append(found.status)
        best = max(answers, key=lambda answer: answer.replicas, default=None)
        if failures and (best is None or best.replicas < current):
            first, invalid = failures[0], f"{len(failures)} invalid out of {len(metrics)}"
            why = f"the HPA was unable to compute the replica count: {first.why}"
            look.say("ScalingActive", False, first.reason, why)
            said = f"invalid metrics ({invalid}), first error is: {first.error}"
            self.recorder.event(look.hpa, "Warning", "FailedComputeMetricsReplicas", said)
            return None
        if best is not None:
            found_by = f"the HPA was able to successfully calculate a replica count from {best.name}"
            look.say("ScalingActive", True, "ValidMetricFound", found_by)
        return best

    def _selector(self, look: Look, target: Obj) -> LabelSelector | None:
        """Whose pods are meant; None, and said so, if that is not clear."""
        selector = pods_of(target)
        if not selector:
            self.recorder.event(look.hpa, "Warning", "SelectorRequired", "selector is required")
            missing = "the HPA target's scale is missing a selector"
            self._unclear(look, "InvalidSelector", missing, "selector is required")
            return None
        found = rivals(self.client, look.hpa, selector)
        if len(found) > 1:
            said = f"pods by selector {selector} are controlled by multiple HPAs: [{' '.join(map(str, found))}]"
            self.recorder.event(look.hpa, "Warning", "AmbiguousSelector", said)
            self._unclear(look, "AmbiguousSelector", said, said)
            return None
        return selector

    def _unclear(self, look: Look, reason: str, message: str, said: str) -> None:
        look.say("ScalingActive", False, reason, message)
        self.recorder.event(look.hpa, "Warning", "FailedComputeMetricsReplicas", said)

    def _scene(self, hpa: Obj, selector: LabelSelector, current: int) -> Scene:
        namespace = key_of(hpa).namespace
        pods = [pod for pod in self.client.informer("Pod").list(namespace) if selector.matches(labels_of(pod))]
        names = {pod["metadata"]["name"] for pod in pods}
        usage = [used for used in self._usage(namespace) if used.name in names]
        up, down = (
            float(rules_of(hpa["spec"].get("behavior"), way).get("tolerance", TOLERANCE))
            for way in ("scaleUp", "scaleDown")
        )
        return Scene(namespace, pods, usage, current, self.clock.since, self.clock.since, Tolerances(up, down))

    def _rescale(self, look: Look, target: Obj, current: int, wished: int, why: str) -> None:
        namespace, name = key_of(target)
        patch = {"metadata": {"resourceVersion": target["metadata"]["resourceVersion"]}, "spec": {"replicas": wished}}
        try:
            self.client.patch(target["kind"], name, namespace, patch)
        except ApiError as error:
            said = f"New size: {wished}; reason: {why}; error: {error}"
            self.recorder.event(look.hpa, "Warning", "FailedRescale", said)
            failed = f"the HPA controller was unable to update the target scale: {error}"
            look.say("AbleToScale", False, "FailedUpdateScale", failed)
            self._write(look, current, None)
            return
        done = f"the HPA controller was able to update the target scale to {wished}"
        look.say("AbleToScale", True, "SucceededRescale", done)
        self.recorder.event(look.hpa, "Normal", "SuccessfulRescale", f"New size: {wished}; reason: {why}")
        self._histories[key_of(look.hpa)].scaled(current, wished, self._time())
        self._write(look, current, wished, look.now)

    def _write(self, look: Look, current: int | None, desired: int | None, scaled: str = "") -> None:
        """The status; what is None stays as it was."""
        hpa = copy(look.hpa)
        old = hpa.get("status") or {}
        status = {**old, "conditions": look.conditions}
        if current is not None:
            status |= {"currentReplicas": current, "desiredReplicas": old.get("desiredReplicas", 0)}
            status["currentMetrics"] = look.metrics or None
        if desired is not None:
            status["desiredReplicas"] = desired
        if scaled:
            status["lastScaleTime"] = scaled
        if status != old:
            self.client.update({**hpa, "status": status}, "status")

    def _time(self) -> float:
        return self.clock.monotonic() * self.clock.speed
