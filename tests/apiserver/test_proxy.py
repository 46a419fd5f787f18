"""HTTP through the API server: whom a name means, and that a request and its answer pass as they are."""

from __future__ import annotations

import http.server
import threading

import pytest

from k8slab.api.errors import BadRequest
from k8slab.apiserver.proxy import Backend, backends, redirected, split
from tests.apiserver.conftest import POD

PODS, SERVICES = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/services"
METHODS = ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"]


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        while self.headers.get("transfer-encoding") and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        if self.path.endswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/there")
            self.end_headers()
            return
        said = f"{self.command} {self.path} {body.decode()} {self.headers.get('Authorization')} {self.headers.get('X-Mine')}"
        if self.path == "/cookie":
            said += f" {self.headers.get('Cookie')}"
        if self.path == "/cookie":
            said += f" {self.headers.get('Cookie')}"
        self.send_response(418 if "teapot" in self.path else 200)
        self.send_header("X-Said", "yes")
        self.send_header("Set-Cookie", "crumbs=1; Path=/")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def echo(http, nodes):
    server = __import__("http.server").server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    nodes.port = server.server_port
    put_pod(http, server.server_port)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 80, "name": "http"}]},
    }
    http.post(SERVICES, json=service).raise_for_status()
    put_endpoints(http, [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "http", "port": server.server_port}]}])
    yield server.server_port
    server.shutdown()
    server.server_close()


def put_pod(http, port, address="127.0.0.1"):
    containers = [{"name": "c", "image": "i"}, {"name": "d", "image": "i", "ports": [{"containerPort": port}]}]
    pod = {**POD, "spec": {"containers": containers, "nodeName": "n"}}
    http.post(PODS, json=pod).raise_for_status()
    if address:
        http.put(f"{PODS}/web/status", json=pod | {"status": {"podIP": address}}).raise_for_status()


def put_endpoints(http, subsets):
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}, "subsets": subsets}
    http.post("/api/v1/namespaces/default/endpoints", json=endpoints).raise_for_status()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("base", [f"{PODS}/web", f"{SERVICES}/web:http", f"{SERVICES}/http:web:80"])
def test_every_method_path_query_and_body_passes(http, echo, base, method):
    body = "text" if method in ("PATCH", "POST", "PUT") else ""
    answer = http.request(method, f"{base}/proxy/a%2Fb/c?d=e%20f&g", content=body or None, headers={"X-Mine": "1"})
    assert (answer.status_code, answer.headers["x-said"]) == (200, "yes")
    assert answer.text == f"{method} /a%2Fb/c?d=e%20f&g {body} None 1"  # the token stays here


def test_the_answers_status_and_headers_pass(http, echo):
    assert http.get(f"{PODS}/web/proxy/teapot").status_code == 418
    head = http.head(f"{PODS}/web:{echo}/proxy/x")
    assert (head.status_code, head.text, head.headers["x-said"]) == (200, "", "yes")
    assert http.post(f"{PODS}/web/proxy", content="x").text.startswith("POST / x")


def test_without_a_path_one_is_sent_to_the_root_and_redirects_stay_behind_the_proxy(http, echo):
    for method in ("GET", "HEAD"):
        answer = http.request(method, f"{PODS}/web/proxy?a=b", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (301, f"{PODS}/web/proxy/?a=b")
    answer = http.get(f"{PODS}/web/proxy/moved", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"{PODS}/web/proxy/there")


def test_nobody_gets_anothers_cookies(http, echo):
    http.get(f"{PODS}/web/proxy/")
    http.cookies.clear()
    answer = http.get(f"{PODS}/web/proxy/cookie")
    assert answer.text.endswith("None None None")


def test_a_body_of_unknown_length_passes(http, echo):
    assert "POST /x onetwo" in http.post(f"{PODS}/web/proxy/x", content=iter([b"one", b"two"])).text


def test_bodies_larger_than_an_object_pass(http, echo):
    body = "x" * (4 << 20)
    assert len(http.post(f"{PODS}/web/proxy/", content=body).text) > len(body)


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        (f"{PODS}/web:1/proxy/", 503, "error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused"),
        (f"{PODS}/nobody/proxy/", 404, 'pods "nobody" not found'),
        (f"{PODS}/a:b:c:d/proxy/", 400, 'invalid pod request "a:b:c:d"'),
        (f"{SERVICES}/ftp:web:80/proxy/", 400, 'invalid service request "ftp:web:80"'),
        (f"{SERVICES}/web:81/proxy/", 503, 'no service port 81 found for service "web"'),
        (f"{SERVICES}/web/proxy/", 503, 'no endpoints available for service "web"'),
        (f"{SERVICES}/web:other/proxy/", 503, 'no endpoints available for service "web:other"'),
        (f"{SERVICES}/nobody/proxy/", 404, 'endpoints "nobody" not found'),
    ],
)  # fmt: skip
def test_nobody_to_ask(http, echo, path, code, words):
    answer = http.get(path)
    assert (answer.status_code, answer.json()["message"]) == (code, words)


def test_a_service_without_endpoints(http):
    put_endpoints(http, [])
    answer = http.get(f"{SERVICES}/web/proxy/")
    assert (answer.status_code, answer.json()["reason"]) == (503, "ServiceUnavailable")
    assert answer.json()["message"] == 'no endpoints available for service "web"'


def test_pods_without_address_or_network(http):
    put_pod(http, 80, address="")
    assert http.get(f"{PODS}/web/proxy/").json()["message"] == "address not allowed"
    pod = http.get(f"{PODS}/web").json()
    http.put(f"{PODS}/web/status", json=pod | {"status": {"podIP": "10.0.0.1"}}).raise_for_status()
    assert http.get(f"{PODS}/web/proxy/").json()["message"] == "pods have no network"


def test_a_nodes_own_pages(http):
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    http.post("/api/v1/nodes", json=node).raise_for_status()
    assert http.get("/api/v1/nodes/n/proxy/healthz").text == "ok"
    assert http.get("/api/v1/nodes/n:10250/proxy/healthz").text == "ok"
    assert http.get("/api/v1/nodes/n/proxy/nope").text == "404 page not found\n"
    assert http.get("/api/v1/nodes/nobody/proxy/healthz").status_code == 404


@pytest.mark.parametrize(
    ("id", "meant"),
    [
        ("web", ("http", "web", "")),
        ("web:80", ("http", "web", "80")),
        ("https:web:a", ("https", "web", "a")),
        ("https:web:", ("https", "web", "")),
    ],
)
def test_names_with_scheme_and_port(id, meant):
    assert split("pod", id) == meant


@pytest.mark.parametrize("id", ["", ":", "a:b:c", "http::80", "a:b:c:d"])
def test_names_that_name_nobody(id):
    with pytest.raises(BadRequest):
        split("pod", id)


def test_only_ready_addresses_of_the_named_port():
    subset = {
        "addresses": [{"ip": "a"}, {"ip": "b"}],
        "notReadyAddresses": [{"ip": "c"}],
        "ports": [{"port": 1}, {"name": "x", "port": 2}],
    }
    assert list(backends([subset, {"ports": [{"port": 1}]}], "")) == [("a", 1), ("b", 1)]
    assert list(backends([subset], "x")) == [("a", 2), ("b", 2)]


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("/a?b#c", "/p/a?b#c"), ("http://1.2.3.4:80/a", "/p/a"), ("http://1.2.3.4/a", "/p/a"),
        ("http://elsewhere/a", "http://elsewhere/a"), ("a", "a"),
    ],
)  # fmt: skip
def test_redirects(location, seen):
    assert redirected(location, Backend("http", "1.2.3.4", 80), "/p") == seen
