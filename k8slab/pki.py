"""The lab's throwaway certificate authority, its server's certificate, its token, and the kubeconfig of them all.

`server.py` calls `credentials` when it starts; everything lies in the state folder, is read again by the next server
of the same lab, and goes with the folder. kubectl sends a token over TLS alone, hence the certificate.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from k8slab.settings import StateFolder, write_private

INSIDE = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
VALID = timedelta(days=825)  # what TLS clients accept of a server's certificate at most


@dataclass(frozen=True)
class Credentials:
    """Where the server's certificate and key lie, the authority to trust, and the token to show."""

    ca: bytes
    certificate: Path
    key: Path
    token: str


def credentials(folder: StateFolder, now: float) -> Credentials:
    """The lab's credentials, made if it has none. `now` is in seconds since 1970. Raises LabError for a full disk."""
    pki = folder.pki
    pki.mkdir(mode=0o700, exist_ok=True)
    ca, certificate, key, token = pki / "ca.crt", pki / "server.crt", pki / "server.key", pki / "token"
    if not token.exists():  # written last: without it the set is not whole
        for path, content in zip((ca, certificate, key), _issue(now), strict=True):
            write_private(path, content)
        write_private(token, secrets.token_urlsafe(32))
    return Credentials(ca.read_bytes(), certificate, key, token.read_text())


def _issue(now: float) -> tuple[bytes, bytes, bytes]:
    """A new authority's certificate, and a server's certificate and key. The authority's own key is thrown away.

    With what RFC 5280 asks for, because Python 3.13 verifies strictly.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    begin = datetime.fromtimestamp(now, UTC) - timedelta(hours=1)  # a clock behind ours is not refused

    def issue(subject: str, key: ec.EllipticCurvePrivateKey, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
        issuer, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, it)]) for it in ("k8slab-ca", subject))
        serial = x509.random_serial_number()
        made = x509.CertificateBuilder(issuer, name, key.public_key(), serial, begin, begin + VALID)
        for extension, critical in extensions:
            made = made.add_extension(extension, critical)
        return made.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca = issue(
        "k8slab-ca",
        ca_key,
        (x509.BasicConstraints(True, 0), True),
        (x509.KeyUsage(False, False, False, False, False, True, False, False, False), True),  # keyCertSign alone
        (x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False),
    )
    names = [x509.DNSName(name) for name in ("localhost", *INSIDE)]
    server = issue(
        "k8slab",
        server_key,
        (x509.BasicConstraints(False, None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([*names, x509.IPAddress(ip_address("127.0.0.1"))]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False),
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return ca, server, server_key.private_bytes(*form)


def kubeconfig(context: str, port: int, made: Credentials) -> str:
    """A kubeconfig with one context. JSON is YAML, and needs no YAML library at start-up."""
    cluster: dict[str, Any] = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": base64.b64encode(made.ca).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": context, "user": {"token": made.token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": "default"}}],
        "current-context": context,
    }
    return json.dumps(config, indent=2) + "\n"
