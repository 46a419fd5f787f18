"""What a kubelet keeps of each pod between two looks. `workers.py` owns it, `probing.py` adds what probes found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from k8slab.api.objects import Obj
from k8slab.kubelet.notes import Ending, Note, Refusal
from k8slab.kubelet.probes import Prober


@dataclass(slots=True, eq=False)
class Record:
    """What a kubelet keeps of one pod. `written` is the hash of the status it wrote last."""

    pod: Obj
    address: str = ""
    sandbox: bool = False  # this kubelet has seen to it that the pod has one
    folder: Path | None = None  # of the pod; None when its containers are only records
    folders: Mapping[str, Path] = field(default_factory=dict)  # of its volumes, by name
    notes: dict[str, Note] = field(default_factory=dict)
    stopping: dict[str, Ending] = field(default_factory=dict)  # by container id
    words: dict[str, str] = field(default_factory=dict)  # container id -> its termination message
    refused: Refusal | None = None
    hook: asyncio.Task[None] | None = None  # a postStart hook that is waited for
    probers: dict[str, Prober] = field(default_factory=dict)
    written: int | None = None
    writing: bool = False
    gone: bool = False
    returned: bool = False  # sandbox and volumes have been given back
    dirty: bool = False
    worker: asyncio.Task[None] | None = None
    timer: Callable[[], None] | None = None
    stale: bool = True  # its files may not be what they are made of
    remount: Callable[[], None] | None = None  # takes back the look at which they will be written anew

    def note(self, name: str) -> Note:
        """The note about a container, made when there is first something to note."""
        return self.notes.setdefault(name, Note())

    def removed(self, id: str) -> None:
        """This container is gone, and what was remembered of it."""
        self.words.pop(id, None)
        self.stopping.pop(id, None)
        for note in self.notes.values():
            if note.unstarted and note.unstarted.id == id:
                note.unstarted = None
