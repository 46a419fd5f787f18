"""Reads a Dockerfile (docs.docker.com/reference/dockerfile): text and build arguments in, a recipe for each stage out.

Nothing here touches a file; `building.py` carries out what the instructions ask for.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SHELL = ("/bin/sh", "-c")
MEANT_FOR_OTHERS = {"LABEL", "MAINTAINER", "HEALTHCHECK", "VOLUME"}  # Kubernetes does not run by them
VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


class DockerfileError(Exception):
    """The Dockerfile asks for something impossible here; the message names the line and the instruction."""

    def __init__(self, line: int, keyword: str, problem: str) -> None:
        super().__init__(f"Dockerfile line {line}: {keyword} {problem}")


class Instruction(NamedTuple):
    """One instruction: where it begins, its keyword in capitals, and the rest of it."""

    line: int
    keyword: str
    rest: str

    def error(self, problem: str) -> DockerfileError:
        return DockerfileError(self.line, self.keyword, problem)


@dataclass(frozen=True)
class Copy:
    """`COPY sources… target`: a step that adds files. The paths are as written, with variables filled in."""

    instruction: Instruction
    sources: tuple[str, ...]
    target: str  # absolute; ends in / if it must be a folder
    mode: int | None = None
    stage: str = ""  # --from: an earlier stage, or an image; empty: the folder of the Dockerfile


@dataclass(frozen=True)
class Folder:
    """`WORKDIR path`: a step that makes a folder."""

    instruction: Instruction
    path: str


@dataclass(frozen=True)
class Run:
    """`RUN command`: a step that is a process, in the environment that the lines above it have made."""

    instruction: Instruction
    argv: tuple[str, ...]
    env: Mapping[str, str]  # ENV, and ARGs that ENV does not hide
    workdir: str
    user: str


Step = Copy | Folder | Run


@dataclass
class Recipe:
    """What a stage comes to: where it begins, what it adds, and how a container of it starts."""

    base: str = ""
    base_line: int = 0
    stage: str = ""  # FROM … AS stage
    steps: list[Step] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)  # the base's, too
    workdir: str = ""
    user: str = ""
    ports: list[str] = field(default_factory=list)
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    stop_signal: str = ""


Base = tuple[Mapping[str, str], str, str]  # what an image hands on to those built on it: environment, folder, user
Inherit = Callable[[Recipe], Base]


def parse(text: str, arguments: Mapping[str, str] | None = None, inherit: Inherit | None = None) -> list[Recipe]:
    """The recipe of each stage; the last is the image's. `arguments` are the build's (`--build-arg`).

    `inherit` is asked what a base that is no earlier stage hands on. Raises DockerfileError.
    """
    return _Reader(dict(arguments or {}), inherit or (lambda recipe: ({}, "", ""))).read(text)


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions, continued lines put together, comments and blank lines left out."""
    begun, parts = 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.lstrip().startswith("#") or (parts and not line.strip() and number <= len(text.splitlines())):
            continue
        begun = begun if parts else number
        parts.append(line.strip().removesuffix("\\"))
        if line.rstrip().endswith("\\"):
            continue
        whole, parts = "".join(parts).strip(), []
        if whole:
            keyword, _, rest = whole.partition(" ")
            yield Instruction(begun, keyword.upper(), rest.strip())


class _Reader:
    """Goes through the instructions in order, filling in one recipe after the other."""

    def __init__(self, given: dict[str, str], inherit: Inherit) -> None:
        self.given = given
        self.inherit = inherit
        self.globals: dict[str, str] = {}  # of the ARGs above the first FROM
        self.arguments: dict[str, str] = {}  # of this stage
        self.recipes: list[Recipe] = []
        self.recipe = Recipe()

    def read(self, text: str) -> list[Recipe]:
        at = None
        for at in instructions(text):
            known = getattr(self, f"read_{at.keyword.lower()}", None)
            if at.keyword in MEANT_FOR_OTHERS:
                continue
            if known is None:
                raise at.error("is not supported by the local runtime")
            if not at.rest:
                raise at.error("needs an argument")
            if not self.recipes and at.keyword not in ("ARG", "FROM"):
                raise at.error("comes before FROM, which says what the image is built on")
            known(at)
        if not self.recipes:
            raise DockerfileError(at.line if at else 1, "FROM", "is missing: it says what the image is built on")
        return self.recipes

    def read_arg(self, at: Instruction) -> None:
        name, equals, default = at.rest.partition("=")
        values = self.arguments if self.recipes else self.globals
        if name in self.given:
            values[name] = self.given[name]
        elif equals:
            values[name] = self.filled(" ".join(words(at, default)))
        elif name in self.globals:
            values[name] = self.globals[name]

    def read_from(self, at: Instruction) -> None:
        self.arguments, self.recipe = dict(self.globals), Recipe()
        base = [word for word in words(at, self.filled(at.rest)) if not word.startswith("--")]
        self.arguments = {}
        if not base or (len(base) > 1 and (len(base) != 3 or base[1].upper() != "AS")):
            raise at.error("is written `FROM image`, or `FROM image AS stage`")
        recipe = Recipe(base[0], at.line, base[2].lower() if len(base) == 3 else "")
        earlier = stage_of(self.recipes, recipe.base)
        handed_on = (earlier.env, earlier.workdir, earlier.user) if earlier else self.inherit(recipe)
        recipe.env, recipe.workdir, recipe.user = dict(handed_on[0]), *handed_on[1:]
        self.recipe = recipe
        self.recipes.append(recipe)

    def read_run(self, at: Instruction) -> None:
        if at.rest.startswith("--"):
            raise at.error(f"{at.rest.split()[0]} is not supported by the local runtime")
        if at.rest.startswith("<<"):
            raise at.error("with a here-document is not supported by the local runtime: join the commands with &&")
        recipe = self.recipe
        env = self.arguments | recipe.env
        recipe.steps.append(Run(at, tuple(command_line(at)), env, recipe.workdir, recipe.user))

    def read_copy(self, at: Instruction) -> None:
        exec_form = json_list(at.rest)
        paths = exec_form if exec_form is not None else words(at, at.rest)
        mode, stage = None, ""
        while paths and paths[0].startswith("--"):
            flag, _, value = paths.pop(0).partition("=")
            if flag == "--chmod":
                if not re.fullmatch("[0-7]{3,4}", value):
                    raise at.error(f"--chmod={value}: write the mode as a number, such as 755")
                mode = int(value, 8) & 0o777
            elif flag == "--from" and at.keyword == "COPY":
                stage = self.filled(value)
            elif flag not in ("--chown", "--link"):  # whose a file is cannot be told from here: one user owns them all
                raise at.error(f"{flag} is not supported by the local runtime")
        if len(paths) < 2:
            raise at.error("needs at least one source and a target")
        *sources, target = [self.filled(path) for path in paths]
        if at.keyword == "ADD" and any("://" in source for source in sources):
            raise at.error("from a URL is not supported by the local runtime: fetch the file and COPY it")
        slash = "/" if target.endswith("/") or target in (".", "..") or len(sources) > 1 else ""
        self.recipe.steps.append(Copy(at, tuple(sources), self.absolute(target) + slash, mode, stage))

    read_add = read_copy

    def read_env(self, at: Instruction) -> None:
        parts = words(at, at.rest)
        if "=" not in parts[0]:  # the old form: ENV name the whole rest
            name, _, value = at.rest.partition(" ")
            parts = [f"{name}={value.strip()}"]
        for part in parts:
            name, equals, value = part.partition("=")
            if not equals:
                raise at.error(f"cannot read {part!r}: write NAME=value")
            self.recipe.env[name] = self.filled(value)

    def read_workdir(self, at: Instruction) -> None:
        self.recipe.workdir = self.absolute(self.filled(at.rest))
        self.recipe.steps.append(Folder(at, self.recipe.workdir))

    def read_user(self, at: Instruction) -> None:
        self.recipe.user = self.filled(at.rest)

    def read_expose(self, at: Instruction) -> None:
        self.recipe.ports += self.filled(at.rest).split()

    def read_stopsignal(self, at: Instruction) -> None:
        name = self.filled(at.rest).upper()
        if name.isdigit() and int(name) in signal.valid_signals():
            name = signal.Signals(int(name)).name
        name = name if name.startswith("SIG") else f"SIG{name}"
        if name not in signal.Signals.__members__:
            raise at.error(f"{at.rest}: there is no such signal")
        self.recipe.stop_signal = name

    def read_entrypoint(self, at: Instruction) -> None:
        self.recipe.entrypoint, self.recipe.command = command_line(at), None

    def read_cmd(self, at: Instruction) -> None:
        self.recipe.command = command_line(at)

    def absolute(self, path: str) -> str:
        """The path seen from the working folder, without `.` and `..`."""
        parts: list[str] = []
        for part in (path if path.startswith("/") else f"{self.recipe.workdir}/{path}").split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def filled(self, text: str) -> str:
        """With $NAME, ${NAME}, ${NAME:-default} and ${NAME:+instead} filled in, from ENV first, then ARG."""
        values = self.arguments | self.recipe.env

        def fill(match: re.Match[str]) -> str:
            if match[0] == "\\$":
                return "$"
            value = values.get(match[1] or match[2], "")
            if match[3] == "-":
                return value or match[4]
            return (match[4] if value else "") if match[3] == "+" else value

        return VARIABLE.sub(fill, text)


def stage_of(recipes: list[Recipe], name: str) -> Recipe | None:
    """The stage of this name or number (a later one hides an earlier of the same name); None: it is an image."""
    if name.isdigit() and int(name) < len(recipes):
        return recipes[int(name)]
    return next((recipe for recipe in reversed(recipes) if recipe.stage == name.lower()), None)


def command_line(at: Instruction) -> list[str]:
    """A JSON list as it stands (exec form), anything else for the shell."""
    exec_form = json_list(at.rest)
    return [*SHELL, at.rest] if exec_form is None else exec_form


def json_list(text: str) -> list[str] | None:
    """The words of a JSON list; None for what is none. (`['a']`, with the wrong quotes, is none for Docker, too.)"""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if all(isinstance(word, str) for word in found) else None


def words(at: Instruction, text: str) -> list[str]:
    """Split at spaces, as a shell would, quotes taken off."""
    try:
        return shlex.split(text)
    except ValueError as problem:
        raise at.error(f"cannot be read: {problem}") from None
