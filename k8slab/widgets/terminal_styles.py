"""Select Graphic Rendition: how the next characters of a terminal look, as a few marks.

Pure. `screen.py` keeps the marks with each character; `console.css` gives them a look, out of tokens.css.
"""

from __future__ import annotations

from collections.abc import Iterator

SET = {1: "b", 2: "d", 3: "i", 4: "u", 7: "r"}
UNSET = {22: {"b", "d"}, 23: {"i"}, 24: {"u"}, 27: {"r"}}


def restyled(style: str, values: list[int]) -> str:
    """The style after `CSI … m`: b bold, d dim, i italic, u underlined, r reversed, f0-f15 and g0-g15 colours."""
    marks = set(style.split())
    codes = iter(values)
    for code in codes:
        if code == 0:
            marks.clear()
        elif code in SET:
            marks.add(SET[code])
        elif code in UNSET:
            marks -= UNSET[code]
        elif code in (38, 48):
            _set(marks, "f" if code == 38 else "g", _extended(next(codes, 0), codes))
        elif code in (39, 49):
            _set(marks, "f" if code == 39 else "g", None)
        else:
            for base, kind, bright in ((30, "f", 0), (40, "g", 0), (90, "f", 8), (100, "g", 8)):
                if base <= code < base + 8:
                    _set(marks, kind, code - base + bright)
    return " ".join(sorted(marks))


def _set(marks: set[str], kind: str, colour: int | None) -> None:
    marks -= {mark for mark in marks if mark[0] == kind}
    if colour is not None:
        marks.add(f"{kind}{colour}")


def _extended(form: int, codes: Iterator[int]) -> int | None:
    """Of 256 or 16 million colours the nearest of the sixteen: the look has no others."""
    if form == 5:
        number = next(codes, 0)
        if number < 16:
            return number
        if number >= 232:
            return _nearest(*[(number - 232) * 10 + 8] * 3)
        number -= 16
        return _nearest(*(0 if n == 0 else 55 + 40 * n for n in (number // 36, number // 6 % 6, number % 6)))
    if form == 2:
        return _nearest(*(next(codes, 0) for _ in range(3)))
    return None


def _nearest(red: int, green: int, blue: int) -> int:
    most = max(red, green, blue)
    bits = sum(bit for bit, part in ((1, red), (2, green), (4, blue)) if part > most / 2 and part > 40)
    return bits + 8 if most > 170 and bits else bits
