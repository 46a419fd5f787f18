"""Which objects are meant: label selectors as kubectl writes them and as objects carry them, and field selectors.

A list or watch hands its query here, controllers the selector of their object; both get something that `matches`.
The grammar and its errors are Kubernetes' (k8s.io/apimachinery/pkg/labels/selector.go, pkg/fields/selector.go).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from k8slab.api import names
from k8slab.api.causes import invalid
from k8slab.api.errors import BadRequest

OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")  # as the error lists them
_WORDS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": ">", "Lt": "<"}
_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|=|!|\(|\)|,|>|<|[^=!(),<> \t\r\n]+|$)")
_SYMBOLS = frozenset(("==", "!=", "=", "!", "(", ")", ",", ">", "<", ""))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `operator` is as written: = == != in notin exists ! > <"""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels fulfil it."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return value is not None and _compare(self.operator, value, self.values[0])

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of its requirements must hold; without any it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels are selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __bool__(self) -> bool:
        return bool(self.requirements)


@dataclass(frozen=True, slots=True)
class Nothing(LabelSelector):
    """Selects no object: what an absent selector means in Kubernetes' objects."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        return False


NOTHING = Nothing()


@lru_cache(maxsize=512)
def parse_label_selector(text: str) -> LabelSelector:
    """Read the string form: `a=b,c!=d,e in (x,y),!f,g notin (z)`. Raises ValueError with Kubernetes' words."""
    return LabelSelector(tuple(sorted(_Parser(text).requirements(), key=lambda r: r.key)))


def from_labels(labels: Mapping[str, str] | None) -> LabelSelector:
    """A plain map, as Services and ReplicationControllers carry it; an empty one selects nothing."""
    if not labels:
        return NOTHING
    return LabelSelector(tuple(Requirement(key, "=", (value,)) for key, value in sorted(labels.items())))


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A LabelSelector (`matchLabels`, `matchExpressions`): absent it selects nothing, empty everything.

    Raises ValueError for an operator that does not exist; validation has already refused such an object.
    """
    if selector is None:
        return NOTHING
    found = [Requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or []:
        operator = _WORDS.get(expression["operator"])
        if operator is None or operator in "<>":
            raise ValueError(f'"{expression["operator"]}" is not a valid label selector operator')
        found.append(Requirement(expression["key"], operator, tuple(expression.get("values") or ())))
    return LabelSelector(tuple(sorted(found, key=lambda r: r.key)))


def format_selector(selector: Mapping[str, Any] | None) -> str:
    """The string form of a LabelSelector or a plain map, as tables and the scale subresource show it."""
    if not selector:
        return ""
    plain = all(isinstance(value, str) for value in selector.values())
    return str(from_labels(selector) if plain else from_object(selector))


def from_node_expression(expression: Mapping[str, Any]) -> Requirement:
    """A NodeSelectorRequirement, which knows Gt and Lt as well."""
    return Requirement(expression["key"], _WORDS[expression["operator"]], tuple(expression.get("values") or ()))


def _compare(operator: str, value: str, limit: str) -> bool:
    if not (re.fullmatch(r"[+-]?\d+", value) and re.fullmatch(r"[+-]?\d+", limit)):
        return False
    return int(value) > int(limit) if operator == ">" else int(value) < int(limit)


def go_string(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as Go prints it: some of Kubernetes' events show one so."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{e['key']},Operator:{e['operator']},"
        f"Values:[{' '.join(e.get('values') or [])}],}},"
        for e in selector.get("matchExpressions") or []
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


class _Parser:
    """One pass over the tokens, left to right. `in` and `notin` are words where a key or value is expected."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group(1) for match in _TOKEN.finditer(text)]

    def _next(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""

    @property
    def _ahead(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def requirements(self) -> Iterator[Requirement]:
        if not self._ahead:
            return
        if self._ahead in _SYMBOLS and self._ahead != "!":
            raise ValueError(f"found '{self._ahead}', expected: !, identifier, or 'end of string'")
        while True:
            try:
                yield self._requirement()
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            if not (token := self._next()):
                return
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            if self._ahead in _SYMBOLS and self._ahead != "!":
                raise ValueError(f"found '{self._ahead}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        absent = self._ahead == "!" and bool(self._next())
        key = self._identifier()
        if wrong := names.label_key(key):
            raise ValueError(str(invalid("<nil>", key, "; ".join(wrong))))
        if absent and self._ahead in ("", ","):
            return Requirement(key, "!")
        if self._ahead in ("", ","):
            return Requirement(key, "exists")
        operator = self._next()
        if operator in ("in", "notin"):
            return self._checked(Requirement(key, operator, tuple(sorted(set(self._values())))))
        if operator in ("=", "==", "!=", ">", "<"):
            return self._checked(Requirement(key, operator, (self._exact(),)))
        raise ValueError(f"found '{operator}', expected: {', '.join(OPERATORS)}")

    def _identifier(self) -> str:
        token = self._next()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: identifier")
        return token

    def _exact(self) -> str:
        return "" if self._ahead in ("", ",") else self._identifier()

    def _values(self) -> Iterator[str]:
        if (token := self._next()) != "(":
            raise ValueError(f"found '{token}' expected: '('")
        if self._ahead in _SYMBOLS - {",", ")"}:
            raise ValueError(f"found '{self._ahead}', expected: ',', ')' or identifier")
        while True:
            yield "" if self._ahead in (",", ")") else self._identifier()
            if (token := self._next()) == ")":
                return
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or ')'")

    @staticmethod
    def _checked(requirement: Requirement) -> Requirement:
        wrong = []
        for index, value in enumerate(requirement.values):
            if requirement.operator in "<>" and not re.fullmatch(r"[+-]?\d+", value):
                wrong.append(
                    invalid(f"values[{index}]", value, "for 'Gt', 'Lt' operators, the value must be an integer")
                )
            if sentences := names.label_value(value):
                wrong.append(invalid(f"values[{index}][{requirement.key}]", value, "; ".join(sentences)))
        if wrong:
            text = ", ".join(map(str, wrong))
            raise ValueError(f"[{text}]" if len(wrong) > 1 else text)
        return requirement


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """`metadata.name=web,status.phase!=Running`: exact comparisons of named fields."""

    terms: tuple[tuple[str, bool, str], ...] = ()  # field, whether it must be equal, value

    def matches(self, fields: Mapping[str, Any] | Callable[[str], Any]) -> bool:
        """Whether an object with these fields (a flat dict, or a function of the field's name) is selected."""
        look = fields if callable(fields) else fields.get
        return all((_text(look(field)) == value) is equal for field, equal, value in self.terms)

    def check(self, supported: Collection[str]) -> None:
        """Raises BadRequest for a field the kind cannot be selected by."""
        for field, _, _ in self.terms:
            if field not in supported:
                raise BadRequest(f"field label not supported: {field}")

    def names(self) -> list[str]:
        """The fields it speaks of."""
        return [field for field, _, _ in self.terms]

    def __str__(self) -> str:
        return ",".join(f"{field}{'=' if equal else '!='}{_escape(value)}" for field, equal, value in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)


@lru_cache(maxsize=512)
def parse_field_selector(text: str) -> FieldSelector:
    """Read the string form; `\\`, `,` and `=` in a value are escaped by `\\`. Raises ValueError."""
    found = []
    for term in filter(None, _terms(text)):
        match = re.match(r"(.*?)(!=|==|=)(.*)", term, re.DOTALL)
        if match is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = match.groups()
        found.append((field, operator != "!=", _unescape(value)))
    return FieldSelector(tuple(found))


def _terms(text: str) -> Iterable[str]:
    return re.findall(r"(?:\\.|[^,\\])+|\\$", text, re.DOTALL)


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _unescape(value: str) -> str:
    for sequence in re.findall(r"\\.?|[,=]", value, re.DOTALL):
        if sequence in (",", "="):
            raise ValueError(f"invalid field selector: unescaped character in value: {sequence}")
        if sequence not in ("\\\\", "\\,", "\\="):
            raise ValueError(f"invalid field selector: invalid escape sequence: {sequence}")
    return re.sub(r"\\(.)", r"\1", value)


def _text(value: Any) -> str:
    """A field as field selectors see it: absent is empty, booleans are words."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
