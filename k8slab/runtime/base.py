"""The seam between a kubelet and whatever runs containers: the CRI, in a dozen verbs.

`kubelet` calls it, `docker.py`, `local.py` and `simulated.py` keep its promises, and
`tests/contracts/test_runtime.py` holds all of them to the same ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

FENCES = ("user", "pid", "mount", "uts", "ipc", "net", "cgroup")  # the namespaces a container may have of its own
GUARDS = (
    "files",
    "calls",
    "privileges",
)  # what else holds it: no sight of the user's files, fewer system calls, no root


@dataclass(frozen=True)
class Abilities:
    """What is real about containers of this runtime, on this machine. Lessons, board and doctor read it."""

    real: bool  # processes, not records
    fences: frozenset[str] = frozenset()  # out of FENCES
    limits: frozenset[str] = frozenset()  # "cpu", "memory", "pids": really enforced
    networked: bool = True  # a pod's address can be connected to from this machine
    missing: Mapping[str, str] = field(default_factory=dict)  # fence, guard or limit -> why not, and what would add it
    guards: frozenset[str] = frozenset()  # out of GUARDS
    direct: bool = True  # a pod's address, by any program of this machine; else by the lab alone, and through its API


@dataclass(frozen=True, slots=True)
class PodConfig:
    """What a sandbox needs to know of its pod."""

    uid: str
    name: str
    namespace: str
    node: str
    cidr: str  # the node's address range, spec.podCIDR
    hostname: str
    domain: str = ""  # what its full name ends in: `db.default.svc.cluster.local`
    hosts: str = ""  # further lines of its /etc/hosts
    resolver: str | None = None  # its /etc/resolv.conf; None: the machine's
    host_network: bool = False  # the machine's network, where pods have networks of their own


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine, seen by the container at `target`."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to start. `command` replaces the image's ENTRYPOINT, `args` its CMD; empty keeps them."""

    id: str  # unique for ever: a restarted container is a new one
    pod_uid: str
    name: str
    image: str
    attempt: int = 0  # the restart count, 0 first
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    mounts: Sequence[Mount] = ()
    cpu: float | None = None  # limit, in cores
    memory: int | None = None  # limit, in bytes
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False  # its stdin ends with the first who attached to it
    stop_signal: str = ""  # SIGTERM and its like; empty: what the image says
    user: int | None = None  # None: what the image says
    non_root: bool = False  # refuse to start it as user 0
    read_only: bool = False  # its own files; volumes say for themselves
    runs_on: bool = True  # a hint for `simulated`: for ever (restartPolicy Always); else it ends well after a second


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What the runtime knows of a container. Times are seconds since 1970."""

    id: str
    pod_uid: str
    name: str
    attempt: int
    phase: Literal["created", "running", "exited"]
    pid: int | None = None
    started: float = 0.0
    finished: float = 0.0
    exit_code: int | None = None  # 128 + n when signal n ended it
    reason: str = ""  # Completed, Error, OOMKilled, ContainerCannotRun
    message: str = ""
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of output (without its newline), and when it came (seconds since 1970)."""

    time: float
    stream: Literal["stdout", "stderr"]
    text: bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container has used so far: CPU seconds since its start, and memory in bytes now."""

    cpu_seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image there is: what it is called, and its content's identity. `created` is in seconds since 1970."""

    name: str  # with its tag
    id: str
    size: int  # bytes
    created: float


class Exec(Protocol):
    """The streams of a process in a container: of a command run inside it (`exec`), or of its own (`attach`).

    `output` ends with the process, `wait` gives its exit code. `close` says that nobody is interested any more: a
    command is killed then, a container goes on.
    """

    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    def output(self) -> AsyncIterator[tuple[Literal["stdout", "stderr"], bytes]]: ...
    async def wait(self) -> int: ...
    def close(self) -> None: ...


class RuntimeFailure(Exception):
    """The runtime could not do it; `reason` is the word a pod's status shows, the message says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Runtime(Protocol):
    """What a kubelet needs from anything that runs containers.

    Every verb may be repeated: running a pod that runs, stopping what has stopped, removing what is gone is no error.
    Durations are real seconds: the kubelet has already asked the clock.
    """

    name: str  # "local", "simulated", "docker": what `containerRuntimeVersion` begins with
    version: str
    abilities: Abilities

    async def open(self) -> None:
        """Get ready; adopt the pods and containers an earlier server of this lab left running."""
        ...

    async def close(self, *, leave_running: bool) -> None:
        """Let go. Unless they are to be left running, everything of this lab ends and nothing remains."""
        ...

    async def pull(self, image: str, hear: Callable[[str], None] | None = None) -> str:
        """Have the image; its id. `hear` is told now and then how far a long pull is, in words.

        Raises RuntimeFailure(ErrImagePull | InvalidImageName) naming what there is.
        """
        ...

    async def images(self) -> list[str]:
        """The images a container can be started from now, as `name:tag`."""
        ...

    def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        """Build `name` from the Dockerfile in `folder`; `arguments` are its ARGs. Gives lines of progress.

        When the last one has come, the image is there, for every lab of this user. Raises RuntimeFailure:
        InvalidImageName, or BuildFailed with the line of the Dockerfile and what to do about it.
        """
        ...

    async def image_list(self) -> list[ImageInfo]:
        """The images there are, those that learners built too, by name."""
        ...

    async def save_images(self, names: Sequence[str], file: Path) -> None:
        """Write images (no names: all that were built or loaded) into one tar file. Raises RuntimeFailure."""
        ...

    async def load_images(self, file: Path) -> list[str]:
        """Read what `save_images` of the same kind of runtime wrote; the names. Raises RuntimeFailure(LoadFailed)."""
        ...

    async def remove_image(self, name: str) -> None:
        """Forget an image that was built or loaded. Raises RuntimeFailure: NotFound, or RemoveFailed and why not."""
        ...

    async def run_pod(self, pod: PodConfig) -> str:
        """Prepare the pod's sandbox (its folder, its network) and say its address. The same pod gets the same one."""
        ...

    def restore(self, pod: PodConfig, address: str, containers: Iterable[tuple[ContainerState, bool]]) -> None:
        """A pod as the API was told of it by an earlier server: its address, each container, whether that runs on.

        For a runtime whose containers end with the server. One that has adopted them knows better, and does nothing.
        """
        ...

    async def remove_pod(self, uid: str) -> None:
        """Kill what still runs in it, free its address, forget it and its logs."""
        ...

    def pods(self) -> dict[str, str]:
        """Every pod with a sandbox: uid -> address. After `open`, the adopted ones too."""
        ...

    async def start(self, spec: ContainerSpec) -> None:
        """Start one in a pod whose sandbox runs.

        Raises RuntimeFailure: CreateContainerConfigError and CreateContainerError when it could not be made,
        RunContainerError when it was made and its command cannot be run.
        """
        ...

    async def stop(self, id: str, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` real seconds; returns when it has ended."""
        ...

    async def signal(self, id: str, number: int) -> None:
        """Send a signal to the container's first process (a learner's `crash` is SIGKILL: exit code 137)."""
        ...

    async def remove(self, id: str) -> None:
        """Forget an exited container and its log."""
        ...

    def containers(self, pod_uid: str) -> list[ContainerState]:
        """The pod's containers, every attempt not yet removed, oldest first. Answers from memory, at once."""
        ...

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call back with a pod's uid whenever one of its containers starts or ends (on the event loop)."""
        ...

    def logs(self, id: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """The container's output from the beginning; with `follow`, until it has ended."""
        ...

    async def exec(self, id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False) -> Exec:
        """Run a command inside a running container. Raises RuntimeFailure when it cannot be started."""
        ...

    async def attach(self, id: str, *, stdin: bool = False, once: bool = False) -> Exec:
        """Hold the streams of a running container, as they come from now on; `stdin` if it was started with one.

        `once`: the container's stdin ends when `close_stdin` or `close` is called. Raises RuntimeFailure.
        """
        ...

    async def written(self, id: str) -> int:
        """Bytes it has written on this machine's disk, outside of volumes: its own files and its log."""
        ...

    async def reach(self, address: str, port: int) -> tuple[str, int]:
        """Where a pod's port is connected to from this process: there, or, where pods' addresses are those of another
        machine (Docker Desktop), at a door on loopback that leads there. Raises OSError if it is known to refuse."""
        ...

    async def pod_at(self, client: tuple[str, int], server: tuple[str, int]) -> str | None:
        """The pod (its uid) that holds the end at `client` of a TCP connection to `server`; None: none, or unknown."""
        ...

    async def rename(self, uid: str, hosts: str) -> None:
        """Replace what stands in the pod's /etc/hosts below its own names (`PodConfig.hosts`), while it runs."""
        ...

    async def usage(self, id: str) -> Usage | None:
        """What it has used; None when it does not run."""
        ...
