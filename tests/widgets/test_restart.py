"""A lab's server dies and comes back while a page shows the board: the board goes on, and says nothing of it."""

import os
import signal

import pytest

import k8slab
from k8slab import launch
from k8slab.settings import Settings
from k8slab.widgets import board
from tests.widgets.alive import Alive

pytestmark = pytest.mark.browser
READY = "document.querySelectorAll('.pods .tile[data-state=ready]').length"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("K8SLAB_STATE_DIR", str(tmp_path / "state"))
    settings = Settings.read(name="restarted", runtime="simulated")
    yield settings
    launch.stop(settings)


def test_a_server_that_restarts_is_not_noticed(settings, page):
    lab = k8slab.Lab("restarted", runtime="simulated")
    lab.kubectl("create deployment web --image=k8slab/web:v1 --replicas=3")
    lab.wait("deployment/web")
    view = board.show(lab)
    alive = Alive(page, view)
    alive.until(f"{READY} === 3")

    os.kill(launch.running(settings.folder)["pid"], signal.SIGKILL)
    alive.until(lambda: not launch.running(settings.folder))
    launch.start(settings)
    lab.kubectl("scale deployment web --replicas=5")
    alive.until(f"{READY} === 5")

    said = [part for message in alive.heard for part in _problems(message)]
    assert not any(said)
    assert "does not answer" not in page.inner_text(".kl.board")
    view.close()
    lab.close()


def _problems(message):
    """Whatever a page was sent that it would show as a trouble."""
    if message["type"] == "trouble":
        yield message["say"]
    yield message.get("picture", {}).get("problem", "")
    yield message.get("patch", {}).get("problem", "") if isinstance(message.get("patch"), dict) else ""
