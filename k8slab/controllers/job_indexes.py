"""Sets of completion indexes, as an Indexed Job's status writes them: `0-3,5,7,8`. Pure, for `job.py` and its kin.

The form is Kubernetes' (pkg/controller/job/indexed_job_utils.go): ranges from three on, two neighbours are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from k8slab.api.objects import Obj, annotations_of

INDEX = "batch.kubernetes.io/job-completion-index"  # annotation and label of an Indexed Job's pod


def parse(text: str | None, completions: int) -> frozenset[int]:
    """The indexes below `completions` that the text lists; what is no number in it is left out."""
    found: set[int] = set()
    for part in (text or "").split(","):
        low, _, high = part.partition("-")
        if low.isdigit() and (high or low).isdigit():
            found.update(range(int(low), min(int(high or low) + 1, completions)))
    return frozenset(found)


def written(indexes: Iterable[int]) -> str:
    """The text of a set of indexes."""
    return ",".join(_span(first, last) for first, last in _spans(sorted(indexes)))


def _spans(ordered: list[int]) -> Iterator[tuple[int, int]]:
    first = None
    for place, index in enumerate(ordered):
        first = index if first is None else first
        if place + 1 == len(ordered) or ordered[place + 1] != index + 1:
            yield first, index
            first = None


def _span(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def index_of(pod: Obj) -> int:
    """The pod's completion index; -1 if it has none."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else -1


def pending(completions: int, count: int, taken: frozenset[int]) -> list[int]:
    """The first `count` indexes that nobody has taken."""
    free = (index for index in range(completions) if index not in taken)
    return [index for index, _ in zip(free, range(count), strict=False)]
