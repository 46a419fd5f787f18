"""The table of knobs, and the lab's folder."""

import os
import stat
from dataclasses import fields

import pytest

from k8slab.settings import LabError, Settings, StateFolder, write_private


def test_defaults_are_the_documented_ones():
    settings = Settings.read({})
    assert (settings.nodes, settings.cpu, settings.memory) == (3, "4", "8Gi")
    assert (settings.runtime, settings.speed, settings.idle_hours, settings.context) == ("auto", 1.0, 1.0, "k8slab")


def test_every_knob_says_what_it_means():
    assert all(row.metadata["meaning"] for row in fields(Settings))


def test_given_beats_environment_beats_default():
    environ = {"K8SLAB_NODES": "5", "K8SLAB_SPEED": "10", "K8SLAB_RUNTIME": ""}
    settings = Settings.read(environ, nodes=7, speed=None)
    assert (settings.nodes, settings.speed, settings.runtime) == (7, 10.0, "auto")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"K8SLAB_NODES": "three"}, "K8SLAB_NODES cannot be 'three': give a whole number, such as 3."),
        ({"K8SLAB_NODES": "0"}, "K8SLAB_NODES cannot be 0: give a number from 1 to 5000."),
        ({"K8SLAB_SPEED": "nan"}, "K8SLAB_SPEED cannot be nan"),
        ({"K8SLAB_SPEED": "inf"}, "K8SLAB_SPEED cannot be inf"),
        ({"K8SLAB_RUNTIME": "podman"}, "choose one of auto, docker, local, simulated."),
        ({"K8SLAB_NAME": "../etc"}, "'../etc' cannot be a lab's name"),
        ({"K8SLAB_NAME": "-a"}, "lower-case letters"),
        ({"K8SLAB_NAME": "a" * 41}, "up to 40"),
    ],
)
def test_bad_values_are_named_with_a_remedy(environ, words):
    with pytest.raises(LabError) as caught:
        Settings.read(environ)
    assert words in str(caught.value)


def test_a_named_lab_has_a_context_of_its_own():
    assert Settings.read({}, name="team-a").context == "k8slab-team-a"


def test_the_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Settings.read({}).folder.path == tmp_path / "k8slab" / "default"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Settings.read({}).folder.path == tmp_path / "home/.local/state/k8slab/default"


def test_folder_and_files_are_for_the_owner_alone(tmp_path):
    os.umask(0o022)
    folder = StateFolder(tmp_path / "labs" / "a").make()
    write_private(folder.kubeconfig, "secret")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.kubeconfig.stat().st_mode) == 0o600
    folder.path.chmod(0o755)
    assert stat.S_IMODE(folder.make().path.stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LabError, match=r"symbolic link.*K8SLAB_STATE_DIR"):
        StateFolder(tmp_path / "labs/a").make()


def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    StateFolder(tmp_path / "labs/a").make()
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(LabError, match=rf"owned by user {mine}, and you are user {mine + 1}\. Set K8SLAB_STATE_DIR"):
        StateFolder(tmp_path / "labs/a").make()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "labs").write_text("")
    with pytest.raises(LabError, match="cannot be made"):
        StateFolder(tmp_path / "labs/a").make()


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_private(path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(LabError, match=r"No space left on device\. Make room"):
        write_private(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
