"""The promises of `runtime/base.py` about images, to be kept by every runtime: they are built, kept, named, removed.

Add a runtime to `runtimes` and it is held to the same. `REAL` are those that lay out files.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from k8slab.clock import Clock
from k8slab.runtime import isolation
from k8slab.runtime.base import Runtime, RuntimeFailure
from k8slab.runtime.simulated import SimulatedRuntime
from tests.requirements import ENGINES, FIXTURE
from tests.runtime import world as worlds
from tests.runtime.world import World, alive, docker, local
from tests.waiting import PATIENCE

BASE = "python:3.12-slim"  # any that the runtime has
RUNTIMES = ["simulated", "local", "bare", *ENGINES]
_numbers = itertools.count(1)


@pytest.fixture(params=RUNTIMES)
async def runtime(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    if request.param in FIXTURE:
        monkeypatch.setattr(worlds, "SUBNET", worlds.BRIDGED)
        async with docker(tmp_path / "lab", request.getfixturevalue(FIXTURE[request.param])) as engine:
            yield engine
        return
    if request.param == "simulated":
        simulated = SimulatedRuntime(Clock(speed=20))
        await simulated.open()
        yield simulated
        await simulated.close(leave_running=False)
        return
    if request.param == "local" and not isolation.probe().bubblewrap:
        pytest.skip(str(isolation.probe().missing))
    async with local(tmp_path / "lab", fenced=request.param == "local") as real:
        yield real


@pytest.fixture
async def name(runtime: Runtime) -> AsyncIterator[str]:
    """A repository of this test's own: an engine has one shelf for all who use it. It is cleared in the end."""
    name = f"shop-{os.getpid()}-{next(_numbers)}"
    yield name
    for pod in list(runtime.pods()):
        await runtime.remove_pod(pod)
    for image in reversed(await runtime.images()):  # what is built upon another goes before it
        if image.startswith(f"{name}:"):
            await runtime.remove_image(image)


def shop(folder: Path, text: str = "v1", more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "version").write_text(text)
    command = 'CMD ["python3", "-c", "print(open(\'version\').read())"]'
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nWORKDIR /shop\nCOPY version .\n{more}\n{command}\n")
    return folder


async def built(runtime: Runtime, name: str, folder: Path, **arguments: str) -> list[str]:
    return [line async for line in runtime.build(name, folder, arguments)]


async def refused(runtime: Runtime, name: str, folder: Path) -> RuntimeFailure:
    with pytest.raises(RuntimeFailure) as caught:
        await built(runtime, name, folder)
    return caught.value


async def test_what_is_built_is_there_by_its_name(runtime: Runtime, name: str, tmp_path: Path) -> None:
    lines = await built(runtime, f"{name}:v1", shop(tmp_path / "shop"))
    assert any(line.startswith(f"FROM {BASE}") for line in lines)
    assert f"{name}:v1" in lines[-1]
    assert f"{name}:v1" in await runtime.images()
    (info,) = [info for info in await runtime.image_list() if info.name == f"{name}:v1"]
    assert info.id == await runtime.pull(f"{name}:v1")
    assert info.id.startswith("sha256:")
    assert info.size > 0 or not runtime.abilities.real


async def test_a_name_without_a_tag_is_the_latest(runtime: Runtime, name: str, tmp_path: Path) -> None:
    await built(runtime, name, shop(tmp_path / "shop"))
    assert f"{name}:latest" in await runtime.images()
    assert await runtime.pull(name) == await runtime.pull(f"{name}:latest")


async def test_a_container_runs_what_was_built_and_the_next_one_what_was_built_then(
    runtime: Runtime, name: str, tmp_path: Path
) -> None:
    if not runtime.abilities.real:
        pytest.skip("records print nothing")
    world = await World.make(runtime)
    await built(runtime, f"{name}:v1", shop(tmp_path / "shop"))
    assert await world.run(image=f"{name}:v1") == ["v1"]
    first = await runtime.pull(f"{name}:v1")
    await built(runtime, f"{name}:v1", shop(tmp_path / "shop", "v2"))
    assert await runtime.pull(f"{name}:v1") != first
    assert await world.run(image=f"{name}:v1") == ["v2"]


async def test_a_removed_image_is_gone_and_said_to_be(runtime: Runtime, name: str, tmp_path: Path) -> None:
    await built(runtime, f"{name}:v1", shop(tmp_path / "shop"))
    await runtime.remove_image(f"{name}:v1")
    assert f"{name}:v1" not in await runtime.images()
    with pytest.raises(RuntimeFailure, match=f"{name}:v1") as caught:
        await runtime.remove_image(f"{name}:v1")
    assert caught.value.reason == "NotFound"


async def test_an_image_a_container_runs_on_is_not_removed(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records need no files")
    world = await World.make(runtime)
    await built(runtime, f"{name}:v1", shop(tmp_path / "shop"))
    id = await world.start("sleep", "1000", image=f"{name}:v1")
    with pytest.raises(RuntimeFailure, match="in use") as caught:
        await runtime.remove_image(f"{name}:v1")
    assert caught.value.reason == "RemoveFailed"
    await runtime.stop(id, 0)
    await runtime.remove(id)
    await runtime.remove_image(f"{name}:v1")


async def test_a_saved_image_comes_back(runtime: Runtime, name: str, tmp_path: Path) -> None:
    file = tmp_path / "images.tar"
    await built(runtime, f"{name}:v1", shop(tmp_path / "shop"))
    if not runtime.abilities.real:
        with pytest.raises(RuntimeFailure, match="records"):
            await runtime.save_images([f"{name}:v1"], file)
        return
    id = await runtime.pull(f"{name}:v1")
    await runtime.save_images([f"{name}:v1"], file)
    await runtime.remove_image(f"{name}:v1")
    assert await runtime.load_images(file) == [f"{name}:v1"]
    assert await runtime.pull(f"{name}:v1") == id
    world = await World.make(runtime)
    assert await world.run(image=f"{name}:v1") == ["v1"]


async def test_saving_what_is_not_there(runtime: Runtime, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records are not saved")
    with pytest.raises(RuntimeFailure, match="nothing:v1") as caught:
        await runtime.save_images(["nothing:v1"], tmp_path / "x.tar")
    assert caught.value.reason == "NotFound"
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 10240])
async def test_a_file_that_is_none_of_ours(runtime: Runtime, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "images.tar"
    file.write_bytes(content)
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.load_images(file)
    assert caught.value.reason == "LoadFailed"
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.load_images(tmp_path / "nothing.tar")
    assert caught.value.reason == "LoadFailed"


@pytest.mark.parametrize("name", ["", "Shop:v1", "shop:v 1", "../shop", "shop:", "a//b", "x" * 256])
async def test_a_bad_name(runtime: Runtime, tmp_path: Path, name: str) -> None:
    failure = await refused(runtime, name, shop(tmp_path / "shop"))
    assert failure.reason == "InvalidImageName"


async def test_a_folder_without_a_dockerfile(runtime: Runtime, name: str, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        failure = await refused(runtime, f"{name}:v1", folder)
        assert failure.reason == "BuildFailed"
        assert str(folder) in str(failure)
        assert "Dockerfile" in str(failure)


async def test_a_mistake_in_the_dockerfile_is_told_with_its_line(runtime: Runtime, name: str, tmp_path: Path) -> None:
    failure = await refused(runtime, f"{name}:v1", shop(tmp_path / "shop", more="NONSENSE x"))
    assert failure.reason == "BuildFailed"
    assert "line 4" in str(failure)
    assert f"{name}:v1" not in await runtime.images()


async def test_a_run_that_fails_is_told_with_its_line(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records run nothing")
    failure = await refused(runtime, f"{name}:v1", shop(tmp_path / "shop", more="RUN echo so; exit 3"))
    assert failure.reason == "BuildFailed"
    assert "line 4" in str(failure)
    assert "exit code 3" in str(failure) or not runtime.abilities.fences
    assert f"{name}:v1" not in await runtime.images()
    assert not runtime.pods()


async def test_a_run_prints_and_changes_what_is_above_it(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.fences:
        pytest.skip("a RUN needs a root of its own")
    folder = shop(tmp_path / "shop", more="ARG WHO=nobody\nENV A=1\nRUN echo hello $WHO $A; printf $WHO > version")
    lines = await built(runtime, f"{name}:v1", folder, WHO="world")
    assert "  hello world 1" in lines
    world = await World.make(runtime)
    assert await world.run(image=f"{name}:v1") == ["world"]
    again = await built(runtime, f"{name}:v2", folder, WHO="world")
    assert "  hello world 1" not in again  # it is not run a second time
    assert await runtime.pull(f"{name}:v1") == await runtime.pull(f"{name}:v2")


async def test_a_build_that_nobody_waits_for_ends(
    request: pytest.FixtureRequest, runtime: Runtime, name: str, tmp_path: Path
) -> None:
    if not runtime.abilities.fences:
        pytest.skip("a RUN needs a root of its own")
    long = f"sleep 9{os.getpid()}"
    folder = shop(tmp_path / "shop", more=f"RUN echo go; {long}")
    async with aclosing(runtime.build(f"{name}:v1", folder, {})) as lines:
        async for line in lines:
            if line == "  go":
                break
    if request.node.callspec.params["runtime"] == "podman":  # its builds go on whoever listens: end this one ourselves
        for pid in alive(long.replace(" ", "\0")):
            os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while runtime.pods() or alive(long.replace(" ", "\0")):
            await asyncio.sleep(0.01)
    assert f"{name}:v1" not in await runtime.images()


# what a Dockerfile can say


def files(folder: Path, dockerfile: str, **contents: str) -> Path:
    """A folder to build from: `a__b` is the file a/b, `_a` is .a."""
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        path = folder / name.replace("__", "/").replace("dot_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "Dockerfile").write_text(dockerfile)
    return folder


async def found_in(runtime: Runtime, image: str) -> list[str]:
    """The files below the folder that an image starts in, each with what it says."""
    world = await World.make(runtime)
    show = (
        "import pathlib\nfor p in sorted(pathlib.Path('.').rglob('*')):\n if p.is_file(): print(f'{p}={p.read_text()}')"
    )
    return await world.run("python3", "-c", show, image=image)


async def test_a_stage_hands_files_to_the_next_and_nothing_else(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records have no files")
    text = (
        f"FROM {BASE} AS first\nWORKDIR /made\nCOPY . .\n"
        f"FROM {BASE}\nWORKDIR /shop\nCOPY --from=first /made/part /made/sub/deep ./\n"
    )
    folder = files(tmp_path / "shop", text, part="one", sub__deep="two", other="three")
    await built(runtime, f"{name}:v1", folder)
    assert await found_in(runtime, f"{name}:v1") == ["deep=two", "part=one"]


async def test_what_the_dockerignore_names_is_left_out(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records have no files")
    ignored = "# not these\n*.log\n!keep.log\nsecret\n**/cache\n"
    contents = {"a.log": "1", "keep.log": "2", "secret/key": "3", "sub/cache/x": "4", "sub/y": "5", "sub/b.log": "6"}
    folder = files(tmp_path / "shop", f"FROM {BASE}\nWORKDIR /shop\nCOPY . .\n")
    for path, content in {".dockerignore": f"{ignored}Dockerfile\n.dockerignore\n", **contents}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    await built(runtime, f"{name}:v1", folder)
    assert await found_in(runtime, f"{name}:v1") == ["keep.log=2", "sub/b.log=6", "sub/y=5"]


async def test_add_copies_files_and_folders(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records have no files")
    folder = files(tmp_path / "shop", f"FROM {BASE}\nWORKDIR /shop\nADD one sub ./\n", one="1", sub__two="2")
    await built(runtime, f"{name}:v1", folder)
    assert await found_in(runtime, f"{name}:v1") == ["one=1", "two=2"]


async def test_a_file_that_is_not_there_is_told_with_its_name(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records have no files")
    failure = await refused(runtime, f"{name}:v1", shop(tmp_path / "shop", more="COPY no-such-file ."))
    assert failure.reason == "BuildFailed"
    assert "no-such-file" in str(failure)
    assert "line 4" in str(failure)


async def test_an_image_is_built_upon_another_of_ones_own(runtime: Runtime, name: str, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records have no files")
    await built(runtime, f"{name}:base", shop(tmp_path / "base"))
    more = files(tmp_path / "more", f"FROM {name}:base\nCOPY extra .\n", extra="x")
    await built(runtime, f"{name}:v1", more)
    assert await found_in(runtime, f"{name}:v1") == ["extra=x", "version=v1"]
