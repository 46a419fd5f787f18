"""A real virtual machine, for lessons: a Linux kernel of its own in QEMU's microvm, without root, gone in a moment.

    with vm.boot() as machine:
        machine.run("uname -r")

`machine.py` is the machine, `kernel.py` finds what it boots, `initramfs.py` makes its only disk. `race/` starts
several beside processes and containers. Nothing of a lab's way is in here: no pod runs in a virtual machine.
"""

from __future__ import annotations

from k8slab.vm.kernel import fetch
from k8slab.vm.machine import Machine, Output, boot, why_not

__all__ = ["Machine", "Output", "boot", "fetch", "why_not"]
