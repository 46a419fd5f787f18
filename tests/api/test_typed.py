import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api import schema, typed

DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
POD = "io.k8s.api.core.v1.Pod"
STORED = [row["stored"] for row in json.loads(Path(__file__).with_name("defaults.json").read_text())]


def check_spec(pod_spec):
    return typed.check({"spec": pod_spec}, POD)


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({"spec": {"replicas": "three"}}, "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"spec": {"replicas": 1.5}}, "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (
            {"spec": {"replicas": 2**31}},
            f"number {2**31} into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ({"spec": {"replicas": True}}, "bool into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"spec": "x"}, "string into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        ({"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
        (
            {"metadata": {"labels": []}},
            "array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            {"metadata": {"creationTimestamp": 3}},
            "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        ([], "array into Go value of type v1.Deployment"),
        (
            {"spec": {"template": {"spec": {"containers": {}}}}},
            "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {"spec": {"template": {"spec": {"containers": [{"env": [{"value": 1}]}]}}}},
            "number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            {"spec": {"template": {"spec": {"restartPolicy": {}}}}},
            "object into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            {"spec": {"strategy": {"rollingUpdate": {"maxSurge": False}}}},
            "bool into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
    ],
)
def test_a_wrong_type_is_told_in_gos_words(obj, said):
    assert typed.check(obj, DEPLOYMENT).type_error == f"json: cannot unmarshal {said}"


@pytest.mark.parametrize(
    ("definition", "obj", "said"),
    [
        ("io.k8s.api.core.v1.Secret", {"data": {"a": "not base64"}}, "illegal base64 data at input byte 3"),
        ("io.k8s.api.core.v1.Secret", {"data": {"a": "YWJjZ"}}, "illegal base64 data at input byte 4"),
        ("io.k8s.api.core.v1.Secret", {"data": {"a": 5}}, "of type []uint8"),
        (POD, {"spec": {"overhead": {"cpu": "much"}}}, "quantities must match the regular expression"),
        (POD, {"metadata": {"creationTimestamp": "today"}}, 'cannot parse "today" as "2006"'),
        (POD, {"metadata": {"creationTimestamp": "2026-01-01"}}, 'cannot parse "" as "T"'),
        (POD, {"metadata": {"creationTimestamp": "2026-02-30T00:00:00Z"}}, ": day out of range"),
        (POD, {"metadata": {"creationTimestamp": "2026-02-03T00:00:00Z!"}}, ': extra text: "!"'),
    ],
)
def test_values_with_a_form_of_their_own_are_read_too(definition, obj, said):
    assert said in typed.check(obj, definition).type_error


def test_unknown_fields_are_named_with_their_paths_and_dropped():
    obj = {
        "spec": {
            "replica": 2,
            "template": {"spec": {"containers": [{"name": "a"}, {"name": "b", "foo": {"bar": 1}}]}},
        }
    }
    found = typed.check(obj, DEPLOYMENT)
    assert found.strict == ('unknown field "spec.replica"', 'unknown field "spec.template.spec.containers[1].foo"')
    assert "replica" not in found.pruned["spec"]
    assert found.pruned["spec"]["template"]["spec"]["containers"][1] == {"name": "b", "resources": {}}
    assert "replica" in obj["spec"], "what came in stays as it was"


def test_doubled_keys_are_found_in_the_text():
    raw = b'{"spec": {"replicas": 1, "replicas": 2}}'
    assert typed.check(json.loads(raw), DEPLOYMENT, raw=raw).strict == ('duplicate field "spec.replicas"',)


def test_findings_end_at_a_hundred():
    assert len(typed.check({f"x{n}": 1 for n in range(500)}, POD).strict) == 100


def test_empty_values_become_what_go_makes_of_them():
    pruned = typed.check({"spec": {"paused": False, "replicas": 0, "minReadySeconds": 0}}, DEPLOYMENT).pruned["spec"]
    assert pruned["replicas"] == 0, "a pointer: 0 is not absent"
    assert "paused" not in pruned
    assert "minReadySeconds" not in pruned
    assert pruned["strategy"] == {}
    assert typed.check({"metadata": {"labels": {}, "name": None}}, POD).pruned["metadata"] == {}


def test_null_in_a_list_or_map_is_the_zero_value():
    assert check_spec({"containers": [None]}).pruned["spec"]["containers"] == [{"name": "", "resources": {}}]
    assert typed.check({"metadata": {"labels": {"a": None}}}, POD).pruned["metadata"]["labels"] == {"a": ""}
    times = {"metadata": {}, "spec": {}, "status": {"disruptedPods": {"web": None}}}
    assert typed.check(times, "io.k8s.api.policy.v1.PodDisruptionBudget").pruned["status"]["disruptedPods"] == {
        "web": None
    }


def test_an_empty_struct_behind_a_pointer_stays():
    assert check_spec({"volumes": [{"name": "v", "emptyDir": {}}]}).pruned["spec"]["volumes"] == [
        {"name": "v", "emptyDir": {}}
    ]


def test_quantities_and_times_come_out_in_one_form():
    assert check_spec({"overhead": {"cpu": 0.5, "memory": "1024Mi"}}).pruned["spec"]["overhead"] == {
        "cpu": "500m",
        "memory": "1Gi",
    }
    lease = {"spec": {"renewTime": "2026-01-01T01:00:00.5+01:00"}}
    assert (
        typed.check(lease, "io.k8s.api.coordination.v1.Lease").pruned["spec"]["renewTime"]
        == "2026-01-01T00:00:00.500000Z"
    )
    meta = {"metadata": {"creationTimestamp": "2026-01-01T01:00:00.9+01:00"}}
    assert typed.check(meta, POD).pruned["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("obj", STORED, ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}")
def test_what_a_real_server_stored_stays_as_it_is(obj):
    obj = json.loads(json.dumps(obj))
    obj.pop("stringData", None)
    if obj["kind"] == "HorizontalPodAutoscaler":
        assert obj["status"].pop("currentMetrics") is None, "the one null it writes; we leave nulls out"
    definition = schema.definition_of(obj["apiVersion"], obj["kind"])
    assert typed.check(obj, definition) == (obj, (), "", "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*sorted(schema.fields("io.k8s.api.core.v1.Container")), "foo"])


@given(st.dictionaries(names, json_values, max_size=4))
def test_any_json_is_read_or_refused_and_reading_twice_changes_nothing(container):
    found = check_spec({"containers": [container]})
    if not found.type_error:
        assert typed.check(found.pruned, POD) == (found.pruned, (), "", "")
