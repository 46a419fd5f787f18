from __future__ import annotations

import pytest

from k8slab.runtime.addresses import Addresses
from k8slab.runtime.base import RuntimeFailure


def test_addresses_begin_after_the_nodes_and_a_freed_one_rests() -> None:
    addresses = Addresses()
    assert [addresses.give(owner, "10.1.2.0/29") for owner in "abc"] == ["10.1.2.2", "10.1.2.3", "10.1.2.4"]
    addresses.free("a")
    assert addresses.give("d", "10.1.2.0/29") == "10.1.2.5"
    assert addresses.give("d", "10.1.2.0/29") == "10.1.2.5"


def test_a_range_that_is_used_up_says_so_and_goes_on_when_one_is_free() -> None:
    addresses = Addresses()
    given = [addresses.give(str(i), "10.1.2.0/29") for i in range(5)]
    assert len(set(given)) == 5
    with pytest.raises(RuntimeFailure, match=r"no address is left in 10.1.2.0/29.*5 pods"):
        addresses.give("one more", "10.1.2.0/29")
    addresses.free("3")
    assert addresses.give("one more", "10.1.2.0/29") == given[3]


def test_what_was_given_before_is_not_given_again() -> None:
    addresses = Addresses()
    addresses.keep("old", "10.1.2.2")
    assert addresses.give("new", "10.1.2.0/24") == "10.1.2.3"
    assert addresses.all() == {"old": "10.1.2.2", "new": "10.1.2.3"}
