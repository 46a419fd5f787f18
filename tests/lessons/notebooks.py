"""Runs a lesson's notebook from top to bottom in a kernel of its own, on a lab of its own, with nobody clicking."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from traitlets import default

ROOT = Path(__file__).parent.parent.parent

PROBE = """
import threading
for _ in range(150):
    found = lesson.check("{key}")
    if found.kind != "soon":
        break
    threading.Event().wait(0.1)
assert found.kind == "{kind}", (found.kind, found.said)
"""


def script(name):
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


build_notebooks = script("build_notebooks")


class ThisPython(KernelSpecManager):
    """The Python that runs the tests, whatever kernels are installed on the machine."""

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class Kernel(AsyncKernelManager):
    """Of this Python. The client makes it, so that it ends with the run."""

    @default("kernel_spec_manager")
    def _this_python(self):
        return ThisPython()


class Lab:
    """Where a lesson runs: a folder with the lessons, and a lab that nobody else has."""

    def __init__(self, folder: Path, runtime: str, name: str):
        self.folder, self.state = folder / "learner", folder / "state"
        self.folder.mkdir()
        self.knobs = {"K8SLAB_NAME": name, "K8SLAB_STATE_DIR": str(self.state), "K8SLAB_RUNTIME": runtime}

    def run(self, lesson: str | Path, *, solved: bool, times: int = 1) -> nbformat.NotebookNode:
        """Run it (a number, or a source) and return what came out. Raises for a failure that was not announced."""
        notebook = prepared(lesson, solved=solved, times=times)
        where = {"metadata": {"path": str(self.folder)}}
        client = NotebookClient(notebook, kernel_manager_class=Kernel, timeout=90, resources=where)
        return client.execute(env={**os.environ, **self.knobs, "IPYTHONDIR": str(self.folder / ".ipython")})


def prepared(lesson: str | Path, *, solved: bool, times: int = 1) -> nbformat.NotebookNode:
    """A lesson's notebook as it was built, ready to be run: a probe after each check."""
    known = (path for path in build_notebooks.sources() if path.name.startswith(str(lesson)))
    source = lesson if isinstance(lesson, Path) else next(known)
    notebook = nbformat.reads(build_notebooks.build(source, solved=solved)[f"{source.stem}.ipynb"], as_version=4)
    notebook.cells = [cell for _ in range(times) for cell in with_probes(notebook.cells, solved)]
    return notebook


def with_probes(cells, solved):
    """The cells, and after each check one that demands its outcome."""
    for cell in cells:
        yield nbformat.from_dict({**cell, "id": nbformat.v4.new_code_cell().id})
        if cell.cell_type == "code" and (found := re.search(r'lesson\.check\("([\w-]+)"\)', cell.source)):
            yield nbformat.v4.new_code_cell(PROBE.format(key=found[1], kind="right" if solved else "none"))


def said(cell) -> str:
    """Everything a cell put out, as text."""
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", ())]
    return "\n".join(parts)


def failed(cell) -> bool:
    return any(output["output_type"] == "error" for output in cell.get("outputs", ()))


def announced_failures(notebook):
    """Every cell that was announced to fail has failed, and no other; how many there were."""
    meant = [cell for cell in notebook.cells if "raises-exception" in cell.metadata.get("tags", ())]
    assert all(failed(cell) for cell in meant)
    assert [cell for cell in notebook.cells if cell.cell_type == "code" and failed(cell)] == meant
    return len(meant)
