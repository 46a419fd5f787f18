"""Manifests with and without mistakes."""

import pytest

from k8slab.lab import manifests
from k8slab.settings import LabError

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def test_documents_and_lists():
    assert [obj["kind"] for obj in manifests.documents(f"{POD}---\n---\n{POD}")] == ["Pod", "Pod"]
    assert len(manifests.documents("kind: List\nitems: [{kind: A}, {kind: B}]")) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\n b: 2\n", "line 2: mapping values are not allowed here. Look at its indentation."),
        ("a: [1\n", "The YAML cannot be read, line 2"),
        ("- a\n", "A manifest is an object"),
        ("# only a comment\n", "The manifest is empty"),
        ("a: \x01", "The YAML cannot be read"),
    ],
)
def test_mistakes_name_their_line(text, words):
    with pytest.raises(LabError) as caught:
        manifests.documents(text)
    assert words in str(caught.value)


def test_text_path_or_object(tmp_path):
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    assert manifests.text_of(POD) == manifests.text_of(path) == manifests.text_of(str(path)) == POD
    assert manifests.documents(manifests.text_of({"kind": "X"})) == [{"kind": "X"}]


@pytest.mark.parametrize("name", ["missing.yaml", "folder.yaml", "binary.yml"])
def test_a_path_that_cannot_be_read(tmp_path, name):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(LabError, match=r"cannot be read: .*Give the path of a YAML file"):
        manifests.text_of(str(tmp_path / name))
