from __future__ import annotations

from collections import Counter

from k8slab.kubeproxy.balance import Backend, Balancer, Caller

A, B, C = (Backend(f"127.0.0.{i}", 8080) for i in (1, 2, 3))


ME, YOU = Caller("127.64.1.2", "node-1"), Caller("127.64.2.2", "node-2")


def first(balancer: Balancer, caller: Caller = ME, now: float = 0.0) -> Backend | None:
    return next(balancer.candidates(caller, now), None)


def test_everybody_has_their_turn() -> None:
    balancer = Balancer()
    balancer.backends = (A, B, C)
    assert set(Counter(first(balancer) for _ in range(9)).values()) == {3}


def test_the_others_follow_in_case_one_refuses() -> None:
    balancer = Balancer(start=1)
    balancer.backends = (A, B, C)
    assert list(balancer.candidates()) == [B, C, A]
    balancer.backends = (A, C)
    assert list(balancer.candidates()) == [A, C]
    balancer.backends = ()
    assert list(balancer.candidates()) == []


def test_the_first_turn_is_drawn() -> None:
    starts = set()
    for _ in range(100):
        balancer = Balancer()
        balancer.backends = (A, B, C)
        starts.add(first(balancer))
    assert starts == {A, B, C}


def test_a_sticky_client_keeps_its_pod_until_away_for_too_long_or_the_pod_is_gone() -> None:
    balancer = Balancer(start=0)
    balancer.backends, balancer.sticky = (A, B, C), 10.0
    assert first(balancer, ME) == A
    balancer.keep(ME, A, now=0.0)
    assert list(balancer.candidates(ME, 9.0)) == [A, B, C]
    assert first(balancer, YOU, 9.0) == B
    balancer.keep(ME, A, now=9.0)
    assert first(balancer, ME, 18.0) == A
    assert first(balancer, ME, 19.0) == C
    balancer.keep(ME, C, now=19.0)
    balancer.backends = (A, B)
    assert first(balancer, ME, 20.0) in (A, B)


def test_near_means_the_pods_of_the_callers_node_and_no_other() -> None:
    balancer = Balancer(start=0)
    balancer.backends, balancer.near = (A, B, C), {"node-1": (B,), "node-3": ()}
    assert list(balancer.candidates(ME)) == [B]
    assert list(balancer.candidates(YOU)) == []
    assert set(balancer.candidates(Caller("127.0.0.1"))) == {A, B, C}  # on no node: the notebook
    assert balancer.is_curious
    balancer.sticky = 10.0
    balancer.keep(ME, A, 0.0)
    assert list(balancer.candidates(ME)) == [B]
