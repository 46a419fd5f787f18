"""What the Shop view shows, from what browsers were answered and which pods there are. Pure; `shop.py` asks and acts.

A visit is judged by what was known before it: a customer whom the shop knew and knows no more has lost something.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8slab.api.objects import Obj, labels_of
from k8slab.api.selectors import from_labels
from k8slab.widgets import pod_state
from k8slab.widgets.delta import Picture

SHOWN = 6  # visits of a browser
WHERE = {
    "memory": "Each pod keeps its customers in its own memory. Another pod does not know them.",
    "cookie": "Each customer keeps everything in a signed cookie. The pods keep nothing.",
    "redis": "One Redis keeps all customers, and every pod asks it.",
}
VERDICTS = {
    "new": "Nobody is known yet.",
    "known": "This pod knows you.",
    "anew": "This pod did not know you, and began anew: what another one keeps is not here.",
    "lost": "This pod does not know you: who you were and your cart are gone.",
    "left": "You have left, and nothing is kept of you.",
    "failed": "No answer that a customer could use.",
}


@dataclass(frozen=True)
class Seen:
    """One visit: what was asked, who answered with what. `told` is the shop's JSON, empty if it gave none."""

    asked: str
    status: int = 0
    pod: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def knows(self) -> bool:
        """Whether the shop knew who asked, or what was in the cart, or that something was bought."""
        return bool(self.told.get("user") or self.told.get("cart") or self.told.get("orders"))


def verdict(before: Seen | None, now: Seen) -> str:
    """A word of VERDICTS, for a visit after another."""
    if now.problem or now.status >= 400:
        return "failed"
    if now.asked.startswith("POST /logout"):
        return "left"
    if now.told.get("note") and now.knows:
        return "anew"
    if now.told.get("note") or (before is not None and before.knows and not now.knows):
        return "lost"
    return "known" if now.knows else "new"


def last_good(visits: Sequence[Seen]) -> Seen | None:
    """The last visit that the shop answered."""
    return next((seen for seen in reversed(visits) if seen.told and seen.status < 400), None)


def reading(cookie: str, state: str) -> str:
    """What anybody who holds the cookie can read in it."""
    if state != "cookie" or "." not in cookie:
        return ""
    try:
        return base64.urlsafe_b64decode(cookie.rpartition(".")[0]).decode()
    except ValueError:
        return ""


def tampered(cookie: str, state: str) -> str:
    """The cookie as a customer with bad intentions would send it: another user, or another session's number."""
    if state != "cookie" or not (known := reading(cookie, state)):
        return "AAAAAAAAAAAA"
    text = base64.urlsafe_b64encode(json.dumps({**json.loads(known), "user": "boss"}).encode()).decode()
    return f"{text}.{cookie.rpartition('.')[2]}"


def browser(order: int, name: str, cookie: str, visits: Sequence[Seen], state: str, rush: Picture | None) -> Picture:
    """One customer's card."""
    good = last_good(visits)
    judged = [verdict(last_good(visits[:i]), seen) for i, seen in enumerate(visits)]
    return {
        "name": name,
        "order": order,
        "user": (good.told.get("user") if good else None) or "",
        "cart": " ".join(f"{item} ×{n}" for item, n in sorted((good.told.get("cart") or {}).items())) if good else "",
        "orders": int(good.told.get("orders", 0)) if good else 0,
        "cookie": cookie,
        "reading": reading(cookie, state),
        "rush": rush,
        "verdict": judged[-1] if judged else "new",
        "say": _sentence(visits[-1], judged[-1]) if visits else VERDICTS["new"],
        "visits": [
            {"n": i, "asked": seen.asked, "pod": short(seen.pod), "status": seen.status, "verdict": judged[i]}
            for i, seen in enumerate(visits)
        ][-SHOWN:],
    }


def _sentence(seen: Seen, word: str) -> str:
    if word == "failed":
        return seen.problem or str(seen.told.get("error", "")) or VERDICTS["failed"]
    return VERDICTS[word] if word == "anew" else str(seen.told.get("note") or "") or VERDICTS[word]


def pods(service: Obj | None, found: Sequence[Obj], visited: Mapping[str, Sequence[Seen]], state: str) -> Picture:
    """The pods behind the Service, and, where state lives in them, whom each of them knows."""
    wanted = (service or {}).get("spec", {}).get("selector") or {}
    namespace = (service or {}).get("metadata", {}).get("namespace", "")
    meant = from_labels(wanted)
    mine = [p for p in found if wanted and p["metadata"]["namespace"] == namespace and meant.matches(labels_of(p))]
    drawn = {}
    for order, pod in enumerate(sorted(mine, key=_age)):
        name, look = pod["metadata"]["name"], pod_state.read(pod)
        drawn[pod["metadata"]["uid"]] = {
            "uid": pod["metadata"]["uid"],
            "name": name,
            "short": short(name),
            "order": order,
            "state": look.state,
            "word": look.word,
            "knows": [who for who, visits in visited.items() if state == "memory" and known_to(name, visits)],
        }
    return drawn


def _age(pod: Obj) -> tuple[str, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def known_to(pod: str, visits: Sequence[Seen]) -> bool:
    """Whether this pod knew the customer when it last answered them."""
    last = next((seen for seen in reversed(visits) if seen.pod == pod and seen.status == 200), None)
    return last is not None and last.knows


def short(pod: str) -> str:
    """The part of a pod's name that tells it from its siblings."""
    return pod.rpartition("-")[2]


def text(picture: Picture) -> str:
    """The view in plain words."""
    lines = [f"The shop at {picture['url']}: {picture['where']}"]
    for one in sorted(picture["browsers"].values(), key=lambda one: one["order"]):
        who, cart = one["user"] or "nobody it knows", one["cart"] or "empty"
        lines.append(f"  Browser {one['name']}: the shop says {who}, cart {cart}. {one['say']}")
        lines += [
            f"    {v['asked']} -> {v['pod'] or 'nobody'} {v['status'] or ''} ({v['verdict']})" for v in one["visits"]
        ]
    for pod in sorted(picture["pods"].values(), key=lambda pod: pod["order"]):
        knows = f", knows {' and '.join(pod['knows'])}" if pod["knows"] else ""
        lines.append(f"  Pod {pod['name']}: {pod['word']}{knows}")
    return "\n".join(lines)
