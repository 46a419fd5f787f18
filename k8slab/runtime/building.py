"""From a Dockerfile to an image, step by step: each is a layer, and what was made before is not made again.

`dockerfile.py` reads it, `context.py` finds the files, `layers.py` keeps what is made. Steps that are processes (RUN)
are handed to whoever builds: `imageverbs.py` has a container run them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from k8slab.runtime.context import Context, describe
from k8slab.runtime.dockerfile import Base, Copy, DockerfileError, Folder, Recipe, Run, instructions, parse, stage_of
from k8slab.runtime.images import Config, Source
from k8slab.runtime.layers import GONE, PYTHON, PYTHON_HOME, Layers, spread

SYSTEM_BASES = {"scratch", "debian", "ubuntu", "alpine", "busybox", "fedora", "buildpack-deps"}
PROGRAM_BASES = {"redis": "redis-server"}  # official images that are one program: this machine's own, if it has it
PYTHON_PATH = {"PATH": f"{PYTHON_HOME}/bin:/usr/local/bin:/usr/bin:/bin"}
PYTHON_BASE = Config((PYTHON,), PYTHON_PATH, command=("python3",), python=True)

Find = Callable[[str], Config | Source | None]


@dataclass(frozen=True)
class Task:
    """A RUN to be carried out on top of these layers. What it changes goes into the layer of this step."""

    run: Run
    image: Config
    step: str


Steps = Generator[str | Task, str | None, Config]  # progress, or a task (answered with its layer); then the image


class Builder:
    """Builds into a folder of layers; `find` says what another image is, by its full name."""

    def __init__(self, layers: Layers, find: Find) -> None:
        self.layers = layers
        self._find = find

    def build(self, source: Source) -> Steps:
        """Raises DockerfileError, and OSError for files that cannot be read."""
        file = source.folder / "Dockerfile"
        if not file.is_file():
            what = "has no Dockerfile" if source.folder.is_dir() else "is no folder"
            raise OSError(f"{source.folder} {what}: name the folder that holds your Dockerfile")
        try:
            text = file.read_text()
        except UnicodeDecodeError as problem:
            raise DockerfileError(1, "FROM", f"is missing: {file} is no text ({problem.reason})") from problem
        asked = {at.rest.partition("=")[0] for at in instructions(text) if at.keyword == "ARG"}
        for unread in source.arguments.keys() - asked:
            yield f"Nothing reads the build argument {unread}: the Dockerfile has no line `ARG {unread}`"
        inherited: dict[str, Config] = {}  # of those bases that had to be built to know what they hand on

        def inherit(recipe: Recipe) -> Base:
            config = inherited[recipe.base] = self._base(recipe.base, recipe.base_line, "FROM")
            return config.env, config.workdir, config.user

        recipes = parse(text, source.arguments, inherit)
        return (yield from _Build(self, Context.of(source.folder), recipes, inherited).stage(recipes[-1]))

    def finished(self, source: Source) -> Config:
        """The same at once, for Dockerfiles without RUN."""
        steps = self.build(source)
        while True:
            try:
                done = next(steps)
            except StopIteration as end:
                config: Config = end.value
                return config
            if isinstance(done, Task):
                raise done.run.instruction.error("cannot be carried out while a pod waits: build the image first")

    def _base(self, name: str, line: int, keyword: str) -> Config:
        found = self._find(name)
        if isinstance(found, Source):
            return self.finished(found)
        if found is not None:
            return found
        short = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if short == "python":
            return PYTHON_BASE
        if short in SYSTEM_BASES:
            return Config(command=() if short == "scratch" else ("/bin/sh",))
        if (program := PROGRAM_BASES.get(short)) and not shutil.which(program):
            problem = f"{name}: is this machine's {program} here, which it lacks: sudo apt install {program}"
            raise DockerfileError(line, keyword, problem)
        if program:
            return Config(command=(program,))
        bases = ", ".join(["python", *sorted(SYSTEM_BASES), *PROGRAM_BASES])
        problem = f"{name}: the local runtime builds on {bases}, and on the images it has (`k8slab images list`)"
        raise DockerfileError(line, keyword, problem)


class _Build:
    """One build: its stages, each made when it is needed."""

    def __init__(
        self, builder: Builder, context: Context, recipes: list[Recipe], inherited: Mapping[str, Config]
    ) -> None:
        self._builder, self._layers = builder, builder.layers
        self._context, self._recipes, self._inherited = context, recipes, inherited
        self._made: dict[int, Config] = {}

    def stage(self, recipe: Recipe) -> Steps:
        number = next(number for number, other in enumerate(self._recipes) if other is recipe)
        if number in self._made:
            return self._made[number]
        earlier = stage_of(self._recipes[:number], recipe.base)
        config = (yield from self.stage(earlier)) if earlier else self._inherited[recipe.base]
        yield f"FROM {recipe.base}{f' AS {recipe.stage}' * bool(recipe.stage)}"
        for step in recipe.steps:
            config = yield from self._step(config, step, self._recipes[:number])
        command = recipe.command
        if command is None and recipe.entrypoint is None:  # an ENTRYPOINT forgets the base's CMD
            command = list(config.command)
        config = self._made[number] = replace(
            config,
            env=recipe.env,
            workdir=recipe.workdir or config.workdir,
            user=recipe.user or config.user,
            entrypoint=config.entrypoint if recipe.entrypoint is None else tuple(recipe.entrypoint),
            command=tuple(command or ()),
            stop_signal=recipe.stop_signal or config.stop_signal,
        )
        return config

    def _step(self, config: Config, step: Copy | Folder | Run, earlier: list[Recipe]) -> Steps:
        said = f"{step.instruction.keyword} {step.instruction.rest}"
        layer: str | None
        if isinstance(step, Folder):
            layer = self._add({step.path: None}, None)
        elif isinstance(step, Copy):
            layer = yield from self._copy(step, earlier)
        else:
            below = [self._layers.path(layer).name for layer in config.layers]
            about = [below, step.argv, sorted(step.env.items()), step.workdir, step.user]
            named = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
            layer = self._layers.made_by(named)
            said += "  (as before)" * bool(layer)
            if layer is None:
                layer = yield Task(step, config, named)
                assert layer is not None
                said = ""
        if said:
            yield said
        return config if layer in config.layers[-1:] else replace(config, layers=(*config.layers, layer))

    def _copy(self, step: Copy, earlier: list[Recipe]) -> Generator[str | Task, str | None, str]:
        if not step.stage:
            return self._add(self._context.files_of(step), step.mode)
        at = step.instruction
        if recipe := stage_of(earlier, step.stage):
            config = yield from self.stage(recipe)
        else:
            config = self._builder._base(step.stage, at.line, f"{at.keyword} --from")
        with self._layers.making() as root:
            spread([self._layers.path(layer) for layer in config.layers], root)
            return self._add(Context(root.resolve(), step.stage).files_of(step), step.mode)

    def _add(self, files: Mapping[str, Path | None], mode: int | None) -> str:
        """A layer of these files (target -> source; None: a folder), laid out unless it has been already."""
        digest = hashlib.sha256(f"files {mode}\n".encode())
        for part in describe(files):
            digest.update(part)
        step = digest.hexdigest()
        if made := self._layers.made_by(step):
            return made
        with self._layers.making() as making:
            for target, source in files.items():
                path = making / target.lstrip("/")
                if path.name.startswith(GONE):  # in a layer, such a name takes files away
                    continue
                if not path.parent.resolve().is_relative_to(making.resolve()):
                    raise OSError(f"{target}: a symbolic link is on the way there")
                (path.parent if source else path).mkdir(parents=True, exist_ok=True)
                if source and source.is_symlink():
                    path.symlink_to(os.readlink(source))
                elif source:
                    shutil.copy(source, path)
                    path.chmod(mode if mode is not None else source.stat().st_mode & 0o777 | 0o644)
            return self._layers.keep(making, step)
