"""The little Markdown that a lesson's words are written in (bold, emphasis, code, links), as HTML and as plain text.

`cards.js` has the same four rules for the page (`prose`); here they serve exported pages and screen readers.
"""

from __future__ import annotations

import re
from html import escape

_MARK = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?://[^)\s]+)\)")


def html(text: str) -> str:
    """Inline HTML; everything that is not one of the four marks is escaped."""
    parts, at = [], 0
    for mark in _MARK.finditer(text):
        parts += [escape(text[at : mark.start()]), _tag(mark)]
        at = mark.end()
    return "".join([*parts, escape(text[at:])])


def _tag(mark: re.Match[str]) -> str:
    code, bold, emphasis, words, link = mark.groups()
    if code is not None:
        return f"<code>{escape(code)}</code>"
    if bold is not None:
        return f"<b>{html(bold)}</b>"
    if emphasis is not None:
        return f"<em>{escape(emphasis)}</em>"
    return f'<a href="{escape(link)}">{escape(words)}</a>'


def plain(text: str) -> str:
    """The words without their marks."""
    return _MARK.sub(lambda mark: mark[1] or plain(mark[2] or mark[3] or mark[4]), text)
