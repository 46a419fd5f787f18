"""Which runtime a lab gets on this machine, and which addresses: the choice that `server.py` carries out.

`auto` is docker where an engine answers in time, else local. Each runtime is only imported when it is chosen.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from k8slab import addresses
from k8slab.clock import Clock
from k8slab.kubeproxy import openings
from k8slab.kubeproxy.openings import Bind
from k8slab.kubeproxy.proxy import on_this_machine
from k8slab.runtime.base import Runtime
from k8slab.runtime.engine import connect
from k8slab.runtime.engine.connect import Engine, NoEngine
from k8slab.settings import LabError, Settings, StateFolder

if TYPE_CHECKING:
    from k8slab.kubeproxy.dns import DnsServer
    from k8slab.kubeproxy.names import Names
    from k8slab.runtime.engine.relay import Relay

AUTO = 2.0  # real seconds an engine has to answer before `auto` goes on without


@dataclass
class Choice:
    """A runtime's name, and the engine if it needs one."""

    runtime: str
    engine: Engine | None = None


def choose(asked: str) -> Choice:
    """What `auto` means on this machine. Raises LabError where nothing can run containers."""
    if asked in ("docker", "auto"):
        try:
            return Choice("docker", connect.find(AUTO if asked == "auto" else connect.PATIENCE))
        except NoEngine as none:
            if asked == "docker":
                raise LabError(f"Docker containers need an engine, and {none}. Or use `--runtime local`.") from none
            if sys.platform != "linux":
                raise LabError(f"Containers need an engine here, and {none}. Or use `--runtime simulated`.") from none
            return Choice("local")
    if asked == "local" and sys.platform != "linux":
        raise LabError("Local containers need Linux. Use `--runtime docker` or `simulated`, or start it inside WSL2.")
    return Choice(asked)


def plan(choice: Choice, settings: Settings, kept: dict[str, Any]) -> addresses.AddressPlan:
    """This lab's ranges; not those of another lab of ours, whose containers may run while its server does not."""
    if choice.runtime == "simulated":
        return addresses.simulated(settings.nodes)
    taken = set()
    for path in settings.folder.path.parent.glob("*/lab.json"):
        if path != settings.folder.lab:
            with contextlib.suppress(OSError, ValueError, KeyError):
                taken.add(json.loads(path.read_bytes())["range"])
    if choice.engine:
        return addresses.bridged(settings.nodes, kept.get("range", 0), taken, _networks(choice.engine))
    return addresses.local(settings.nodes, kept.get("range", 0), taken)


def _networks(engine: Engine) -> list[str]:
    """The subnets of all networks of an engine, but those of labs: a lab's own is there when its server comes back."""
    client = engine.client()
    with contextlib.closing(client):
        pools = [
            pool
            for network in client.networks()
            if not network["Name"].startswith("k8slab-")
            for pool in (network.get("IPAM") or {}).get("Config") or ()
        ]
    return [pool["Subnet"] for pool in pools if pool.get("Subnet")]


def make(choice: Choice, settings: Settings, folder: StateFolder, plan: addresses.AddressPlan) -> Runtime:
    """The runtime, not open yet."""
    if choice.runtime == "simulated":
        from k8slab.runtime.simulated import SimulatedRuntime

        return SimulatedRuntime(Clock(settings.speed))
    folder.runtime.mkdir(mode=0o700, exist_ok=True)
    if choice.engine:
        from k8slab.runtime.docker import DockerRuntime

        return DockerRuntime(choice.engine, folder.runtime, settings.name, plan.subnet, settings.base_image)
    from k8slab.runtime.local import LocalRuntime

    lab, library, own = f"{settings.name}-{plan.number}", settings.images / "local", settings.pod_network == "own"
    return LocalRuntime(folder.runtime, lab, plan.subnet, library=library, own_networks=own)


class Wiring:
    """How Services' addresses and the cluster's DNS are served: on this machine, or by an engine's gateway."""

    def __init__(self, runtime: Runtime, plan: addresses.AddressPlan) -> None:
        self.relay: Relay | None = getattr(runtime, "relay", None)
        self._subnet = plan.subnet
        self.bind: Bind = self.relay.bind if self.relay else openings.bind
        self.reach = self.relay.reach if self.relay else None

    def start(self) -> None:
        """Serve from now on, until the runtime is closed."""
        if self.relay:
            self.relay.start()

    @property
    def why(self) -> str:
        """Why Services are not reached from containers now; empty: they are."""
        return self.relay.why if self.relay else ""

    def opens(self, address: str) -> bool:
        """Whether this address can be listened at."""
        return addresses.holds(self._subnet, address) if self.relay else on_this_machine(address)

    async def dns(self, names: Names, address: str) -> DnsServer | None:
        """The cluster's DNS server, or None where there can be none."""
        from k8slab.kubeproxy import dns

        if self.relay is None:
            return await dns.started(names, address)
        server = dns.DnsServer(names, address, dns.upstream_servers())
        self.relay.talk((address, dns.PORT), server.converse)
        return server
