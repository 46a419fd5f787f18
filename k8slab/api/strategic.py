"""Strategic merge patch: Kubernetes' own, which merges lists by the keys of their items. `kubectl apply` sends it.

Part of `patch.py`. What a list's key is says `schema.Field` (merge_key, strategy); directives in the patch say the
rest: `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/<list>`, `$setElementOrder/<list>`. The rules are those of
k8s.io/apimachinery/pkg/util/strategicpatch and the page sig-api-machinery/strategic-merge-patch.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slab.api import go_text, schema
from k8slab.api.causes import show
from k8slab.api.errors import BadRequest
from k8slab.api.objects import Obj, copy, encode

PATCH, RETAIN = "$patch", "$retainKeys"
DELETE, ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"
Items = list[Any]


def strategic_merge_patch(target: Obj, patch: Any, definition: str) -> Obj:
    """The target, an object of this definition, with the patch merged in; neither is touched.

    Raises BadRequest for a patch that is no object or has a directive that cannot be followed.
    """
    if not isinstance(patch, dict):
        raise BadRequest(go_text.no_home(patch, go_text.A_MAP))
    return _merge_map(copy(target), copy(patch), _fields(definition))


def _fields(type_: str) -> Mapping[str, schema.Field]:
    """The fields of a definition; none for what has no structure (a map of labels)."""
    return schema.fields(type_) if "." in type_ else {}


def _below(field: schema.Field | None) -> Mapping[str, schema.Field]:
    """What is known of the objects in a field."""
    return _fields(field.type) if field is not None else {}


def _merge_map(original: Obj, patch: Obj, fields: Mapping[str, schema.Field]) -> Obj:
    """Merge a patch into an object; both may be consumed."""
    if PATCH in patch:
        directive = patch.pop(PATCH)
        if directive == "replace":
            return _bare(patch)
        if directive == "delete":
            return {}
        if directive != "merge":
            raise BadRequest(f"unknown patch type: {directive}")
    original = _retain(original, patch)
    orders = {name.removeprefix(ORDER): patch.pop(name) for name in [*patch] if name.startswith(ORDER)}
    for name, value in patch.items():
        if name.startswith(DELETE):
            _delete_primitives(original, name.removeprefix(DELETE), value)
        elif name in orders and isinstance(value, list):
            _check_order(name, value, orders[name], fields.get(name))
    live = {name: [*items] for name in orders if isinstance(items := original.get(name), list)}
    for name, value in patch.items():
        if not name.startswith(DELETE):
            _merge_field(original, name, value, fields.get(name))
    for name, order in orders.items():
        if isinstance(original.get(name), list):
            original[name] = _ordered(original[name], order, live.get(name, []), _key_of(fields.get(name)))
    return original


def _retain(original: Obj, patch: Obj) -> Obj:
    """`$retainKeys`: fields of the original that are not listed go."""
    if RETAIN not in patch:
        return original
    keys = patch.pop(RETAIN)
    if not isinstance(keys, list):
        raise BadRequest("invalid patch format of retainKeys")
    if any(not name.startswith("$") and value is not None and name not in keys for name, value in patch.items()):
        raise BadRequest("invalid patch format of retainKeys: it must list all fields that the patch sets")
    return {name: value for name, value in original.items() if name in keys}


def _merge_field(original: Obj, name: str, value: Any, field: schema.Field | None) -> None:
    if value is None:
        original.pop(name, None)
        return
    before = original.get(name)
    strategy = field.strategy if field is not None else ()
    if isinstance(before, dict) and isinstance(value, dict) and "replace" not in strategy:
        original[name] = _merge_map(before, value, _below(field))
    elif isinstance(value, list) and "merge" in strategy and field is not None:
        original[name] = _merge_list(before if isinstance(before, list) else [], value, field)
    elif isinstance(value, dict) and value.get(PATCH) == "delete":
        original.pop(name, None)
    else:
        original[name] = _plain(value)


def _merge_list(original: Items, patch: Items, field: schema.Field) -> Items:
    if not field.merge_key:
        if any(isinstance(item, dict | list) for item in patch):
            raise BadRequest("invalid patch format of primitive list")
        return list(dict.fromkeys([*original, *patch]))
    key, fresh, gone, replace = field.merge_key, [], set(), False
    for item in patch:
        if not isinstance(item, dict):
            raise BadRequest(f"a list merged by {key} holds objects, not {show(item)}")
        directive = item.get(PATCH)
        if directive == "replace":
            replace = True
        elif directive == "delete":
            gone.add(_hashable(_value_of(item, key)))
        elif directive in (None, "merge"):
            fresh.append(item)
        else:
            raise BadRequest(f"unknown patch type: {directive}")
    if replace:
        return [_plain(item) for item in fresh]
    kept = [item for item in original if _hashable(_identity(item, key)) not in gone]
    return _merge_items(kept, fresh, key, _fields(field.type))


def _merge_items(original: Items, patch: Items, key: str, fields: Mapping[str, schema.Field]) -> Items:
    merged = [*original]
    places = _places(original, key)
    for item in patch:
        value = _hashable(_value_of(item, key))
        place = places.get(value)
        if place is None:
            places[value] = len(merged)
            merged.append(_merge_map({}, item, fields))
        else:
            merged[place] = _merge_map(merged[place], item, fields)
    return merged


def _value_of(item: Obj, key: str) -> Any:
    if item.get(key) is None:
        raise BadRequest(f"map: {show(item)} does not contain declared merge key: {key}")
    return item[key]


def _delete_primitives(original: Obj, name: str, values: Any) -> None:
    if not isinstance(values, list):
        raise BadRequest("invalid patch format of primitive list")
    if isinstance(original.get(name), list):
        gone = set(map(_hashable, values))
        original[name] = [item for item in original[name] if _hashable(item) not in gone]


def _bare(value: Obj) -> Obj:
    """An object that has nothing to merge into: without its nulls, and without directives."""
    kept = ((name, item) for name, item in value.items() if item is not None and not name.startswith("$"))
    return {name: _plain(item) for name, item in kept}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _bare(value)
    if isinstance(value, list):
        gone = ("delete", "replace")
        return [_plain(item) for item in value if not (isinstance(item, dict) and item.get(PATCH) in gone)]
    return value


# `$setElementOrder`: the items the patch speaks of come in its order, those only the server knows keep their places.


def _key_of(field: schema.Field | None) -> str:
    return field.merge_key if field is not None else ""


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _hashable(value: Any) -> Any:
    """What equal values have in common, for looking them up: a list may have a hundred thousand items."""
    return encode(value) if isinstance(value, dict | list) else value


def _places(items: Items, key: str) -> dict[Any, int]:
    """Where in a list each identity first stands."""
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        places.setdefault(_hashable(_identity(item, key)), index)
    return places


def _check_order(name: str, patch: Items, order: Any, field: schema.Field | None) -> None:
    """The patch's items must be in the order it gives, or the two contradict each other."""
    if not isinstance(order, list):
        raise BadRequest("invalid patch format of setElementOrder list")
    key = _key_of(field)
    listed = [_identity(item, key) for item in order]
    given = [_identity(item, key) for item in patch if not (isinstance(item, dict) and PATCH in item)]
    known = _places(order, key)
    places = [known.get(_hashable(item), -1) for item in given]
    if -1 in places or places != sorted(places):
        raise BadRequest(
            f"The order in patch list:\n{show(given)}\n doesn't match {ORDER}{name} list:\n{show(listed)}\n"
        )


def _ordered(merged: Items, order: Any, live: Items, key: str) -> Items:
    if not isinstance(order, list):
        raise BadRequest("invalid patch format of setElementOrder list")
    wished, known = _places(order, key), _places(live, key)
    named = [item for item in merged if _hashable(_identity(item, key)) in wished]
    named.sort(key=lambda item: wished[_hashable(_identity(item, key))])
    others = [item for item in merged if _hashable(_identity(item, key)) not in wished]
    result: Items = []
    i = j = 0
    while i < len(others) and j < len(named):
        first, second = (known.get(_hashable(_identity(item, key))) for item in (others[i], named[j]))
        if first is not None and second is not None and first < second:
            result.append(others[i])
            i += 1
        else:
            result.append(named[j])
            j += 1
    return [*result, *named[j:], *others[i:]]
