"""The calls to the kernel that a container must not make, as a filter the kernel runs before each call (seccomp).

What container engines refuse by default (moby/profiles), cut to what matters where nobody has a capability: no new
namespaces and mounts from inside, no kernel modules, and none of the doors through which kernels were attacked most.
`spawn.py` puts it on; bubblewrap takes it from a file descriptor, a bare process through `prctl`. See seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import NamedTuple

libc = ctypes.CDLL(None, use_errno=True)


class Machine(NamedTuple):
    """What differs between processors."""

    audit: int  # the kernel's number for it, linux/audit.h
    column: int  # of REFUSED
    clone: int


MACHINES = {"x86_64": Machine(0xC000003E, 0, 56), "aarch64": Machine(0xC00000B7, 1, 220)}
CLONE3 = 435  # everywhere
REFUSED = {  # name: its number on x86_64 and on aarch64
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "syslog": (103, 116), "vhangup": (153, 58),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "process_vm_writev": (311, 271),
}  # fmt: skip
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW*: mount, cgroup, UTS, IPC, user, PID and network
X32 = 0x40000000  # x86_64 has a second set of numbers from here on

LOAD, EQUAL, AT_LEAST, ANY_BIT, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of classic BPF
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # where they are in struct seccomp_data (little-endian machines)
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
PR_SET_SECCOMP, MODE_FILTER = 22, 2


def available() -> bool:
    """Whether this kernel takes filters, and we know its calls. Without an address it says so by EFAULT (prctl(2))."""
    libc.prctl(PR_SET_SECCOMP, MODE_FILTER, 0, 0, 0)
    return ctypes.get_errno() == errno.EFAULT and platform.machine() in MACHINES


def program(machine: str) -> bytes:
    """The filter, assembled: 8 bytes an instruction (operation, how many to skip if true, if false, operand).

    `clone3` hides its flags behind a pointer, where a filter cannot look: it is "not there", and libc uses `clone`.
    """
    known = MACHINES[machine]
    numbers = sorted(call[known.column] for call in REFUSED.values())
    tests = [(EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    code = [
        (LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, known.audit), (ANSWER, 0, 0, UNKNOWN),
        (LOAD, 0, 0, NUMBER), (EQUAL, 1, 0, CLONE3), (AT_LEAST, 0, 1, X32), (ANSWER, 0, 0, UNKNOWN),
        (EQUAL, 0, 2, known.clone), (LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, len(tests) + 1, len(tests), NEW_NAMESPACES),
        *tests,
        (ANSWER, 0, 0, ALLOW), (ANSWER, 0, 0, REFUSE),
    ]  # fmt: skip
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def filter_self() -> None:
    """Put it on this process and all to come of it, for ever. Raises OSError."""
    code = program(platform.machine())
    kept = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(kept)))
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot filter system calls")
