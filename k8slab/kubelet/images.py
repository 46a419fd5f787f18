"""What the nodes do about images when a learner asks: their runtime does it, and every node reports what it has then.

`server.py` hands this to `apiserver/images.py`, which knows no runtime; `kubelets.py` is told of changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from k8slab.api.errors import ApiError, BadRequest, NotFound
from k8slab.runtime.base import Runtime, RuntimeFailure


class Images:
    """The images of a lab's runtime. `changed` is called when there are others."""

    def __init__(self, runtime: Runtime, changed: Callable[[], Awaitable[None]]) -> None:
        self._runtime, self._changed = runtime, changed

    async def list(self) -> list[dict[str, Any]]:
        """Those there are."""
        with refusals():
            return [asdict(info) for info in await self._runtime.image_list()]

    async def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        """Lines of progress."""
        with refusals():
            async with aclosing(self._runtime.build(name, folder, arguments)) as lines:  # type: ignore[type-var]
                async for line in lines:
                    yield line
        await self._changed()

    async def save(self, names: Sequence[str], file: Path) -> None:
        """Into a file."""
        with refusals():
            await self._runtime.save_images(names, file)

    async def load(self, file: Path) -> Sequence[str]:
        """From a file; the names."""
        with refusals():
            names = await self._runtime.load_images(file)
        await self._changed()
        return names

    async def remove(self, name: str) -> None:
        """Forget one."""
        with refusals():
            await self._runtime.remove_image(name)
        await self._changed()


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What the runtime could not do, as the API says it."""
    try:
        yield
    except RuntimeFailure as failure:
        kind: type[ApiError] = NotFound if failure.reason == "NotFound" else BadRequest
        raise kind(str(failure)) from failure
