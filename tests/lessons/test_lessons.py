"""Each lesson on a real lab, from top to bottom, solved and untouched. In the end nothing is left running."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psutil
import pytest

from k8slab import launch
from k8slab.client.http import HttpClient
from k8slab.settings import Settings
from tests.lessons.notebooks import Lab, announced_failures, build_notebooks, said

LESSONS = [path.name[:2] for path in build_notebooks.sources()]
QUICK = "05"


@pytest.fixture
def lab(tmp_path, request, monkeypatch):
    """A lab that is started by the notebook and taken down afterwards, without a trace."""
    name = f"lesson-{abs(hash(request.node.name)) % 10**6}"
    runtime = request.getfixturevalue("runtime") if "runtime" in request.fixturenames else "local"
    if runtime == "docker":
        for variable, value in request.getfixturevalue("docker_env").items():
            monkeypatch.setenv(variable, value)
    place = Lab(tmp_path, runtime, name)
    settings = Settings(name=name, state_dir=str(place.state))
    yield place
    try:
        assert left(settings) == [], "the lesson has not removed all it made"
    finally:
        launch.stop(settings)
    assert not place.state.exists() or not any(place.state.iterdir())
    assert not [
        p.pid for p in psutil.process_iter(["cmdline"]) if str(place.state) in " ".join(p.info["cmdline"] or ())
    ]


def left(settings):
    """Pods and Deployments that stay."""
    running = launch.running(settings.folder)
    assert running is not None
    client = HttpClient.open(running["kubeconfig"])
    try:
        objects = [*client.list("Pod"), *client.list("Deployment"), *client.list("Service")]
    finally:
        client.close()
    return [
        f"{o['kind']}/{o['metadata']['name']}"
        for o in objects
        if "deletionTimestamp" not in o["metadata"]
        and (o["metadata"]["name"] != "kubernetes" and o["metadata"]["namespace"] != "kube-system")
    ]


def meant_to_fail(lesson):
    """How many of the lesson's cells are announced to fail."""
    source = next(path for path in build_notebooks.sources() if path.name.startswith(lesson))
    return len(build_notebooks.read(source).tagged("raises-exception"))


def progress(place, lesson):
    return json.loads(Path(place.folder, "k8slab-progress.json").read_text())["lessons"][lesson]


def test_the_lesson_solved(lab):
    done = lab.run(QUICK, solved=True)
    assert announced_failures(done) == 1
    assert all(found["right"] for found in progress(lab, QUICK)["exercise"].values())
    assert "Traceback" not in "\n".join(map(said, done.cells))


def taught(runtime):
    """The lessons that this runtime can give: a header says `not at all` of one it cannot."""
    headers = {
        number: build_notebooks.read(path).header
        for number, path in zip(LESSONS, build_notebooks.sources(), strict=True)
    }
    return [
        (runtime, number) for number in LESSONS if not headers[number]["runtimes"][runtime].startswith("not at all")
    ]


def both(runtime):
    """Each of them as its author solved it, and untouched."""
    return [(*one, solved) for one in taught(runtime) for solved in (True, False)]


ON_AN_ENGINE = [  # solved only: an exercise left alone is no other on another runtime
    pytest.param(*one, True, marks=pytest.mark.engine) for one in taught("docker")
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("runtime", "lesson", "solved"), [*both("local"), *ON_AN_ENGINE, *both("simulated")])
def test_every_lesson_twice_in_a_row(lab, runtime, lesson, solved):
    done = lab.run(lesson, solved=solved, times=2)
    assert announced_failures(done) == 2 * meant_to_fail(lesson)
    found = progress(lab, lesson)["exercise"].values()
    assert found
    assert all(one["right"] is solved for one in found)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_lessons_in_any_order_and_kernels_that_die(lab):
    """Each run is a new kernel on the same lab: what one lesson left does not disturb the next."""
    for lesson in [*reversed(LESSONS), *LESSONS]:
        lab.run(lesson, solved=True)


@pytest.mark.slow
def test_lesson_00_finds_the_process_in_the_pod(lab):
    done = lab.run("00", solved=True)
    asked = [said(cell) for cell in done.cells if cell.source.endswith('processes_of("first")')]
    assert len(asked) == 2  # before its end, and after
    assert all(re.search(r"psutil.Process\(pid=\d+, name='python", text) for text in asked)
