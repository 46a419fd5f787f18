"""DNS should provide DNS for services; its records, and the same as lines of /etc/hosts."""

from __future__ import annotations

import pytest

from k8slab.api.objects import Obj
from k8slab.client.informer import LiveInformer
from k8slab.kubeproxy.balance import Backend
from k8slab.kubeproxy.dnswire import CNAME, PTR, SRV, A
from k8slab.kubeproxy.names import Names

from .world import service, slice_of

HTTP = {"name": "http", "port": 80}


class FakeClient:
    """Informers, and nothing else."""

    def __init__(self) -> None:
        self.informers: dict[str, LiveInformer] = {}

    def informer(self, kind: str) -> LiveInformer:
        return self.informers.setdefault(kind, LiveInformer(kind))

    def put(self, *objects: Obj) -> None:
        for obj in objects:
            self.informer(obj["kind"]).feed(None, obj)


def cluster() -> tuple[Names, FakeClient]:
    client = FakeClient()
    client.put(
        *({"kind": "Namespace", "metadata": {"name": name}} for name in ("default", "shop")),
        service("127.64.240.7", HTTP, {"port": 53, "protocol": "UDP", "name": "dns"}),
        annotated(service("127.64.240.8", {"port": 80}, name="low"), '{"80": 18080}'),
        service("None", {"port": 5432, "name": "sql"}, name="db"),
        service("", name="out", type="ExternalName", externalName="example.org"),
        hosts(
            slice_of(Backend("127.64.1.2", 5432), Backend("127.64.2.2", 5432), name="db", port="sql"), "db-0", "db-1"
        ),
        hosts(moved(slice_of(Backend("127.64.3.2", 5432), name="db", port="sql", ready=False)), "db-2"),
        moved(slice_of(Backend("127.64.3.3", 5432), name="db", port="sql"), "db-3"),
    )
    return Names(client), client  # type: ignore[arg-type]


def annotated(obj: Obj, ports: str) -> Obj:
    obj["metadata"]["annotations"] = {"k8slab.io/real-ports": ports}
    return obj


def hosts(slice_: Obj, *names: str) -> Obj:
    return slice_ | {"endpoints": [e | {"hostname": n} for e, n in zip(slice_["endpoints"], names, strict=True)]}


def moved(slice_: Obj, name: str = "db-2") -> Obj:
    return slice_ | {"metadata": slice_["metadata"] | {"name": name}}


@pytest.mark.parametrize(
    ("name", "type_", "values"),
    [
        ("web.default.svc.cluster.local", A, ["127.64.240.7"]),
        ("web.default.svc.cluster.local", SRV, ["0 100 80 web.default.svc.cluster.local", "0 100 53 web.default.svc.cluster.local"]),
        ("_http._tcp.web.default.svc.cluster.local", SRV, ["0 100 80 web.default.svc.cluster.local"]),
        ("_dns._udp.web.default.svc.cluster.local", SRV, ["0 100 53 web.default.svc.cluster.local"]),
        ("_http._udp.web.default.svc.cluster.local", SRV, None),
        ("low.default.svc.cluster.local", SRV, ["0 100 18080 low.default.svc.cluster.local"]),
        ("db.default.svc.cluster.local", A, ["127.64.1.2", "127.64.2.2", "127.64.3.3"]),
        ("db-0.db.default.svc.cluster.local", A, ["127.64.1.2"]),
        ("db-2.db.default.svc.cluster.local", A, None),
        ("127-64-3-3.db.default.svc.cluster.local", A, ["127.64.3.3"]),
        ("_sql._tcp.db.default.svc.cluster.local", SRV, ["0 100 5432 db-0.db.default.svc.cluster.local",
            "0 100 5432 db-1.db.default.svc.cluster.local", "0 100 5432 127-64-3-3.db.default.svc.cluster.local"]),
        ("out.default.svc.cluster.local", CNAME, ["example.org"]),
        ("127-64-1-2.shop.pod.cluster.local", A, ["127.64.1.2"]),
        ("127-64-1-2.nowhere.pod.cluster.local", A, None),
        ("web.default.pod.cluster.local", A, None),
        ("7.240.64.127.in-addr.arpa", PTR, ["web.default.svc.cluster.local"]),
        ("2.1.64.127.in-addr.arpa", PTR, ["db-0.db.default.svc.cluster.local"]),
        ("9.9.64.127.in-addr.arpa", PTR, None),
        ("web.shop.svc.cluster.local", A, None),
        ("x.web.default.svc.cluster.local", A, None),
        ("default.svc.cluster.local", A, []),
        ("nowhere.svc.cluster.local", A, None),
        ("svc.cluster.local", A, []),
        ("cluster.local", A, []),
        ("web", A, None),
    ],
)  # fmt: skip
def test_records(name: str, type_: int, values: list[str] | None) -> None:
    """None: there is no such name; an empty list: there is, but no such record."""
    found = cluster()[0].look_up(name)
    assert found.exists is (values is not None)
    assert [record.value for record in found.records if record.type == type_] == (values or [])


def test_whose_names() -> None:
    names, _ = cluster()
    ours = [
        name
        for name in ("web.default.svc.cluster.local", "cluster.local", "2.1.64.127.in-addr.arpa")
        if names.is_ours(name)
    ]
    assert len(ours) == 3
    assert not any(map(names.is_ours, ("example.org", "mycluster.local", "8.8.8.8.in-addr.arpa", "web")))


def test_lines_of_hosts() -> None:
    names, _ = cluster()
    lines = names.hosts("default").splitlines()
    assert "127.64.240.7\tweb.default.svc.cluster.local web.default.svc web.default web" in lines
    db = next(line for line in lines if line.startswith("127.64.1.2"))
    assert db.split("\t")[1].split()[:4] == [f"db-0.db.default{end}" for end in (".svc.cluster.local", ".svc", "")] + [
        "db-0.db"
    ]
    assert db.endswith(" db")
    assert all(not line.endswith((" web", " db")) for line in names.hosts("shop").splitlines())


def test_who_wants_to_hear_of_changes_does() -> None:
    names, client = cluster()
    heard: list[int] = []
    names.subscribe(lambda: heard.append(1))
    given = slice_of(Backend("127.64.4.2", 5432), name="db")
    client.informer("EndpointSlice").feed(given, None)
    client.put(service("127.64.240.9", HTTP, name="new"))
    assert len(heard) == 2
    assert names.look_up("new.default.svc.cluster.local").records[0].value == "127.64.240.9"
