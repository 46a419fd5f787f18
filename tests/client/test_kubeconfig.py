"""Kubeconfigs as kubectl reads them."""

import json
import ssl
import sys

import pytest
import yaml

from k8slab import pki
from k8slab.client import kubeconfig
from k8slab.clock import Clock
from k8slab.settings import LabError, StateFolder


def config(name="one", server="https://example:6443", user=None, **more):
    return {
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": user or {"token": f"token-{name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **more}}],
        "current-context": name,
    }


@pytest.fixture
def write(tmp_path):
    def write(content, name="config"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def test_current_context(write):
    found = kubeconfig.load(write(config(namespace="shop")))
    assert (found.server, found.context, found.namespace) == ("https://example:6443", "one", "shop")
    assert found.headers() == {"Authorization": "Bearer token-one"}


def test_json_is_read_too(write):
    assert kubeconfig.load(write(json.dumps(config()))).context == "one"


def test_several_files_and_a_named_context(write, monkeypatch):
    files = [write(config("one"), "a"), write(config("two", "https://two:1"), "b")]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
    assert kubeconfig.load().context == "one"
    assert kubeconfig.load(context="two").server == "https://two:1"
    assert kubeconfig.again(kubeconfig.load(context="two")).context == "two"


@pytest.mark.parametrize(
    ("content", "context", "words"),
    [
        (None, None, "There is no kubeconfig"),
        ("a: [b", None, "cannot be read as a kubeconfig"),
        ("- a", None, "it holds no object"),
        (config(), "nope", "has no context 'nope'. It has: one."),
        ({**config(), "clusters": []}, None, "names no cluster"),
    ],
)
def test_mistakes_are_named(write, tmp_path, content, context, words):
    path = tmp_path / "missing" if content is None else write(content)
    with pytest.raises(LabError) as caught:
        kubeconfig.load(path, context)
    assert words in str(caught.value)


def test_token_file_relative_to_the_kubeconfig(write):
    write("secret\n", "tok")
    assert kubeconfig.load(write(config(user={"tokenFile": "tok"}))).headers() == {"Authorization": "Bearer secret"}


def test_basic_authentication(write):
    found = kubeconfig.load(write(config(user={"username": "a", "password": "b"})))
    assert found.headers() == {"Authorization": "Basic YTpi"}


def test_client_certificates_from_files(write, tmp_path):
    made = pki.credentials(StateFolder(tmp_path / "lab").make(), Clock().time())
    user = {"client-certificate": str(made.certificate), "client-key": str(made.key)}
    found = kubeconfig.load(write(config(user=user)))
    assert isinstance(found.ssl_context(), ssl.SSLContext)


def test_insecure_is_insecure(write):
    content = config()
    content["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    assert kubeconfig.load(write(content)).ssl_context().verify_mode == ssl.CERT_NONE


def plugin(code, **more):
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", code]}
    return config(user={"exec": {**spec, **more}})


def test_credential_plugin(write):
    code = "import json, os; print(json.dumps({'status': {'token': os.environ['WHO'] + '!'}}))"
    found = kubeconfig.load(write(plugin(code, env=[{"name": "WHO", "value": "me"}])))
    assert found.headers() == {"Authorization": "Bearer me!"}


def test_credential_plugin_that_fails_or_is_missing(write):
    with pytest.raises(LabError, match="gave no credential: nobody is logged in"):
        kubeconfig.load(write(plugin("import sys; sys.exit('nobody is logged in')")))
    with pytest.raises(LabError, match=r"'no-such-program', which is not here\. Get it there\."):
        kubeconfig.load(write(plugin("", command="no-such-program", installHint="Get it there.")))
