from k8slab.api import schema

POD_SPEC = "io.k8s.api.core.v1.PodSpec"


def test_a_field_knows_type_merging_and_number():
    containers = schema.fields(POD_SPEC)["containers"]
    assert (containers.type, containers.holds, containers.required) == ("io.k8s.api.core.v1.Container", "list", True)
    assert (containers.merge_key, containers.strategy, containers.list_type) == ("name", ("merge",), "map")
    assert containers.map_keys == ("name",)
    assert containers.number == 2
    assert schema.fields(POD_SPEC)["volumes"].strategy == ("merge", "retainKeys")


def test_atomic_is_told_of_maps_and_of_structs():
    assert schema.fields(POD_SPEC)["nodeSelector"].atomic
    assert schema.fields("io.k8s.api.apps.v1.DeploymentSpec")["selector"].atomic
    assert not schema.fields("io.k8s.api.core.v1.PersistentVolumeSpec")["claimRef"].atomic, "granular, says a real 1.36"


def test_types_that_json_shows_in_a_form_of_their_own():
    of = schema.fields
    assert of("io.k8s.api.core.v1.ResourceRequirements")["limits"].type == "Quantity"
    assert of("io.k8s.api.core.v1.ResourceRequirements")["limits"].holds == "map"
    assert of("io.k8s.api.core.v1.Secret")["data"].type == "bytes"
    assert of("io.k8s.api.core.v1.ServicePort")["targetPort"].type == "IntOrString"
    assert of("io.k8s.api.coordination.v1.LeaseSpec")["renewTime"].type == "MicroTime"
    assert of("io.k8s.api.apps.v1.ControllerRevision")["data"].type == "Any"
    assert of(f"{schema.META}.ManagedFieldsEntry")["fieldsV1"].type == "FieldsV1"


def test_an_embedded_struct_is_a_message_of_its_own_on_the_wire():
    assert (schema.fields("io.k8s.api.core.v1.Probe")["httpGet"].within, schema.fields(POD_SPEC)["volumes"].within) == (
        1,
        0,
    )


def test_go_names():
    assert schema.fields(POD_SPEC)["containers"].go_type == "[]v1.Container"
    assert schema.fields(POD_SPEC)["restartPolicy"].go_type == "v1.RestartPolicy"
    assert schema.fields(f"{schema.META}.ObjectMeta")["labels"].go_type == "map[string]string"
    assert schema.fields("io.k8s.api.core.v1.Secret")["data"].go_item == "[]uint8"


def test_every_type_named_is_there():
    for definition in schema.definitions():
        for name, field in schema.fields(definition).items():
            known = field.type in schema.SCALARS or field.type in schema.SPECIAL or schema.fields(field.type)
            assert known, (definition, name)


def test_no_two_fields_share_a_number():
    for definition in schema.definitions():
        numbers = [(f.within, f.number) for f in schema.fields(definition).values() if f.number]
        assert len(numbers) == len(set(numbers)), definition


def test_a_kind_finds_its_definition():
    assert schema.definition_of("v1", "Pod") == "io.k8s.api.core.v1.Pod"
    assert schema.definition_of("discovery.k8s.io/v1", "EndpointSlice") == "io.k8s.api.discovery.v1.EndpointSlice"
    assert schema.definition_of("policy/v1", "Eviction") == "io.k8s.api.policy.v1.Eviction"
    assert schema.definition_of("v1", "DeleteOptions") == f"{schema.META}.DeleteOptions"
    assert schema.definition_of("metrics.k8s.io/v1beta1", "PodMetrics").endswith("metrics.v1beta1.PodMetrics")
    assert schema.definition_of("apps/v9", "Deploiment") == ""
