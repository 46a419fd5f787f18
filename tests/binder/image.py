"""The image that repo2docker would build from this repository, built by its steps without a registry.

The base is the tests' Debian with its Python (`tests/engine.py`) instead of Ubuntu 24.04 with Python 3.12 from conda, and
what repo2docker's own environment holds (binder/stock.txt, and its old ipykernel) is put into a venv where the real one
has conda's. Then come the steps themselves, in its order and with its commands: apt.txt, requirements.txt, the
repository, postBuild, start. What comes before the repository is kept in the cache folder, as repo2docker keeps layers.
Only the build has a network, as this machine has it: its apt settings are in the base, its certificates are copied.
kubectl is this machine's, because postBuild's own comes from a place that tests do not ask.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engine import BASE, cache

ROOT = Path(__file__).parent.parent.parent
NAME, ENVIRONMENT = "k8slab-test/binder:1", "k8slab-test/binder-environment:1"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PASSED = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
INSTALL = """apt-get -qq update && apt-get -qq install --yes --no-install-recommends {} >/dev/null \\
    && apt-get -qq clean && rm -rf /var/lib/apt/lists/*"""
BEFORE = """
FROM {base}
ENV DEBIAN_FRONTEND=noninteractive
RUN echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/docker
RUN {own}
COPY kubectl /usr/local/bin/kubectl
COPY certificates {certificates}
{passed}
ENV LC_ALL=C.UTF-8 LANG=C.UTF-8 SHELL=/bin/bash USER=jovyan HOME=/home/jovyan
RUN groupadd --gid 1000 jovyan && useradd --create-home --gid 1000 --no-log-init --shell /bin/bash --uid 1000 jovyan
ENV NB_PYTHON_PREFIX=/srv/conda/envs/notebook REPO_DIR=/home/jovyan
ENV PATH=/home/jovyan/.local/bin:/srv/conda/envs/notebook/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN install -d -o jovyan $NB_PYTHON_PREFIX
WORKDIR /home/jovyan
USER jovyan
COPY stock.txt /tmp/
RUN python3 -m venv $NB_PYTHON_PREFIX && pip install --quiet --no-cache-dir -r /tmp/stock.txt {stock}
LABEL begins=ours
USER root
RUN {apt}
USER jovyan
COPY --chown=jovyan:jovyan requirements.txt binder/
RUN pip install --quiet --no-cache-dir -r binder/requirements.txt
"""
AFTER = """
FROM {environment}
{passed}
COPY --chown=jovyan:jovyan src/ ./
RUN chmod +x binder/postBuild
RUN ./binder/postBuild
RUN pip check
RUN chmod +x binder/start
ENV R2D_ENTRYPOINT=/home/jovyan/binder/start PYTHONUNBUFFERED=1
ENTRYPOINT ["/home/jovyan/binder/start"]
"""
STOCK = "notebook==7.4.7 ipykernel==7.0.1"  # with stock.txt, repo2docker's own


@dataclass(frozen=True)
class Built:
    """An image: bytes of all of it, bytes of what our files brought, and how long it took."""

    size: int
    ours: int
    seconds: float


def build(host: str) -> Built:
    """Build it as NAME on this engine. Raises AssertionError with what the build said."""
    began = time.monotonic()
    environment(host)
    arguments = "\n".join([f"ARG PIP_CERT={CERTIFICATES}", *(f"ARG {name}" for name in PASSED)])
    text = AFTER.format(environment=ENVIRONMENT, passed=arguments)
    made(host, NAME, text, {f"src/{name}": ROOT / name for name in files()})
    return Built(*sizes(host), time.monotonic() - began)


def environment(host: str) -> None:
    """Have ENVIRONMENT on this engine: out of the cache, or built and put there."""
    pins = {name: ROOT / "binder" / name for name in ("stock.txt", "requirements.txt")}
    arguments = "\n".join([f"ARG PIP_CERT={CERTIFICATES}", *(f"ARG {name}" for name in PASSED)])
    apt, own = (INSTALL.format(names) for names in (" ".join(packages()), "ca-certificates curl procps python3-venv"))
    text = BEFORE.format(base=BASE, own=own, apt=apt, stock=STOCK, certificates=CERTIFICATES, passed=arguments)
    key = hashlib.sha256("".join([text, *(path.read_text() for path in pins.values())]).encode()).hexdigest()[:8]
    kept = cache() / f"test-binder-{key}.tar"
    if kept.exists():
        subprocess.run(["docker", "-H", host, "load", "--quiet", "--input", kept], check=True, capture_output=True)
        return
    kubectl = shutil.which("kubectl")
    assert kubectl, "kubectl is not installed: scripts/system-packages kubectl"
    made(host, ENVIRONMENT, text, {**pins, "kubectl": Path(kubectl), "certificates": CERTIFICATES})
    for old in kept.parent.glob("test-binder-*"):
        old.unlink()
    draft = kept.with_suffix(".new")
    subprocess.run(["docker", "-H", host, "save", "--output", draft, ENVIRONMENT], check=True, capture_output=True)
    draft.rename(kept)


def made(host: str, name: str, dockerfile: str, files: Mapping[str, Path]) -> None:
    """Build an image of this name from a Dockerfile and these files, with this machine's network."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry, text = tarfile.TarInfo("Dockerfile"), dockerfile.encode()
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
        for inside, path in files.items():
            tar.add(os.path.realpath(path), inside)
    command = ["docker", "-H", host, "build", "--network=host", "--tag", name]
    for variable in PASSED:
        command += ["--build-arg", variable] if os.environ.get(variable) else []
    done = subprocess.run([*command, "-"], input=packed.getvalue(), capture_output=True)
    assert done.returncode == 0, (done.stdout[-3000:] + done.stderr[-3000:]).decode()


def packages() -> list[str]:
    """apt.txt, read as repo2docker reads it."""
    lines = (ROOT / "binder/apt.txt").read_text().splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def files() -> list[str]:
    """What a clone of this repository would have, with what is not committed yet."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def sizes(host: str) -> tuple[int, int]:
    """Bytes of the whole image, and of the layers after repo2docker's own."""
    asked = ["docker", "-H", host, "history", "--no-trunc", "--human=false", "--format", "{{json .}}", NAME]
    out = subprocess.run(asked, capture_output=True, check=True, text=True).stdout
    layers = [json.loads(line) for line in out.splitlines()]  # the last one first
    border = next(i for i, layer in enumerate(layers) if "begins=ours" in layer["CreatedBy"])
    found = [int(layer["Size"]) for layer in layers]
    return sum(found), sum(found[:border])
