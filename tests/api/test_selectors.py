from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api import selectors
from k8slab.api.errors import BadRequest
from k8slab.api.selectors import FieldSelector, LabelSelector, Requirement, from_labels, from_object
from k8slab.api.selectors import parse_field_selector as parse_fields
from k8slab.api.selectors import parse_label_selector as parse

WEB = {"app": "web", "tier": "front", "n": "5"}

MATCHES = [
    ("", True), ("app=web", True), ("app==web", True), ("app = web", True), ("app!=web", False), ("other!=web", True),
    ("app in (web,api)", True), ("app in (api)", False), ("app notin (api)", True), ("other notin (x)", True),
    ("app", True), ("!app", False), ("!other", True), ("! other", True), ("other", False), ("app=web,tier=front", True),
    ("app=web,tier=back", False), ("n>4", True), ("n<5", False), ("app>1", False), ("in in (in)", False),
    ("app in ()", False),
    ("other=", False), ("app in (,web)", True), ("a.b/c notin (in,notin)", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "selected"), MATCHES)
def test_matching(text, selected):
    assert parse(text).matches(WEB) is selected


WRONG = [
    ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("a=b=c", "found '=', expected: ',' or 'end of string'"),
    ("a,", "found '', expected: identifier after ','"),
    ("=b", "found '=', expected: !, identifier, or 'end of string'"),
    ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("a in x", "unable to parse requirement: found 'x' expected: '('"),
    ("a=(", "unable to parse requirement: found '(', expected: identifier"),
    ("!", "unable to parse requirement: found '', expected: identifier"),
    ("a in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"),
    ("a in (!)", "unable to parse requirement: found '!', expected: ',', ')' or identifier"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_errors_as_kubectl_shows_them(text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_a_bad_key_or_value_gets_the_rule():
    with pytest.raises(ValueError, match=r'unable to parse requirement: <nil>: Invalid value: "-": name part must'):
        parse("-=b")
    with pytest.raises(
        ValueError, match=r'values\[0\]: Invalid value: "x": for .Gt., .Lt. operators, the value must be an'
    ):
        parse("n>x")
    with pytest.raises(ValueError, match=r'requirement: values\[0\]\[a\]: Invalid value: "-": a valid label must'):
        parse("a=-")


def test_the_string_form_is_sorted_by_key():
    assert str(parse("z=1,b in (y,x),!a,c, d notin (q),e!=f")) == "!a,b in (x,y),c,d notin (q),e!=f,z=1"
    assert selectors.format_selector({"matchLabels": {"b": "1", "a": "2"}}) == "a=2,b=1"
    assert selectors.format_selector({"b": "1", "a": "2"}) == "a=2,b=1"
    assert selectors.format_selector({}) == ""


KEYS = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?(/[a-zA-Z]{1,8})?", fullmatch=True)
VALUES = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?)?", fullmatch=True)
REQUIREMENTS = st.one_of(
    st.builds(lambda k, o, v: Requirement(k, o, (v,)), KEYS, st.sampled_from(["=", "==", "!="]), VALUES),
    st.builds(lambda k, o: Requirement(k, o), KEYS, st.sampled_from(["exists", "!"])),
    st.builds(
        lambda k, o, v: Requirement(k, o, tuple(sorted(v))),
        KEYS, st.sampled_from(["in", "notin"]), st.sets(VALUES, min_size=1, max_size=4),
    ),
)  # fmt: skip


@given(st.lists(REQUIREMENTS, max_size=5))
def test_what_is_written_can_be_read(requirements):
    selector = LabelSelector(tuple(sorted(requirements, key=lambda r: r.key)))
    assert parse(str(selector)) == selector


@given(st.text(alphabet="ab=!,() <>inot", max_size=14))
def test_any_text_is_read_or_refused(text):
    try:
        selector = parse(text)
    except ValueError:
        return
    assert parse(str(selector)) == selector


OBJECTS = [
    (None, False), ({}, True), ({"matchLabels": {"app": "web"}}, True), ({"matchLabels": {"app": "x"}}, False),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
    ({"matchExpressions": [{"key": "app", "operator": "Exists"}, {"key": "x", "operator": "DoesNotExist"}]}, True),
]  # fmt: skip


@pytest.mark.parametrize(("selector", "selected"), OBJECTS)
def test_the_object_form(selector, selected):
    assert from_object(selector).matches(WEB) is selected


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match='"Gt" is not a valid label selector operator'):
        from_object({"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["1"]}]})
    assert selectors.from_node_expression({"key": "n", "operator": "Gt", "values": ["4"]}).matches(WEB)


def test_plain_maps_select_nothing_when_empty():
    assert from_labels({"app": "web"}).matches(WEB)
    assert not from_labels({}).matches(WEB)
    assert not from_labels(None)


def test_field_selectors_compare_exactly():
    pod = {"status.phase": "Running", "spec.hostNetwork": False, "spec.nodeName": None}
    assert parse_fields("status.phase=Running,spec.nodeName=").matches(pod)
    assert parse_fields("status.phase!=Failed,spec.hostNetwork==false").matches(pod)
    assert not parse_fields("status.phase!=Running").matches(pod.get)
    assert parse_fields("").matches(pod)
    assert parse_fields("metadata.name=web,a!=b").names() == ["metadata.name", "a"]


def test_field_selectors_refuse_what_they_do_not_know():
    with pytest.raises(BadRequest, match=r"^field label not supported: spec\.colour$"):
        parse_fields("spec.colour=red").check({"metadata.name", "metadata.namespace"})
    parse_fields("metadata.name=x").check({"metadata.name"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        (r"a=b\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b=c", "invalid field selector: unescaped character in value: ="),
    ],
)
def test_field_selector_errors(text, message):
    with pytest.raises(ValueError) as caught:
        parse_fields(text)
    assert str(caught.value) == message


@given(st.lists(st.tuples(st.from_regex(r"[a-z.]{1,8}", fullmatch=True), st.booleans(), st.text(max_size=6))))
def test_field_selectors_round_trip(terms):
    selector = FieldSelector(tuple(terms))
    assert parse_fields(str(selector)) == selector
