"""What a kubelet keeps of each pod between two looks. `workers.py` owns it, `probing.py` adds what probes found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from k8slab.api.objects import Obj
from k8slab.kubelet.probes import Prober
from k8slab.kubelet.view import Note


@dataclass(slots=True, eq=False)
class Record:
    """What a kubelet keeps of one pod. `written` is the hash of the status it wrote last."""

    pod: Obj
    address: str = ""
    sandbox: bool = False  # this kubelet has seen to it that the pod has one
    folders: Mapping[str, Path] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    stopping: dict[str, float] = field(default_factory=dict)
    probers: dict[str, Prober] = field(default_factory=dict)
    written: int | None = None
    writing: bool = False
    gone: bool = False
    returned: bool = False  # sandbox and volumes have been given back
    dirty: bool = False
    worker: asyncio.Task[None] | None = None
    timer: Callable[[], None] | None = None

    def note(self, name: str) -> Note:
        """The note about a container, made when there is first something to note."""
        return self.notes.setdefault(name, Note())
