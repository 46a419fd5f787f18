"""Programs of others that k8slab uses when they are there: what for, and the line that installs each.

`doctor.py` lists them; whoever needs one that is missing says so with `missing`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple


class Tool(NamedTuple):
    """A program, what k8slab does with it, and how it is installed on Debian and Ubuntu."""

    name: str
    purpose: str
    install: str
    more: str = ""  # the official page


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "kubectl",
            "the commands of the lessons; without it, `lab.apply`, `lab.pods` and the board do what they can",
            "sudo snap install kubectl --classic",
            "https://kubernetes.io/docs/tasks/tools/",
        ),
        Tool("dot", "diagrams with fewer crossing lines (Graphviz)", "sudo apt install graphviz"),
        Tool("bwrap", "namespaces around local containers (bubblewrap)", "sudo apt install bubblewrap"),
        Tool(
            "docker",
            "an engine for the benchmarks to compare with",
            "sudo apt install docker.io",
            "https://docs.docker.com/engine/",
        ),
        Tool("qemu-system-x86_64", "a real virtual machine (lesson 01)", "sudo apt install qemu-system-x86"),
        Tool("busybox", "the programs in a virtual machine (lesson 01)", "sudo apt install busybox-static"),
        Tool("setpriv", "ends a virtual machine with its notebook (lesson 01)", "sudo apt install util-linux"),
        Tool("redis-server", "a store that outlives pods (lessons 03 and 10)", "sudo apt install redis-server"),
        Tool("jupyter-lab", "the notebooks of the lessons", 'pip install "k8slab[lab]"'),
    )
}


def path_of(name: str) -> str | None:
    """Where the program is, or None. A virtual environment's programs count even where it is not activated."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), beside]))


def missing(name: str) -> str:
    """One sentence for somebody who needs it now."""
    tool = TOOLS[name]
    more = f" ({tool.more} has other ways)" if tool.more else ""
    return f"{name} is not installed here. To install it: `{tool.install}`{more}."
