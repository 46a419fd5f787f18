"""What a test needs of the machine. On a learner's machine its lack skips the test; in CI (K8SLAB_CI) it is a failure."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

# Both kinds of real containers; those of an engine only where there is time (`make test-all`).
REAL = ["local", pytest.param("docker", marks=[pytest.mark.engine, pytest.mark.slow])]
ENGINES = [  # what the docker runtime works with; the second where there is time
    pytest.param("docker", marks=pytest.mark.engine),
    pytest.param("podman", marks=[pytest.mark.engine, pytest.mark.slow]),
]
FIXTURE = {"docker": "engine", "podman": "podman"}  # that brings it (tests/conftest.py)
STRICT = "K8SLAB_CI"  # set by .ci/run: a missing install step is to show


def missing(reason: str) -> NoReturn:
    """This test cannot run here: skipped, or failed where everything has to be there."""
    if os.environ.get(STRICT):
        pytest.fail(f"not skipped, because {STRICT} is set: {reason}", pytrace=False)
    pytest.skip(reason)


def unpacked(package: str, folder: Path) -> Path:
    """What a Debian package holds; an empty folder when it cannot be had."""
    try:
        subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, check=True, timeout=60)
        subprocess.run(
            ["dpkg-deb", "-x", next(folder.glob("*.deb")), folder], capture_output=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError, StopIteration):
        pass
    return folder
