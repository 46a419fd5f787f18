"""What the doctor says of this machine, and of one that lacks things."""

import json
import socket

from k8slab import doctor, tools
from k8slab.runtime import isolation
from k8slab.runtime.base import FENCES, GUARDS
from k8slab.runtime.shim import landlock


def by_name(findings, group):
    return {finding.name: finding for finding in findings if finding.group == group}


def test_every_fence_is_named_with_a_reason_when_missing():
    fences = by_name(doctor.examine(), "fence")
    assert tuple(fences) == FENCES
    assert all(fence.detail for fence in fences.values())


def test_a_machine_without_anything(monkeypatch):
    monkeypatch.setattr(
        isolation, "probe", lambda: isolation.unfenced("bubblewrap is not installed: apt install bubblewrap")
    )
    monkeypatch.setattr(tools, "path_of", lambda name: None)
    monkeypatch.setattr(doctor, "_network", lambda: "a network for each pod needs root")
    monkeypatch.setattr(doctor, "_can_bind", lambda address, ports: False)
    findings = doctor.examine()
    assert not any(fence.present for fence in by_name(findings, "fence").values())
    said = doctor.as_text(findings, width=100)
    for line in (
        "kubectl: sudo snap install kubectl --classic",
        "dot: sudo apt install graphviz",
        doctor.OPEN_LOW_PORTS,
    ):
        assert line in said
    assert "bubblewrap is not installed" in said


def test_json_is_for_programs():
    findings = json.loads(doctor.as_json(doctor.examine()))
    assert set(findings[0]) == {"group", "name", "present", "detail", "remedy"}


def test_a_port_in_use_does_not_mean_low_ports_are_closed():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert doctor._can_bind("127.0.0.1", [port, 0])
        assert not doctor._can_bind("127.0.0.1", [port])


def test_every_tool_has_a_purpose_and_a_line():
    assert all(tool.purpose and tool.install for tool in tools.TOOLS.values())
    assert "https://kubernetes.io/docs/tasks/tools/" in tools.missing("kubectl")


def test_guards_are_named_and_their_absence_has_its_consequence(monkeypatch):
    guards = by_name(doctor.examine(), "guard")
    assert tuple(guards) == GUARDS
    monkeypatch.setattr(landlock, "version", lambda: 0)
    bare = isolation.unfenced("no bubblewrap")
    monkeypatch.setattr(isolation, "probe", lambda: bare)
    files = by_name(doctor.examine(), "guard")["files"]
    assert not files.present
    assert "can read and change your files" in files.detail


def test_no_word_and_no_path_is_broken_however_narrow_the_terminal():
    """What stands in the last column is read, and copied."""
    path = "/home/somebody/a/rather/deep/folder/.venv/bin/jupyter-lab"
    findings = [
        doctor.Finding(
            "machine", "ports below 1024", False, "a Service on port 80 is served on another port", "sudo x"
        ),
        doctor.Finding("program", "jupyter-lab", True, path),
        doctor.Finding("guard", "calls", True, "dangerous calls to the kernel are refused (seccomp)"),
    ]
    for width in (60, 80, 120):
        lines = doctor.as_text(findings, width).splitlines()
        assert sum(path in line for line in lines) == 1
        words = " ".join(line.strip() for line in lines).split()
        for finding in findings:
            assert set(finding.detail.split()) <= set(words)
        assert all(len(line) <= width for line in lines if path not in line)
