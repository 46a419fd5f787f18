"""The way to the engine: every call of its SDK blocks, so it is made in a thread; its errors become ours here.

`connect.py` finds the engine; everything else in this folder speaks to it through a `Link`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.engine.connect import Engine

T = TypeVar("T")
THREADS = 24  # calls at once; streams have threads of their own
AHEAD = 64  # pieces of a stream kept for a slow reader


class Missing(Exception):
    """The engine has no such thing."""


class Refused(Exception):
    """The engine will not: its words, and its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Lost(RuntimeFailure):
    """The engine does not answer."""

    def __init__(self, why: str) -> None:
        said = f"the engine does not answer ({why}): start it again, and this goes on by itself"
        super().__init__("EngineUnavailable", said)


class Link:
    """One engine, from an event loop."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.api = engine, engine.client()
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it warns of each it does not keep
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="engine")

    async def do(self, work: Callable[[Any], T]) -> T:
        """Let a thread do this with the SDK's client. Raises Missing, Refused, Lost."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.now, work)

    def now(self, work: Callable[[Any], T]) -> T:
        """The same in this thread, which may wait for it."""
        import docker.errors
        import requests
        import urllib3

        try:
            return work(self.api)
        except docker.errors.NotFound as error:
            raise Missing(_words(error)) from error
        except docker.errors.APIError as error:
            raise Refused(error.status_code or 0, _words(error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException) as error:
            raise Lost(str(error)[:200]) from error
        except OSError as error:
            raise Lost(error.strerror or str(error)) from error

    async def stream(self, work: Callable[[Any], Iterator[T]]) -> AsyncGenerator[T, None]:
        """What an iterator gives that blocks, from a thread of its own; not read faster than it is taken."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[T | None, BaseException | None, bool]] = asyncio.Queue(AHEAD)
        source: list[Any] = []
        over = threading.Event()

        def put(item: tuple[T | None, BaseException | None, bool]) -> None:
            asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()

        def pump() -> None:
            failure: BaseException | None = None
            try:
                source.append(self.now(work))
                while not over.is_set() and (item := self.now(lambda _: next(source[0], _END))) is not _END:
                    put((item, None, False))
            except BaseException as error:
                failure = error
            finally:
                if not over.is_set() and not loop.is_closed():
                    put((None, failure, True))

        thread = threading.Thread(target=pump, daemon=True, name="engine-stream")
        thread.start()
        try:
            while True:
                item, failure, ended = await queue.get()
                if failure:
                    raise failure
                if ended:
                    return
                yield item  # type: ignore[misc]
        finally:
            over.set()
            while not queue.empty():  # a thread that waits for room gets it
                queue.get_nowait()
            for each in source:
                if hasattr(each, "close") and thread.is_alive():
                    _hang_up(each)

    def talk(self, work: Callable[[Any], Iterator[T]]) -> AsyncGenerator[T, None]:
        """The same for a long work of the engine's (a build, a pull): it is given up when nobody listens any more."""
        return self.stream(lambda _: _Talk(self.engine.client(), work))

    def close(self) -> None:
        """No more calls."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.api.close()


_END: Any = object()


class _Talk(Iterator[T]):
    """One answer, over a connection of its own; `close` hangs up, and the engine stops what it was doing."""

    def __init__(self, client: Any, work: Callable[[Any], Iterator[T]]) -> None:
        from docker.types import CancellableStream

        answers: list[Any] = []
        client.hooks["response"].append(lambda answer, **_: answers.append(answer))
        self._client = client
        try:
            self._pieces = work(client)
            self._end = CancellableStream(self._pieces, answers[-1])
        except BaseException:
            client.close()
            raise

    def __next__(self) -> T:
        try:
            return next(self._pieces)
        except BaseException:
            self._client.close()
            raise

    def close(self) -> None:
        self._end.close()
        self._client.close()


def _hang_up(stream: Any) -> None:
    """Close a stream on which a thread is waiting."""
    try:
        stream.close()
    except Exception:  # a generator that runs, a socket that is closed: the thread sees `over` at its next piece
        return


def _words(error: Any) -> str:
    return str(getattr(error, "explanation", None) or error).strip()
