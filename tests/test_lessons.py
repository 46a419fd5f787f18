"""Lessons are copied, never over a learner's work, and opened in JupyterLab."""

import pytest

from k8slab import lessons
from k8slab.settings import LabError


@pytest.fixture
def origin(tmp_path, monkeypatch):
    folder = tmp_path / "package" / "lessons"
    (folder / "src").mkdir(parents=True)
    (folder / "words").mkdir()
    for name in ("05-later.ipynb", "00-start.ipynb", "words/00.json", "src/00-start.py"):
        (folder / name).write_text(name)
    monkeypatch.setattr(lessons, "PACKAGE", tmp_path / "package")
    return folder


def test_copied_but_for_what_authors_need(origin, tmp_path):
    assert lessons.copy_to(tmp_path / "mine") == (3, 0)
    found = sorted(
        str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*") if path.is_file()
    )
    assert found == ["00-start.ipynb", "05-later.ipynb", "words/00.json"]
    assert lessons.first(tmp_path / "mine").name == "00-start.ipynb"


def test_a_learners_work_is_left_alone(origin, tmp_path):
    mine = tmp_path / "mine"
    lessons.copy_to(mine)
    (mine / "00-start.ipynb").write_text("my answers")
    (mine / "05-later.ipynb").unlink()
    assert lessons.copy_to(mine) == (1, 1)
    assert (mine / "00-start.ipynb").read_text() == "my answers"


def test_a_folder_that_cannot_be_written(origin, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"cannot be copied to .*file.*: .*`--dir`"):
        lessons.copy_to(tmp_path / "file")


def test_without_lessons_it_says_how_to_build_them(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "PACKAGE", tmp_path / "empty")
    with pytest.raises(LabError, match="make lessons"):
        lessons.source()


def test_jupyter_opens_the_first_one_beside_the_right_kubectl(origin, tmp_path, state):
    lessons.copy_to(tmp_path / "mine")
    command, environment = lessons.jupyter(tmp_path / "mine", 9999, browser=False)
    assert {"--ServerApp.port=9999", "--no-browser", "--LabApp.default_url=/lab/tree/00-start.ipynb"} <= set(command)
    assert environment["KUBECONFIG"] == str(state / "default/kubeconfig")
    assert "--no-browser" not in lessons.jupyter(tmp_path / "mine", 9999, browser=True)[0]


def test_without_jupyterlab_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LabError, match=r'pip install "k8slab\[lab\]"'):
        lessons.open_jupyter(tmp_path, 8888, True)


def test_who_has_begun_comes_to_the_index(origin, tmp_path):
    mine = tmp_path / "mine"
    (origin / "index.ipynb").write_text("all lessons")
    lessons.copy_to(mine)
    assert lessons.first(mine).name == "00-start.ipynb"
    (mine / lessons.PROGRESS).write_text("{}")
    assert lessons.first(mine).name == "index.ipynb"
