"""`%kubectl` and `%%manifest`."""

from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from k8slab.lab import magics
from k8slab.settings import LabError


@pytest.mark.parametrize(
    ("line", "filled"),
    [
        ("delete pod {victim} --wait=false", "delete pod web-1 --wait=false"),
        ("delete pod {pods[1].name}", "delete pod b"),
        ("get pods -o jsonpath='{.items[0].metadata.name}'", None),
        ("get pods -o jsonpath='{range .items[*]}{.metadata.name}{end}'", None),
        ("get pods -o go-template='{{range .items}}{{victim}}{{end}}'", None),
        ("get {unknown}", None),
        ("metadata: {name: web}", None),
    ],
)
def test_blanks_are_filled_from_the_notebook(line, filled):
    pods = [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    variables = {"victim": "web-1", "pods": pods, "end": "!"}
    assert magics.fill(line, variables) == (filled or line)


class FakeLab:
    def __init__(self):
        self.commands, self.applied = [], []

    def stream_kubectl(self, command, show):
        self.commands.append(command)
        if command == "refused":
            raise LabError("Error from server (NotFound): no")
        show("printed\n")

    def apply(self, text, options=""):
        self.applied.append((text, options))
        return "pod/a created\n"


@pytest.fixture
def shell(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    shell.user_ns["victim"] = "web-1"
    yield shell
    shell.history_manager.end_session()


@pytest.fixture
def lab(shell):
    lab = FakeLab()
    magics.register(lab)
    return lab


def test_kubectl_prints(shell, lab, capsys):
    assert shell.run_cell("%kubectl delete pod {victim} -o jsonpath='{.a}' $HOME").success
    assert lab.commands == ["delete pod web-1 -o jsonpath='{.a}' $HOME"]
    assert "printed" in capsys.readouterr().out


def test_manifest_applies(shell, lab, capsys):
    assert shell.run_cell("%%manifest -n {victim}\nmetadata: {name: web}\n").success
    assert lab.applied == [("metadata: {name: web}\n", "-n web-1")]
    assert "pod/a created" in capsys.readouterr().out


def test_a_refusal_is_one_line_without_traceback(shell, lab, capsys):
    result = shell.run_cell("%kubectl refused")
    assert isinstance(result.error_in_exec, LabError)
    said = capsys.readouterr()
    assert (said.out + said.err).strip() == "Error from server (NotFound): no"


def test_the_newest_lab_is_meant(shell, lab):
    newer = FakeLab()
    magics.register(newer)
    shell.run_cell("%kubectl get pods")
    assert (lab.commands, newer.commands) == ([], ["get pods"])
