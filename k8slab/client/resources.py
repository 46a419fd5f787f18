"""What people call a kind ("pods", "deploy", "Deployment") and where it is served.

Kubernetes' own kinds are known from `api/kinds.py`; any other is asked of the cluster, once. `http.py` uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from k8slab.api.kinds import ROWS
from k8slab.settings import LabError

Get = Callable[[str], dict[str, Any]]  # a path -> its JSON


class Resource(NamedTuple):
    """A kind, as far as its path goes."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    names: tuple[str, ...]  # all it is called, lower case

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """`/apis/apps/v1/namespaces/default/deployments/web/scale`; without a namespace: across all of them."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/" + "/".join([*parts, self.plural, *filter(None, (name, subresource))])


KNOWN = tuple(
    Resource(row.group, row.version, row.kind, row.plural, row.namespaced, (row.singular, row.plural, *row.short))
    for row in ROWS
)


class Resources:
    """Finds a resource by any of its names."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._discovered: list[Resource] | None = None

    def find(self, word: str, api_version: str = "") -> Resource:
        """Raises LabError when the cluster has no such kind. `deployments.apps` is understood as well."""
        name, _, group = word.lower().partition(".")

        def fits(found: Resource) -> bool:
            right = api_version in ("", found.api_version) and (not group or found.group == group)
            return right and name in found.names

        for known in (KNOWN, self._discover()):
            if found := next(filter(fits, known), None):
                return found
        version = f" in {api_version}" if api_version else ""
        raise LabError(f"The cluster has no kind {word!r}{version}. `kubectl api-resources` lists what it has.")

    def _discover(self) -> Iterable[Resource]:
        """Lazily: the group versions, then what each serves."""
        if self._discovered is None:
            self._discovered = list(self._ask())
        return self._discovered

    def _ask(self) -> Iterable[Resource]:
        versions = [group["preferredVersion"]["groupVersion"] for group in self._get("/apis").get("groups") or []]
        for path in ("/api/v1", *(f"/apis/{version}" for version in versions)):
            found = self._get(path)
            group, _, version = found["groupVersion"].rpartition("/")
            for row in found.get("resources") or []:
                if "/" not in row["name"]:
                    kind, plural = row["kind"], row["name"]
                    names = (kind.lower(), plural, row.get("singularName", ""), *(row.get("shortNames") or []))
                    yield Resource(group, version, kind, plural, row["namespaced"], names)
