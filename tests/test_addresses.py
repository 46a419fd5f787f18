"""Which ranges a lab takes."""

import pytest

from k8slab import addresses
from k8slab.settings import LabError


def test_two_labs_never_share_a_range():
    one = addresses.local(3, 0, [])
    other = addresses.local(3, one.number, [])  # it would like the same
    try:
        assert one.number != other.number
        assert one.pod_cidr(2) == f"127.{one.number}.2.0/24"
        assert one.services == f"127.{one.number}.240.0/20"
        assert one.subnet == f"127.{one.number}.0.0/16"
    finally:
        one.release()
        other.release()


def test_a_released_range_comes_back():
    one = addresses.local(3, 0, [])
    one.release()
    again = addresses.local(3, one.number, [])
    again.release()
    assert again.number == one.number


def test_ranges_of_labs_that_only_sleep_are_left_alone():
    one = addresses.local(3, 0, range(64, 127))
    one.release()
    assert one.number == 127


def test_when_all_are_taken_it_says_so():
    with pytest.raises(LabError, match="k8slab down --all"):
        addresses.local(3, 0, addresses.RANGES)


def test_too_many_nodes_for_real_addresses():
    with pytest.raises(LabError, match=r"201 nodes.*--runtime simulated"):
        addresses.local(201, 0, [])


@pytest.mark.parametrize(("nodes", "node", "cidr"), [(3, 1, "10.244.1.0/24"), (5000, 5000, "10.147.136.0/24")])
def test_simulated_ranges(nodes, node, cidr):
    plan = addresses.simulated(nodes)
    assert plan.pod_cidr(node) == cidr
    assert (plan.services, plan.subnet) == ("10.96.0.0/16", "")


def test_big_simulated_clusters_have_a_range_for_each_node():
    plan = addresses.simulated(5000)
    assert len({plan.pod_cidr(node) for node in range(1, 5001)}) == 5000
