"""A virtual machine from power-on to power-off: QEMU started, its serial line spoken, its memory measured.

`boot` is the door. The machine ends with the process that started it, however that one ends: the kernel is asked to see
to it (`PR_SET_PDEATHSIG`, through `setpriv`). `kernel.py` and `initramfs.py` say what it boots, `accel.py` how.
"""

from __future__ import annotations

import base64
import contextlib
import os
import platform
import selectors
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from k8slab import tools
from k8slab.clock import Clock
from k8slab.settings import LabError
from k8slab.vm import initramfs, kernel

MEMORY = 128  # MiB of the machine: a bare kernel of 62 MB lies at its 16th, and the archive at its end
SLOWEST_BOOT = 60.0  # s: a boot takes some 1.3 without KVM, and 50 machines may boot at once
SLOWEST_COMMAND = 60.0  # s
QEMU = "qemu-system-x86_64"

# What a kernel would otherwise spend its first second on: self tests, hardware that is not there, guards against
# neighbours that a machine of one user does not have. Nothing here takes away what makes it a kernel.
ARGUMENTS = (
    "console=ttyS0 quiet loglevel=0 panic=-1 reboot=t nokaslr tsc=reliable no_timer_check audit=0 lsm=landlock "
    "nowatchdog cryptomgr.notests mitigations=off ipv6.disable=1 random.trust_cpu=on i8042.nokbd i8042.noaux "
    "i8042.nopnp initcall_blacklist=init_ima,init_evm"
)


class Output(str):
    """What a command printed, without the last line's end; `exit_code` is what it ended with."""

    exit_code: int = 0


def why_not() -> str:
    """Why no virtual machine can be booted here, and what to do about it; empty if one can."""
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
        return f"Virtual machines are booted on Linux on x86-64. This is {platform.system()} on {platform.machine()}."
    for name in (QEMU, "setpriv"):
        if tools.path_of(name) is None:
            return tools.missing(name)
    if initramfs.busybox() is None:
        return tools.missing("busybox")
    if kernel.find() is None:
        return f"There is no kernel to boot. To unpack Debian's or Ubuntu's into {kernel.cache()}: `{kernel.FETCH}`."
    return ""


def boot(*, kvm: bool | None = None) -> Machine:
    """Boot a machine and wait for its first program; `with` powers it off. Raises LabError, with what to do.

    `kvm`: with the processor's help (True), emulated (False), or whichever works here (None).
    """
    if reason := why_not():
        raise LabError(reason)
    if kvm is None:
        from k8slab.vm.accel import kvm_works

        kvm = kvm_works()
    return Machine(kvm, SLOWEST_BOOT)


class Machine:
    """A machine that runs. `times` are in seconds since power-on, `disk` in bytes."""

    def __init__(self, kvm: bool, patience: float) -> None:
        self.kvm = kvm
        self.times: dict[str, float] = {}
        self._clock, self._heard = Clock(), b""
        image, program = kernel.find(), initramfs.busybox()
        assert image is not None
        assert program is not None
        archive = initramfs.make(program)
        self.disk = image.stat().st_size + len(archive)
        with tempfile.NamedTemporaryFile(prefix="k8slab-initramfs-") as file:
            file.write(archive)
            file.flush()
            self._on = self._clock.monotonic()
            self._qemu = _spawner().submit(_start, command(image, file.name, kvm)).result()
            try:
                self._power_on(patience)
            except BaseException:
                self.power_off()
                raise

    def run(self, script: str, timeout: float = SLOWEST_COMMAND) -> Output:
        """Run a shell command, or several lines of them, in the machine. Raises LabError when it does not answer."""
        assert self._qemu.stdin is not None
        try:
            self._qemu.stdin.write(base64.b64encode(script.encode()) + b"\n")
            self._qemu.stdin.flush()
        except (OSError, ValueError):
            raise LabError("The virtual machine is off. Boot another one.") from None
        said, code = self._until(initramfs.DONE, timeout)
        output = Output(said.removesuffix("\n"))
        output.exit_code = int(code)
        return output

    @property
    def pid(self) -> int:
        """The process of this machine that is the virtual one."""
        return self._qemu.pid

    @property
    def memory(self) -> dict[str, int]:
        """In bytes: what this machine spends (`host`: QEMU's resident memory), what the guest has, and uses of it."""
        import psutil

        rows = dict(line.split(":") for line in self.run("cat /proc/meminfo").splitlines())
        total, free = (int(rows[name].split()[0]) * 1024 for name in ("MemTotal", "MemFree"))
        return {"host": psutil.Process(self.pid).memory_info().rss, "guest": total, "used": total - free}

    def power_off(self) -> None:
        """Pull the plug. It has no disk that could be left half written. May be called twice."""
        self._qemu.kill()
        self._qemu.wait()
        for end in (self._qemu.stdin, self._qemu.stdout):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()

    def __repr__(self) -> str:
        state = "off" if self._qemu.poll() is not None else f"process {self.pid}"
        how = "with KVM" if self.kvm else "emulated, without KVM"
        return f"<virtual machine, {state}: {how}; first user instruction {self.times['first']:.2f} s after power-on>"

    def _power_on(self, patience: float) -> None:
        self._until(initramfs.BEGUN, patience)
        first = self._clock.monotonic()
        _, up = self._until(initramfs.READY, patience)
        ran = float(up) - (self._clock.monotonic() - first)  # the kernel's own count, taken back to the same moment
        self.times = {"kernel": max(0.0, first - self._on - ran), "first": first - self._on}

    def _until(self, mark: str, timeout: float) -> tuple[str, str]:
        """What came before a line with this mark, and what the line says after it."""
        assert self._qemu.stdout is not None
        deadline = self._clock.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._qemu.stdout, selectors.EVENT_READ)
            while (line := _line_with(mark.encode(), self._heard)) is None:
                if not selector.select(max(0.0, deadline - self._clock.monotonic())):
                    raise Late(f"The virtual machine did not answer within {timeout:g} s.")
                data = os.read(self._qemu.stdout.fileno(), 65536)
                if not data:
                    said = self._heard.decode(errors="replace").strip()
                    raise LabError(f"The virtual machine went off. {said[-300:] or 'It said nothing.'}")
                self._heard += data
        before, rest, self._heard = line
        return before.decode(errors="replace").replace("\r\n", "\n"), rest.decode().strip()


class Late(LabError):
    """Nothing was heard of a machine in time."""


def command(image: Path, archive: str, kvm: bool) -> list[str]:
    """QEMU's smallest machine: one processor, memory, a serial line, and nothing else."""
    machine = "microvm,x-option-roms=off,acpi=off,isa-serial=on,rtc=on"
    accel = ["-accel", "kvm"] if kvm else ["-accel", "tcg"]
    bare = ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]
    what = ["-kernel", str(image), "-initrd", archive, "-append", ARGUMENTS]
    size = ["-cpu", "host" if kvm else "qemu64", "-smp", "1", "-m", str(MEMORY)]
    return ["setpriv", "--pdeathsig", "KILL", QEMU, "-name", "k8slab-vm", "-M", machine, *accel, *size, *bare, *what]


def _start(words: list[str]) -> subprocess.Popen[bytes]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(words, **pipes, start_new_session=True)  # a Ctrl-C at the notebook is not the machine's


@cache
def _spawner() -> ThreadPoolExecutor:
    """The one thread that starts machines: PR_SET_PDEATHSIG goes by the thread that started, not by its process."""
    return ThreadPoolExecutor(1, "k8slab virtual machines")


def _line_with(mark: bytes, heard: bytes) -> tuple[bytes, bytes, bytes] | None:
    """(before the mark, the rest of its line, after that line), if the whole line has come."""
    before, found, after = heard.partition(mark)
    rest, end, later = after.partition(b"\n")
    return (before, rest, later) if found and end else None


def running() -> Iterator[int]:
    """The processes of virtual machines that this user runs: none, when all is well and nobody is using one."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        if "k8slab-vm" in (process.info["cmdline"] or ()):
            yield process.pid
