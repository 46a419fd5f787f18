"""Whether KVM works here, found out by booting with it: a /dev/kvm that opens may still hang, as in nested machines.

`machine.py` asks. The answer holds until this machine is booted again, and is kept in the cache.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from k8slab.settings import LabError
from k8slab.vm import kernel

TIME_LIMIT = 2.0  # s; a boot with KVM takes some 0.3
_lock = threading.Lock()


def kvm_works() -> bool:
    """Try it once in each boot of this machine; takes TIME_LIMIT where it hangs."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with _lock:
        note, now = kernel.cache() / "kvm", _boot_id()
        known = note.read_text().split() if note.exists() else []
        if known[:1] != [now] or len(known) != 2:
            known = [now, "works" if _boots() else "hangs"]
            note.write_text(" ".join(known))
        return known[1] == "works"


def _boots() -> bool:
    from k8slab.vm.machine import Machine

    try:
        Machine(kvm=True, patience=TIME_LIMIT).power_off()
    except LabError:
        return False
    return True


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
