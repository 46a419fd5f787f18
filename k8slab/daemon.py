"""A process of its own: detached from whoever started it, holding the lab's lock, heeding signals.

`launch.py` starts it and waits for its one word; `server.py` says what it runs.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from k8slab.settings import LabError

log = logging.getLogger("k8slab")

# Python's collector looks for cycles among all that lives, and a lab's objects are many, live long and have none: it
# looks when so many more containers were made than freed, and among the old ones more rarely still.
COLLECT = (20_000, 20, 50)


class Service(Protocol):
    """What is run: started, then left alone until `ended`, then stopped."""

    ended: asyncio.Event
    down: bool  # whether nothing is to remain

    def start(self) -> Awaitable[dict[str, Any]]: ...
    def stop(self) -> Awaitable[None]: ...


def detach(lock: int) -> None:
    """Become nobody's child, and hold the lock alone: what is started from here must not inherit it."""
    if os.fork():
        os._exit(0)
    os.umask(0o077)  # whatever a part writes, nobody else reads
    os.set_inheritable(lock, False)
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())


class Teller:
    """The pipe to the one who started us: one message, a line of JSON."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_inheritable(fd, False)

    def tell(self, message: dict[str, Any]) -> None:
        """Say it, the first time; whoever has stopped listening is no trouble."""
        if self._fd is None:
            return
        try:
            os.write(self._fd, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            log.info("the one who started the lab did not wait for it")
        finally:
            os.close(self._fd)
            self._fd = None


def log_to_stderr() -> None:
    """The state folder's log is where stderr leads."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def run(make: Callable[[], Service], teller: Teller) -> int:
    """Run the service until it has ended; the exit code."""
    gc.set_threshold(*COLLECT)
    try:
        asyncio.run(_run(make, teller))
    except LabError as error:
        log.error("%s", error)
        teller.tell({"error": str(error)})
        return 1
    except OSError as error:
        log.exception("the lab could not start")
        full = "Make room on that disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Put that right"
        teller.tell({"error": f"The lab could not start: {error.strerror} ({error.filename}). {full}, then try again."})
        return 1
    except Exception:
        log.exception("the lab's server failed")  # a mistake of ours; who started us shows the end of the log
        return 1
    return 0


async def _run(make: Callable[[], Service], teller: Teller) -> None:
    service = make()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.ended.set)
    loop.add_signal_handler(signal.SIGUSR1, _go_down, service)
    try:
        teller.tell(await service.start())
        await service.ended.wait()
    finally:
        await service.stop()


def _go_down(service: Service) -> None:
    service.down = True
    service.ended.set()


def forget(path: Path, most: int) -> None:
    """Begin a log file anew when it has grown beyond `most` bytes."""
    if path.exists() and path.stat().st_size > most:
        os.truncate(path, 0)
