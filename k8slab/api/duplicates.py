"""Keys that a JSON or YAML text gives twice: decoding keeps the last one and says nothing, so the text is read again.

`typed.check` adds them to its findings; the words are those of sigs.k8s.io/json and sigs.k8s.io/yaml.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any


class _Doubled(dict[str, Any]):
    """A JSON object with keys given twice."""

    again: set[str]


def find(text: bytes, *, as_yaml: bool = False) -> list[str]:
    """What strict decoding says of doubled keys, in the order of the text; a text that is broken has none."""
    try:
        return _in_json(text) if text.lstrip()[:1] in (b"{", b"[") and not as_yaml else _in_yaml(text)
    except (ValueError, RecursionError):
        return []


def _in_json(text: bytes) -> list[str]:
    seen = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) == len(items):
            return found
        doubled = _Doubled(found)
        doubled.again = {key for key, times in Counter(key for key, _ in items).items() if times > 1}
        seen.append(doubled)
        return doubled

    whole = json.loads(text, object_pairs_hook=pairs)
    return list(dict.fromkeys(f'duplicate field "{path}"' for path in _paths(whole, ""))) if seen else []


def _paths(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            path = f"{at}.{key}" if at else key
            if isinstance(value, _Doubled) and key in value.again:
                yield path
            yield from _paths(item, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, f"{at}[{index}]")


def _in_yaml(text: bytes) -> list[str]:
    import yaml  # start-up does not wait for a YAML parser: kubectl sends JSON

    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return []
    lines = [f'  line {line}: key "{key}" already set in map' for line, key in _doubled_nodes(root)]
    return ["\n".join(["yaml: unmarshal errors:", *lines])] if lines else []


def _doubled_nodes(root: Any) -> Iterator[tuple[int, str]]:
    """(line, key) of each; an anchor's node is looked at once, however often it is used."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.id == "sequence":
            todo += reversed(node.value)
        elif node.id == "mapping":
            keys: set[str] = set()
            for key, _ in node.value:
                if key.id == "scalar":
                    if key.value in keys and key.value != "<<":
                        yield key.start_mark.line + 1, key.value
                    keys.add(key.value)
            todo += [value for _, value in reversed(node.value)]
