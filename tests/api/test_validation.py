"""Each rule where it lives: a valid object, one thing changed, and Kubernetes' own words for it."""

from __future__ import annotations

import json
import timeit
from pathlib import Path

import pytest

from k8slab.api import schema, validation
from k8slab.api.checks import Closed, Required
from k8slab.api.errors import Invalid
from k8slab.api.kinds import kind_of
from k8slab.api.objects import copy
from k8slab.api.validation import validate
from tests.api.making import changed, obj, pod, said, service

STORED = [pair["stored"] for pair in json.loads((Path(__file__).parent / "defaults.json").read_text())]
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize("stored", [s for s in STORED if kind_of(s["apiVersion"], s["kind"])], ids=lambda s: s["kind"])
def test_what_a_real_server_stored_is_valid(stored):
    stored = copy(stored)
    for port in stored.get("spec", {}).get("ports") or []:
        port.pop("nodePort", None)  # that server had another range
    if stored["kind"] == "Job":
        stored["metadata"]["uid"] = stored["metadata"]["labels"]["controller-uid"]
    assert said(stored) == []
    assert said(stored, copy(stored)) == []


METADATA = [
    ({"name": "Bad_Name"}, [f'metadata.name: Invalid value: "Bad_Name": {SUBDOMAIN}']),
    ({"name": ""}, ["metadata.name: Required value: name or generateName is required"]),
    ({"generateName": "Web-"}, [f'metadata.generateName: Invalid value: "Web-": {SUBDOMAIN}']),
    ({"generateName": "web-"}, []),
    ({"namespace": ""}, ["metadata.namespace: Required value"]),
    ({"annotations": {"Example.com/Key": "any value\n"}}, []),
    ({"annotations": {"a": "x" * 256 * 1024}}, ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
    ({"finalizers": ["a.b/c"]}, []),
    (
        {"finalizers": ["mine"]},
        [
            'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully '
            "qualified"
        ],
    ),
    (
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
        ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
    ),
]


@pytest.mark.parametrize(("meta", "causes"), METADATA)
def test_metadata(meta, causes):
    made = pod()
    made["metadata"] |= meta
    assert said(made) == causes


def test_labels_name_the_rule_they_break():
    made = pod()
    made["metadata"]["labels"] = {"bad key": "x y"}
    key, value = said(made)
    assert key.startswith('metadata.labels: Invalid value: "bad key": name part must consist of alphanumeric')
    assert value.startswith('metadata.labels: Invalid value: "x y": a valid label must be an empty string or consist')


def test_one_controller_is_enough():
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "u", "controller": True}
    made = pod()
    made["metadata"]["ownerReferences"] = [owner | {"name": "a"}, owner | {"name": "b"}]
    (cause,) = said(made)
    assert cause.endswith(
        "Only one reference can have Controller set to true. "
        'Found "true" in references for ReplicaSet/a and ReplicaSet/b'
    )


def test_names_of_services_and_namespaces_are_labels():
    made = service()
    made["metadata"]["name"] = "1web"
    assert said(made)[0].startswith('metadata.name: Invalid value: "1web": a DNS-1035 label must consist of lower case')
    assert said(obj("v1", "Namespace", "a.b")) == ['metadata.name: Invalid value: "a.b": must not contain dots']
    node = obj("v1", "Node")
    node["metadata"]["namespace"] = "default"
    assert said(node) == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_an_update_keeps_the_identity():
    old = pod()
    old["metadata"] |= {
        "uid": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionTimestamp": "2026-01-01T00:00:00Z",
    }
    new = copy(old)
    new["metadata"] |= {"uid": "2", "name": "y", "finalizers": ["a/b"]}
    assert said(new, old) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
        'finalizers []string{"a/b"}',
        'metadata.name: Invalid value: "y": field is immutable',
        'metadata.uid: Invalid value: "2": field is immutable',
    ]


def test_nodes():
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "Go"}]
    node = obj("v1", "Node", spec={"taints": taints, "providerID": "k8slab://1"})
    assert said(node) == [
        'spec.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}',
        'spec.taints[2].effect: Unsupported value: "Go": supported values: "NoSchedule", "PreferNoSchedule", '
        '"NoExecute"',
    ]
    assert said(changed(node, taints=[], providerID="other"), node) == [
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'
    ]


def test_config_maps():
    made = obj("v1", "ConfigMap", data={"a b": "1", "k": "2"}, binaryData={"k": "Yg=="})
    bad_key, twice = said(made)
    assert bad_key.startswith('data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric')
    assert twice == 'data[k]: Invalid value: "k": duplicate of key present in binaryData'
    large = obj("v1", "ConfigMap", data={"k": "é" * 524_289})
    assert said(large) == [": Too long: may not be more than 1048576 bytes"]
    frozen = obj("v1", "ConfigMap", data={"k": "1"}, immutable=True)
    assert said({**frozen, "data": {"k": "2"}}, frozen) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]
    assert said({**frozen, "immutable": None}, frozen) == [
        "immutable: Forbidden: field is immutable when `immutable` is set"
    ]


def test_leases_and_events():
    lease = obj("coordination.k8s.io/v1", "Lease", spec={"leaseDurationSeconds": 0, "leaseTransitions": -1})
    assert said(lease) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]
    about = {"kind": "Pod", "name": "p", "namespace": "other"}
    event = obj("v1", "Event", involvedObject=about, reason="Started", message="x")
    assert said(event) == ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']
    about["namespace"] = "default"
    new_style = obj("v1", "Event", involvedObject=about, reason="Started", eventTime="2026-01-01T00:00:00.000000Z")
    assert said(new_style) == [
        "reportingController: Required value",
        "reportingInstance: Required value",
        "action: Required value",
    ]


def test_causes_become_the_error_kubectl_shows():
    causes = validate(pod(name="Bad_Name", containers=[]))
    status = Invalid.of("", "Pod", "Bad_Name", causes).status()
    assert status["message"].startswith('Pod "Bad_Name" is invalid: [metadata.name: Invalid value: "Bad_Name": a lower')
    assert [cause["reason"] for cause in status["details"]["causes"]] == ["FieldValueInvalid", "FieldValueRequired"]


def test_every_row_speaks_of_a_field_that_exists():
    roots = ("io.k8s.api.", "io.k8s.apimachinery.pkg.apis.")
    known = {definition.removeprefix(root): definition for root in roots for definition in schema.definitions()}
    for definition, rows in validation.TABLE.items():
        fields = schema.fields(known[definition])
        assert not {name for name in rows if name and name not in fields}, definition
        assert all(callable(entry) or isinstance(entry, (Required, Closed)) for row in rows.values() for entry in row)
    assert {name.partition("/")[0] for name in validation.UPDATES} <= set(known)


def test_a_kind_nobody_knows_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        validate({"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "x"}})


def test_it_is_fast():
    stored = STORED[0]
    best = min(timeit.repeat(lambda: validate(stored), number=20, repeat=10)) / 20
    assert best < 3e-3, f"{best * 1e6:.0f} µs for a pod with seven volumes; about 120 µs on an idle machine"


def test_a_spec_that_was_good_before_is_taken_on_its_word_and_no_other_is() -> None:
    """A controller's pods have one spec; what is remembered is the whole of it, and only of what was good."""
    good = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
                 "restartPolicy": "Always", "dnsPolicy": "ClusterFirst"},
    }  # fmt: skip
    bad = {**good, "spec": {**good["spec"], "restartPolicy": "Sometimes"}}
    for _ in range(3):
        assert validate(good) == []
        assert [cause.field for cause in validate(bad)] == ["spec.restartPolicy"]
        assert [cause.field for cause in validate({**good, "metadata": {"name": "A", "namespace": "default"}})] == [
            "metadata.name"
        ]
