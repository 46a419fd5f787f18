"""The kinds that race: how a copy of each is started, whether it can be here, and what its copies cost.

The work is the same everywhere: busybox, one program without libraries, running `copies.SCRIPT`. A machine without
busybox runs its own shell instead, and has no Docker container and no virtual machine in the race.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import psutil

from k8slab import tools
from k8slab.clock import Clock
from k8slab.races.copies import SCRIPT, Booted, Copy, Piped
from k8slab.runtime import isolation
from k8slab.settings import LabError
from k8slab.vm import initramfs, kernel, why_not

DOCKER_PATIENCE = 10.0  # s for an answer of the engine; none of these takes one
VM_MEMORY = 260 << 20  # bytes that one virtual machine may come to take here


class Kind(Protocol):
    """One kind of copy. Used as: `absent`, `prepare`, `start` for each copy, `memory`, `finish`."""

    key: str
    disk: int  # bytes that a copy needs beyond what the machine has anyway; known after `prepare`

    def absent(self) -> str:
        """Why there is none on this machine, with what to do about it; empty if there is."""

    def room(self) -> int:
        """How many fit at once."""

    def prepare(self) -> None:
        """Lay ready what all copies share. Raises LabError."""

    def start(self, clock: Clock) -> Copy:
        """Start one copy, and do not wait for it."""

    def memory(self, copy: Copy) -> int | None:
        """What it takes: bytes, shared pages divided among those who share them (PSS); None if it cannot be read."""

    def finish(self) -> None:
        """Remove what `prepare` laid ready."""


class Process:
    """A plain process."""

    key, disk = "process", 0

    def absent(self) -> str:
        return ""

    def room(self) -> int:
        return 1000

    def prepare(self) -> None:
        """Nothing: its program is there already."""

    def start(self, clock: Clock) -> Copy:
        return Piped(shell(initramfs.busybox()), clock)

    def memory(self, copy: Copy) -> int | None:
        return memory_of(copy.pid)

    def finish(self) -> None:
        """Nothing was laid ready."""


class Local(Process):
    """The same process in the lab's sandbox: the namespaces of this machine, and a folder of its own as its root."""

    key = "container"

    def prepare(self) -> None:
        self._program = initramfs.busybox()
        self._root = Path(tempfile.mkdtemp(prefix="k8slab-race-"))
        if self._program:
            (self._root / "bin").mkdir()
            shutil.copy(self._program, self._root / "bin" / "busybox")
        self.disk = sum(path.stat().st_size for path in self._root.rglob("*") if path.is_file())

    def start(self, clock: Clock) -> Copy:
        found = isolation.probe()
        if not found.bubblewrap:  # no fence on this machine: what is left of a container is its folder
            return super().start(clock)
        options = [*found.options, "--die-with-parent", "--cap-drop", "ALL", "--hostname", "copy"]
        if "uts" not in found.fences:
            options = options[:-2]
        options += ["--bind", str(self._root), "/"] if self._program else ["--ro-bind", "/", "/"]
        options += ["--proc", "/proc"] if found.proc else ["--tmpfs", "/proc"]
        inside = shell(Path("/bin/busybox") if self._program else None)
        return Piped([found.bubblewrap, *options, "--dev", "/dev", "--clearenv", *inside], clock)

    def finish(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)


class Docker:
    """A container of Docker Engine, or of Podman in its place, from an image that holds busybox and nothing else."""

    key = "docker"

    def __init__(self) -> None:
        self.disk, self._names = 0, dict[int, str]()
        self._image = f"k8slab-race:{os.getpid()}"

    def absent(self) -> str:
        if tools.path_of("docker") is None:
            return tools.missing("docker")
        if initramfs.busybox() is None:
            return tools.missing("busybox")
        try:
            _docker("version", "--format", "{{.Server.Version}}")
        except LabError as error:
            return f"No engine answers: {error}"
        return ""

    def room(self) -> int:
        return 100

    def prepare(self) -> None:
        program = initramfs.busybox()
        assert program is not None
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            archive.add(program, "bin/busybox")
        _docker("import", "-", self._image, given=layer.getvalue())
        self.disk = int(_docker("image", "inspect", "--format", "{{.Size}}", self._image))

    def start(self, clock: Clock) -> Copy:
        name = f"k8slab-race-{os.getpid()}-{len(self._names)}"
        options = ["--rm", "-i", "--name", name, "--network", "none", "--log-driver", "none"]
        copy = Piped(["docker", "run", *options, self._image, *shell(Path("/bin/busybox"))], clock)
        self._names[copy.pid] = name
        return copy

    def memory(self, copy: Copy) -> int | None:
        """The container's process, and the one that stands beside each container for the engine (the "shim")."""
        pid = int(_docker("inspect", "--format", "{{.State.Pid}}", self._names[copy.pid]))
        try:
            return memory_of(psutil.Process(pid).ppid(), children=False) + memory_of(pid)
        except (psutil.Error, LookupError):
            return None  # another user's processes: only root may read what they take

    def finish(self) -> None:
        _docker("image", "rm", self._image)


class VirtualMachine:
    """A virtual machine with a kernel of its own."""

    key, disk = "vm", 0

    def absent(self) -> str:
        return why_not()

    def room(self) -> int:
        return max(1, psutil.virtual_memory().available // 2 // VM_MEMORY)

    def prepare(self) -> None:
        from k8slab.vm.accel import kvm_works

        kvm_works()  # finding it out may take two seconds, and is not part of any copy's start
        image, program = kernel.find(), initramfs.busybox()
        assert image is not None
        assert program is not None
        self.disk = image.stat().st_size + len(initramfs.make(program))

    def start(self, clock: Clock) -> Copy:
        return Booted(clock)

    def memory(self, copy: Copy) -> int | None:
        return memory_of(copy.pid)

    def finish(self) -> None:
        """Nothing was laid ready."""


def shell(busybox: Path | None) -> list[str]:
    """The command that runs the work, with this busybox or this machine's shell."""
    if busybox is None:
        return ["/bin/sh", "-c", SCRIPT.replace("UNAME", "uname")]
    return [str(busybox), "sh", "-c", SCRIPT.replace("UNAME", f"{busybox} uname")]


def memory_of(pid: int, *, children: bool = True) -> int:
    """PSS of a process and all below it, in bytes. Raises psutil.Error if it is gone or not ours to read."""
    process = psutil.Process(pid)
    family = [process, *(process.children(recursive=True) if children else ())]
    taken = []
    for member in family:
        try:
            taken.append(int(member.memory_full_info().pss))
        except psutil.NoSuchProcess:  # it has ended meanwhile, as what a shell starts does
            if member is process:
                raise
    return sum(taken)


def _docker(*words: str, given: bytes | None = None) -> str:
    command: Sequence[str] = ["docker", *words]
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=DOCKER_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"docker {words[0]}: {error}.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise LabError(said[-1] if said else f"docker {words[0]} ended with {done.returncode}")
    return done.stdout.decode().strip()
