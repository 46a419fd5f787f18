"""Chromium for the views' tests: one for each module, a fresh page for each test."""

from __future__ import annotations

import pytest

from tests.widgets.browser import CHROMIUM, SWITCHES


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, request):
    """An empty page. Parameters: width, motion ("reduce"), forced ("active"). A script that fails fails the test."""
    options = getattr(request, "param", {})
    page = browser.new_page(viewport={"width": options.get("width", 1280), "height": 900})
    page.set_default_timeout(10_000)
    page.emulate_media(reduced_motion=options.get("motion"), forced_colors=options.get("forced"))
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    page.close()
    assert errors == []
