"""The lessons' notebooks: found in the wheel or the repository, copied for a learner, opened in JupyterLab.

`cli.py` calls it for `k8slab lessons`. What a learner has worked on is never written over.
"""

from __future__ import annotations

import filecmp
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from k8slab import tools
from k8slab.settings import LabError, Settings
from k8slab.teach.progress import NAME as PROGRESS

PACKAGE = Path(__file__).parent
LEFT_OUT = ("src", "__pycache__", ".ipynb_checkpoints")  # what only authors need


def source() -> Path:
    """Where the lessons lie: inside the installed package, or beside it in the repository. Raises LabError."""
    for folder in (PACKAGE / "lessons", PACKAGE.parent / "lessons"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise LabError("The lessons' notebooks are not here. In the repository, `make lessons` builds them.")


def copy_to(directory: Path) -> tuple[int, int]:
    """Copy what is not there yet: how many files were copied, and how many the learner has changed. Raises LabError."""
    copied = kept = 0
    origin = source()
    try:
        for path in _files(origin):
            target = directory / path.relative_to(origin)
            if target.exists():
                kept += not filecmp.cmp(path, target, shallow=False)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            copied += 1
    except OSError as error:
        hint = "Give another folder with `--dir`."
        raise LabError(f"The lessons cannot be copied to {directory}: {error.strerror}. {hint}") from error
    return copied, kept


def first(directory: Path) -> Path:
    """The notebook to begin with: the first lesson; for who has begun, the index, which shows how far they are."""
    index = directory / "index.ipynb"
    if (directory / PROGRESS).exists() and index.exists():
        return index
    return min(directory.glob("*.ipynb"))


def open_jupyter(directory: Path, port: int, browser: bool) -> None:
    """Become JupyterLab, on the first lesson. Raises LabError when it is not installed."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise LabError(tools.missing("jupyter-lab"))
    command, environment = jupyter(directory, port, browser)
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)


def jupyter(directory: Path, port: int, browser: bool) -> tuple[list[str], dict[str, str]]:
    """The command and its environment: in its terminals, `kubectl` and `k8slab` are those of the notebooks."""
    name = first(directory).name
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={directory.resolve()}",
        f"--ServerApp.port={port}",
        f"--LabApp.default_url=/lab/tree/{name}",
        *([] if browser else ["--no-browser"]),
        *(["--allow-root"] if os.geteuid() == 0 else []),  # whoever typed the command as root has decided
    ]
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    kubeconfig = str(Settings.read().folder.kubeconfig)
    # JupyterLab's settings for lessons (jupyter/labconfig): no question about news over the first one.
    config = os.pathsep.join(filter(None, [str(PACKAGE / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH")]))
    return command, {**os.environ, "PATH": programs, "KUBECONFIG": kubeconfig, "JUPYTER_CONFIG_PATH": config}


def _files(origin: Path) -> list[Path]:
    found = (path for path in sorted(origin.rglob("*")) if path.is_file())
    kept = (path for path in found if not path.name.endswith(".words.json"))  # read from here, not from the copy
    return [path for path in kept if not set(path.relative_to(origin).parts) & set(LEFT_OUT)]
