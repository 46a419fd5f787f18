"""What a request's query says of how to do it: its options, checked as Kubernetes checks them.

Called by `resources.py` before anything is done. Sources: apimachinery/pkg/apis/meta/v1/validation (writes) and
meta/internalversion/validation (lists and watches).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from k8slab.api.causes import forbidden, invalid, required, too_long, unsupported
from k8slab.api.errors import BadRequest, Cause, Invalid
from k8slab.api.managed_fields import Writer
from k8slab.apiserver.requests import query_flag, query_int, query_revision

MOST_NAME = 128  # bytes of a field manager's name
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
EXACT, NOT_OLDER = "Exact", "NotOlderThan"
WRITES = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


def check_write(method: str, query: Mapping[str, str], *, applies: bool = False) -> None:
    """Raises Invalid for options of a write that cannot be."""
    found = list(_write_problems(method, query, applies))
    if found:
        raise Invalid.of("meta.k8s.io", WRITES[method], "", found)


def _write_problems(method: str, query: Mapping[str, str], applies: bool) -> Iterable[Cause]:
    manager = query.get("fieldManager", "")
    if applies and not manager:
        yield required("fieldManager", "is required for apply patch")
    if method == "PATCH" and not applies and "force" in query:
        yield forbidden("force", "may not be specified for non-apply patch")
    if len(manager.encode()) > MOST_NAME:
        yield too_long("fieldManager", MOST_NAME)
    for place, char in enumerate(manager):
        if not char.isprintable():
            yield invalid("fieldManager", manager, f"invalid character U+{ord(char):04X} (at position {place})")
    yield from dry_run_problems(query.get("dryRun", ""))
    if (validation := query.get("fieldValidation", "")) not in VALIDATIONS:
        yield unsupported("fieldValidation", validation, VALIDATIONS)


def dry_run_problems(*asked: str) -> Iterable[Cause]:
    """`All` is all there is."""
    if any(value not in ("", "All") for value in asked):
        yield unsupported("dryRun", list(asked), ("All",))


def writer(query: Mapping[str, str], user_agent: str, subresource: str = "") -> Writer:
    """Who writes: the name given, else the first part of the user agent."""
    name = query.get("fieldManager", "")
    if not name:
        agent = "".join(char for char in user_agent.partition("/")[0] if char.isprintable())
        name = agent.encode()[:MOST_NAME].decode(errors="ignore")
    return Writer(name, subresource)


@dataclass(frozen=True)
class ListOptions:
    """What a list or a watch is asked for. Revision 0 means whatever is at hand, None the newest."""

    watch: bool = False
    limit: int = 0
    token: str = ""
    revision: int | None = None
    match: str = ""
    initial_events: bool | None = None
    bookmarks: bool = False
    timeout: int | None = None  # seconds

    @classmethod
    def read(cls, query: Mapping[str, str]) -> ListOptions:
        """Raises BadRequest, Invalid."""
        options = cls(
            watch=query_flag(query, "watch"), limit=max(0, query_int(query, "limit") or 0),
            token=query.get("continue", ""), revision=query_revision(query),
            match=query.get("resourceVersionMatch", ""),
            initial_events=query_flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
            bookmarks=query_flag(query, "allowWatchBookmarks"), timeout=query_int(query, "timeoutSeconds"),
        )  # fmt: skip
        found = list(options._watch_problems() if options.watch else options._list_problems())
        if found:
            raise Invalid.of("meta.k8s.io", "ListOptions", "", found)
        if options.token and options.revision and not options.watch:
            raise BadRequest("specifying resource version is not allowed when using continue")
        return options

    @property
    def exact(self) -> bool:
        """Whether the list shall be the one of that very revision; so chunks of one were meant before `match` was."""
        return bool(self.revision) and (self.match == EXACT or (not self.match and self.limit > 0))

    def _list_problems(self) -> Iterable[Cause]:
        field = "resourceVersionMatch"
        if self.match:
            if self.revision is None:
                yield forbidden(field, f"{field} is forbidden unless resourceVersion is provided")
            if self.token:
                yield forbidden(field, f"{field} is forbidden when continue is provided")
            if self.match not in (EXACT, NOT_OLDER):
                yield unsupported(field, self.match, (EXACT, NOT_OLDER, ""))
            if self.match == EXACT and self.revision == 0:
                yield forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"')
        if self.initial_events is not None:
            yield forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")

    def _watch_problems(self) -> Iterable[Cause]:
        field = "resourceVersionMatch"
        if self.initial_events is not None and self.match != NOT_OLDER:
            yield forbidden(field, f"sendInitialEvents requires setting {field} to {NOT_OLDER}")
        if self.match:
            if self.initial_events is None:
                yield forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided")
            if self.match != NOT_OLDER:
                yield unsupported(field, self.match, (NOT_OLDER,))
            if self.token:
                yield forbidden(field, f"{field} is forbidden when continue is provided")
