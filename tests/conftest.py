"""One simulated lab for each worker of a test run, and a namespace of its own in it for each test that asks."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from k8slab import launch
from k8slab.client.http import HttpClient
from k8slab.settings import Settings
from tests import engine as engines
from tests.requirements import STRICT, missing

# A busy machine is no fault of an example: how fast something is, benchmarks say.
hypothesis.settings.register_profile("k8slab", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("k8slab")

HARD = {"engine", "browser", "kubectl", "vm"}  # marks of tests that CI must not skip


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where everything has to be there (CI), a test of these marks that is skipped has failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    marks = sorted(HARD & {mark.name for mark in item.iter_markers()})
    if marks and os.environ.get(STRICT) and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"a test marked {marks} was skipped although {STRICT} is set: {report.longrepr}"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """A Docker engine, as a DOCKER_HOST, with the image `tests.engine.BASE`; one for all workers of the run."""
    yield from engine_of("docker", tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """The same of Podman."""
    yield from engine_of("podman", tmp_path_factory, worker_id)


def engine_of(kind: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    own = tmp_path_factory.getbasetemp()
    run = own if worker_id == "master" else own.parent
    holding = contextlib.ExitStack()
    try:
        host = holding.enter_context(engines.shared(run, kind))
    except engines.Unavailable as reason:
        missing(str(reason))
    with holding:
        yield host


@pytest.fixture(scope="session")
def lab_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A simulated lab of three nodes that runs for the session, in a state folder of its own."""
    state = tmp_path_factory.mktemp("state")
    settings = Settings.read({}, name="shared", runtime="simulated", state_dir=str(state))
    launch.start(settings)
    yield settings
    launch.stop(settings)


@pytest.fixture(scope="session")
def kubeconfig(lab_settings: Settings) -> Path:
    return lab_settings.folder.kubeconfig


@pytest.fixture(scope="session")
def docker_env(engine: str) -> dict[str, str]:
    """What a lab of the docker runtime needs in its environment to use the tests' engine."""
    return {"DOCKER_HOST": engine, "K8SLAB_BASE_IMAGE": engines.BASE}


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[HttpClient]:
    """A client of the shared lab."""
    client = HttpClient.open(kubeconfig)
    yield client
    client.close()


@pytest.fixture
def namespace(api: HttpClient) -> Iterator[str]:
    """A namespace that is gone after the test."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete("Namespace", name)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder for labs of the test's own; they are taken down after it."""
    for variable in [name for name in os.environ if name.startswith("K8SLAB_")]:
        monkeypatch.delenv(variable)
    folder = tmp_path / "state"
    monkeypatch.setenv("K8SLAB_STATE_DIR", str(folder))
    yield folder
    settings = Settings.read()
    for name in launch.labs(settings):
        launch.stop(Settings.read(name=name))
