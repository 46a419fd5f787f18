"""What repo2docker reads fits together: pins, packages, scripts, workspaces, links."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.binder.image import ROOT, packages
from tests.lessons.notebooks import build_notebooks

BINDER = ROOT / "binder"
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]-*.ipynb"))


def pins(name: str) -> dict[str, Version]:
    lines = (line for line in (BINDER / name).read_text().splitlines() if line and not line.startswith("#"))
    return {canonicalize_name(word): Version(version) for word, version in (line.split("==") for line in lines)}


def test_every_requirement_has_a_pin_that_fits():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["lab"]])
    have = pins("requirements.txt")
    wrong = [str(one) for one in wanted if not one.specifier.contains(have[canonicalize_name(one.name)])]
    assert wrong == []
    assert have["ipykernel"] >= Version("7.2")  # older ones lose what a widget sends from a thread


def test_what_repo2docker_has_already_is_kept():
    assert pins("stock.txt").items() <= pins("requirements.txt").items()


def test_python_is_one_that_we_run_on():
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert Requirement(f"python{wanted}").specifier.contains(version)


def test_packages_have_names_that_repo2docker_takes():
    assert packages()
    assert all(re.fullmatch(r"[a-z0-9.+-]+", name) for name in packages())


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_are_bash_and_may_be_run(name):
    path = BINDER / name
    assert path.read_text().startswith("#!/bin/bash\n")
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_start_becomes_jupyter():
    assert (BINDER / "start").read_text().splitlines()[-1] == 'exec "$@"'


def test_kubectl_is_of_the_version_we_serve_and_has_checksums():
    text = (BINDER / "postBuild").read_text()
    assert "KUBECTL_VERSION=v1.36." in text
    assert len(re.findall(r"\[(?:amd64|arm64)\]=[0-9a-f]{64}$", text, re.MULTILINE)) == 2


@pytest.fixture(scope="module")
def workspaces():
    spec = importlib.util.spec_from_file_location("workspaces", BINDER / "workspaces.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name[:2])
def test_a_workspace_has_the_lesson_and_the_cell_that_shows_its_board(path, workspaces):
    index = workspaces.board_of(path)
    made = workspaces.workspace(path.name[:2], f"lessons/{path.name}", index)
    data, metadata = made["data"], made["metadata"]
    assert metadata == {"id": path.name[:2]}
    areas = data["layout-restorer:data"]["main"]["dock"]["children"]
    shown = [name for area in areas for name in area["widgets"]]
    assert all(data[name]["data"]["path"] == f"lessons/{path.name}" for name in shown)
    assert len(shown) == (1 if index is None else 2)
    cells = json.loads(path.read_text())["cells"]
    seen = next((data[name]["data"]["index"] for name in shown if name.startswith("cloned-outputs:")), None)
    assert seen is None or re.match(r"lab\.\w+\(", "".join(cells[seen]["source"]).splitlines()[-1])


def test_the_lessons_with_a_board_show_it(workspaces):
    with_board = [path.name[:2] for path in LESSONS if re.search(r'"lab\.board\(\)', path.read_text())]
    assert {"00", "04", "05"} <= set(with_board)
    assert [
        path.name[:2] for path in LESSONS if path.name[:2] in with_board and workspaces.board_of(path) is None
    ] == []


def test_the_front_page_has_a_link_for_each_lesson():
    links = re.findall(
        r"\]\(https://mybinder\.org/v2/gh/[\w.-]+/[\w.-]+/HEAD\?urlpath=(\S+?)\)", (ROOT / "README.md").read_text()
    )
    assert links == [f"lab%2Fworkspaces%2F{name}" for name in ["00", *(path.name[:2] for path in LESSONS)]]
    assert build_notebooks.stale() == []
