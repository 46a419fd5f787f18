"""Run by test_unprivileged.py as another user: a day in the life of a runtime, optionally where user namespaces are forbidden.

python locked_down.py <state folder> <subnet> [forbid] [doctor]     prints what it (or the doctor) saw as JSON
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import platform
import struct
import sys
import time
from pathlib import Path

FORKS = """
import os, time
over = time.monotonic() + 20
while time.monotonic() < over:
    try: os.fork()
    except OSError: pass
"""
BOMBS = (  # each ends by itself after twenty seconds, wherever it has forked to
    ("python", "-c", FORKS),
    ("timeout", "20", "sh", "-c", "bomb() { bomb | bomb & }; bomb; sleep 20"),
)
CLONE_NEWUSER = 0x10000000
EPERM, ENOSYS = 1, 38
CALLS = {  # clone, clone3, unshare, mount
    "x86_64": (0xC000003E, 56, 435, 272, 165),
    "aarch64": (0xC00000B7, 220, 435, 97, 40),
}


def forbid_user_namespaces() -> None:
    """A seccomp filter such as container engines put on: no new user namespace, no mount, whoever asks."""
    architecture, clone, clone3, unshare, mount = CALLS[platform.machine()]
    load, equal, has_bit, give = 0x20, 0x15, 0x45, 0x06
    refuse, unknown, allow = 0x00050000 | EPERM, 0x00050000 | ENOSYS, 0x7FFF0000
    program = [
        (load, 0, 0, 4), (equal, 0, 8, architecture),  # of another architecture: let it be
        (load, 0, 0, 0), (equal, 7, 0, unshare), (equal, 6, 0, mount),
        (equal, 3, 0, clone3), (equal, 0, 3, clone),
        (load, 0, 0, 16), (has_bit, 2, 1, CLONE_NEWUSER),
        (give, 0, 0, unknown), (give, 0, 0, allow), (give, 0, 0, refuse),
    ]  # fmt: skip
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    libc = ctypes.CDLL(None, use_errno=True)
    filter = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    assert libc.prctl(38, 1, 0, 0, 0) == 0, "no_new_privs"
    assert libc.prctl(22, 2, filter, 0, 0) == 0, f"seccomp: errno {ctypes.get_errno()}"


async def status(address: str) -> int:
    """Of an answer; 0 for none: a server may have got no thread for it."""
    from tests.runtime.world import get

    try:
        return (await get(address))[0]
    except (OSError, IndexError):
        return 0


async def day(state: Path, subnet: str) -> dict[str, object]:
    from tests.runtime.world import World, alive, local, pod

    async with local(state) as runtime:
        config = pod()
        world = World(runtime, config, await runtime.run_pod(config))
        web = await world.start()
        await world.printed(web, "answers at")
        slowest, ends = 0.0, list[list[object]]()
        for bomb in BOMBS:
            id = await world.start(*bomb)
            while world.state(id).phase != "exited":
                begun = time.monotonic()
                while await status(world.address) != 200:
                    await asyncio.sleep(0.01)
                slowest = max(slowest, time.monotonic() - begun)
            while alive(f"K8SLAB_CONTAINER={id}"):
                await asyncio.sleep(0.01)
            ends.append([world.state(id).exit_code, world.state(id).message])
        hog = await world.python("x = bytearray(200 << 20); import time; time.sleep(1000)", memory=64 << 20)
        seen = {
            "uid": os.getuid(),
            "fences": sorted(runtime.abilities.fences),
            "limits": sorted(runtime.abilities.limits),
            "missing": dict(runtime.abilities.missing),
            "status": await status(world.address),
            "exit": (await world.end(await world.start("sh", "-c", "exit 6"))).exit_code,
            "status_lines": await world.run("cat", "/proc/self/status"),
            "bombs": ends,
            "slowest": slowest,
            "hog": (await world.end(hog)).reason,
        }
        running = await runtime.exec(web, ["sh", "-c", "echo inside $HOSTNAME"])
        seen["exec"] = b"".join([data async for _, data in running.output()]).decode().strip()
        seen["hostname"] = config.hostname
        await runtime.stop(web, 10)
        seen["stopped"] = world.state(web).exit_code
    return seen


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    if "forbid" in sys.argv:
        forbid_user_namespaces()
    if "doctor" in sys.argv:
        from k8slab import doctor

        print(doctor.as_json(doctor.examine()))
        sys.exit()
    print(json.dumps(asyncio.run(day(Path(sys.argv[1]), sys.argv[2]))))
