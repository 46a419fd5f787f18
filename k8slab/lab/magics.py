"""`%kubectl get pods` and `%%manifest` in a notebook, for the lab that the notebook holds.

`lab.py` registers them when a `Lab` is made inside IPython. `{name}` in a line is filled in from the notebook's
variables; what belongs to kubectl's own templates (`{.metadata.name}`, `{{end}}`) stays as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k8slab.lab.lab import Lab

# A variable, perhaps with attributes and indices: {pod}, {pods[0].name}. Doubled braces are Go's templates.
_BLANK = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)((?:\.\w+|\[\d+\])*)\}(?!\})")
TEMPLATE_WORDS = ("end",)  # of kubectl's jsonpath


def fill(line: str, variables: Mapping[str, Any]) -> str:
    """The line with `{name}` replaced by the variable of that name; names that are no variable stay."""

    def value(blank: re.Match[str]) -> str:
        name, path = blank.groups()
        if name not in variables or name in TEMPLATE_WORDS:
            return blank[0]
        found = variables[name]
        for step in re.findall(r"\.(\w+)|\[(\d+)\]", path):
            found = getattr(found, step[0]) if step[0] else found[int(step[1])]
        return str(found)

    return _BLANK.sub(value, line)


def register(lab: Lab) -> None:
    """Make the magics those of this lab, if we are in a notebook (or another IPython)."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython
    from IPython.core.magic import no_var_expand

    shell = get_ipython()
    if shell is None:
        return

    @no_var_expand
    def kubectl(line: str) -> None:
        """Run kubectl against the lab."""
        lab.stream_kubectl(fill(line, shell.user_ns), _show)

    @no_var_expand
    def manifest(line: str, cell: str) -> None:
        """Apply the YAML of this cell; the line may hold options for kubectl, such as `-n shop`."""
        _show(lab.apply(fill(cell, shell.user_ns), options=fill(line, shell.user_ns)))

    shell.register_magic_function(kubectl, "line", "kubectl")
    shell.register_magic_function(manifest, "cell", "manifest")


def _show(text: str) -> None:
    print(text, end="" if text.endswith("\n") else "\n", flush=True)
