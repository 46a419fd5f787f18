"""What a terminal shows after what was written to it: tables."""

import pytest

from k8slab.widgets.screen import HISTORY, Screen

E = "\x1b["


def rows(screen):
    return list(screen.picture().values())


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo", "one\ntwo"),
        ("abc\b\bX", "aXc"),
        ("a\tb", "a       b"),
        ("progress 10%\rprogress 99%", "progress 99%"),
        (f"abcdef\r{E}3C{E}K", "abc"),
        (f"abcdef{E}3D{E}1K", "    ef"),
        (f"abcdef\r{E}2P", "cdef"),
        (f"abc\r{E}2@", "  abc"),
        (f"abcdef\r{E}2X", "  cdef"),
        (f"top\r\nmiddle{E}H{E}Jx", "x"),
        (f"a\r\nb{E}2J{E}1;1Hc", "c"),
        (f"{E}3;5Hhere", "\n\n    here"),
        (f"a\r\nb\r\nc{E}2;1H{E}L", "a\n\nb\nc"),
        (f"a\r\nb\r\nc{E}2;1H{E}M", "a\nc"),
        (f"{E}?1049hvi{E}?1049lafter", "after"),
        ("\x1b]0;a title\x07shown", "shown"),
        (f"{E}?2004hplain{E}>4;2m", "plain"),
        ("\x1b(Bx\x1b=y", "xy"),
        ("파드", "파드"),
        ("e\u0301", "e\u0301"),
        ("\x1b7abc\x1b8X", "Xbc"),
        ("12345678901234567890end", "12345678901234567890\nend"),
    ],
)
def test_what_is_seen(written, seen):
    screen = Screen(20, 5)
    screen.feed(written)
    assert screen.text() == seen
    slowly = Screen(20, 5)
    for char in written:  # however it is cut
        slowly.feed(char)
    assert slowly.text() == seen


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ("1;31", "b f1"),
        ("31;0", ""),
        ("92", "f10"),
        ("44;97", "f15 g4"),
        ("38;5;196", "f9"),
        ("38;5;3", "f3"),
        ("38;5;244", "f7"),
        ("48;2;0;0;200", "g12"),
        ("7;4;27", "u"),
        ("38;5", "f0"),
        ("", ""),
    ],
)
def test_styles(codes, style):
    screen = Screen(20, 5)
    screen.feed(f"{E}{codes}mword")
    assert rows(screen) == [[["word", style]]]


def test_a_wide_character_takes_two_places():
    screen = Screen(20, 5)
    screen.feed("파드!")
    assert screen.x == 5


def test_rows_keep_their_numbers_as_they_scroll_away():
    screen = Screen(20, 5)
    screen.feed("\r\n".join(f"line {n}" for n in range(30)))
    picture = screen.picture()
    assert picture["7"] == [["line 7", ""]]
    screen.feed("\r\nmore")
    assert screen.picture()["7"] == [["line 7", ""]]


def test_history_has_an_end():
    screen = Screen(20, 5)
    screen.feed("\r\n".join(str(n) for n in range(HISTORY + 50)))
    assert len(screen.picture()) == HISTORY + 5
    assert next(iter(screen.picture())) == "45"
    screen.feed(f"{E}3J")
    assert len(screen.picture()) == 5


def test_the_region_scrolls_alone():
    screen = Screen(20, 5)
    screen.feed(f"head{E}2;4r{E}4;1Ha\r\nb\r\nc\r\nd{E}5;1Hfoot")
    assert screen.text() == "head\nb\nc\nd\nfoot"


def test_another_size_keeps_what_is_there():
    screen = Screen(20, 5)
    screen.feed("one\r\ntwo\r\nthree")
    screen.resize(10, 2)
    assert screen.text() == "one\ntwo\nthree"
    screen.resize(30, 8)
    screen.feed("!")
    assert screen.text() == "one\ntwo\nthree!"


@pytest.mark.parametrize(
    "nonsense", [f"{E}999999999999A", f"{E}0;0r{E}9;2r", f"{E}99999L", f"{E}H{E}99999@", f"{E}999X"]
)
def test_nothing_makes_it_fail(nonsense):
    screen = Screen(20, 5)
    screen.feed(nonsense + "ok")
    assert "ok" in screen.text()
