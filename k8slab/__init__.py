"""k8slab: learn containers and Kubernetes by breaking them.

The public names, imported when they are first used: `import k8slab` itself takes next to no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k8slab.lab import Lab
    from k8slab.races import race
    from k8slab.settings import LabError
    from k8slab.teach.lesson import lesson
    from k8slab.teach.report import show as progress

__all__ = ["Lab", "LabError", "__version__", "lesson", "progress", "race"]
__version__ = "0.1.0"

_HOMES = {
    "Lab": "k8slab.lab:Lab",
    "LabError": "k8slab.settings:LabError",
    "lesson": "k8slab.teach.lesson:lesson",
    "progress": "k8slab.teach.report:show",
    "race": "k8slab.races:race",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, called = _HOMES[name].partition(":")
        return getattr(import_module(module), called)
    raise AttributeError(f"module 'k8slab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
