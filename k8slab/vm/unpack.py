"""Takes a Linux kernel out of its compressed wrapping: QEMU starts the bare kernel at once.

The wrapping (a "bzImage") unpacks itself when it is booted. Emulated, that takes most of a second of every boot; done
here, it takes that second once. `kernel.py` keeps the result.
"""

from __future__ import annotations

import lzma
import struct
import zlib

ELF = b"\x7fELF"
LZ4_LEGACY = b"\x02\x21\x4c\x18"
LZ4_CHUNK = 8 << 20  # every chunk but the last unpacks to this much (lz4's legacy frame)


def elf_of(image: bytes) -> bytes | None:
    """The bare kernel in a bzImage; None if it is packed in a way that Python cannot unpack (then boot it as it is).

    Where the packed kernel lies is in the image's header (Linux, Documentation/arch/x86/boot.rst: setup_sects,
    payload_offset, payload_length).
    """
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    packed = image[(sectors + 1) * 512 + offset :][:length]
    kernel = b""
    if packed.startswith(LZ4_LEGACY):
        kernel = lz4(packed)
    elif packed.startswith(b"\x1f\x8b"):
        kernel = zlib.decompressobj(wbits=31).decompress(packed)
    elif packed.startswith(b"\xfd7zXZ"):
        kernel = lzma.LZMADecompressor().decompress(packed)
    return kernel if kernel.startswith(ELF) else None


def lz4(frame: bytes) -> bytes:
    """What a legacy lz4 frame holds; what follows its last chunk (the kernel's build adds the size) is left alone."""
    chunks, at = [], len(LZ4_LEGACY)
    while at + 4 < len(frame):
        size = int.from_bytes(frame[at : at + 4], "little")
        chunks.append(lz4_block(frame[at + 4 : at + 4 + size]))
        at += 4 + size
        if len(chunks[-1]) < LZ4_CHUNK:
            break
    return b"".join(chunks)


def lz4_block(source: bytes) -> bytes:
    """One block: literals, then a copy of something earlier, and so on (lz4_Block_format.md)."""
    out, at = bytearray(), 0
    while True:
        token = source[at]
        count, at = _length(source, at + 1, token >> 4)
        out += source[at : at + count]
        at += count
        if at >= len(source):
            return bytes(out)
        back = source[at] | source[at + 1] << 8
        count, at = _length(source, at + 2, token & 15)
        count += 4
        earlier = out[-back:] if back <= count else out[-back : count - back]
        out += earlier if len(earlier) == count else (earlier * (count // back + 1))[:count]


def _length(source: bytes, at: int, nibble: int) -> tuple[int, int]:
    """A length that began in a token: 15 means that more of it follows, and 255 that more does again."""
    if nibble == 15:
        while (more := source[at]) == 255:
            nibble, at = nibble + 255, at + 1
        nibble, at = nibble + more, at + 1
    return nibble, at
