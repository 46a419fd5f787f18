"""kubectl against a simulated lab, compared with what a real Kubernetes 1.36 answered (tests/parity/golden)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCENARIOS = [path.stem for path in sorted((HERE / "scenarios").glob("*.yaml"))]


@pytest.mark.parametrize("name", SCENARIOS)
def test_kubectl_cannot_tell(name, kubeconfig):
    done = subprocess.run(
        [sys.executable, HERE / "parity.py", "check", name],
        env={"KUBECONFIG": str(kubeconfig), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
