"""`lab.board()` and its like: a line each, and none forgotten."""

from importlib import import_module
from pathlib import Path

import pytest

from k8slab import widgets
from k8slab.lab.shows import Shows

NAMES = [name for name in vars(Shows) if not name.startswith("_")]
MODULES = {path.stem for path in Path(widgets.__file__).parent.glob("*.py")}


def test_every_module_that_shows_something_has_its_line():
    shows = {name for name in MODULES - {"__init__"} if hasattr(import_module(f"k8slab.widgets.{name}"), "show")}
    assert shows - set(NAMES) == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_line_says_what_one_sees(name):
    show = getattr(Shows, name)
    assert show.__name__ == name
    assert show.__doc__.endswith(".")


def test_what_it_is_given_reaches_the_view(monkeypatch):
    given = []
    monkeypatch.setattr("k8slab.widgets.terminal.show", lambda *args, **more: given.append((args, more)))
    lab = Shows()
    lab.terminal("web-x", container="c")
    assert given == [((lab, "web-x"), {"container": "c"})]
