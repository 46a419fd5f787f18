"""axe-core on a page: what it finds, a line each. Its script comes with axe-playwright-python, so no network is needed."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

# A view is a part of somebody else's page: landmarks, page titles and headings' order are that page's matter.
OF_THE_PAGE = ("region", "page-has-heading-one", "landmark-one-main", "heading-order")
OPTIONS = {"rules": {rule: {"enabled": False} for rule in OF_THE_PAGE}, "resultTypes": ["violations"]}


def violations(page: Any, of: str = ".kl") -> list[str]:
    """Every fault axe-core finds in the view: rule, what is wrong, where."""
    found = Axe().run(page, context=of, options=OPTIONS).response["violations"]
    return [f"{v['id']}: {node['html'][:160]} {node.get('failureSummary', '')}" for v in found for node in v["nodes"]]
