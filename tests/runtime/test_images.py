from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.images import Source, builtin, reference
from k8slab.runtime.imagestore import ImageStore


def source(folder: Path, dockerfile: str, files: dict[str, str] | None = None, **arguments: str) -> Source:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Source(folder, arguments)


def content(store: ImageStore, name: str) -> dict[str, str]:
    found = {}
    for layer in store.get(name).layers:
        for path in layer.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found["/" + str(path.relative_to(layer))] = path.read_text()
    return found


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "nginx:latest"),
        ("nginx:1.27", "nginx:1.27"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("k8slab/web:v1@sha256:00", "k8slab/web:v1"),
    ],
)
def test_references(image: str, full: str) -> None:
    assert reference(image) == full


@pytest.mark.parametrize("image", ["", "Nginx", "a b", "nginx:", "nginx:-x", "../etc", "a//b:", "x@y"])
def test_bad_references(image: str) -> None:
    with pytest.raises(RuntimeFailure, match="invalid reference format") as caught:
        reference(image)
    assert caught.value.reason == "InvalidImageName"


def test_the_builtin_images() -> None:
    images = builtin()
    assert {"k8slab/web:v1", "k8slab/web:v2", "k8slab/web:v3"} <= set(images)
    assert images["k8slab/web:v2"].arguments["VERSION"] == "v2"


def test_an_unknown_image_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        ImageStore(tmp_path).get("k8slab/wep:v1")
    assert str(caught.value).startswith('there is no image "k8slab/wep:v1" here. Did you mean "k8slab/web:v1"?')
    assert "k8slab/web:v2" in str(caught.value)


def test_files_are_laid_out_as_docker_would(tmp_path: Path) -> None:
    files = {"a.txt": "a", "b.txt": "b", "sub/c.txt": "c", "sub/deep/d.txt": "d"}
    text = "FROM scratch\nWORKDIR /w\nCOPY a.txt .\nCOPY b.txt /x/renamed\nCOPY sub /y\nCOPY *.txt /z/\nCOPY sub /v/"
    store = ImageStore(tmp_path / "store", {"t:1": source(tmp_path / "t", text, files)})
    assert content(store, "t:1") == {
        "/w/a.txt": "a",
        "/x/renamed": "b",
        "/y/c.txt": "c",
        "/y/deep/d.txt": "d",
        "/z/a.txt": "a",
        "/z/b.txt": "b",
        "/v/c.txt": "c",
        "/v/deep/d.txt": "d",
    }


def test_layers_are_shared_and_change_with_their_content(tmp_path: Path) -> None:
    text = "FROM scratch\nCOPY base /base\nARG V\nENV V=$V\nCOPY top /top"
    one = source(tmp_path / "one", text, {"base": "same", "top": "1"})
    store = ImageStore(tmp_path / "store", {"a:1": one, "a:2": Source(one.folder, {"V": "2"})})
    first, second = store.get("a:1"), store.get("a:2")
    assert first.layers == second.layers
    assert first.id != second.id
    assert second.config.env["V"] == "2"
    (one.folder / "top").write_text("changed")
    store.add("a:1", one)
    third = store.get("a:1")
    assert third.layers[0] == first.layers[0]
    assert third.layers[1] != first.layers[1]
    assert third.id != first.id
    assert len(list((tmp_path / "store" / "layers").iterdir())) == 3


def test_an_image_on_another_image(tmp_path: Path) -> None:
    base = source(tmp_path / "base", 'FROM debian:12\nWORKDIR /b\nENV A=1\nCOPY f .\nCMD ["x"]', {"f": "f"})
    top = source(tmp_path / "top", 'FROM base:1\nENV B=2\nENTRYPOINT ["y"]')
    store = ImageStore(tmp_path / "store", {"base:1": base, "top:1": top})
    image = store.get("top:1")
    assert image.config.env == {"A": "1", "B": "2"}
    assert (image.config.workdir, image.config.entrypoint, image.config.command) == ("/b", ("y",), ())
    assert content(store, "top:1") == {"/b/f": "f"}


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM nginx:1.27", "line 1: FROM nginx:1.27: the local runtime builds on python,"),
        ("FROM scratch\nCOPY nothing /x", "line 2: COPY nothing: there is no such file in bad/"),
        ("FROM scratch\nCOPY ../secret /x", "line 2: COPY ../secret: is outside of the folder bad/"),
        ("FROM scratch\nRUN make", "line 2: RUN cannot be carried out while a pod waits"),
    ],
)
def test_what_cannot_be_built_says_why(tmp_path: Path, dockerfile: str, message: str) -> None:
    (tmp_path / "secret").write_text("secret")
    store = ImageStore(tmp_path / "store", {"bad:1": source(tmp_path / "bad", dockerfile)})
    with pytest.raises(RuntimeFailure) as caught:
        store.get("bad:1")
    assert caught.value.reason == "ErrImagePull"
    assert message in str(caught.value)


def test_a_base_image_given_by_argument(tmp_path: Path) -> None:
    text = "ARG BASE=python:3.12-slim\nFROM ${BASE}\nCMD x"
    sources = {
        "p:1": source(tmp_path / "p", text),
        "p:2": source(tmp_path / "p", text, BASE="registry.local/debian:12"),
    }
    store = ImageStore(tmp_path / "store", sources)
    assert store.get("p:1").config.python
    assert "/opt/python/bin" in store.get("p:1").config.env["PATH"]
    assert not store.get("p:2").config.python
    assert store.get("p:2").layers == ()


def test_an_image_whose_program_is_not_here_is_not_listed_and_says_what_it_lacks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    sources = {
        "a/redis:7": source(tmp_path / "redis", "FROM redis:7\n"),
        "a/web:v1": source(tmp_path / "web", "FROM python:3\nCOPY app.py .\n", {"app.py": ""}),
    }
    store = ImageStore(tmp_path / "store", sources)
    assert [info.name for info in store.infos()] == ["a/web:v1"]
    with pytest.raises(
        RuntimeFailure, match="this machine's redis-server here, which it lacks: sudo apt install redis"
    ):
        store.get("a/redis:7")


def test_an_image_is_as_old_as_its_newest_layer_and_not_as_its_dockerfile(tmp_path: Path) -> None:
    files = {"app.py": "print(1)"}
    found = source(tmp_path / "web", "FROM scratch\nCOPY . /app\n", files)
    for path in (tmp_path / "web", *(tmp_path / "web").iterdir()):
        os.utime(path, (1, 1))  # unpacked from an old archive
    before = time.time()
    (info,) = ImageStore(tmp_path / "store", {"web:v1": found}).infos()
    assert before - 1 <= info.created <= time.time() + 1
    again = ImageStore(tmp_path / "store", {"web:v1": found}).infos()  # a lab that starts later builds nothing anew
    assert again == [info]


def test_an_image_without_files_has_no_age(tmp_path: Path) -> None:
    (info,) = ImageStore(tmp_path / "store", {"empty:1": source(tmp_path / "e", "FROM scratch\nENV A=1\n")}).infos()
    assert info.created == 0.0
