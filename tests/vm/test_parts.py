"""What a virtual machine is made of: the archive, the unpacked kernel, the refusals. Nothing is booted here."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import subprocess

import pytest

from k8slab import tools
from k8slab.settings import LabError
from k8slab.vm import __main__ as command_line
from k8slab.vm import initramfs, kernel, machine, unpack

KERNEL = b"\x7fELF" + b"kernel " * 2000 + os.urandom(3000)


def image(packed: bytes) -> bytes:
    """A bzImage as far as its header says where the kernel lies."""
    head = bytearray(5 * 512)
    head[0x1F1] = 4
    struct.pack_into("<II", head, 0x248, 16, len(packed))
    return bytes(head) + bytes(16) + packed + b"behind it"


def test_the_archive_is_one_that_cpio_reads():
    if not shutil.which("cpio"):
        pytest.skip("cpio is not installed; the kernel reads the same archive in test_machine.py")
    archive = initramfs.cpio(
        [("bin", stat.S_IFDIR | 0o755, b"", (0, 0)), ("bin/a", stat.S_IFREG | 0o755, b"hello", (0, 0))]
    )
    listed = subprocess.run(["cpio", "-it"], input=archive, capture_output=True, check=True)
    assert listed.stdout.split() == [b"bin", b"bin/a"]


def test_the_archive_is_laid_out_in_fours():
    archive = initramfs.cpio([("a", stat.S_IFREG, b"xyz", (0, 0)), ("bc", stat.S_IFREG, b"", (5, 1))])
    assert len(archive) % 4 == 0
    starts = [at for at in range(0, len(archive), 4) if archive[at : at + 6] == b"070701"]
    assert len(starts) == 3
    assert archive[starts[0] + 112 : starts[0] + 115] == b"xyz"
    assert b"TRAILER!!!\0" in archive[starts[2] :]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gzip", "xz"])
def test_a_packed_kernel_is_taken_out(pack):
    assert unpack.elf_of(image(pack(KERNEL))) == KERNEL


def test_a_kernel_packed_otherwise_is_booted_as_it_is():
    assert unpack.elf_of(image(b"\x28\xb5\x2f\xfd" + b"zstandard")) is None


@pytest.mark.parametrize(
    ("block", "plain"),
    [
        (b"\x50hello", b"hello"),
        (b"\x11a\x01\x00\x50hello", b"aaaaaa" + b"hello"),  # a copy that overlaps itself
        (b"\x40abcd\x04\x00\x10!", b"abcdabcd!"),
        (b"\xf0\x03" + b"x" * 18, b"x" * 18),  # a length in two parts
        (b"\x1fa\x01\x00\x02\x50world", b"a" * 22 + b"world"),
    ],
)
def test_lz4_blocks(block, plain):
    assert unpack.lz4_block(block) == plain


def test_lz4_as_the_kernels_build_packs():
    if not shutil.which("lz4"):
        pytest.skip("lz4 is not installed; the kernel that test_machine.py boots is packed with it")
    big = KERNEL * 900  # more than one chunk
    packed = subprocess.run(["lz4", "-l", "-9"], input=big, capture_output=True, check=True).stdout
    assert unpack.lz4(packed + len(big).to_bytes(4, "little")) == big


def test_the_kernel_is_kept_once_for_all(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel.find() is None
    kernel.cache().mkdir(parents=True)
    kept = kernel._write("6.1.0-1-cloud-amd64", KERNEL)
    assert kernel.find() == kept
    assert kept.read_bytes() == KERNEL
    assert [path.name for path in kernel.cache().iterdir()] == ["linux-6.1.0-1-cloud-amd64"]


def test_the_package_that_really_has_the_kernel():
    said = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n  Suggests: linux-doc\n"
    assert kernel.real_packages(said) == ["linux-image-6.1.0-56-cloud-amd64"]
    assert kernel.real_packages("linux-image-virtual\n") == []


@pytest.mark.parametrize("lacking", [machine.QEMU, "setpriv", "busybox"])
def test_what_is_missing_is_named_with_the_line_that_installs_it(lacking, monkeypatch):
    monkeypatch.setattr(tools, "path_of", lambda name: None if name == lacking else "/bin/true")
    monkeypatch.setattr(initramfs, "busybox", lambda: None)
    assert "sudo apt install" in machine.why_not()
    with pytest.raises(LabError, match=lacking):
        machine.boot()


def test_without_a_kernel_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tools, "path_of", lambda name: "/bin/true")
    monkeypatch.setattr(initramfs, "busybox", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel.FETCH in machine.why_not()


def test_a_busybox_with_libraries_will_not_do(tmp_path, monkeypatch):
    program = tmp_path / "busybox"
    monkeypatch.setattr(tools, "path_of", lambda name: str(program))
    program.write_bytes(b"\x7fELF /lib64/ld-linux-x86-64.so.2")
    assert initramfs.busybox() is None
    program.write_bytes(b"\x7fELF")
    assert initramfs.busybox() == program


def test_apt_that_refuses_is_quoted(tmp_path, monkeypatch):
    fake = tmp_path / "apt-get"
    fake.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(LabError, match=r"Unable to locate package.*apt update"):
        kernel._said(["apt-get", "download", "linux"])
    with pytest.raises(LabError, match="Debian and Ubuntu only"):
        kernel._said(["no-such-program"])


def test_the_command_line_explains_itself(capsys):
    assert command_line.main([]) == 2
    assert "--fetch" in capsys.readouterr().err


def test_a_record_in_what_was_printed_is_found_whole():
    heard = io.BytesIO(b"some\nthing\x1edone 0\nmore").read()
    assert machine._line_with(b"\x1edone", heard) == (b"some\nthing", b" 0", b"more")
    assert machine._line_with(b"\x1edone", b"some\x1edone 0") is None
