"""How tests wait: for a condition, never for seconds."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0  # s: ten times what a quiet machine takes


def until(condition: Callable[[], T], what: str = "", patience: float = PATIENCE) -> T:
    """Wait for a condition, and return what it found."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"after {patience:g} s still not so: {what or condition}"
        time.sleep(0.02)
    return found


def fetch(url: str, timeout: float = 5) -> str:
    """A page, or the empty string when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return str(response.read().decode())
    except OSError:
        return ""
