"""One lab for each file that asks for it, one namespace for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.behaviour.cluster import Cluster, Namespace, running
from tests.requirements import REAL


@pytest.fixture(scope="module", params=REAL)
def local(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Real containers; Kubernetes' durations a tenth of what they are."""
    env = request.getfixturevalue("docker_env") if request.param == "docker" else {}
    with running(tmp_path_factory.mktemp("local"), env, runtime=request.param, speed=10) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Records; a minute of Kubernetes in three seconds."""
    with running(tmp_path_factory.mktemp("simulated"), runtime="simulated", speed=20) as cluster:
        yield cluster


@pytest.fixture
def real(local: Cluster) -> Iterator[Namespace]:
    namespace = Namespace(local)
    yield namespace
    namespace.close()


@pytest.fixture
def recorded(simulated: Cluster) -> Iterator[Namespace]:
    namespace = Namespace(simulated)
    yield namespace
    namespace.close()
