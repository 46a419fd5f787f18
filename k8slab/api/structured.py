"""Objects as trees of fields: which fields one has, in which two differ, one merged into another, some taken away.

The ground under server-side apply (`managed_fields.py`). How far down a field can be owned says the schema: structs
and maps field by field, lists of type `map` item by item (told apart by their keys) and of type `set` value by value;
all else, and what is marked atomic, as one piece. The rules are those of sigs.k8s.io/structured-merge-diff/typed.
Neither the objects nor the sets given are touched; results may share parts with them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from k8slab.api import schema
from k8slab.api.field_sets import HERE, SELF, FieldSet, member
from k8slab.api.objects import Obj, encode

KEY_DEFAULTS = {"protocol": "TCP"}  # the one key of a list that may be left out (Container.ports, ServiceSpec.ports)

Part = tuple[str, "Shape", Any]  # a step, what is known of the value there, the value


class Comparison(NamedTuple):
    """In which fields a new object differs from an old one."""

    changed: FieldSet  # added or modified
    removed: FieldSet


class Shape:
    """How a value is owned. This one: as a whole."""

    def parts(self, value: Any) -> Iterable[Part]:
        """What can be owned below a value that is there and not empty."""
        return ()

    def below(self, step: str) -> Shape:
        """The shape of what stands at a step."""
        return LEAF

    def named(self, step: str) -> bool:
        """Whether the step is a field of a struct, and not an entry of a map or list."""
        return False


LEAF = Shape()


class Struct(Shape):
    """Owned field by field."""

    def __init__(self, definition: str) -> None:
        self.fields: dict[str, tuple[str, Shape]] = {
            name: (f"f:{name}", shape_of(field)) for name, field in schema.fields(definition).items()
        }
        self._steps = dict(self.fields.values())

    def parts(self, value: Any) -> Iterable[Part]:
        known = self.fields
        return [(*known[name], item) for name, item in value.items() if name in known]

    def below(self, step: str) -> Shape:
        return self._steps.get(step, LEAF)

    def named(self, step: str) -> bool:
        return step in self._steps


class Map(Shape):
    """Owned entry by entry."""

    def __init__(self, item: Shape) -> None:
        self.item = item

    def parts(self, value: Any) -> Iterable[Part]:
        return [(f"f:{name}", self.item, item) for name, item in value.items()]

    def below(self, step: str) -> Shape:
        return self.item


class Items(Shape):
    """A list owned item by item: by keys, or, without them, by value. Of items with the same keys the first counts."""

    def __init__(self, keys: tuple[str, ...], item: Shape) -> None:
        self.keys = tuple(sorted(keys))
        self.item = item

    def step(self, item: Any) -> str:
        """The step that tells this item from the others."""
        if not self.keys or not isinstance(item, dict):
            return "v:" + encode(item).decode()
        known = ((key, item.get(key, KEY_DEFAULTS.get(key))) for key in self.keys)
        return "k:" + encode({key: value for key, value in known if value is not None}).decode()

    def unfit(self, item: Any) -> str:
        """Why an item of a configuration cannot be told from the others, or nothing."""
        if not self.keys:
            said = {dict: "a map type", list: "a list", type(None): "an explicit null"}.get(type(item), "")
            return f"associative list without keys has an element that's {said}" if said else ""
        if not isinstance(item, dict):
            return f"associative list with keys may not have {'a null element' if item is None else 'non-map elements'}"
        lost = next((key for key in self.keys if key not in item and key not in KEY_DEFAULTS), "")
        said = f'omits key field "{lost}" (and doesn\'t have default value)'
        return f"associative list with keys has an element that {said}" if lost else ""

    def parts(self, value: Any) -> Iterable[Part]:
        return [(step, self.item, item) for step, item in self.by_step(value).items()]

    def by_step(self, value: Any) -> dict[str, Any]:
        """The items, in their order, under their steps."""
        found: dict[str, Any] = {}
        for item in value:
            found.setdefault(self.step(item), item)
        return found

    def below(self, step: str) -> Shape:
        return self.item


@functools.cache
def shape(definition: str) -> Struct:
    """The shape of a kind's objects, or of a struct within them."""
    return Struct(definition)


def shape_of(field: schema.Field) -> Shape:
    """The shape of what a field holds."""
    if field.holds == "list":
        if field.list_type == "map":
            return Items(field.map_keys, LEAF if field.atomic else _one(field.type))
        return Items((), LEAF) if field.list_type == "set" else LEAF
    if field.atomic:
        return LEAF
    return Map(_one(field.type)) if field.holds == "map" else _one(field.type)


def _one(type_: str) -> Shape:
    return Lazy(type_) if "." in type_ else LEAF


class Lazy(Shape):
    """A struct whose definition is unpacked when the first such value comes."""

    def __init__(self, definition: str) -> None:
        self.definition = definition

    @functools.cached_property
    def struct(self) -> Struct:
        """The shape itself."""
        return shape(self.definition)

    def parts(self, value: Any) -> Iterable[Part]:
        return self.struct.parts(value)

    def below(self, step: str) -> Shape:
        return self.struct.below(step)

    def named(self, step: str) -> bool:
        return self.struct.named(step)


# ---- which fields ---------------------------------------------------------------------------------------------------


def all_fields(value: Any, shape: Shape) -> FieldSet:
    """Every field of a value that was not there before: what holds fields, too, and not only what is in it."""
    if shape is LEAF or not value:
        return HERE
    found = {SELF: HERE}
    for step, below, item in shape.parts(value):
        found[step] = HERE if below is LEAF else all_fields(item, below)
    return found if len(found) > 1 else HERE


def fields_of(obj: Obj, definition: str) -> FieldSet:
    """The fields a configuration speaks of: leaves, items and entries, and what it says is null or empty."""
    return _spoken_of(obj, shape(definition))


def _spoken_of(value: Any, shape: Shape) -> FieldSet:
    found: FieldSet = {}
    for step, below, item in shape.parts(value) if value else ():
        if below is LEAF or item is None or item == {}:
            found[step] = HERE
            continue
        inner = _spoken_of(item, below)
        if shape.named(step):
            if inner:
                found[step] = inner
        else:
            found[step] = {SELF: HERE, **inner} if inner else HERE
    return found


def with_holders(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set, and the fields of structs that hold something of it: with `.spec.replicas` also `.spec`."""
    found = {}
    for step, node in fields.items():
        inner = with_holders(node, shape.below(step)) if node else node
        found[step] = {SELF: HERE, **inner} if node and not member(node) and shape.named(step) else inner
    return found


# ---- two objects ----------------------------------------------------------------------------------------------------


def compare(old: Obj, new: Obj, definition: str) -> Comparison:
    """What became of the old object in the new one."""
    changed, removed = _compare(old, new, shape(definition))
    return Comparison(changed or {}, removed or {})


def _compare(old: Any, new: Any, shape: Shape) -> tuple[FieldSet | None, FieldSet | None]:
    if old is new or old == new:
        return None, None
    if shape is LEAF or not (old or new):
        return HERE, None
    before = {part[0]: part for part in shape.parts(old)} if old else {}
    changed, removed = {}, {}
    for step, below, item in shape.parts(new) if new else ():
        was = before.pop(step, None)
        if was is None:
            changed[step] = all_fields(item, below)
            continue
        more, less = _compare(was[2], item, below)
        if more is not None:
            changed[step] = more
        if less is not None:
            removed[step] = less
    for step, below, item in before.values():
        removed[step] = all_fields(item, below)
    return changed or None, removed or None


@functools.cache
def nothing(definition: str) -> Obj:
    """The object Go has before anything was read into it: what is there then, nobody has added. Never change it."""
    return _nothing(definition)


def _nothing(definition: str) -> Obj:
    found: Obj = {}
    for name, field in schema.fields(definition).items():
        if field.zero == "fill":
            found[name] = _nothing(field.type) if "." in field.type else _zero(field.type)
        elif field.required and not field.zero:
            found[name] = None  # a list, map or pointer that is written down as null
    return found


def _zero(type_: str) -> Any:
    return {"string": "", "bytes": "", "bool": False, "Quantity": "0"}.get(type_, 0)


# ---- merged, and taken away -----------------------------------------------------------------------------------------


def merge(live: Obj, applied: Obj, definition: str) -> Obj:
    """The live object with all that the applied one says; nothing is removed."""
    merged: Obj = _merge(live, applied, shape(definition))
    return merged


def _merge(old: Any, new: Any, shape: Shape) -> Any:
    if shape is LEAF or old is None or not (old or new):
        return new
    if not new:
        return old
    if isinstance(kind := shape.struct if isinstance(shape, Lazy) else shape, Items):
        return _merge_items(kind, kind.by_step(old), kind.by_step(new))
    merged = {**old}
    for (_, below, item), name in zip(shape.parts(new), _names(shape, new), strict=True):
        merged[name] = _merge(old[name], item, below) if name in old else item
    return merged


def _names(shape: Shape, value: Mapping[str, Any]) -> list[str]:
    struct = shape.struct if isinstance(shape, Lazy) else shape
    return [name for name in value if not isinstance(struct, Struct) or name in struct.fields]


def _merge_items(shape: Items, old: dict[str, Any], new: dict[str, Any]) -> list[Any]:
    """Items in the applied order where both lists have them; those only the live list has keep their places."""
    merged: list[Any] = []
    waiting = list(old)  # of the live list, still to be placed
    shared = [step for step in new if step in old]
    coming = list(new)
    while waiting or coming:
        if waiting and coming and waiting[0] != coming[0] and waiting[0] in new and shared and shared[0] != waiting[0]:
            waiting.pop(0)  # comes where the applied list has it
        elif waiting and waiting[0] not in new:
            merged.append(old[waiting.pop(0)])
        elif coming:
            step = coming.pop(0)
            merged.append(_merge(old[step], new[step], shape.item) if step in old else new[step])
            if waiting and waiting[0] == step:
                waiting.pop(0)
            if shared and shared[0] == step:
                shared.pop(0)
        else:
            waiting.pop(0)
    return merged


def without(obj: Obj, fields: FieldSet, definition: str) -> Obj:
    """The object without the fields of the set, and all that is below them. What was emptied so is null."""
    return _without(obj, fields, shape(definition)) or {}


def _without(value: Any, fields: FieldSet, shape: Shape) -> Any:
    kind = shape.struct if isinstance(shape, Lazy) else shape
    if kind is LEAF or not value:
        return value if kind is LEAF and not isinstance(value, dict | list) else None
    if isinstance(kind, Items):
        left = [
            _without(item, node, kind.item) if node else item
            for item in value
            if not ((node := fields.get(kind.step(item))) is not None and member(node))
        ]
        return left or None
    kept: Obj = {}
    for name, item in value.items():
        node = fields.get(f"f:{name}")
        if node is None:
            kept[name] = item
        elif not member(node):
            kept[name] = _without(item, node, kind.below(f"f:{name}"))
    return kept or None
