"""A kubeconfig, read as kubectl reads it: where the cluster is, whom to trust, how to say who we are.

`http.py` connects with it. Any cluster's file will do: tokens, client certificates, credential plugins
(k8s.io/client-go/tools/clientcmd; KEP-541 for the plugins).
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8slab.settings import LabError

Entry = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """One context of a kubeconfig. `files` are where it came from, to be read again when the server has moved."""

    server: str
    context: str
    namespace: str = "default"
    cluster: Entry = field(default_factory=dict)
    user: Entry = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def ssl_context(self) -> ssl.SSLContext:
        """Whom to trust, and our own certificate if we show one."""
        ca = _content(self.cluster, "certificate-authority")
        context = ssl.create_default_context(cadata=ca.decode() if ca else None)
        if self.cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = _content(self.user, "client-certificate"), _content(self.user, "client-key")
        if certificate and key:
            _show(context, certificate, key)
        return context

    def headers(self) -> dict[str, str]:
        """How to say who we are: read at each connection, since tokens on disk and from plugins change."""
        user = self.user
        if path := user.get("tokenFile"):
            return {"Authorization": f"Bearer {Path(path).read_text().strip()}"}
        if token := user.get("token"):
            return {"Authorization": f"Bearer {token}"}
        if "username" in user:
            plain = f"{user['username']}:{user.get('password', '')}".encode()
            return {"Authorization": f"Basic {base64.b64encode(plain).decode()}"}
        return {}


def load(path: str | Path | None = None, context: str | None = None) -> Cluster:
    """The named context, or the current one, of a file, of $KUBECONFIG, or of ~/.kube/config. Raises LabError."""
    files = _files(path)
    configs = [_read(file) for file in files if file.exists()]
    if not configs:
        looked = ", ".join(map(str, files))
        raise LabError(f"There is no kubeconfig ({looked}). Start a lab with `k8slab up`, or set KUBECONFIG.")
    current = context or next((c["current-context"] for c in configs if c.get("current-context")), "")
    chosen = _named(configs, "contexts", current)
    if chosen is None:
        have = ", ".join(entry["name"] for entry in _entries(configs, "contexts")) or "none"
        raise LabError(f"The kubeconfig has no context {current!r}. It has: {have}.")
    spec = chosen["context"]
    cluster = _named(configs, "clusters", spec.get("cluster", "")) or {}
    user = (_named(configs, "users", spec.get("user", "")) or {}).get("user") or {}
    if not (server := (cluster.get("cluster") or {}).get("server")):
        raise LabError(f"The kubeconfig's context {current!r} names no cluster with a `server`.")
    namespace = spec.get("namespace") or "default"
    return Cluster(server.rstrip("/"), current, namespace, cluster["cluster"], _with_plugin(user), tuple(files))


def again(cluster: Cluster) -> Cluster:
    """The same context, read afresh."""
    return load(os.pathsep.join(map(str, cluster.files)), cluster.context)


def _files(path: str | Path | None) -> list[Path]:
    text = str(path) if path else os.environ.get("KUBECONFIG", "")
    return [Path(part).expanduser() for part in text.split(os.pathsep) if part] or [Path.home() / ".kube" / "config"]


def _read(file: Path) -> Entry:
    """One file; relative paths in it are relative to it."""
    try:
        text = file.read_text()
        config = json.loads(text) if text.startswith("{") else _yaml(text)
    except (OSError, ValueError) as error:
        raise LabError(f"{file} cannot be read as a kubeconfig: {error}") from error
    for entry in [*(config.get("clusters") or []), *(config.get("users") or [])]:
        inner = entry.get("cluster") or entry.get("user") or {}
        for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
            if inner.get(key):
                inner[key] = str(file.parent / inner[key])
    return config


def _yaml(text: str) -> Entry:
    import yaml  # only for other people's files: ours are JSON

    try:
        config = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(config, dict):
        raise ValueError("it holds no object")
    return config


def _entries(configs: Iterable[Entry], section: str) -> Iterable[Entry]:
    return (entry for config in configs for entry in config.get(section) or [])


def _named(configs: Iterable[Entry], section: str, name: str) -> Entry | None:
    """The first file that has the name wins, as in kubectl."""
    return next((entry for entry in _entries(configs, section) if entry.get("name") == name), None)


def _content(entry: Entry, key: str) -> bytes | None:
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data)
    return Path(entry[key]).read_bytes() if entry.get(key) else None


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python loads a client certificate from a file alone: one that is gone again at once, and only ours to read."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _with_plugin(user: Entry) -> Entry:
    """The user with what its credential plugin says, if it has one."""
    plugin = user.get("exec")
    if not plugin:
        return user
    info = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    env = {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
    command = [plugin["command"], *(plugin.get("args") or [])]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **env, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        status = json.loads(done.stdout)["status"]
    except FileNotFoundError:
        hint = plugin.get("installHint") or "Install it, or use another context."
        raise LabError(f"The kubeconfig asks for the program {command[0]!r}, which is not here. {hint}") from None
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        said = getattr(error, "stderr", "") or error
        raise LabError(f"The kubeconfig's program {command[0]!r} gave no credential: {said}") from error
    given = {"token": "token", "clientCertificateData": "client-certificate-data", "clientKeyData": "client-key-data"}
    made = {ours: status[theirs] for theirs, ours in given.items() if theirs in status}
    return {**user, **{k: v if k == "token" else base64.b64encode(v.encode()).decode() for k, v in made.items()}}
