"""docs/api.md says what the table of kinds says."""

from __future__ import annotations

from k8slab.api.kinds import ROWS
from scripts import api_docs


def test_the_page_is_fresh():
    assert api_docs.PAGE.read_text(encoding="utf-8") == api_docs.page(), "run `python -m scripts.api_docs`"


def test_every_kind_has_its_row():
    page = api_docs.page()
    assert [row.kind for row in ROWS if f"`{row.plural}`" not in page] == []
