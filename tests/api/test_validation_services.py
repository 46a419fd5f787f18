from __future__ import annotations

import pytest

from tests.api.making import changed, obj, said, service

SERVICES = [
    (service(ports=[]), ["spec.ports: Required value"]),
    (service(ports=[], clusterIP="None"), []),
    (
        service({"port": 0}),
        [
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    ),
    (service({"port": 80}, {"port": 81, "name": "b"}), ["spec.ports[0].name: Required value"]),
    (
        service({"port": 80, "name": "a"}, {"port": 81, "name": "a"}),
        ['spec.ports[1].name: Duplicate value: "a"'],
    ),
    (
        service({"port": 80, "name": "a"}, {"port": 80, "name": "b"}),
        [
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,'
            '"NodePort":0}'
        ],
    ),
    (service({"port": 80, "name": "a"}, {"port": 80, "name": "b", "protocol": "UDP"}), []),
    (
        service({"port": 80, "targetPort": "Web"}),
        [
            'spec.ports[0].targetPort: Invalid value: "Web": must contain only alpha-numeric characters (a-z, 0-9), '
            "and hyphens (-)"
        ],
    ),
    (
        service({"port": 80, "nodePort": 80}, type="NodePort"),
        [
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid "
            "ports is 30000-32767"
        ],
    ),
    (
        service({"port": 80, "nodePort": 30080}),
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ),
    (
        service(type="Magic"),
        [
            'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
            '"NodePort"'
        ],
    ),
    (
        service(type="NodePort", clusterIP="None"),
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    (service(type="ExternalName"), ["spec.externalName: Required value"]),
    (service(type="ExternalName", externalName="example.com."), []),
    (
        service(sessionAffinity="Sticky"),
        ['spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"'],
    ),
    (
        service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}}),
        [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less "
            "than 86400"
        ],
    ),
    (
        service(externalTrafficPolicy="Local"),
        ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    ),
    (
        service(externalIPs=["x"]),
        ['spec.externalIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ),
]


@pytest.mark.parametrize(("made", "causes"), SERVICES)
def test_services(made, causes):
    assert said(made) == causes


def test_a_cluster_ip_stays():
    old = service()
    assert said(changed(old, clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"]), old) == [
        'spec.clusterIPs[0]: Invalid value: ["10.0.0.1"]: may not change once set'
    ]
    assert said(changed(old, ports=[{"port": 81, "protocol": "TCP", "targetPort": 81}]), old) == []
    assert said(changed(old, type="ExternalName", externalName="a.b", clusterIP="", clusterIPs=[]), old) == []


def test_endpoints_and_slices():
    subsets = [{"ports": [{"port": 80}, {"port": 81}]}, {"addresses": [{"ip": "127.64.0.9"}]}]
    assert said(obj("v1", "Endpoints", subsets=subsets)) == [
        "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
        "subsets[0].ports[0].name: Required value",
        "subsets[0].ports[1].name: Required value",
    ]
    endpoints = [{"addresses": ["127.64.0.9", "fe80::1"]}, {"addresses": []}]
    piece = obj(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        addressType="IPv4",
        endpoints=endpoints,
        ports=[{"port": 1}, {"port": 2}],
    )
    assert said(piece) == [
        'endpoints[0].addresses[1]: Invalid value: "fe80::1": must be a valid IPv4 address',
        'ports[1].name: Duplicate value: ""',
        "endpoints[1].addresses: Required value: must contain at least 1 address",
    ]
    old = obj("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[])
    assert said({**old, "addressType": "FQDN"}, old) == ['addressType: Invalid value: "FQDN": field is immutable']
    assert said({**old, "addressType": "IPX"}) == [
        'addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6"'
    ]
