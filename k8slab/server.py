"""One lab = one process of this: the composition root, the only file that knows every part.

`python -m k8slab.server` is started by `launch.py` and becomes a process of its own in `daemon.py`. SIGTERM stops the
server and leaves its containers running, for the next one to adopt; SIGUSR1 takes the lab down. What a part needs of
another it is handed here: nobody else introduces them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from typing import Any

from k8slab import daemon, pki, runtimes
from k8slab.api import metrics
from k8slab.api.errors import Conflict, NotFound
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Key, Obj
from k8slab.apiserver import app, private, reset
from k8slab.apiserver.bootstrap import announce_dns, bootstrap
from k8slab.apiserver.images import routes as image_routes
from k8slab.apiserver.serve import HttpServer, listen
from k8slab.apiserver.verbs import Verbs
from k8slab.client.event_series import SeriesRecorder
from k8slab.client.events import Recorder
from k8slab.client.local import LocalClient
from k8slab.clock import Clock, to_timestamp
from k8slab.controllers.turning import Turning
from k8slab.kubelet import scratch
from k8slab.kubelet.disks import remove_volume
from k8slab.kubelet.images import Images
from k8slab.kubelet.kubelets import Kubelets
from k8slab.kubelet.meter import Meter
from k8slab.kubelet.node import NodeConfig
from k8slab.kubelet.resolver import Naming
from k8slab.kubeproxy import dns
from k8slab.kubeproxy.balance import Caller
from k8slab.kubeproxy.names import Names
from k8slab.kubeproxy.proxy import Proxy
from k8slab.runtime.base import FENCES, RuntimeFailure
from k8slab.scheduler.loop import Scheduler
from k8slab.settings import LabError, Settings, StateFolder, write_private
from k8slab.store.base import Full, Store
from k8slab.trace import Tracer

log = logging.getLogger("k8slab")

IDLE_LOOK = 15.0  # real seconds between two looks at whether anybody still speaks to the lab
LOG_BYTES = 4 << 20
SHAPE = ("nodes", "cpu", "memory", "runtime", "speed", "store")  # what a lab keeps as long as it lives


class LabServer:
    """A lab that runs in this process, between `start` and `stop`. It is what `/k8slab` asks, too (private.Hooks)."""

    def __init__(self, settings: Settings, folder: StateFolder) -> None:
        self.choice = runtimes.choose(settings.runtime)
        self.settings, self.folder = replace(settings, runtime=self.choice.runtime), folder
        self.disks = folder.path / "disks"
        self.clock = Clock(settings.speed)
        self.tracer = Tracer()
        self.ended = asyncio.Event()
        self.down = False  # whether the lab goes when the server does
        self._undo = contextlib.AsyncExitStack()

    async def start(self) -> dict[str, Any]:
        """Start everything; returns what `server.json` says. Raises LabError."""
        kept = self._kept()
        self.plan = runtimes.plan(self.choice, self.settings, kept)
        self._undo.callback(self.plan.release)
        listener = listen(kept.get("port", 0))
        self._undo.callback(listener.close)
        self.port = listener.getsockname()[1]
        self._keep({"port": self.port, "range": self.plan.number, "off": kept.get("off", [])})
        issuing = asyncio.create_task(asyncio.to_thread(pki.credentials, self.folder, self.clock.time()))
        try:
            await self._start_runtime()
        finally:
            made = self.credentials = await issuing  # meanwhile: both take some 60 ms
        write_private(self.folder.kubeconfig, pki.kubeconfig(self.settings.context, self.port, made))
        self._open_store()
        await self._start_parts()
        metered = metrics.Objects(self.meter, to_timestamp)
        images = Images(self.runtime, self.kubelets.images_changed)
        more = [*private.routes(self), *image_routes(images, made.token)]
        api = app.build(self.verbs, made.token, self.kubelets.streams, [*more], metered)
        self.http = HttpServer(api, listener, made.certificate, made.key, self.clock)
        await self.http.start()
        self._undo.push_async_callback(self.http.stop)
        self._run("idle", self._go_down_when_idle())
        told = await self.status()
        write_private(self.folder.server, json.dumps(told, indent=2))
        self._undo.callback(self.folder.server.unlink, missing_ok=True)
        self._run("controllers", self._start_controllers())
        return told

    async def stop(self) -> None:
        """Take back all that `start` did, the last first; containers end only if the lab goes down."""
        await self._undo.aclose()
        if self.down:
            shutil.rmtree(self.folder.path)

    async def sweep(self) -> None:
        """Only end what an earlier server of this lab left running."""
        self.down = True
        self.plan = runtimes.plan(self.choice, self.settings, self._kept())
        self._undo.callback(self.plan.release)
        await self._start_runtime()
        await self.stop()

    def _open_store(self) -> None:
        store: Store
        if self.settings.store == "memory":
            from k8slab.store.memory import MemoryStore

            store = MemoryStore()
        else:
            from k8slab.store.sqlite import SqliteStore

            try:
                store = SqliteStore(self.folder.objects)
            except Full as error:
                raise LabError(str(error)) from error
            except sqlite3.DatabaseError as error:
                name = self.settings.name
                hint = f"`k8slab down --name {name}` removes the lab; `k8slab up` makes a new one."
                raise LabError(f"The lab's objects in {self.folder.objects} cannot be read: {error}. {hint}") from error
        self._undo.callback(store.close)
        closed = self.runtime.abilities.real and self.settings.host_access == "refuse"
        self.verbs = Verbs(store, self.clock, self.plan.services, closed=closed)
        self.client = LocalClient(self.verbs)
        bootstrap(self.verbs, "127.0.0.1", self.port)

    async def _start_runtime(self) -> None:
        self.runtime = runtimes.make(self.choice, self.settings, self.folder, self.plan)
        try:
            await self.runtime.open()
        except RuntimeFailure as failure:
            raise LabError(f"The {self.runtime.name} runtime cannot start: {failure}.") from failure
        self._undo.push_async_callback(self._close_runtime)
        self._undo.callback(self.tracer.close)
        self.wiring = runtimes.Wiring(self.runtime, self.plan)

    async def _close_runtime(self) -> None:
        await self.runtime.close(leave_running=not self.down)
        if self.down:
            scratch.sweep(self.folder.runtime / "volumes")

    async def _start_parts(self) -> None:
        """The parts that make wishes true, in the order in which a pod meets them."""
        self.turning = Turning(self.client)
        self.meter = Meter(self.client, self.runtime, self.clock)
        self._run("meter", self.meter.run())
        self.scheduler = Scheduler(
            self.client, self.clock, SeriesRecorder(self.client, self.clock, "default-scheduler")
        )
        self._run("scheduler", self.scheduler.run())
        naming = await self._start_names()
        self.proxy = Proxy(
            self.client, self.clock, self._recorder("kube-proxy"),
            opens=lambda address: self.wiring.opens(address) and address != naming.dns, identify=self._who_calls,
            bind=self.wiring.bind, reach=self.wiring.reach,
        )  # fmt: skip
        self._run("kubeproxy", self.proxy.run())
        self.kubelets = Kubelets(
            self.client, self.runtime, self.clock, partial(self._recorder, "kubelet"),
            self.folder.runtime / "volumes", self.disks, naming,
        )  # fmt: skip
        self.names.subscribe(self.kubelets.names_changed)
        self._undo.push_async_callback(self.kubelets.stop)
        await self.kubelets.start(self._nodes(), self._kept().get("off", ()))

    async def _start_controllers(self) -> None:
        """The controller manager's loops. They have no part in answering, so nobody waits for their imports."""
        await asyncio.to_thread(import_module, "k8slab.controllers.manager")  # meanwhile the first request is answered
        from k8slab.controllers.garbage import GarbageCollector
        from k8slab.controllers.loadbalancer import LoadBalancerController
        from k8slab.controllers.manager import CONTROLLERS
        from k8slab.controllers.namespace import NamespaceController
        from k8slab.controllers.podautoscaler import HorizontalPodAutoscalerController
        from k8slab.controllers.provisioner import LocalProvisioner
        from k8slab.controllers.rootca import RootCAController

        kinds = list(KINDS)
        names = {kind.kind: f"{kind.plural}.{kind.group}" for kind in KINDS.values() if kind.namespaced}
        for controller in (
            *(make(self.client, self.clock) for make in CONTROLLERS),
            GarbageCollector(self.client, self.clock, kinds),
            NamespaceController(self.client, self.clock, names),
            LocalProvisioner(self.client, self.clock, partial(remove_volume, self.disks)),
            *([LoadBalancerController(self.client, self.clock, pool)] if (pool := self.plan.balancers) else []),
            HorizontalPodAutoscalerController(self.client, self.clock, self.meter.pods),
            RootCAController(self.client, self.clock, self.credentials.ca.decode()),
        ):
            self.turning.take(controller)
            self._run(controller.name, controller.run())

    async def _start_names(self) -> Naming:
        """How pods find names: by a DNS server where port 53 may be opened, else by files where they have their own."""
        self.names = Names(self.client, self.plan.subnet or "127.0.0.0/8")
        wanted = bool(self.plan.number) and announce_dns(self.verbs, there=True)
        self.wiring.start()
        server = await self.wiring.dns(self.names, self.verbs.allocator.dns) if wanted else None
        if server:
            self._undo.push_async_callback(server.stop)
        announce_dns(self.verbs, there=server is not None)
        fenced = "mount" in self.runtime.abilities.fences
        self.naming = ("dns" if server else "hosts") if fenced else ""
        hosts = self.names.hosts if self.naming == "hosts" else None
        return Naming(server.address if server else "", hosts, dns.resolver_of_machine())

    async def _who_calls(self, client: tuple[str, int], peer: tuple[str, int]) -> Caller | None:
        """The pod at the other end of a Service's connection."""
        uid = await self.runtime.pod_at(client, peer)
        address = self.runtime.pods().get(uid, "") if uid else ""
        return Caller(address, self.kubelets.node_of(uid)) if uid and address else None

    def _recorder(self, component: str, host: str = "") -> Recorder:
        return Recorder(self.client, self.clock, component, host)

    def _nodes(self) -> list[NodeConfig]:
        settings, cidr = self.settings, self.plan.pod_cidr
        numbers = range(1, settings.nodes + 1)
        return [NodeConfig(f"node-{n}", cidr(n), settings.cpu, settings.memory) for n in numbers]

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Let a part work until the server stops."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_noticed)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._undo.push_async_callback(end)

    # ---- what the lab can be asked (apiserver/private.py) ---------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        real = self.runtime.abilities
        return {
            **{knob: getattr(self.settings, knob) for knob in ("name", *SHAPE, "idle_hours")},
            "pid": os.getpid(),
            "server": f"https://127.0.0.1:{self.port}",
            "kubeconfig": str(self.folder.kubeconfig),
            "context": self.settings.context,
            "version": ".".join(app.VERSION[part] for part in ("major", "minor")),
            "real": real.real,
            "networked": real.networked,
            "direct": real.direct,
            "fences": sorted(real.fences),
            "all_fences": list(FENCES),
            "limits": sorted(real.limits),
            "missing": {**real.missing, **({"Services": why} if (why := self.wiring.why) else {})},
            "crash": True,
            "power": True,
            "names": self.naming,  # "dns", "hosts", or empty: names are not found in pods
        }

    async def reset(self) -> None:
        await self.kubelets.faults.mend()
        self.proxy.mend()
        self.turning.release()
        self._keep({**self._kept(), "off": []})
        reset.empty(self.verbs)
        clock = Clock()
        while self.runtime.pods():  # the kubelets end them
            await clock.sleep(0.005)
        await asyncio.to_thread(shutil.rmtree, self.disks, ignore_errors=True)

    async def shutdown(self) -> None:
        self.down = True
        asyncio.get_running_loop().call_later(0.05, self.ended.set)  # once the answer has left

    async def crash(self, namespace: str, pod: str, container: str) -> None:
        found = self.client.get("Pod", pod, namespace)
        states = self.runtime.containers(found["metadata"]["uid"])
        names = [container] if container else [spec["name"] for spec in found["spec"]["containers"]]
        running = [state for state in states if state.phase == "running" and state.name in names]
        if not running:
            raise Conflict.of("", "pods", pod, f"no container of it is running{f' as {container}' * bool(container)}")
        await self.runtime.signal(running[0].id, signal.SIGKILL)

    async def power(self, node: str, on: bool) -> None:
        with _node(node):
            await (self.kubelets.power_on if on else self.kubelets.power_off)(node)
        self._keep({**self._kept(), "off": self.kubelets.off})

    def fault(self, what: str, node: str, on: bool) -> None:
        faults = self.kubelets.faults
        with _node(node):
            {"freeze": faults.freeze, "partition": faults.partition, "disk": faults.fill_disk}[what](node, on)

    def slow(self, namespace: str, service: str, seconds: float) -> None:
        self.client.get("Service", service, namespace)
        self.proxy.slow(namespace, service, seconds)

    async def loop(self, do: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if do == "hold":
            self.client.get(kind, name, namespace)
        return await self.turning.ask(do, kind, Key(namespace, name))

    def explain(self, namespace: str, pod: str) -> dict[str, Any]:
        if (why := self.scheduler.explain(namespace, pod)) is None:
            self.client.get("Pod", pod, namespace)
            raise NotFound(f"no decision about pod {namespace}/{pod} is remembered: only the latest are")
        return why

    def what_if(self, pod: Obj) -> dict[str, Any]:
        meta, spec = pod.get("metadata") or {}, {**(pod.get("spec") or {})}
        spec.pop("nodeName", None)
        new = self.verbs.would_be(KINDS["Pod"], {**pod, "spec": spec}, meta.get("namespace") or "default")
        new["metadata"]["uid"] = meta.get("uid") or new["metadata"]["uid"]  # so that it is known for the one there is
        return self.scheduler.what_if(new)

    # ---- what outlives the server ---------------------------------------------------------------------------------

    def _kept(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self.folder.lab.read_bytes()))
        return {}

    def _keep(self, more: dict[str, Any]) -> None:
        shape = {knob: getattr(self.settings, knob) for knob in SHAPE}
        write_private(self.folder.lab, json.dumps({**shape, **more}, indent=2))

    async def _go_down_when_idle(self) -> None:
        hours, real = self.settings.idle_hours, Clock()
        while hours:
            await real.sleep(min(IDLE_LOOK, hours * 3600))
            if self.http.idle() >= hours * 3600:
                log.info("nobody has spoken to the lab for %g hours: it goes down", hours)
                self.down = True
                self.ended.set()
                return


@contextlib.contextmanager
def _node(name: str) -> Iterator[None]:
    """A node that is not this lab's is not found."""
    try:
        yield
    except KeyError:
        raise NotFound.of("", "nodes", name) from None


def _noticed(task: asyncio.Task[None]) -> None:
    """A part that ended by a mistake of ours is in the log, and the others go on."""
    if not task.cancelled() and (error := task.exception()):
        log.error("%s has stopped", task.get_name(), exc_info=error)


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: `python -m k8slab.server --name=… --lock=FD --tell=FD`, as `launch.py` calls it."""
    parser = argparse.ArgumentParser("python -m k8slab.server", description="One lab's server; `k8slab up` starts it.")
    for row in fields(Settings):
        parser.add_argument(f"--{row.name.replace('_', '-')}")
    parser.add_argument("--lock", type=int, help="the lab's lock, open and held")
    parser.add_argument("--tell", type=int, help="a pipe to say on that the lab answers")
    parser.add_argument("--sweep", action="store_true", help="only end what a killed server left running")
    given = vars(parser.parse_args(arguments))
    lock, tell, sweep = (given.pop(name) for name in ("lock", "tell", "sweep"))
    try:
        settings = Settings.read({}, **given)
    except LabError as error:
        parser.error(str(error))
    daemon.log_to_stderr()
    if sweep:
        return asyncio.run(_sweep(settings))
    daemon.detach(lock)
    daemon.forget(settings.folder.log, LOG_BYTES)
    return daemon.run(lambda: LabServer(settings, settings.folder), daemon.Teller(tell))


async def _sweep(settings: Settings) -> int:
    """End the containers that a killed server of this lab left running."""
    server = LabServer(settings, settings.folder)
    await server.sweep()
    return 0


if __name__ == "__main__":
    sys.exit(main())
