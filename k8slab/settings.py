"""Every knob, its default and its environment variable in one table, and where a lab keeps its files.

The bottom of the house: it imports nothing of ours and little of Python, because the command line waits for it.
`launch.py` finds and starts labs through it, `server.py` runs with it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


class LabError(Exception):
    """Something the person at the keyboard can put right: the message says what is wrong and what to do.

    Shown in one line, without a traceback, by the command line and (through `_render_traceback_`) by notebooks.
    """

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines() or [type(self).__name__]


def knob(default: Any, meaning: str, *choices: str, least: float = 0, most: float = 1_000_000) -> Any:
    """A row of the table: its default, what it means, which words it takes (any, if none are named), its bounds."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The table. Each knob is also an environment variable: `nodes` is K8SLAB_NODES."""

    name: str = knob("default", "the lab's name; labs of different names live side by side")
    nodes: int = knob(3, "how many nodes a new lab has", least=1, most=5000)
    cpu: str = knob("4", "the CPUs each node says it has (a Kubernetes quantity)")
    memory: str = knob("8Gi", "the memory each node says it has (a Kubernetes quantity)")
    runtime: str = knob("auto", "what runs containers", "auto", "docker", "local", "simulated")
    base_image: str = knob("", "what docker builds k8slab's images upon: any with Python; empty: python:3.12-slim")
    speed: float = knob(1.0, "Kubernetes' durations are divided by this", least=0.01, most=1000)
    host_access: str = knob("refuse", "pods that ask for the machine (privileged, hostNetwork)", "refuse", "allow")
    pod_network: str = knob("own", "for root: a network for each pod, or this machine's for all", "own", "shared")
    idle_hours: float = knob(1.0, "a lab nobody has spoken to for so many hours goes down by itself; 0: never")
    store: str = knob("sqlite", "where objects are kept; `memory`: gone when the server stops", "sqlite", "memory")
    state_dir: str = knob("", "where labs keep their files; empty: $XDG_STATE_HOME/k8slab, or ~/.local/state/k8slab")
    start_seconds: float = knob(30.0, "how long `up` waits for a new lab's first answer")

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """What was given, else what the environment says, else the default. Raises LabError for a bad value."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for row in fields(cls):
            variable = f"K8SLAB_{row.name.upper()}"
            if given.get(row.name) is not None:
                values[row.name] = _checked(row, f"--{row.name.replace('_', '-')}", given[row.name])
            elif environ.get(variable):
                values[row.name] = _checked(row, variable, environ[variable])
        if unknown := set(given) - {row.name for row in fields(cls)}:
            raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
        return cls(**values)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", self.name):
            raise LabError(
                f"{self.name!r} cannot be a lab's name: use up to 40 lower-case letters, digits and '-', "
                "with a letter or digit at both ends, such as `team-a`."
            )

    @property
    def context(self) -> str:
        """The context's name in the lab's kubeconfig."""
        return "k8slab" if self.name == "default" else f"k8slab-{self.name}"

    @property
    def root(self) -> Path:
        """The folder of all labs."""
        if self.state_dir:
            return Path(self.state_dir).expanduser().absolute()
        # The XDG Base Directory Specification: a relative path in the variable is to be ignored.
        state = Path(os.environ.get("XDG_STATE_HOME", ""))
        return (state if state.is_absolute() else Path.home() / ".local" / "state") / "k8slab"

    @property
    def images(self) -> Path:
        """The images this user has built: no lab's, so they stay when labs go. A lab's name has no dot in front."""
        return self.root / ".images"

    @property
    def folder(self) -> StateFolder:
        """This lab's folder, which may not be there yet."""
        return StateFolder(self.root / self.name)


def _checked(row: Any, source: str, value: Any) -> Any:
    """A value in its row's type and bounds, as `source` (an option or a variable) gave it."""
    choices, least, most = (row.metadata[key] for key in ("choices", "least", "most"))
    if choices and value not in choices:
        raise LabError(f"{source} cannot be {value!r}: choose one of {', '.join(choices)}.")
    type_ = type(row.default)
    try:
        number = type_(value)
    except (ValueError, OverflowError):
        wanted = "a whole number" if type_ is int else "a number"
        raise LabError(f"{source} cannot be {value!r}: give {wanted}, such as {row.default}.") from None
    if type_ is not str and not least <= number <= most:
        raise LabError(f"{source} cannot be {value}: give a number from {least:g} to {most:g}.")
    return number


@dataclass(frozen=True)
class StateFolder:
    """A lab's files. The folder is 0700 and every file in it 0600: nobody else on the machine reads them."""

    path: Path

    @property
    def kubeconfig(self) -> Path:
        """What kubectl needs to speak to the lab."""
        return self.path / "kubeconfig"

    @property
    def lab(self) -> Path:
        """What the lab was asked to be, and the port and addresses it took: kept when its server restarts."""
        return self.path / "lab.json"

    @property
    def server(self) -> Path:
        """The running server's process, port and abilities; there as long as it answers."""
        return self.path / "server.json"

    @property
    def lock(self) -> Path:
        """Locked by the running server: one server a lab."""
        return self.path / "server.lock"

    @property
    def log(self) -> Path:
        """What the server had to say."""
        return self.path / "server.log"

    @property
    def objects(self) -> Path:
        """The store."""
        return self.path / "objects.db"

    @property
    def pki(self) -> Path:
        """The throwaway CA, the server's certificate, the token."""
        return self.path / "pki"

    @property
    def runtime(self) -> Path:
        """The runtime's: scratch folders, logs, exit codes of containers."""
        return self.path / "runtime"

    def make(self) -> StateFolder:
        """Make the folder if need be. Raises LabError when it cannot be made, or belongs to somebody else."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            self.check()
            self.path.chmod(0o700)
        except OSError as error:
            raise LabError(f"The lab's folder {self.path} cannot be made: {error.strerror}. {_ELSEWHERE}") from error
        return self

    def check(self) -> None:
        """Raise LabError unless the folder is ours: one that somebody else prepared could lead writes elsewhere."""
        for path, owners in ((self.path.parent, (0, os.geteuid())), (self.path, (os.geteuid(),))):
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode) and path == self.path:
                raise LabError(f"The lab's folder {path} is a symbolic link. {_ELSEWHERE}")
            if path.stat().st_uid not in owners:
                theirs = f"owned by user {found.st_uid}, and you are user {os.geteuid()}"
                raise LabError(f"The lab's folder {path} is {theirs}. {_ELSEWHERE}")


LESSONS_FOLDER = "k8slab-lessons"  # where `k8slab lessons` puts a learner's notebooks
_ELSEWHERE = "Set K8SLAB_STATE_DIR to a folder of your own."


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, all of it or nothing. Raises LabError when the disk refuses."""
    data = content.encode() if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        why = error.strerror
        raise LabError(f"{path} could not be written: {why}. Make room on that disk, then try again.") from error
