"""The promises of `runtime/base.py` about images, to be kept by every runtime: they are built, kept, named, removed.

Add a runtime to `runtimes` and it is held to the same. `REAL` are those that lay out files.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from k8slab.clock import Clock
from k8slab.runtime import isolation
from k8slab.runtime.base import Runtime, RuntimeFailure
from k8slab.runtime.simulated import SimulatedRuntime
from tests.runtime.world import World, local

BASE = "python:3.12-slim"  # any that the runtime has


@pytest.fixture(params=["simulated", "local", "bare"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
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


async def test_what_is_built_is_there_by_its_name(runtime: Runtime, tmp_path: Path) -> None:
    lines = await built(runtime, "shop:v1", shop(tmp_path / "shop"))
    assert any(line.startswith(f"FROM {BASE}") for line in lines)
    assert "shop:v1" in lines[-1]
    assert "shop:v1" in await runtime.images()
    (info,) = [info for info in await runtime.image_list() if info.name == "shop:v1"]
    assert info.id == await runtime.pull("shop:v1")
    assert info.id.startswith("sha256:")
    assert info.size > 0 or not runtime.abilities.real


async def test_a_name_without_a_tag_is_the_latest(runtime: Runtime, tmp_path: Path) -> None:
    await built(runtime, "shop", shop(tmp_path / "shop"))
    assert "shop:latest" in await runtime.images()
    assert await runtime.pull("shop") == await runtime.pull("shop:latest")


async def test_a_container_runs_what_was_built_and_the_next_one_what_was_built_then(
    runtime: Runtime, tmp_path: Path
) -> None:
    if not runtime.abilities.real:
        pytest.skip("records print nothing")
    world = await World.make(runtime)
    await built(runtime, "shop:v1", shop(tmp_path / "shop"))
    assert await world.run(image="shop:v1") == ["v1"]
    first = await runtime.pull("shop:v1")
    await built(runtime, "shop:v1", shop(tmp_path / "shop", "v2"))
    assert await runtime.pull("shop:v1") != first
    assert await world.run(image="shop:v1") == ["v2"]


async def test_a_removed_image_is_gone_and_said_to_be(runtime: Runtime, tmp_path: Path) -> None:
    await built(runtime, "shop:v1", shop(tmp_path / "shop"))
    await runtime.remove_image("shop:v1")
    assert "shop:v1" not in await runtime.images()
    with pytest.raises(RuntimeFailure, match="shop:v1") as caught:
        await runtime.remove_image("shop:v1")
    assert caught.value.reason == "NotFound"


async def test_an_image_a_container_runs_on_is_not_removed(runtime: Runtime, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records need no files")
    world = await World.make(runtime)
    await built(runtime, "shop:v1", shop(tmp_path / "shop"))
    id = await world.start("sleep", "1000", image="shop:v1")
    with pytest.raises(RuntimeFailure, match="in use") as caught:
        await runtime.remove_image("shop:v1")
    assert caught.value.reason == "RemoveFailed"
    await runtime.stop(id, 0)
    await runtime.remove(id)
    await runtime.remove_image("shop:v1")


async def test_a_saved_image_comes_back(runtime: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "images.tar"
    await built(runtime, "shop:v1", shop(tmp_path / "shop"))
    if not runtime.abilities.real:
        with pytest.raises(RuntimeFailure, match="records"):
            await runtime.save_images(["shop:v1"], file)
        return
    id = await runtime.pull("shop:v1")
    await runtime.save_images(["shop:v1"], file)
    await runtime.remove_image("shop:v1")
    assert await runtime.load_images(file) == ["shop:v1"]
    assert await runtime.pull("shop:v1") == id
    world = await World.make(runtime)
    assert await world.run(image="shop:v1") == ["v1"]


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


async def test_a_folder_without_a_dockerfile(runtime: Runtime, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        failure = await refused(runtime, "shop:v1", folder)
        assert failure.reason == "BuildFailed"
        assert str(folder) in str(failure)
        assert "Dockerfile" in str(failure)


async def test_a_mistake_in_the_dockerfile_is_told_with_its_line(runtime: Runtime, tmp_path: Path) -> None:
    failure = await refused(runtime, "shop:v1", shop(tmp_path / "shop", more="NONSENSE x"))
    assert failure.reason == "BuildFailed"
    assert "line 4" in str(failure)
    assert "shop:v1" not in await runtime.images()


async def test_a_run_that_fails_is_told_with_its_line(runtime: Runtime, tmp_path: Path) -> None:
    if not runtime.abilities.real:
        pytest.skip("records run nothing")
    failure = await refused(runtime, "shop:v1", shop(tmp_path / "shop", more="RUN echo so; exit 3"))
    assert failure.reason == "BuildFailed"
    assert "line 4" in str(failure)
    assert "exit code 3" in str(failure) or not runtime.abilities.fences
    assert "shop:v1" not in await runtime.images()
    assert not runtime.pods()


async def test_a_run_prints_and_changes_what_is_above_it(runtime: Runtime, tmp_path: Path) -> None:
    if not runtime.abilities.fences:
        pytest.skip("a RUN needs a root of its own")
    folder = shop(tmp_path / "shop", more="ARG WHO=nobody\nENV A=1\nRUN echo hello $WHO $A; printf $WHO > version")
    lines = await built(runtime, "shop:v1", folder, WHO="world")
    assert "  hello world 1" in lines
    world = await World.make(runtime)
    assert await world.run(image="shop:v1") == ["world"]
    again = await built(runtime, "shop:v2", folder, WHO="world")
    assert "  hello world 1" not in again  # it is not run a second time
    assert await runtime.pull("shop:v1") == await runtime.pull("shop:v2")


async def test_a_build_that_nobody_waits_for_ends(runtime: Runtime, tmp_path: Path) -> None:
    if not runtime.abilities.fences:
        pytest.skip("a RUN needs a root of its own")
    async with aclosing(runtime.build("shop:v1", shop(tmp_path / "s", more="RUN echo go; sleep 999"), {})) as lines:
        async for line in lines:
            if line == "  go":
                break
    async with asyncio.timeout(10):
        while runtime.pods():
            await asyncio.sleep(0.01)
    assert "shop:v1" not in await runtime.images()
