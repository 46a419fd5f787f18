"""Layers and files of images: what changes are, what takes files away, and what never leads out of a folder."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.context import Context
from k8slab.runtime.dockerfile import Copy, DockerfileError, Instruction
from k8slab.runtime.images import Config
from k8slab.runtime.imagestore import ImageStore
from k8slab.runtime.layers import GONE, Layers, changes, digest_of, snapshot, spread
from tests.runtime.test_images import source


def fill(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def seen(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_a_step_changes_is_what_the_next_one_finds(tmp_path: Path) -> None:
    below = fill(
        tmp_path / "below", same="1", changed="1", gone="1", folder__gone="1", folder__kept="1", becomes="file"
    )
    root = tmp_path / "root"
    spread([below], root)
    before = snapshot(root)
    (root / "changed").write_text("2")
    (root / "gone").unlink()
    (root / "folder/gone").unlink()
    (root / "becomes").unlink()
    fill(root, becomes__folder="now", new__deep="3", hidden__x="not seen", tmp__y="seen")
    os.mkfifo(root / "pipe")
    changes(root, before, {"hidden"}, layer := tmp_path / "layer")
    assert set(seen(layer)) == {
        "changed", f"{GONE}gone", f"folder/{GONE}gone", f"{GONE}becomes", "becomes/folder", "new/deep", "tmp/y",
    }  # fmt: skip
    spread([below, layer], again := tmp_path / "again")
    assert seen(again) == {
        "same": "1", "changed": "2", "folder/kept": "1", "becomes/folder": "now", "new/deep": "3", "tmp/y": "seen",
    }  # fmt: skip


def test_a_step_that_changes_nothing_makes_an_empty_layer(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", a="1", b__c="2")
    (tmp_path / "layer").mkdir()
    changes(root, snapshot(root), set(), tmp_path / "layer")
    assert list((tmp_path / "layer").iterdir()) == []


def test_a_change_that_hides_its_time_is_found(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", a="1")
    os.utime(root / "a", (1, 1))
    before = snapshot(root)
    (root / "a").write_text("2")
    os.utime(root / "a", (1, 1))
    changes(root, before, set(), layer := tmp_path / "layer")
    assert seen(layer) == {"a": "2"}


def test_what_a_step_locked_is_in_the_layer_and_can_be_read_again(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", a="1")
    before = snapshot(root)
    fill(root, locked__f="2")
    (root / "locked/f").chmod(0o4000)
    (root / "locked").chmod(0)
    changes(root, before, set(), layer := tmp_path / "layer")
    assert seen(layer) == {"locked/f": "2"}
    assert (layer / "locked").stat().st_mode & 0o7777 == 0o700
    assert (layer / "locked/f").stat().st_mode & 0o7777 == 0o400


@pytest.mark.parametrize("name", [f"{GONE}..", f"{GONE}.", GONE])
def test_marks_take_away_what_is_beside_them_only(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "layer", x="")
    (tmp_path / "layer" / name).touch()
    spread([tmp_path / "layer"], tmp_path / "out" / "root")
    assert seen(tmp_path / "out") == {"root/x": ""}


def test_layers_are_never_spread_through_a_link(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", file="theirs")
    low, high = tmp_path / "low", fill(tmp_path / "high", folder__file="ours", file="ours")
    low.mkdir()
    (low / "folder").symlink_to(outside)
    (low / "file").symlink_to(outside / "file")
    spread([low, high], root := tmp_path / "root")
    assert seen(outside) == {"file": "theirs"}
    assert seen(root) == {"folder/file": "ours", "file": "ours"}


def test_a_layer_is_named_by_names_modes_links_and_content(tmp_path: Path) -> None:
    def named(**files: str) -> str:
        folder = fill(tmp_path / f"{len(list(tmp_path.iterdir()))}", **files)
        return digest_of(folder)

    assert named(a="1", b="2") == named(b="2", a="1")
    assert len({named(a="1"), named(a="2"), named(b="1"), named(a__b="1")}) == 4
    folder = fill(tmp_path / "modes", a="1")
    plain = digest_of(folder)
    (folder / "a").chmod(0o755)
    assert digest_of(folder) != plain


def test_what_no_image_needs_is_collected(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store", {})
    for name, text in (("a", "1"), ("b", "2")):
        for _ in store.build(f"{name}:1", source(tmp_path / name, "FROM scratch\nCOPY f /f\nWORKDIR /w", {"f": text})):
            pass
    layers = tmp_path / "store" / "library" / "layers"
    assert len(list(layers.iterdir())) == 3  # /w is shared
    store.remove("a:1")
    assert len(list(layers.iterdir())) == 2
    assert store.get("b:1").layers[0].is_dir()
    store.remove("b:1")
    assert list(layers.iterdir()) == []
    assert list((tmp_path / "store" / "library" / "steps").iterdir()) == []


# the folder of a Dockerfile


def copied(folder: Path, *sources: str, target: str = "/t/", keyword: str = "COPY") -> list[str]:
    return sorted(Context.of(folder).files_of(Copy(Instruction(2, keyword, ""), sources, target)))


def test_dockerignore_leaves_files_out(tmp_path: Path) -> None:
    fill(tmp_path, **{"a.py": "", "a.pyc": "", "deep__b.pyc": "", "deep__keep.pyc": "", "node__x": "", ".git__y": ""})
    (tmp_path / ".dockerignore").write_text("# no\n**/*.pyc\n!deep/keep.pyc\nnode/\n.git\n.dockerignore\n")
    assert copied(tmp_path, ".") == ["/t", "/t/a.py", "/t/deep", "/t/deep/keep.pyc"]
    with pytest.raises(DockerfileError, match=r"a\.pyc: there is no such file in .* that \.dockerignore lets through"):
        copied(tmp_path, "a.pyc")


@pytest.mark.parametrize(
    "path", ["../secret", "sub/../../secret", "link", "..", "linked/secret", "sub/*/../../../secret"]
)
def test_nothing_outside_of_the_folder_is_copied(tmp_path: Path, path: str) -> None:
    fill(tmp_path, secret="secret")
    folder = fill(tmp_path / "app", sub__x__f="")
    (folder / "link").symlink_to("../secret")
    (folder / "linked").symlink_to("..")
    with pytest.raises(DockerfileError, match="line 2: COPY .*(outside of|leads out of)"):
        copied(folder, path)


def test_a_link_in_a_folder_is_copied_as_a_link(tmp_path: Path) -> None:
    fill(tmp_path, secret="secret")
    folder = fill(tmp_path / "app", f="")
    (folder / "link").symlink_to("../secret")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /t")
    store = ImageStore(tmp_path / "store", {})
    for _ in store.build("t:1", source(folder, "FROM scratch\nCOPY . /t")):
        pass
    (layer,) = store.get("t:1").layers
    assert os.readlink(layer / "t" / "link") == "../secret"


def test_an_archive_is_not_unpacked_in_silence(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("f"))
    with pytest.raises(DockerfileError, match="line 2: ADD x.tar unpacks an archive"):
        copied(tmp_path, "x.tar", keyword="ADD")
    assert copied(tmp_path, "x.tar") == ["/t/x.tar"]


# files that come from anywhere

LAYER = "a" * 64


def archive(file: Path, *members: tuple[str, bytes | str | None], layer: str = LAYER, **listed: object) -> Path:
    """A file of images with these members: content, the target of a link, or None for a folder."""
    config = Config((layer,)).told()
    told = {"k8slab": 1, "images": [{"name": "t:1", "created": 1.0, "config": config}], **listed}
    with tarfile.open(file, "w") as tar:
        for name, content in (("k8slab-images.json", json.dumps(told).encode()), *members):
            member = tarfile.TarInfo(name)
            member.type = (
                tarfile.REGTYPE
                if isinstance(content, bytes)
                else tarfile.DIRTYPE
                if content is None
                else tarfile.SYMTYPE
            )
            member.linkname = content if isinstance(content, str) else ""
            member.size = len(content) if isinstance(content, bytes) else 0
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    return file


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../evil", b"x")], "'../evil' in it would lead out"),
        ([("/etc/evil", b"x")], "'/etc/evil' in it would lead out"),
        ([(f"layers/{LAYER}/../../../evil", b"x")], "would lead out"),
        ([(f"layers/{LAYER}/d", "/tmp"), (f"layers/{LAYER}/d/evil", b"x")], "would lead out"),
        ([(f"layers/{LAYER}", "/tmp"), (f"layers/{LAYER}/evil", b"x")], "would lead out"),
        ([("layers", "/tmp"), (f"layers/{LAYER}/evil", b"x")], "would lead out"),
        ([(f"layers/{LAYER}/f", "/tmp/evil"), (f"layers/{LAYER}/f", b"x")], "there twice"),
        ([("layers/short/f", b"x")], "would lead out"),
        ([(f"layers/{LAYER}/f", b"x")], "not what its name says"),
        ([], "a layer is missing"),
    ],
)
def test_a_file_that_plays_tricks(tmp_path: Path, members: list[tuple[str, bytes | str | None]], message: str) -> None:
    store = ImageStore(tmp_path / "store", {})
    with pytest.raises(RuntimeFailure, match=message) as caught:
        store.load(archive(tmp_path / "evil.tar", *members))
    assert caught.value.reason == "LoadFailed"
    assert store.names() == []
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/evil").exists()
    assert not list((tmp_path / "store" / "library").glob("making-*"))


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"k8slab": 2}, "another version"),
        ({"images": None}, "cannot be read"),
        ({"images": [{"name": "t:1"}]}, "cannot be read"),
        ({"images": [{"name": "../x", "created": 1, "config": Config().told()}]}, "invalid reference format"),
        ({"images": [{"name": "t:1", "created": 1, "config": Config(("../../x",)).told()}]}, "a layer is missing"),
        ({"images": [{"name": "ours:1", "created": 1, "config": Config().told()}]}, "comes with k8slab"),
    ],
)
def test_a_list_that_makes_no_sense(tmp_path: Path, listed: dict[str, object], message: str) -> None:
    store = ImageStore(tmp_path / "store", {"ours:1": source(tmp_path / "ours", "FROM scratch")})
    with pytest.raises(RuntimeFailure, match=message):
        store.load(archive(tmp_path / "evil.tar", **listed))
    assert store.names() == ["ours:1"]


def test_a_file_of_dockers_says_so(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        for name in ("blobs", "index.json", "manifest.json"):
            tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(RuntimeFailure, match="was saved by Docker"):
        ImageStore(tmp_path / "store", {}).load(tmp_path / "d.tar")


def test_a_file_cut_short(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store", {})
    for _ in store.build("t:1", source(tmp_path / "t", "FROM scratch\nCOPY f /f", {"f": "x" * 100_000})):
        pass
    store.save([], tmp_path / "t.tar")
    whole = (tmp_path / "t.tar").read_bytes()
    store.remove("t:1")
    (tmp_path / "t.tar").write_bytes(whole[:60_000])
    with pytest.raises(RuntimeFailure, match="broken"):
        store.load(tmp_path / "t.tar")
    (tmp_path / "t.tar").write_bytes(whole.replace(b"xxxxx", b"xxxxy", 1))
    with pytest.raises(RuntimeFailure, match="not what its name says"):
        store.load(tmp_path / "t.tar")
    assert store.names() == []


def test_two_builds_at_once_and_a_removal_between(tmp_path: Path) -> None:
    """What a build that has not ended yet has made is not collected by another lab's removal."""
    one, other = ImageStore(tmp_path / "a", {}, tmp_path / "lib"), ImageStore(tmp_path / "b", {}, tmp_path / "lib")
    for _ in other.build("old:1", source(tmp_path / "old", "FROM scratch\nCOPY f /f", {"f": "old"})):
        pass
    steps = one.build("new:1", source(tmp_path / "new", "FROM scratch\nCOPY f /f\nWORKDIR /x", {"f": "new"}))
    assert [next(steps), next(steps)] == ["FROM scratch", "COPY f /f"]
    other.remove("old:1")
    for _ in steps:
        pass
    assert one.get("new:1").layers
    assert Layers(tmp_path / "lib").path("x").parent.is_dir()
    assert other.names() == ["new:1"]
