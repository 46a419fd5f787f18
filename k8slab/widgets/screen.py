"""What a terminal shows: characters and control sequences in, rows of styled text out.

Pure. `console.py` feeds it what a process writes. The sequences are those of ECMA-48 and xterm that shells, less, top
and vi use (invisible-island.net/xterm/ctlseqs); others are swallowed, so that nothing odd is drawn.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from k8slab.widgets.terminal_styles import restyled

Cell = tuple[str, str]  # a character (empty: the right half of a wide one), its style (terminal_styles.py)
Row = list[Cell]
Runs = list[list[str]]  # [[text, style], …]

BLANK: Cell = (" ", "")
HISTORY = 500  # rows kept above the screen
TOKEN = re.compile(
    r"\x1b\[(?P<private>[?>=!]?)(?P<numbers>[\d;:]*)[ -/]*(?P<final>[@-~])"  # CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[()*+#%].|\x1b(?P<short>[^\[\]()*+#%])"
    r"|(?P<control>[\x00-\x1f\x7f])|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)
UNFINISHED = re.compile(r"\x1b(?:\[[\d;:?>=! -/]*|\][^\x07\x1b]*\x1b?|[()*+#%])?\Z")


class Screen:
    """So many columns and rows, a cursor, and what scrolled off the top."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self.lines: list[Row] = [[] for _ in range(rows)]
        self.gone: list[Row] = []  # scrolled off
        self.first = 0  # number of the oldest row kept: rows keep their numbers for life
        self.x = self.y = 0
        self.cursor = True  # whether it is shown
        self.bell = 0
        self._style = ""
        self._saved = (0, 0, "")
        self._top, self._bottom = 0, rows - 1  # the region that scrolls
        self._other: list[Row] | None = None  # the usual screen, while a program has the alternate one
        self._rest = ""

    def feed(self, text: str) -> None:
        """Show what a process wrote. A sequence may be cut in two at the end."""
        text, self._rest = self._rest + text, ""
        if cut := UNFINISHED.search(text):
            text, self._rest = text[: cut.start()], text[cut.start() :][-200:]
        for token in TOKEN.finditer(text):
            if token["text"]:
                self._write(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._sequence(token["private"], token["numbers"], token["final"])
            elif token["short"]:
                self._short(token["short"])

    def resize(self, columns: int, rows: int) -> None:
        """Another size; rows are not wrapped anew, as in a plain terminal."""
        while len(self.lines) < rows:
            self.lines.append([])
        while len(self.lines) > rows:
            if self.y < len(self.lines) - 1 and not self.lines[-1]:
                self.lines.pop()
            else:
                self._keep(self.lines.pop(0))
                self.y = max(0, self.y - 1)
        self.columns, self.rows = columns, rows
        self._top, self._bottom = 0, rows - 1
        self.x, self.y = min(self.x, columns - 1), min(self.y, rows - 1)

    def picture(self) -> dict[str, Runs]:
        """Every row kept, by its number, oldest first; those at the end that are empty are left out."""
        rows = [*self.gone, *self.lines]
        used = max((i for i, row in enumerate(rows) if row), default=-1)
        used = max(used, len(self.gone) + self.y)
        return {str(self.first + i): _runs(row) for i, row in enumerate(rows[: used + 1])}

    def text(self) -> str:
        """What is seen, without styles."""
        return "\n".join("".join(char for char, _ in row).rstrip() for row in [*self.gone, *self.lines]).rstrip()

    # ---- writing ------------------------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        for char in text:
            width = 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
            if width == 0:
                self._combine(char)
                continue
            if self.x + width > self.columns:
                self.x = 0
                self._down()
            cells: Row = [(char, self._style), ("", self._style)][:width]
            row = self._row()
            row[self.x : self.x + width] = cells
            self.x += width

    def _combine(self, char: str) -> None:
        row = self._row()
        if self.x > 0:
            before, style = row[self.x - 1]
            row[self.x - 1] = (before + char, style)

    def _row(self) -> Row:
        """The row of the cursor, at least as long as up to it."""
        row = self.lines[self.y]
        row.extend([BLANK] * (self.x - len(row)))
        return row

    def _down(self) -> None:
        if self.y == self._bottom:
            self._scroll(1)
        else:
            self.y = min(self.y + 1, self.rows - 1)

    def _scroll(self, count: int) -> None:
        for _ in range(min(abs(count), self.rows)):
            if count > 0:
                row = self.lines.pop(self._top)
                self.lines.insert(self._bottom, [])
                if self._top == 0 and self._other is None:
                    self._keep(row)
            else:
                del self.lines[self._bottom]
                self.lines.insert(self._top, [])

    def _keep(self, row: Row) -> None:
        self.gone.append(row)
        if len(self.gone) > HISTORY:
            del self.gone[0]
            self.first += 1

    # ---- controls -----------------------------------------------------------------------------------------------

    def _control(self, char: str) -> None:
        if char == "\r":
            self.x = 0
        elif char in "\n\v\f":
            self._down()
        elif char == "\b":
            self.x = max(0, min(self.x, self.columns) - 1)
        elif char == "\t":
            self.x = min(self.columns - 1, (self.x // 8 + 1) * 8)
        elif char == "\a":
            self.bell += 1

    def _short(self, char: str) -> None:
        if char == "7":
            self._saved = (self.x, self.y, self._style)
        elif char == "8":
            self.x, self.y, self._style = self._saved
        elif char == "M":  # up, scrolling down at the top
            if self.y == self._top:
                self._scroll(-1)
            else:
                self.y = max(0, self.y - 1)
        elif char in "DE":
            self.x = 0 if char == "E" else self.x
            self._down()
        elif char == "c":
            self.__init__(self.columns, self.rows)  # type: ignore[misc]  # reset: everything as at first

    def _sequence(self, private: str, numbers: str, final: str) -> None:
        values = [int(n) if n.isdigit() else 0 for n in numbers.replace(":", ";").split(";")] if numbers else []
        if private:
            if private == "?" and final in "hl":
                self._mode(values, final == "h")
        elif final == "m":
            self._style = restyled(self._style, values or [0])
        elif action := ACTIONS.get(final):
            action(self, values)

    def _mode(self, values: list[int], on: bool) -> None:
        for value in values:
            if value == 25:
                self.cursor = on
            elif value in (47, 1047, 1049) and on != (self._other is not None):
                if on:
                    self._other, self._saved = self.lines, (self.x, self.y, self._style)
                    self.lines = [[] for _ in range(self.rows)]
                else:
                    self.lines, self._other = self._other or [], None
                    self.x, self.y, self._style = self._saved
                    self.resize(self.columns, self.rows)

    def _go(self, x: int, y: int) -> None:
        self.x, self.y = max(0, min(x, self.columns - 1)), max(0, min(y, self.rows - 1))

    def _erase_line(self, how: int) -> None:
        row = self._row()
        if how == 0:
            del row[self.x :]
        elif how == 1:
            row[: self.x + 1] = [BLANK] * (self.x + 1)
        else:
            row.clear()

    def _erase_screen(self, how: int) -> None:
        if how == 3:
            self.first += len(self.gone)
            self.gone.clear()
            return
        self._erase_line(how)
        for y in range(self.rows):
            if how == 2 or (how == 0 and y > self.y) or (how == 1 and y < self.y):
                self.lines[y] = []

    def _characters(self, count: int, *, insert: bool) -> None:
        row = self._row()
        if insert:
            row[self.x : self.x] = [BLANK] * count
            del row[self.columns :]
        else:
            del row[self.x : self.x + count]

    def _lines(self, count: int, *, insert: bool) -> None:
        if not self._top <= self.y <= self._bottom:
            return
        for _ in range(min(count, self.rows)):
            del self.lines[self._bottom if insert else self.y]
            self.lines.insert(self.y if insert else self._bottom, [])

    def _blank(self, count: int) -> None:
        row = self._row()
        end = min(self.x + count, self.columns)
        row[self.x : end] = [BLANK] * (end - self.x)

    def _region(self, values: list[int]) -> None:
        top = (values[0] if values else 1) or 1
        bottom = (values[1] if len(values) > 1 else self.rows) or self.rows
        if top < bottom <= self.rows:
            self._top, self._bottom = top - 1, bottom - 1
            self._go(0, 0)


def _one(values: list[int], at: int = 0) -> int:
    """A count or a position: one where nothing, or nought, is said; never absurd."""
    return min((values[at] if len(values) > at else 1) or 1, 1000)


def _how(values: list[int]) -> int:
    return values[0] if values else 0


ACTIONS: Mapping[str, Callable[[Screen, list[int]], None]] = {
    "A": lambda s, v: s._go(s.x, s.y - _one(v)),
    "B": lambda s, v: s._go(s.x, s.y + _one(v)),
    "C": lambda s, v: s._go(s.x + _one(v), s.y),
    "D": lambda s, v: s._go(min(s.x, s.columns - 1) - _one(v), s.y),
    "E": lambda s, v: s._go(0, s.y + _one(v)),
    "F": lambda s, v: s._go(0, s.y - _one(v)),
    "G": lambda s, v: s._go(_one(v) - 1, s.y),
    "H": lambda s, v: s._go(_one(v, 1) - 1, _one(v) - 1),
    "J": lambda s, v: s._erase_screen(_how(v)),
    "K": lambda s, v: s._erase_line(_how(v)),
    "L": lambda s, v: s._lines(_one(v), insert=True),
    "M": lambda s, v: s._lines(_one(v), insert=False),
    "P": lambda s, v: s._characters(_one(v), insert=False),
    "@": lambda s, v: s._characters(_one(v), insert=True),
    "S": lambda s, v: s._scroll(_one(v)),
    "T": lambda s, v: s._scroll(-_one(v)),
    "X": lambda s, v: s._blank(_one(v)),
    "d": lambda s, v: s._go(s.x, _one(v) - 1),
    "f": lambda s, v: s._go(_one(v, 1) - 1, _one(v) - 1),
    "r": lambda s, v: s._region(v),
    "s": lambda s, v: s._short("7"),
    "u": lambda s, v: s._short("8"),
}


def _runs(row: Row) -> Runs:
    runs: Runs = []
    for char, style in row:
        if runs and runs[-1][1] == style:
            runs[-1][0] += char
        else:
            runs.append([char, style])
    while runs and not runs[-1][0].strip() and not runs[-1][1]:
        runs.pop()
    return runs
