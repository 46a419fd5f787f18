from __future__ import annotations

from collections import Counter

from k8slab.kubeproxy.balance import Backend, Balancer

A, B, C = (Backend(f"127.0.0.{i}", 8080) for i in (1, 2, 3))


def first(balancer: Balancer, client: str = "", now: float = 0.0) -> Backend | None:
    return next(balancer.candidates(client, now), None)


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
    assert first(balancer, "me") == A
    balancer.keep("me", A, now=0.0)
    assert list(balancer.candidates("me", 9.0)) == [A, B, C]
    assert first(balancer, "you", 9.0) == B
    balancer.keep("me", A, now=9.0)
    assert first(balancer, "me", 18.0) == A
    assert first(balancer, "me", 19.0) == C
    balancer.keep("me", C, now=19.0)
    balancer.backends = (A, B)
    assert first(balancer, "me", 20.0) in (A, B)
