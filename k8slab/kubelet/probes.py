"""Asking a running container how it is: started? alive? ready? Over HTTP, TCP, or by a command inside it.

`workers.py` keeps a `Prober` for each running container that has probes; between two checks there is a timer and
nothing else. The rules are Kubernetes' (pkg/kubelet/prober; docs/concepts/workloads/pods/probes).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Literal, NamedTuple

from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.runtime.base import Runtime, RuntimeFailure

Kind = Literal["startup", "liveness", "readiness"]
KINDS: tuple[Kind, ...] = ("startup", "liveness", "readiness")
MOST_OUTPUT = 10 * 1024  # so much of an answer goes into a message (pkg/probe: maxRespBodyLength)
EAGER = 0.02  # real seconds: how soon a container that was never ready is asked again


class Answer(NamedTuple):
    """Whether the check succeeded, and in its own words what happened."""

    ok: bool
    words: str


class Target(NamedTuple):
    """Whom a check asks."""

    runtime: Runtime
    container_id: str
    container: Obj
    address: str


# --------------------------------------------------------------------------------------------- checks


async def check(probe: Obj, target: Target) -> Answer:
    """Ask once. The timeout is in real seconds: work does not get faster with the lab's clock."""
    timeout = float(probe.get("timeoutSeconds", 1))
    if action := probe.get("httpGet"):
        return await _http(action, target, timeout)
    if action := probe.get("tcpSocket"):
        return await _tcp(action.get("host") or target.address, port_number(action["port"], target.container), timeout)
    if action := probe.get("exec"):
        return await _exec(action.get("command") or [], target, timeout)
    return Answer(False, "this kubelet knows the probes httpGet, tcpSocket and exec")


def port_number(port: int | str, container: Obj) -> int:
    """The number of a port that may be given by its name. Zero when the container has no such name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = {p["name"]: p["containerPort"] for p in container.get("ports") or [] if "name" in p}
    return int(named.get(port, 0))


async def _http(action: Obj, target: Target, timeout: float) -> Answer:
    host = action.get("host") or target.address
    port = port_number(action["port"], target.container)
    scheme, path = action.get("scheme", "HTTP").lower(), action.get("path", "/")
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
    headers |= {h["name"]: h["value"] for h in action.get("httpHeaders") or []}
    lines = [f"GET {url.split(str(port), 1)[1]} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    try:
        async with asyncio.timeout(timeout):
            code, body = await _ask(host, port, _no_verification() if scheme == "https" else None, "\r\n".join(lines))
    except TimeoutError:
        late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Answer(False, f'Get "{url}": {late}')
    except (OSError, ValueError) as error:
        return Answer(False, f'Get "{url}": {_dial(host, port, error)}')
    if 200 <= code < 400:
        return Answer(True, body)
    return Answer(False, f"HTTP probe failed with statuscode: {code}")


async def _ask(host: str, port: int, tls: ssl.SSLContext | None, request: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(request.encode("latin-1", "replace"))
        status = await reader.readline()
        if not status:
            raise ValueError("EOF")
        return int(status.split()[1]), status.decode(errors="replace")
    except IndexError:
        raise ValueError("malformed HTTP response") from None
    finally:
        writer.close()


def _no_verification() -> ssl.SSLContext:
    """A probe does not look at certificates (docs/concepts/workloads/pods/probes, HTTPS)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _tcp(host: str, port: int, timeout: float) -> Answer:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except TimeoutError:
        return Answer(False, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Answer(False, _dial(host, port, error))
    return Answer(True, "")


def _dial(host: str, port: int, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    return f"dial tcp {host}:{port}: {error}" if isinstance(error, OSError) else str(error)


async def _exec(command: list[str], target: Target, timeout: float) -> Answer:
    try:
        running = await target.runtime.exec(target.container_id, command)
    except RuntimeFailure as error:
        return Answer(False, str(error))
    said = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for _, data in running.output():
                said += data[: MOST_OUTPUT - len(said)]
            code = await running.wait()
    except TimeoutError:
        running.close()
        return Answer(False, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s')
    return Answer(code == 0, said.decode(errors="replace"))


# ------------------------------------------------------------------------------------------- counting


class Count:
    """The answers of one probe, counted: it changes its mind only after so many of a kind in a row."""

    __slots__ = ("_last", "result", "row")

    def __init__(self, result: bool) -> None:
        self.result, self.row = result, 0
        self._last: bool | None = None

    def add(self, ok: bool, probe: Obj) -> bool:
        """Count one answer; whether the result has changed."""
        self.row = self.row + 1 if self._last is ok else 1
        self._last = ok
        needed = probe.get("successThreshold", 1) if ok else probe.get("failureThreshold", 3)
        if self.result is ok or self.row < needed:
            return False
        self.result = ok
        return True


# --------------------------------------------------------------------------------------------- prober


class Prober:
    """The probes of one running container.

    `changed(kind, ok)` is called when a result changes, and once for liveness or startup that has failed for good;
    `unhealthy(kind, words)` for every failed check.
    """

    def __init__(
        self,
        clock: Clock,
        target: Target,
        changed: Callable[[Kind, bool], None],
        unhealthy: Callable[[Kind, str], None],
        *,
        ready: bool = False,
    ) -> None:
        self.target = target
        self._clock, self._changed, self._unhealthy = clock, changed, unhealthy
        self._probes = {kind: target.container[f"{kind}Probe"] for kind in KINDS if f"{kind}Probe" in target.container}
        self._counts = {kind: Count(kind == "liveness" or (kind == "readiness" and ready)) for kind in self._probes}
        self._cancel: dict[Kind, Callable[[], None]] = {}
        self._asking: dict[Kind, asyncio.Task[None]] = {}
        self._hurry = float("inf") if ready else EAGER  # real seconds until it is asked again

    def begin(self, running_for: float) -> None:
        """Start asking; the container has run for so many Kubernetes seconds."""
        if "startup" in self._probes:
            self._later("startup", self._probes["startup"].get("initialDelaySeconds", 0) - running_for)
        else:
            self._begin_rest(running_for)

    def close(self) -> None:
        """Stop asking."""
        for cancel in self._cancel.values():
            cancel()
        for task in self._asking.values():
            task.cancel()

    def _begin_rest(self, running_for: float) -> None:
        for kind in ("liveness", "readiness"):
            if kind in self._probes:
                self._later(kind, self._probes[kind].get("initialDelaySeconds", 0) - running_for)

    def _later(self, kind: Kind, seconds: float) -> None:
        self._cancel[kind] = self._clock.call_later(seconds, lambda: self._fire(kind))

    def _fire(self, kind: Kind) -> None:
        self._asking[kind] = asyncio.get_running_loop().create_task(self._once(kind))

    async def _once(self, kind: Kind) -> None:
        probe, count = self._probes[kind], self._counts[kind]
        answer = await check(probe, self.target)
        if kind == "readiness" and not answer.ok and self._in_a_hurry(probe):
            return
        changed = count.add(answer.ok, probe)
        if not answer.ok:
            self._unhealthy(kind, answer.words)
        if kind == "startup" and not answer.ok and count.row >= probe.get("failureThreshold", 3):
            self._changed(kind, False)
            return
        if changed:
            self._hurry = float("inf")
            self._changed(kind, answer.ok)
        if kind == "startup" and count.result:
            self._begin_rest(0)
        elif not (kind == "liveness" and not count.result):
            self._later(kind, probe.get("periodSeconds", 10))

    def _in_a_hurry(self, probe: Obj) -> bool:
        """Ask again soon a container that was never ready: its server may need a moment to come up.

        Kubernetes allows it ("to make the Pod ready faster", probes, periodSeconds). Not counted, and not reported.
        """
        if self._hurry * 2 > probe.get("periodSeconds", 10) / self._clock.speed:
            return False
        self._later("readiness", self._hurry * self._clock.speed)
        self._hurry *= 1.5
        return True
