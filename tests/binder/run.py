"""Runs notebooks one after the other, each in a kernel of its own, where they lie. For `docker exec`, inside Binder.

It knows nothing of k8slab, nor of the tests: it writes beside each notebook what came out, with how long each took.
"""

import json
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def run(path: Path) -> dict[str, object]:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": path.parent}})
    began, failure = time.monotonic(), ""
    try:
        client.execute()
    except CellExecutionError as error:
        failure = str(error)
    nbformat.write(notebook, path)
    return {"name": path.name, "seconds": round(time.monotonic() - began, 1), "failure": failure}


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        print(json.dumps(run(path)), flush=True)
