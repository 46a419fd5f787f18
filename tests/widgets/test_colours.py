"""The colours of tokens.css: contrast in both themes, and told apart by eyes that see fewer colours. Pure arithmetic.

Contrast is WCAG 2.2's (1.4.3, 1.4.11). Colour blindness is simulated as by Machado, Oliveira and Fernandes (2009, severity
1.0), and differences are CIE76 in L*a*b*, where two patches side by side are told apart from about 2.3.
"""

import itertools
import re

import pytest

from k8slab.widgets.base import FOLDER

CSS = (FOLDER / "tokens.css").read_text(encoding="utf-8")
THEMES = {
    "light": {"--jp-layout-color1": "#fff", "--jp-ui-font-color0": "#000", "--jp-brand-color1": "#1976d2"},
    "dark": {"--jp-layout-color1": "#212121", "--jp-ui-font-color0": "#fff", "--jp-brand-color2": "#64b5f6"},
}
SURFACES = ("--kl-surface", "--kl-sunken", "--kl-raised", "--kl-hover", "--kl-accent-bg")
TEXTS = ("--kl-text", "--kl-text-2", "--kl-text-3", "--kl-accent-text")
STATES = ("pending", "starting", "notready", "ready", "terminating", "failed", "unknown")
VERSIONS = ("cat-1", "cat-2", "cat-3", "cat-4")
SEEN_BY = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
EVERY = pytest.mark.parametrize("theme", THEMES)
TOKENS = dict(re.findall(r"^\s+(--kl-[\w-]+):\s*(.+?);", CSS, re.MULTILINE))


class Theme:
    """What tokens.css comes to in one theme, as (red, green, blue) from 0 to 1."""

    def __init__(self, name):
        self.dark, self.known = name == "dark", THEMES[name]

    def colour(self, text):
        text = text.strip()
        if text.startswith("#"):
            digits = text[1:] if len(text) > 4 else "".join(c * 2 for c in text[1:])
            return tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
        name, inside = text.partition("(")[0], _arguments(text)
        if name == "var":
            first = inside[0]
            if first in self.known or first in TOKENS:
                return self.colour(self.known.get(first) or TOKENS[first])
            return self.colour(inside[1])
        if name == "light-dark":
            return self.colour(inside[self.dark])
        assert name == "color-mix", text
        return self._mixed(*inside[1:])

    def _mixed(self, one, other):
        share = next((float(m[1]) for part in (other,) if (m := re.search(r" (\d+)%$", part))), None)
        share = 1 - share / 100 if share is not None else float(re.search(r" (\d+)%$", one)[1]) / 100
        a, b = (self.colour(re.sub(r" \d+%$", "", part)) for part in (one, other))
        return tuple(share * x + (1 - share) * y for x, y in zip(a, b, strict=True))

    def token(self, name):
        return self.colour(TOKENS[name])


def _arguments(text):
    """Of `f(a, g(b, c))`: a, g(b, c)."""
    parts, depth, part = [], 0, ""
    for char in text[text.index("(") + 1 : text.rindex(")")]:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += char
    return [*parts, part.strip()]


def linear(colour):
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour]


def contrast(one, other):
    light, dark = sorted(
        (sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def seen(colour, eyes):
    if eyes == "all colours":
        return linear(colour)
    return [min(1, max(0, sum(w * v for w, v in zip(row, linear(colour), strict=True)))) for row in SEEN_BY[eyes]]


def lab(rgb):
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [
        sum(w * v for w, v in zip(row, rgb, strict=True)) / white
        for row, white in zip(rows, (0.9505, 1, 1.089), strict=True)
    ]
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one, other, eyes):
    a, b = (lab(seen(colour, eyes)) for colour in (one, other))
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


def test_the_arithmetic_is_right():
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast(Theme("light").colour("#767676"), (1, 1, 1)) == pytest.approx(4.54, abs=0.01)
    assert Theme("dark").token("--kl-ready") == Theme("dark").colour("#35c497")
    assert distance((1, 0, 0), (0, 0.5, 0), "all colours") > 2 * distance((1, 0, 0), (0.55, 0.5, 0), "deuteranopia")


@EVERY
@pytest.mark.parametrize("text", TEXTS)
def test_text_on_every_surface(theme, text):
    found = {surface: contrast(Theme(theme).token(text), Theme(theme).token(surface)) for surface in SURFACES}
    assert {surface: ratio for surface, ratio in found.items() if ratio < 4.5} == {}


@EVERY
@pytest.mark.parametrize("name", [*STATES, *VERSIONS])
def test_words_in_the_colours_of_states_and_versions(theme, name):
    places = ("--kl-surface", "--kl-sunken", "--kl-raised")
    found = {place: contrast(Theme(theme).token(f"--kl-{name}"), Theme(theme).token(place)) for place in places}
    assert {place: ratio for place, ratio in found.items() if ratio < 4.5} == {}


@EVERY
def test_edges_of_what_can_be_operated(theme):
    found = {surface: contrast(Theme(theme).token("--kl-edge"), Theme(theme).token(surface)) for surface in SURFACES}
    assert {surface: ratio for surface, ratio in found.items() if ratio < 3} == {}
    assert contrast(Theme(theme).token("--kl-on-accent"), Theme(theme).token("--kl-accent")) >= 4.5


@EVERY
@pytest.mark.parametrize("eyes", ["all colours", *SEEN_BY])
def test_versions_are_told_apart(theme, eyes):
    colours = {name: Theme(theme).token(f"--kl-{name}") for name in VERSIONS}
    near = {
        (a, b): round(distance(colours[a], colours[b], eyes), 1)
        for a, b in itertools.combinations(VERSIONS, 2)
        if distance(colours[a], colours[b], eyes) < 10
    }
    assert near == {}


@EVERY
@pytest.mark.parametrize("eyes", ["all colours", *SEEN_BY])
def test_states_are_told_apart_by_colour_or_by_glyph(theme, eyes):
    """Colour comes third, after glyph and word: where it is alike, the glyphs must differ, and they all do."""
    glyphs = {state: TOKENS[f"--kl-g-{state.replace('terminating', 'stop')}"] for state in STATES}
    assert len(set(glyphs.values())) == len(STATES)
    tone = {state: Theme(theme).token(f"--kl-{state}") for state in STATES}
    for a, b in (("ready", "failed"), ("ready", "notready"), ("ready", "pending"), ("starting", "failed")):
        assert distance(tone[a], tone[b], eyes) > 10, (a, b)
