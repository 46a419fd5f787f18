"""The map leads where it says, and misses no part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_into_the_repository_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_map_passes_through_every_part():
    shown = (ROOT / "docs/map.md").read_text()
    parts = [p.name for p in (ROOT / "k8slab").iterdir() if (p / "__init__.py").exists()]
    assert [part for part in parts if part not in ("teach",) and f"k8slab/{part}/" not in shown] == []


def test_every_module_opens_with_its_place():
    bare = [p for p in (ROOT / "k8slab").rglob("*.py") if not p.read_text().lstrip().startswith(('"""', "#!"))]
    assert bare == []


def test_nobody_but_the_clock_asks_for_the_time():
    wrong = re.compile(
        r"\btime\.(time|sleep|monotonic|perf_counter)\(|asyncio\.sleep\((?!0\))|\bdatetime\.(now|utcnow)\("
    )
    exempt = {ROOT / "k8slab/clock.py", *(ROOT / "k8slab/runtime/shim").iterdir()}  # the shim is a program of its own
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "k8slab").rglob("*.py")
        if path not in exempt
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if wrong.search(line)
    ]
    assert found == []
