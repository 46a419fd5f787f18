"""A registry for the tests, on loopback: what an engine pulls is pushed there first. Debian's, unpacked, not installed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import missing, unpacked
from tests.waiting import until

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """`127.0.0.1:PORT`: engines ask a registry on loopback without TLS."""
    program = unpacked("docker-registry", folder) / "usr/bin/docker-registry"
    if not program.exists():
        missing("no registry to pull from: apt's docker-registry cannot be had")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        until(lambda: answers(port), "the registry answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5) as said:
        return bool(said.status == 200)
    return False
