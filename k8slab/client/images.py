"""A lab's images, for who stands outside of it: `lab.build` and `k8slab images` speak to the server through this.

The other end is `apiserver/images.py`. The server runs on the same machine and as the same user, so files travel as
their paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from k8slab.api.errors import ApiError, from_status
from k8slab.client.http import HttpClient
from k8slab.settings import LabError

STEPS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))  # as docker counts


@dataclass(frozen=True)
class Image:
    """An image of the lab: what a manifest calls it, its content's id, bytes, and when it was made (since 1970)."""

    name: str
    id: str
    size: int
    created: float

    @property
    def short_id(self) -> str:
        """As much of the id as people compare."""
        return self.id.removeprefix("sha256:")[:12]

    @property
    def said_size(self) -> str:
        """Its size for people; empty when it has none (a record)."""
        unit = next((step for step in STEPS if self.size >= step[0]), (1, "B"))
        return f"{self.size / unit[0]:.3g} {unit[1]}" if self.size else ""

    @property
    def said_created(self) -> str:
        """When it was made, in local time; empty if nobody knows."""
        return f"{datetime.fromtimestamp(self.created, UTC).astimezone():%Y-%m-%d %H:%M}" if self.created else ""

    def __repr__(self) -> str:
        size = f", {self.said_size}" if self.size else ""
        return f"{self.name} ({self.short_id}{size}). In a manifest: `image: {self.name}`"


class Images:
    """The images of the lab an API client speaks to. Every refusal is a LabError in the runtime's words."""

    def __init__(self, api: HttpClient) -> None:
        self._api = api

    def list(self) -> list[Image]:
        """All a pod can use, by name."""
        with _refusals():
            return [Image(**item) for item in self._api.request("GET", "/k8slab/images")["items"]]

    def build(self, name: str, folder: str | Path, arguments: Mapping[str, str]) -> Iterator[str]:
        """Build `name` from the Dockerfile in `folder`: lines of progress, and when they end, it is there."""
        asked = {"name": name, "folder": _path(folder), "arguments": dict(arguments)}
        with _refusals():
            for told in self._api.stream("/k8slab/images/build", asked):
                if "error" in told:
                    raise from_status(told["error"])
                if "line" in told:
                    yield told["line"]
                else:
                    return
        raise LabError(f"The lab went away while it built {name}. `k8slab status` says how it is.")

    def find(self, name: str) -> Image | None:
        """The image of this name; without a tag, its `latest`."""
        full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        return next((image for image in self.list() if image.name == full), None)

    def save(self, names: Sequence[str], file: str | Path) -> None:
        """Write images (no names: all that were built or loaded) into one tar file."""
        self._post("save", names=[*names], file=_path(file))

    def load(self, file: str | Path) -> Sequence[str]:
        """Take in such a file; the names."""
        return [str(name) for name in self._post("load", file=_path(file))["names"]]

    def remove(self, name: str) -> None:
        """Forget an image that was built or loaded."""
        self._post("remove", name=name)

    def _post(self, verb: str, **asked: object) -> dict[str, Sequence[str]]:
        with _refusals():
            answer: dict[str, Sequence[str]] = self._api.post(f"/k8slab/images/{verb}", asked)
            return answer


def _path(path: str | Path) -> str:
    return str(Path(path).expanduser().resolve())


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise LabError(error.message) from error
