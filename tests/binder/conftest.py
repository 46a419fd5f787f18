"""The image, built once for all workers of a run; and where figures are noted for `make binder-check`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.binder import image as images


@pytest.fixture(scope="session")
def binder(engine: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """The engine, with the image in it."""
    own = tmp_path_factory.getbasetemp()
    run = own if worker_id == "master" else own.parent
    with (run / "binder").open("a+") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        if not os.fstat(making.fileno()).st_size:
            built = images.build(engine)
            making.write("built")
            noted("image", f"{built.size / 1e6:.0f} MB, {built.ours / 1e6:.0f} of them ours; {built.seconds:.0f} s")
    return engine


@pytest.fixture
def note() -> Callable[[str, str], None]:
    """Keep a figure: its name, what was found."""
    return noted


def noted(name: str, found: str) -> None:
    if path := os.environ.get("K8SLAB_FIGURES"):
        load = os.getloadavg()[0]
        with Path(path).open("a") as figures:
            figures.write(json.dumps({"figure": name, "found": found, "load": round(load, 1)}) + "\n")
