"""What a view needs of a cluster: somebody who keeps an eye on it, and a few verbs to act through.

`client/http.py` keeps these promises for any cluster, `lab.py` for a lab; tests bring fakes. `base.py` is next door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from k8slab.api.objects import Obj

Snapshot = Mapping[str, Sequence[Obj]]  # kind -> every object of that kind, shared: never change one


class Following(Protocol):
    """Somebody following a cluster; called, it stops. `problem` says why nothing is heard, or is empty."""

    problem: str

    def __call__(self) -> None: ...


class Feed(Protocol):
    """Whoever keeps an eye on a cluster: `client/http.py` does, over HTTPS."""

    def follow(self, kinds: Sequence[str], on_change: Callable[[Snapshot], None]) -> Following:
        """Call back, on a thread of the feed's own, with all objects of these kinds: now, and after every change.

        Bursts may come as one. An object that did not change stays the same dict. A lost connection is mended
        silently, calling back when `problem` changes. May be stopped twice.
        """
        ...


class Process(Protocol):
    """Something on the other side of a terminal. `ended` says how it ended, if there is anything to say."""

    ended: str

    def read(self) -> bytes:
        """What it wrote, as it comes; nothing when it has ended."""
        ...

    def write(self, data: bytes) -> None: ...

    def resize(self, size: tuple[int, int]) -> None:
        """Columns, rows."""
        ...

    def close(self) -> None: ...


class Api(Feed, Protocol):
    """The little of a cluster's API that views act through. Failures raise, with a sentence for the learner."""

    def delete(self, kind: str, name: str, namespace: str = "") -> Any: ...

    def patch(self, kind: str, name: str, namespace: str, patch: Any, subresource: str = "") -> Any:
        """JSON merge patch (RFC 7386)."""
        ...

    def logs(self, name: str, namespace: str = "", *, tail: int | None = None, previous: bool = False) -> str: ...

    def execute(self, name: str, namespace: str, command: Sequence[str], container: str = "") -> Process:
        """Start a command in a container, on a terminal."""
        ...

    def post(self, path: str, body: Obj) -> Any:
        """What only a lab can do: `/k8slab/crash`, `/k8slab/power`."""
        ...


class LabLike(Protocol):
    """What a view needs of a lab, or of any cluster behind a kubeconfig.

    `abilities` may say: `runtime` ("local"), `real` (containers are processes), `fences` (those that are real) out of
    `all_fences`, `missing` (fence -> why), `version` ("1.36"), and what the lab can do: `crash`, `power` (bool).
    """

    name: str

    @property
    def speed(self) -> float: ...

    @property
    def abilities(self) -> Mapping[str, Any]: ...

    @property
    def api(self) -> Api: ...
