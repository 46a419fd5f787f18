"""kubectl, real where it is here, and its absence."""

import pytest

from k8slab import tools
from k8slab.lab.kubectl import Kubectl, Refused, _words
from k8slab.settings import LabError


@pytest.fixture
def kubectl(kubeconfig, tmp_path):
    if tools.path_of("kubectl") is None:
        pytest.fail("kubectl is needed: `make test` installs it")
    return Kubectl(str(kubeconfig), cache=tmp_path)


def test_what_it_printed(kubectl):
    assert kubectl.run("kubectl get nodes -o name").split() == [f"node/node-{n}" for n in (1, 2, 3)]
    assert kubectl.run(["get", "ns", "default", "-o", "jsonpath={.metadata.name}"]) == "default"


def test_line_by_line(kubectl):
    lines = []
    kubectl.stream("get nodes --no-headers", lines.append)
    assert len(lines) == 3


def test_standard_input(kubectl):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    assert kubectl.run("create --dry-run=client -o name -f -", text) == "configmap/a\n"


def test_a_refusal_is_what_it_said(kubectl):
    with pytest.raises(Refused) as caught:
        kubectl.run("get pod nope")
    assert str(caught.value) == 'Error from server (NotFound): pods "nope" not found'
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_warnings_are_shown_too(kubectl):
    assert kubectl.run("get pods -n default --no-headers") == "No resources found in default namespace.\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("get pods | grep web", "`|` belongs to the shell. Write `!kubectl … | …`"),
        ("get 'pods", "Is a quotation mark missing?"),
    ],
)
def test_what_is_the_shells(command, words):
    with pytest.raises(LabError) as caught:
        _words(command)
    assert words in str(caught.value)


def test_without_kubectl_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(tools, "path_of", lambda name: None)
    with pytest.raises(LabError) as caught:
        Kubectl("nowhere").run("get pods")
    assert "kubectl is not installed here" in str(caught.value)
    assert "https://kubernetes.io/docs/tasks/tools/" in str(caught.value)
