from __future__ import annotations

from typing import Any

import pytest
from kubelet_world import pod

from k8slab.kubelet.resolver import aliases, domain, resolver

MACHINE = "# mine\nnameserver 10.0.0.2\nsearch lan\noptions edns0\n"
CLUSTER = "default.svc.cluster.local svc.cluster.local cluster.local"


@pytest.mark.parametrize(
    ("spec", "dns", "lines"),
    [
        ({}, "127.64.240.10", [f"search {CLUSTER} lan", "nameserver 127.64.240.10", "options ndots:5"]),
        ({}, "", ["search lan", "nameserver 10.0.0.2", "options edns0"]),
        ({"dnsPolicy": "Default"}, "127.64.240.10", ["search lan", "nameserver 10.0.0.2", "options edns0"]),
        ({"hostNetwork": True}, "127.64.240.10", ["search lan", "nameserver 10.0.0.2", "options edns0"]),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            "127.64.240.10",
            [f"search {CLUSTER} lan", "nameserver 127.64.240.10", "options ndots:5"],
        ),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a.b"]}},
            "127.64.240.10",
            ["search a.b", "nameserver 1.1.1.1"],
        ),
        (
            {"dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["lan", "x"],
                           "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}},
            "127.64.240.10",
            [f"search {CLUSTER} lan x", "nameserver 127.64.240.10", "nameserver 1.1.1.1", "options ndots:2 edns0"],
        ),
    ],
    ids=["cluster first", "no cluster dns", "default", "host network", "host network, cluster first", "none", "more"],
)  # fmt: skip
def test_resolver(spec: dict[str, Any], dns: str, lines: list[str]) -> None:
    assert resolver(pod(**spec), dns, MACHINE).splitlines() == lines


def test_no_more_than_a_resolver_takes() -> None:
    many = {"dnsPolicy": "None", "dnsConfig": {"nameservers": [f"10.0.0.{n}" for n in range(9)]}}
    assert resolver(pod(**many), "", MACHINE).splitlines() == [f"nameserver 10.0.0.{n}" for n in range(3)]


def test_full_name_and_aliases() -> None:
    assert domain(pod()) == ""
    assert domain(pod(subdomain="db")) == "db.default.svc.cluster.local"
    assert aliases(pod()) == ""
    asked = pod(hostAliases=[{"ip": "10.1.2.3", "hostnames": ["foo.remote", "bar.remote"]}])
    assert aliases(asked) == "\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote bar.remote\n"
