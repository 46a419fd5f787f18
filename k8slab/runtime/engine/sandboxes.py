"""Pods on an engine: each is a pause container, whose network (and shared memory) its containers join.

One network for a lab. A pod has a fixed address in it, so that it keeps it when the engine, or its pause container,
comes back. `docker.py` asks; `specs.py` knows the words.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from k8slab.runtime.addresses import Addresses
from k8slab.runtime.base import PodConfig, RuntimeFailure
from k8slab.runtime.engine import files, pause, specs
from k8slab.runtime.engine.link import Link, Lost, Missing, Refused


@dataclass
class Sandbox:
    """A pod, and the pause container that holds its network."""

    pod: PodConfig
    address: str
    id: str = ""  # the engine's
    running: bool = False
    making: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sandboxes:
    """All of one lab. `folder` keeps the files their containers share."""

    def __init__(self, link: Link, lab: str, subnet: str, folder: Path) -> None:
        self._link, self._lab, self._subnet, self._folder = link, lab, subnet, folder
        self._addresses = Addresses()
        self._of: dict[str, Sandbox] = {}
        self._pause = ""

    @property
    def network(self) -> str:
        """The lab's network."""
        return f"k8slab-{self._lab}"

    def get(self, uid: str) -> Sandbox | None:
        """The pod's, if it has one."""
        return self._of.get(uid)

    def all(self) -> dict[str, str]:
        """uid -> address."""
        return self._addresses.all()

    def at(self, address: str) -> str | None:
        """The pod with this address."""
        return next((uid for uid, each in self.all().items() if each == address), None)

    def by_id(self, id: str) -> Sandbox | None:
        """Whose pause container this is."""
        return next((each for each in self._of.values() if each.id == id), None)

    # ---- the network and the image ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Have the lab's network, and the image of pause containers. Raises RuntimeFailure."""
        await asyncio.gather(self._have_network(), self._have_pause())

    async def _have_network(self) -> None:
        found = await self._link.do(lambda api: api.networks(names=[self.network]))
        if any(each["Name"] == self.network for each in found):
            return
        try:
            await self._link.do(self._make_network)
        except Refused as refused:
            said = f"the engine refuses the lab's network {self._subnet}: {refused}"
            raise RuntimeFailure("FailedCreatePodSandBox", said) from refused

    def _make_network(self, api: Any) -> None:
        first = IPv4Network(self._subnet).network_address + 1
        pool = {"Subnet": self._subnet, "Gateway": str(first)}
        ipam = {"Driver": "default", "Config": [pool]}
        api.create_network(self.network, driver="bridge", ipam=ipam, labels={specs.LAB: self._lab})

    async def _have_pause(self) -> None:
        try:
            self._pause = str((await self._link.do(lambda api: api.inspect_image(pause.NAME)))["Id"])
        except Missing:
            self._pause = await self._link.do(self._import_pause)

    def _import_pause(self, api: Any) -> str:
        repository, _, tag = pause.NAME.rpartition(":")
        try:
            data = pause.archive(self._link.engine.architecture)
        except KeyError as unknown:
            said = f"pause containers are not written for {unknown}: use an engine on amd64 or arm64"
            raise RuntimeFailure("FailedCreatePodSandBox", said) from None
        said = api.import_image_from_data(data, repository=repository, tag=tag, changes=['ENTRYPOINT ["/pause"]'])
        # Its id, in the last of what is said: Podman has it under another name than it was given.
        return str(json.loads(said.strip().splitlines()[-1])["status"])

    async def close(self) -> None:
        """The network goes. (The pause image stays, for the next lab: it has some hundred bytes.)"""
        self._of.clear()
        self._addresses = Addresses()
        try:
            await self._link.do(lambda api: api.remove_network(self.network))
        except Missing:
            return

    # ---- one pod ------------------------------------------------------------------------------------------------

    async def run(self, pod: PodConfig) -> str:
        """Its address, once its pause container runs. Raises RuntimeFailure."""
        if not specs.SAFE.fullmatch(pod.uid):
            raise RuntimeFailure("CreatePodSandboxError", f"{pod.uid!r} cannot be a pod's uid: it names a folder here")
        if not IPv4Network(pod.cidr).subnet_of(IPv4Network(self._subnet)):
            problem = f"node {pod.node} has the range {pod.cidr}, which is not in the lab's, {self._subnet}"
            raise RuntimeFailure("CreatePodSandboxError", problem)
        address = self._addresses.give(pod.uid, pod.cidr)
        sandbox = self._of.setdefault(pod.uid, Sandbox(pod, address))
        await asyncio.to_thread(files.prepare, self._etc(pod.uid), pod, address)
        try:
            await self.need(sandbox)
        except RuntimeFailure:
            if not sandbox.id:
                self._forget(pod.uid)
            raise
        return address

    async def need(self, sandbox: Sandbox) -> None:
        """See to it that its pause container runs: made, or started again. Raises RuntimeFailure."""
        async with sandbox.making:
            if sandbox.running:
                return
            try:
                if not sandbox.id:
                    sandbox.id = await self._link.do(lambda api: self._make(api, sandbox))
                await self._link.do(lambda api: api.start(sandbox.id))
                sandbox.running = True
            except Missing:
                sandbox.id = ""
                raise RuntimeFailure("FailedCreatePodSandBox", "its pause container was taken away") from None
            except Refused as refused:
                raise RuntimeFailure("FailedCreatePodSandBox", str(refused)) from refused

    def _make(self, api: Any, sandbox: Sandbox) -> str:
        pod, address = sandbox.pod, sandbox.address
        config = {
            "Image": self._pause,
            "Hostname": pod.hostname[:63],
            "Labels": specs.sandbox_labels(self._lab, pod, address),
            "HostConfig": {"NetworkMode": self.network, "IpcMode": "shareable"},
            "NetworkingConfig": {"EndpointsConfig": {self.network: {"IPAMConfig": {"IPv4Address": address}}}},
        }
        return str(api.create_container_from_config(config, specs.sandbox_name(self._lab, pod))["Id"])

    def adopt(self, listed: Iterable[Mapping[str, Any]]) -> None:
        """Pause containers as the engine lists them: known ones get their state, others are new."""
        seen = set()
        for each in listed:
            labels = each["Labels"]
            uid = labels[specs.UID]
            if uid not in self._of:
                self._addresses.keep(uid, labels[specs.ADDRESS])
                self._of[uid] = Sandbox(specs.pod_of(labels), labels[specs.ADDRESS])
            self._of[uid].id, self._of[uid].running = each["Id"], each["State"] == "running"
            seen.add(uid)
        for uid, sandbox in self._of.items():
            if uid not in seen and not sandbox.making.locked():
                sandbox.id, sandbox.running = "", False

    async def remove(self, uid: str) -> None:
        """It goes, with its address."""
        sandbox = self._of.get(uid)
        if sandbox:
            async with sandbox.making:
                if id := sandbox.id:
                    await gone(self._link, id)
        self._forget(uid)
        if specs.SAFE.fullmatch(uid):
            await asyncio.to_thread(shutil.rmtree, self._etc(uid), ignore_errors=True)

    async def rename(self, uid: str, more: str) -> None:
        """Other lines in its /etc/hosts."""
        if sandbox := self._of.get(uid):
            await asyncio.to_thread(files.write_hosts, self._etc(uid), sandbox.pod, sandbox.address, more)

    def mounts(self, uid: str) -> dict[str, str]:
        """The files its containers share: target -> source."""
        return files.mounts(self._etc(uid))

    def _etc(self, uid: str) -> Path:
        return self._folder / uid

    def _forget(self, uid: str) -> None:
        self._of.pop(uid, None)
        self._addresses.free(uid)


async def gone(link: Link, id: str) -> None:
    """See to it that a container is not there any more. Raises Lost."""
    try:
        await link.do(lambda api: api.remove_container(id, v=True, force=True))
    except Missing:
        return
    except Refused as refused:
        if refused.status != 409:  # somebody else is removing it
            raise Lost(str(refused)) from refused
