"""A container's own word at its start and before its end: `lifecycle.postStart` and `lifecycle.preStop`.

`workers.py` has the first run, `endings.py` the second. The rules are those of pkg/kubelet/lifecycle/handlers.go and
docs/concepts/containers/container-lifecycle-hooks.
"""

from __future__ import annotations

import asyncio
import logging

from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.kubelet.actions import Failed, Impossible, Target, http_get, run_inside
from k8slab.kubelet.launch import Launcher
from k8slab.kubelet.notes import Verdict
from k8slab.kubelet.record import Record
from k8slab.kubelet.view import full_name
from k8slab.runtime.base import Runtime

log = logging.getLogger(__name__)

HTTP_TIMEOUT = 30.0  # real seconds until an endpoint is given up that does not answer at all


class HookFailed(Exception):
    """The hook could not be carried out; the message is what a container's status says."""


def hook_of(container: Obj, moment: str) -> Obj | None:
    """The handler of `postStart` or `preStop`, if the container has one."""
    found: Obj | None = (container.get("lifecycle") or {}).get(moment)
    return found


async def run_hook(handler: Obj, target: Target, clock: Clock, full_name: str) -> None:
    """Carry a hook out; `full_name` is the pod's, for messages. Raises HookFailed.

    A command may take as long as it likes; of an HTTP endpoint only silence is a failure, not a status code.
    """
    name = target.container["name"]
    if action := handler.get("exec"):
        command = action.get("command") or []
        try:
            await run_inside(command, target, None)
        except (Failed, Impossible) as error:
            why = f"Exec lifecycle hook ([{' '.join(command)}]) for Container {name!r} in Pod {full_name!r} failed"
            raise HookFailed(f"{why}: {error}".replace("'", '"')) from error
    elif action := handler.get("httpGet"):
        try:
            await http_get(action, target, HTTP_TIMEOUT, "kube-lifecycle/1.36")
        except (Failed, Impossible) as error:
            path = action.get("path", "/")
            why = f'HTTP lifecycle hook ({path}) for Container "{name}" in Pod "{full_name}" failed'
            raise HookFailed(f"{why}: {error}") from error
    elif action := handler.get("sleep"):
        await clock.sleep(float(action.get("seconds", 0)))
    else:
        raise HookFailed("invalid handler: a hook is exec, httpGet or sleep")


class Hooks:
    """Runs the hooks of one node's containers. Containers that are only records have none run."""

    def __init__(self, runtime: Runtime, clock: Clock, launcher: Launcher) -> None:
        self._runtime, self._clock, self._launcher = runtime, clock, launcher

    def wanted(self, container: Obj, moment: str) -> Obj | None:
        """The hook that has to be run at this moment."""
        return hook_of(container, moment) if self._runtime.abilities.real else None

    async def post_start(self, record: Record, container: Obj, id: str) -> None:
        """Nothing else of the pod goes on until it is over; a container whose hook fails is ended and started again."""
        handler = self.wanted(container, "postStart")
        if handler is None:
            return
        hook = record.hook = self._begin(record, container, id, handler)
        try:
            await asyncio.wait({hook})
        finally:
            hook.cancel()
            record.hook = None
        if hook.cancelled():  # the pod is leaving
            return
        if error := hook.exception():
            note = record.note(container["name"])
            note.verdict = Verdict(id, "FailedPostStartHook")
            note.reason, note.message = "PostStartHookError", str(error)
            self._failed(record, container, "FailedPostStartHook", "PostStartHook failed", error)

    async def pre_stop(self, record: Record, container: Obj, id: str, grace: float) -> None:
        """Run it, if there is one, for `grace` Kubernetes seconds at most. Its failure holds nothing up."""
        handler = self.wanted(container, "preStop")
        if handler is None:
            return
        hook = self._begin(record, container, id, handler)
        late = self._clock.call_later(grace, hook.cancel)
        try:
            await asyncio.wait({hook})
        finally:
            late()
            hook.cancel()
        if hook.cancelled():
            log.info("pod %s: the preStop hook of %s took its whole grace", full_name(record.pod), container["name"])
        elif error := hook.exception():
            self._failed(record, container, "FailedPreStopHook", "PreStopHook failed", error)

    def _begin(self, record: Record, container: Obj, id: str, handler: Obj) -> asyncio.Task[None]:
        target = Target(self._runtime, id, container, record.address)
        return asyncio.get_running_loop().create_task(run_hook(handler, target, self._clock, full_name(record.pod)))

    def _failed(self, record: Record, container: Obj, reason: str, said: str, error: BaseException) -> None:
        """The event does not repeat what the hook said: there may be secrets in it (kuberuntime_container.go)."""
        if not isinstance(error, HookFailed):
            log.error("pod %s: a hook could not be run", full_name(record.pod), exc_info=error)
        self._launcher.tell(record.pod, container, "Warning", reason, said)
