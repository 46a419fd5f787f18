from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.controllers.world import Cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    for task in cluster.tasks:
        task.cancel()
    await asyncio.gather(*cluster.tasks, return_exceptions=True)
