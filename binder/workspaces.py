"""JupyterLab's workspaces, one for each lesson: the lesson on the left, its board on the right. `postBuild` calls it.

The right half is a second view of the output of the cell that shows the board, as *Create New View for Cell Output*
makes one. It is empty until that cell has run, and from then on it is the same live board. A lesson without a board has
the shop or the traffic there, or nothing. A workspace's address is `lab/workspaces/NN`; `default` is the one of the
plain address, with the first lesson.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jupyterlab.commands import get_workspaces_dir
from jupyterlab_server.workspaces_handler import WorkspacesManager

SIZES = [0.55, 0.45]  # of the width: the lesson, its board
KEPT_IN_SIGHT = re.compile(r"^lab\.(board|shop|traffic)\(", re.MULTILINE)


def workspace(name: str, notebook: str, board: int | None) -> dict[str, Any]:
    """What JupyterLab restores under this name. `board`: the index of the cell that shows it; None: no right half."""
    lesson, seen = f"notebook:{notebook}", f"cloned-outputs:{notebook}:{board}"
    halves = [lesson] if board is None else [lesson, seen]
    areas = [{"type": "tab-area", "currentIndex": 0, "widgets": [half]} for half in halves]
    dock = {"type": "split-area", "orientation": "horizontal", "sizes": SIZES[: len(areas)], "children": areas}
    restored: dict[str, Any] = {
        "layout-restorer:data": {
            "main": {"dock": dock, "current": lesson},
            "down": {"size": 0, "widgets": []},
            "left": {"collapsed": True, "visible": True, "current": "filebrowser", "widgets": ["filebrowser"]},
            "right": {"collapsed": True, "visible": True, "widgets": []},
            "relativeSizes": [0, 1, 0],
        },
        "file-browser-filebrowser:cwd": {"path": str(Path(notebook).parent)},
        lesson: {"data": {"path": notebook, "factory": "Notebook"}},
    }
    if board is not None:
        restored[seen] = {"data": {"path": notebook, "index": board}}
    return {"data": restored, "metadata": {"id": name}}


def board_of(notebook: Path) -> int | None:
    """The index of the first cell that shows a board, or what a lesson has in its place."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return next((i for i, cell in enumerate(cells) if KEPT_IN_SIGHT.search("".join(cell["source"]))), None)


def main() -> None:
    """Write them where JupyterLab looks for them; the notebooks' paths are as seen from the server's folder."""
    manager = WorkspacesManager(get_workspaces_dir())
    for number, path in enumerate(sorted(Path("lessons").glob("[0-9][0-9]-*.ipynb"))):
        for name in (path.name[:2], *(["default"] if number == 0 else [])):
            manager.save(name, json.dumps(workspace(name, path.as_posix(), board_of(path))))


if __name__ == "__main__":
    main()
