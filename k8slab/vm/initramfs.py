"""The only disk of a virtual machine: a cpio archive in memory with busybox and a script, made on the spot.

The kernel unpacks it and runs `/init`. `machine.py` gives it to QEMU and speaks with `/init` over the serial line.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterable
from pathlib import Path

from k8slab import tools

BEGUN, READY, DONE = "\x1ebegun", "\x1eready", "\x1edone"  # a record separator, then a word: no program prints these

# Lines of base64 come in, a command each: no quote, newline or length can hurt them. What it printed goes out, then its
# exit code. The first line is the machine's first instruction in user space, before anything else is looked at.
INIT = f"""#!/bin/busybox sh
echo "{BEGUN}"
/bin/busybox stty raw -echo
/bin/busybox mount -t proc proc /proc
read up idle < /proc/uptime
echo "{READY} $up"
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
while read -r line; do
  echo "$line" | base64 -d > /command
  sh /command < /dev/null 2>&1
  echo "{DONE} $?"
done
"""


def busybox() -> Path | None:
    """The machine's busybox, if it is one that needs no libraries (Debian's busybox-static), or None."""
    path = tools.path_of("busybox")
    return Path(path) if path and b"/ld-linux" not in Path(path).read_bytes()[:4096] else None


def make(program: Path) -> bytes:
    """The archive, with busybox from `program`."""
    folder, script = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755
    return cpio(
        [
            *((name, folder, b"", (0, 0)) for name in ("bin", "dev", "proc", "sys", "tmp")),
            ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
            ("bin/busybox", script, program.read_bytes(), (0, 0)),
            ("init", script, INIT.encode(), (0, 0)),
        ]
    )


def cpio(files: Iterable[tuple[str, int, bytes, tuple[int, int]]]) -> bytes:
    """(name, mode, content, device) as an archive (Linux, driver-api/early-userspace/buffer-format.rst)."""
    out = io.BytesIO()
    for number, (name, mode, content, device) in enumerate([*files, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        label = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(label), 0)
        out.write(b"070701" + b"".join(b"%08x" % field for field in fields))
        for part in (label, content):
            out.write(part + bytes(-(out.tell() + len(part)) % 4))
    return out.getvalue()
