"""Browsers of the lab: cookies kept and thrown away, and real requests to a real Service."""

from __future__ import annotations

import pytest

from k8slab.lab.browser import keep


@pytest.mark.parametrize(
    ("before", "headers", "after"),
    [
        ({}, ["shop=a1; Path=/; HttpOnly"], {"shop": "a1"}),
        ({"shop": "a1"}, ["shop=b2; Path=/"], {"shop": "b2"}),
        ({"shop": "a1", "x": "1"}, ["shop=; Path=/; Max-Age=0"], {"x": "1"}),
        ({"shop": "a1"}, ["shop=a1; Max-Age=0"], {}),
        ({"shop": "a1"}, ["one=1", "two=2"], {"shop": "a1", "one": "1", "two": "2"}),
        ({"shop": "a1"}, ["no cookie at all"], {"shop": "a1"}),
        ({}, ['shop="quoted value"'], {"shop": '"quoted value"'}),
    ],
)
def test_cookies(before, headers, after):
    keep(before, headers)
    assert before == after
