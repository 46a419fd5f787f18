"""The kernel that a virtual machine boots: the distribution's own, unpacked into the user's cache and never installed.

`find` looks for it, `fetch` gets it with apt, whose keys vouch for it. `unpack.py` takes the kernel out of its
compressed wrapping; `machine.py` boots it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from k8slab.settings import LabError
from k8slab.vm.unpack import elf_of

FETCH = "python -m k8slab.vm --fetch"
PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")  # Debian's, Ubuntu's: kernels made for virtual machines
PATIENCE = 300  # s for a download of some 27 MB on a poor connection


def cache() -> Path:
    """Where kernels and what was found out about this machine are kept (XDG Base Directory Specification)."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "k8slab" / "vm"


def find() -> Path | None:
    """The newest kernel in the cache, or None."""
    return max(cache().glob("linux-*"), key=lambda path: path.stat().st_mtime, default=None)


def fetch() -> Path:
    """The kernel in the cache, or else the one in the package that apt downloads. Raises LabError, with what to do."""
    if found := find():
        return found
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        for package in PACKAGES:
            if names := real_packages(_said(["apt-cache", "depends", package])):
                _said(["apt-get", "download", *names[:1]], folder)
                return keep(next(Path(folder).glob("*.deb")))
    raise LabError(f"apt knows no kernel package ({' or '.join(PACKAGES)}). Run `sudo apt update`, then `{FETCH}`.")


def real_packages(depends: str) -> list[str]:
    """The packages with a kernel in them that a package without one stands for, as `apt-cache depends` prints them."""
    return re.findall(r"Depends: (linux-image-\d\S*)", depends)


def keep(package: Path) -> Path:
    """Unpack the kernel of a Debian package into the cache. Raises LabError if there is none in it."""
    unpacking = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    with unpacking, tarfile.open(fileobj=unpacking.stdout, mode="r|") as files:
        for member in files:
            if found := re.fullmatch(r"\./boot/vmlinuz-(\S+)", member.name):
                image = files.extractfile(member)
                assert image is not None
                packed = image.read()
                unpacking.terminate()  # the modules that follow are not needed
                return _write(found[1], elf_of(packed) or packed)
    raise LabError(f"{package.name} has no kernel in it.")


def _write(release: str, kernel: bytes) -> Path:
    path, draft = cache() / f"linux-{release}", cache() / f".linux-{release}.{os.getpid()}"
    draft.write_bytes(kernel)
    return draft.replace(path)


def _said(command: list[str], folder: str = ".") -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not on this machine: a kernel is fetched on Debian and Ubuntu only.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` took more than {PATIENCE} s. Try `{FETCH}` again.") from None
    if done.returncode and command[0] == "apt-get":
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LabError(f"apt could not download the kernel: {why}. Run `sudo apt update`, then `{FETCH}`.")
    return done.stdout
