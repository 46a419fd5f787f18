import json

import pytest

from k8slab.api import schema
from k8slab.api.kinds import ROWS
from k8slab.apiserver import openapi

PLACES = {"api/v1": ("", "v1"), "apis/apps/v1": ("apps", "v1")}


@pytest.fixture(scope="module")
def apps():
    return json.loads(openapi.v3("apis/apps/v1"))


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_index_names_a_document_for_every_group_version():
    paths = openapi.v3_index()["paths"]
    assert set(PLACES) <= set(paths)
    assert paths["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")
    assert len({entry["serverRelativeURL"] for entry in paths.values()}) == len(paths)
    for home in paths:
        assert json.loads(openapi.v3(home))["openapi"] == "3.0.0"


def test_a_document_that_is_not_there():
    with pytest.raises(KeyError):
        openapi.v3("apis/nope/v1")


@pytest.mark.parametrize("home", sorted(openapi.v3_index()["paths"]))
def test_every_reference_leads_somewhere(home):
    document = json.loads(openapi.v3(home))
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= there


def test_v2_is_whole_too():
    document = json.loads(openapi.v2())
    assert document["swagger"] == "2.0"
    assert set(references(document)) <= {f"#/definitions/{name}" for name in document["definitions"]}
    assert document["definitions"]["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"]


@pytest.mark.parametrize("row", [row for row in ROWS if "patch" in row.verbs], ids=lambda row: row.kind)
def test_kubectl_finds_that_patch_validates_and_tries(row):
    """What client-go's query_param_verifier_v3.go and kubectl apply's patcher look for."""
    home = f"apis/{row.group}/{row.version}" if row.group else f"api/{row.version}"
    gvk = {"group": row.group, "version": row.version, "kind": row.kind}
    patches = [
        item["patch"]
        for item in json.loads(openapi.v3(home))["paths"].values()
        if item.get("patch", {}).get("x-kubernetes-group-version-kind") == gvk
    ]
    assert patches
    for patch in patches:
        asked = {parameter["name"] for parameter in patch["parameters"] if parameter["in"] == "query"}
        assert {"fieldValidation", "dryRun", "fieldManager", "force"} <= asked
        assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


def test_schemas_say_what_a_field_is_and_how_it_merges(apps):
    schemas = apps["components"]["schemas"]
    deployment = schemas["io.k8s.api.apps.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    spec = schemas["io.k8s.api.apps.v1.DeploymentSpec"]
    assert spec["required"] == ["selector", "template"]
    assert spec["properties"]["replicas"]["format"] == "int32"
    assert "Number of desired pods" in spec["properties"]["replicas"]["description"]
    assert spec["properties"]["strategy"]["x-kubernetes-patch-strategy"] == "retainKeys"
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["items"] == {
        "allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}],
        "default": {},
    }
    assert (containers["x-kubernetes-patch-merge-key"], containers["x-kubernetes-list-map-keys"]) == ("name", ["name"])
    assert schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["nodeSelector"]["x-kubernetes-map-type"] == "atomic"


def test_subresources_take_and_give_their_own_kinds(apps):
    scale = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["put"]
    assert scale["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    reference = {"$ref": "#/components/schemas/io.k8s.api.autoscaling.v1.Scale"}
    assert scale["requestBody"]["content"]["application/json"]["schema"] == reference
    assert apps["components"]["schemas"]["io.k8s.api.autoscaling.v1.Scale"]["x-kubernetes-group-version-kind"]


def test_operation_ids_are_unique():
    for home in openapi.v3_index()["paths"]:
        paths = json.loads(openapi.v3(home))["paths"]
        ids = [op["operationId"] for item in paths.values() for op in item.values() if isinstance(op, dict)]
        assert len(ids) == len(set(ids))


def test_every_kind_has_a_definition():
    assert [row.kind for row in ROWS if row.definition not in schema.definitions()] == []
