"""YAML into plain data, whoever sent it, within limits; imported with the first that comes, as kubectl sends JSON.

`requests.read_object` calls. A text of a few bytes must not become a tree of a billion nodes, nor one deeper than
`bodies.py` allows for JSON.
"""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

from k8slab.api.errors import BadRequest
from k8slab.api.objects import decode, encode
from k8slab.apiserver.bodies import MAX_DEPTH, TOO_DEEP, read_json

MOST_NODES = 100_000  # aliases counted as often as they are used


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as JSON has it: a timestamp stays text (sigs.k8s.io/yaml)."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(body: bytes) -> Any:
    """YAML, with what JSON does not know as JSON would have it. Raises BadRequest.

    Much that clients call YAML is JSON (kubectl's server-side apply) and read as such, a hundred times faster.
    """
    if body.lstrip()[:1] == b"{":
        try:
            return read_json(body)
        except BadRequest as error:
            if error.message == TOO_DEEP:
                raise
    try:
        _survey(body)
        return decode(encode(yaml.load(body, Loader=_Loader)))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:  # as its constructors please
        raise BadRequest(f"the object provided is unrecognized: it is not YAML ({error})") from None


def _survey(text: bytes) -> None:
    """Read the text without building anything of it: how deep it is, and how large once aliases are followed."""
    open_: list[tuple[str | None, int]] = []  # the collections we are in: their anchor, and the nodes before them
    sizes: dict[str, int] = {}  # nodes under an anchor
    nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in open_):
                raise BadRequest(f"the object provided is unrecognized: YAML anchor {event.anchor!r} contains itself")
            nodes += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append((event.anchor, nodes))
            elif event.anchor:
                sizes[event.anchor] = 1
            nodes += 1
        if len(open_) > MAX_DEPTH:
            raise BadRequest(TOO_DEEP)
        if nodes > MOST_NODES:
            raise BadRequest(
                f"the object provided is unrecognized: its YAML has more than {MOST_NODES} nodes, aliases followed"
            )
