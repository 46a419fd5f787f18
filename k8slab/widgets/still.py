"""The board without a browser's help: in words for terminals and screen readers, and as a page's still picture.

Pure. `board.py` puts both into what a notebook saves, so that an exported page shows more than an empty cell.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

from k8slab.widgets.base import source
from k8slab.widgets.delta import Picture

COLOURS = ("#0068a3", "#a33d78", "#6b6200", "#414a57")  # --kl-cat-1..4 on white
CARD = "flex:1 1 200px;background:#f5f7fa;color:#1f2328;border-radius:9px;padding:12px;display:grid;gap:6px"
TILE = "background:#fff;border:1px solid #d9dde3;border-left:3px solid {colour};border-radius:6px;padding:6px 8px"
WISH = "<p style='margin:4px 0;font-size:18px'>{name} wants <b>{wants}</b> · has <b>{ready}</b> ready</p>"


def text(picture: Picture) -> str:
    """Wishes, then nodes with their pods, a line each."""
    lines = [f"Board of {picture.get('lab', {}).get('name', 'the cluster')}: {picture['say']}"]
    lines += [
        f"  {w['kind']} {w['name']}: wants {w['wants']}, has {w['ready']} ready" for w in _ordered(picture["wishes"])
    ]
    for node, name in _cards(picture):
        lines.append(f"  {name}: {node['word']}" if node else f"  {name}:")
        lines += [f"    {_pod_line(pod)}" for pod in _on(picture, node)]
    return "\n".join(lines)


def html(picture: Picture) -> str:
    """One figure, self-contained, readable on white and on black."""
    wishes = "".join(
        WISH.format(name=escape(w["name"]), wants=w["wants"], ready=w["ready"]) for w in _ordered(picture["wishes"])
    )
    cards = "".join(_card(picture, node, name) for node, name in _cards(picture))
    name, say = escape(picture.get("lab", {}).get("name", "the cluster")), escape(picture["say"])
    return (
        f"<figure style='font:13px/1.5 system-ui,sans-serif;margin:0'>{wishes}"
        f"<div style='display:flex;flex-wrap:wrap;gap:12px;margin-top:8px'>{cards}</div>"
        f"<figcaption style='margin-top:8px'>Board of {name}, as it stood: {say}</figcaption></figure>"
    )


def words(caption: str, told: str) -> str:
    """A view in plain words as a page's still picture."""
    style = "white-space:pre-wrap;font:13px/1.5 ui-monospace,monospace;margin:8px 0 0"
    head = f"<figcaption>{escape(caption)}, as it stood</figcaption>"
    body = f"<pre style='{style}'>{escape(told)}</pre>"
    return f"<figure style='margin:0;font:13px/1.5 system-ui,sans-serif'>{head}{body}</figure>"


@cache
def style(name: str) -> str:
    """For a picture that is still by nature: the look's tokens without what only live views need, and its own style."""
    tokens, own = source("tokens.css").partition("/* ---- primitives")[0], source(name)
    if "--kl-g-" not in own:  # it draws its glyphs itself
        tokens = re.sub(r"--kl-g-[^\n]*", "", tokens)
    return re.sub(r"/\*.*?\*/|\s*\n\s*", "\n", tokens + own, flags=re.DOTALL)


def _card(picture: Picture, node: Picture | None, name: str) -> str:
    tiles = "".join(_tile(pod) for pod in _on(picture, node))
    word = f" · {escape(node['word'])}" if node else ""
    return f"<section style='{CARD}'><div><b>{escape(name)}</b>{word}</div>{tiles}</section>"


def _tile(pod: Picture) -> str:
    style = TILE.format(colour=COLOURS[pod["cat"] - 1])
    return f"<div style='{style}'><b>{escape(pod['name'])}</b> {escape(pod['version'])}<br>{escape(_facts(pod))}</div>"


def _pod_line(pod: Picture) -> str:
    return f"{pod['name']} {pod['version']}: {_facts(pod)}"


def _facts(pod: Picture) -> str:
    ready = "?" if pod["ready"] < 0 else pod["ready"]
    again = f", {pod['restarts']} restart{'s' if pod['restarts'] > 1 else ''}" if pod["restarts"] else ""
    return f"{pod['word']}, {ready}/{pod['total']}{again}"


def _ordered(things: Picture) -> list[Picture]:
    return sorted(things.values(), key=lambda thing: thing["order"])


def _cards(picture: Picture) -> list[tuple[Picture | None, str]]:
    cards: list[tuple[Picture | None, str]] = [(node, node["name"]) for node in _ordered(picture["nodes"])]
    return [*cards, (None, "On no node")] if _on(picture, None) else cards


def _on(picture: Picture, node: Picture | None) -> list[Picture]:
    name = node["name"] if node else ""
    return sorted((pod for pod in picture["pods"].values() if pod["node"] == name), key=lambda pod: pod["place"])
