"""Certificates a strict client takes, and a kubeconfig of them."""

import json
import ssl
import stat

from k8slab import pki
from k8slab.clock import Clock
from k8slab.settings import StateFolder


def test_made_once_and_kept(tmp_path):
    folder = StateFolder(tmp_path / "lab").make()
    made = pki.credentials(folder, Clock().time())
    again = pki.credentials(folder, Clock().time())
    assert (made.token, made.ca) == (again.token, again.ca)
    assert len(made.token) >= 40


def test_half_made_is_made_anew(tmp_path):
    folder = StateFolder(tmp_path / "lab").make()
    first = pki.credentials(folder, Clock().time())
    (folder.pki / "token").unlink()
    second = pki.credentials(folder, Clock().time())
    assert first.ca != second.ca
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(second.certificate, second.key)


def test_a_strict_client_trusts_the_server_and_its_names(tmp_path):
    made = pki.credentials(StateFolder(tmp_path / "lab").make(), Clock().time())
    trusting = ssl.create_default_context(cadata=made.ca.decode())
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(made.certificate, made.key)
    for name in ("127.0.0.1", "localhost", "kubernetes.default.svc.cluster.local"):
        _shake_hands(trusting, serving, name)


def test_files_are_for_the_owner_alone(tmp_path):
    folder = StateFolder(tmp_path / "lab").make()
    pki.credentials(folder, Clock().time())
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.pki.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.pki.stat().st_mode) == 0o700


def test_kubeconfig_has_one_context(tmp_path):
    made = pki.credentials(StateFolder(tmp_path / "lab").make(), Clock().time())
    config = json.loads(pki.kubeconfig("k8slab-a", 4321, made))
    assert config["current-context"] == "k8slab-a"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:4321"


def _shake_hands(trusting, serving, name):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.getpeercert()
