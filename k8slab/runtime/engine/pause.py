"""The image that holds a pod's network: one static program that does nothing, in some hundred bytes, made on the spot.

It waits for signals for ever and handles none; as a container's first process it is only ended by SIGKILL. There is no
compiler and no download: the eight instructions are written here as the processor reads them, behind the smallest
header Linux starts (elf(5)). `tests/runtime/test_engine_pause.py` runs it. `docker.py` imports it into an engine.
"""

from __future__ import annotations

import io
import struct
import tarfile

NAME = "k8slab/pause:1"
BASE = 0x400000  # where the program lies in memory
HEADERS = 64 + 56  # an ELF header, and one program header
CODE = {  # by what the engine calls the architecture: ELF's number for it, and the instructions
    "amd64": (
        62,
        b"\xb8\x22\x00\x00\x00"  # again: mov eax, 34    pause
        b"\x0f\x05"  #                   syscall
        b"\xeb\xf7",  #                  jmp again
    ),
    "arm64": (
        183,
        struct.pack(
            "<8I",
            0xD2800000,  # again: mov x0, #0     no files
            0xD2800001,  #        mov x1, #0
            0xD2800002,  #        mov x2, #0     no time limit
            0xD2800003,  #        mov x3, #0
            0xD2800004,  #        mov x4, #0
            0xD2800928,  #        mov x8, #73    ppoll
            0xD4000001,  #        svc #0
            0x17FFFFF9,  #        b again
        ),
    ),
}
NAMES = {"x86_64": "amd64", "aarch64": "arm64"}  # as kernels call them


def program(architecture: str) -> bytes:
    """The executable. Raises KeyError for an architecture it is not written for."""
    machine, code = CODE[NAMES.get(architecture, architecture)]
    size = HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)  # 64 bits, little-endian, version 1
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)  # load all of it, to read and run
    return identity + head + segment + code


def archive(architecture: str) -> bytes:
    """The image's only file, as the tar that engines import."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("pause")
        entry.size, entry.mode = len(program(architecture)), 0o755
        tar.addfile(entry, io.BytesIO(program(architecture)))
    return made.getvalue()
