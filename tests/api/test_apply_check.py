from __future__ import annotations

import pytest

from k8slab.api import apply_check, go_text
from tests.api.test_managed_fields import DEPLOYMENT, deployment

IN = ".spec.template.spec.containers"
UNKNOWN = "field not declared in schema"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (deployment({"name": "a", "image": "i"}, replicas=None), ""),
        (deployment(replicaz=1), f".spec.replicaz: {UNKNOWN}"),
        (deployment(replicas="two"), ".spec.replicas: expected numeric (int or float), got string"),
        (deployment(paused="yes"), ".spec.paused: expected boolean, got &{yes}"),
        (deployment(strategy=["a", 1]), ".spec.strategy: expected map, got &{[a 1]}"),
        (deployment({"name": "a", "args": {"x": True}}), f'{IN}[name="a"].args: expected list, got &{{map[x:true]}}'),
        (deployment({"name": "a", "env": [{"name": "X", "value": 1}]}),
         f'{IN}[name="a"].env[name="X"].value: expected string, got &value.valueUnstructured{{Value:1}}'),
        (deployment({"image": "i"}), f"{IN}: element 0: associative list with keys has an element that omits key field "
         '"name" (and doesn\'t have default value)'),
        (deployment("a"), f"{IN}: element 0: associative list with keys may not have non-map elements"),
        (deployment({"name": "a"}, {"name": "a"}), f'{IN}: duplicate entries for key [name="a"]'),
        (deployment({"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}), ""),
        (deployment(a=1, b=2), f"errors:\n  .spec.a: {UNKNOWN}\n  .spec.b: {UNKNOWN}"),
    ],
)  # fmt: skip
def test_what_does_not_fit(config, said):
    assert apply_check.problems(config, DEPLOYMENT) == said


@pytest.mark.parametrize(
    ("value", "plain", "syntax"),
    [
        ("a b", "a b", '"a b"'), (1, "1", "1"), (True, "true", "true"), (None, "<nil>", "<nil>"), (1.5, "1.5", "1.5"),
        ({"b": [1, "x"], "a": {}}, "map[a:map[] b:[1 x]]",
         'map[string]interface {}{"a":map[string]interface {}{}, "b":[]interface {}{1, "x"}}'),
    ],
)  # fmt: skip
def test_data_as_go_prints_it(value, plain, syntax):
    assert (go_text.plain(value), go_text.syntax(value)) == (plain, syntax)
