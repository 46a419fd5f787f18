"""Names of the cluster, found from outside."""

import http.server
import socket
import threading

import pytest

from k8slab.lab import services
from k8slab.settings import LabError
from tests.lab.world import service


class Cluster:
    """Answers `find` and `list` from a few objects."""

    def __init__(self, *objects):
        self.objects = objects

    def find(self, kind, name, namespace=""):
        for obj in self.objects:
            if (obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")) == (kind, name, namespace):
                return obj
        return None

    def list(self, kind, namespace="", selector=""):
        return [obj for obj in self.objects if obj["kind"] == kind]


NODE = {
    "kind": "Node",
    "metadata": {"name": "node-1"},
    "status": {"addresses": [{"type": "InternalIP", "address": "127.64.1.1"}]},
}
SLICE = {
    "kind": "EndpointSlice",
    "metadata": {"name": "db-1", "namespace": "default"},
    "endpoints": [
        {
            "addresses": ["127.64.1.9"],
            "hostname": "db-0",
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": "db-0"},
        }
    ],
    "ports": [{"port": 6379}],
}
CLUSTER = Cluster(
    service("web"),
    service("low", **{services.REAL_PORTS: '{"80": 18080}'}),
    service("spoilt", **{services.REAL_PORTS: "[]"}),
    service("db", address="None", ports=(6379,)),
    service("out", address=None) | {"spec": {"type": "ExternalName", "externalName": "example.org"}},
    service("outer", address="127.64.240.8", **{services.REAL_PORTS: '{"80": 18081}'})
    | {"status": {"loadBalancer": {"ingress": [{"ip": "127.64.232.1"}]}}},
    NODE,
    SLICE,
)


@pytest.mark.parametrize(
    ("host", "port", "where"),
    [
        ("web", 80, ("127.64.240.7", 80)),
        ("web.default", 80, ("127.64.240.7", 80)),
        ("web.default.svc.cluster.local", 80, ("127.64.240.7", 80)),
        ("low", 80, ("127.64.240.7", 18080)),
        ("spoilt", 80, ("127.64.240.7", 80)),
        ("db", 6379, ("127.64.1.9", 6379)),
        ("node-1", 30080, ("127.64.1.1", 30080)),
        ("127.64.1.2", 8080, ("127.64.1.2", 8080)),
        ("127.64.240.8", 80, ("127.64.240.8", 18081)),
        ("127.64.232.1", 80, ("127.64.232.1", 18081)),
        ("out", 443, ("example.org", 443)),
        ("db-0.db", 6379, ("127.64.1.9", 6379)),
        ("db-0.db.default.svc.cluster.local", 6379, ("127.64.1.9", 6379)),
        ("127-64-1-9.db.default", 6379, ("127.64.1.9", 6379)),
        ("127-64-1-9.default.pod.cluster.local", 8080, ("127.64.1.9", 8080)),
    ],
)
def test_where_a_name_leads(host, port, where):
    place = services.locate(CLUSTER, host, port, "default")
    assert (place.host, place.port) == where


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("nope", 80, "The namespace 'default' has no Service 'nope'"),
        ("web.shop", 80, "The namespace 'shop' has no Service 'web'"),
        ("db-9.db", 80, "The namespace 'db' has no Service 'db-9'"),
        ("web", 81, "has no port 81. It has: 80. Write http://web:PORT."),
    ],
)
def test_a_name_that_leads_nowhere(host, port, words):
    with pytest.raises(LabError) as caught:
        services.locate(CLUSTER, host, port, "default")
    assert words in str(caught.value)


def test_through_the_api_server_where_addresses_do_not_reach():
    assert services.locate(CLUSTER, "web", 80, "default").proxy == "/api/v1/namespaces/default/services/web:80/proxy"


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path != "/broken" else 500)
            self.end_headers()
            self.wfile.write(f'{{"path": "{self.path}", "host": "{self.headers["Host"]}"}}'.encode())

        def log_message(self, *_):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving.server_port
    serving.shutdown()
    serving.server_close()


def fetch(url, cluster=CLUSTER):
    return services.fetch(cluster, url, "default", direct=True, timeout=5)


def test_an_answer(server):
    cluster = Cluster(service("web", address="127.0.0.1", ports=(server,)))
    answer = fetch(f"http://web:{server}/a?b=c", cluster)
    assert answer.json() == {"path": "/a?b=c", "host": f"web:{server}"}
    assert (answer.status, answer.ok, repr(answer).splitlines()[0]) == (200, True, "200")
    assert fetch(f"web:{server}/broken", cluster).ok is False


def test_nobody_answers():
    cluster = Cluster(service("web", address="127.0.0.1", ports=(1,)))
    with pytest.raises(LabError, match=r"http://web:1 does not answer: .*refused.*`kubectl get endpoints`"):
        fetch("http://web:1", cluster)


@pytest.mark.parametrize("url", ["ftp://web", "http://", "", "http:///path"])
def test_no_url(url):
    with pytest.raises(LabError, match="is not a URL of the cluster"):
        fetch(url)


def test_an_answer_that_is_no_json():
    with pytest.raises(LabError, match="The answer is no JSON: it begins with 'ok'"):
        services.Answer(200, "ok", {}).json()


def test_a_service_that_refuses_is_dialled_again(monkeypatch, server):
    """A pod is ready a moment before its Service sends to it."""
    connect, tries = socket.create_connection, []

    def at_the_second_try(*about):
        tries.append(about)
        if len(tries) == 1:
            raise ConnectionRefusedError(111, "Connection refused")
        return connect(*about)

    monkeypatch.setattr(socket, "create_connection", at_the_second_try)
    cluster = Cluster(service("web", address="127.0.0.1", ports=(server,)))
    services.dial(cluster, f"web:{server}", "default").close()
    assert len(tries) == 2


def test_nobody_is_dialled_for_ever(monkeypatch):
    monkeypatch.setattr(services, "REFUSED_SECONDS", 0.1)
    cluster = Cluster(service("web", address="127.0.0.1", ports=(1,)))
    with pytest.raises(LabError, match="web:1 does not answer: Connection refused. Is a pod behind it ready?"):
        services.dial(cluster, "web:1", "default")
