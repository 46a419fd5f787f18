from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api import quantities
from k8slab.api.quantities import WRONG_FORMAT, WRONG_NUMBER, WRONG_SUFFIX, add, canonical, milli, parse, value

STORED = [
    (1, "1"), ("1", "1"), ("1000m", "1"), (0.5, "500m"), ("0.5", "500m"), ("1500m", "1500m"), ("1.5", "1500m"),
    ("1000", "1k"), ("1024", "1024"), ("100", "100"), ("100000", "100k"), ("1000000", "1M"), ("1024Mi", "1Gi"),
    ("1536Mi", "1536Mi"), ("1.5Gi", "1536Mi"), ("0.5Ki", "512"), ("1024Ki", "1Mi"), ("0Gi", "0"), ("0", "0"),
    ("0.0005Mi", "524288m"), ("1.1Gi", "1181116006400m"), ("1e3", "1e3"), ("1e2", "100"), ("12E6", "12e6"),
    ("1500e3", "1500e3"), ("1E", "1E"), ("64Mi", "64Mi"), ("-500m", "-500m"), ("+1", "1"), (".5", "500m"), ("5.", "5"),
    ("100n", "100n"), ("0.1n", "1n"), ("1e-3", "1e-3"), ("10E", "9223372036854775807"), ("8Gi", "8Gi"),
    ("00012k", "12k"), ("-0.1n", "-1n"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "stored"), STORED)
def test_canonical_is_what_kubernetes_stores(sent, stored):
    assert canonical(sent) == stored


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", WRONG_FORMAT), ("abc", WRONG_FORMAT), ("1 Gi", WRONG_FORMAT), ("1.1.1", WRONG_FORMAT),
        ("-", WRONG_FORMAT), ("m", WRONG_NUMBER), (".", WRONG_NUMBER), ("1Zi", WRONG_FORMAT), ("1i", WRONG_SUFFIX),
        ("1K", WRONG_SUFFIX),
        ("1e", WRONG_SUFFIX), ("1Mi5", WRONG_SUFFIX), ("1\n", WRONG_FORMAT), ("True", WRONG_FORMAT),
        ("٣", WRONG_FORMAT),
    ],
)  # fmt: skip
def test_errors_are_kubernetes_words(text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_the_message_shows_kubernetes_own_expression():
    assert WRONG_FORMAT == (
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


def test_whole_and_milli_values_round_up():
    assert (value("1500m"), value("64Mi"), value("0.1"), milli("0.1001"), milli(2)) == (2, 64 * 2**20, 1, 101, 2000)


def test_sums_keep_the_family_of_the_first():
    assert add(["0", "512Mi", "512Mi"]) == "1Gi"
    assert add(["250m", "0.75"]) == "1"
    assert add([]) == "0"
    assert parse("1Gi") > parse("1G")


@given(st.integers(-(10**15), 10**15), st.sampled_from([*quantities.DECIMAL, *quantities.BINARY, "e3", "e-2"]))
def test_canonical_changes_the_form_and_not_the_number(number, suffix):
    text = f"{number}{suffix}"
    once = canonical(text)
    assert parse(once) == parse(text)
    assert canonical(once) == once


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_decimals_survive(number):
    assert parse(canonical(f"{number:f}")) == Decimal(number)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text):
    try:
        outcome = str(parse(text) - parse(text))
    except ValueError as error:
        outcome = str(error)
    assert outcome.startswith("0") or outcome in (WRONG_FORMAT, WRONG_NUMBER, WRONG_SUFFIX)
