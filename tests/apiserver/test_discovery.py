"""Discovery and tables against what a real 1.36 says of the same kinds (tests/facts)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8slab.api.kinds import ROWS, group_versions
from k8slab.apiserver import discovery
from k8slab.apiserver.table import COLUMNS, DEFAULT

FACTS = Path(__file__).parent.parent / "facts"
REAL = json.loads((FACTS / "discovery.json").read_text())
REAL_COLUMNS = json.loads((FACTS / "table-columns.json").read_text())


@pytest.mark.parametrize("group_version", REAL)
def test_resources_are_listed_as_in_kubernetes(group_version):
    group, _, version = group_version.rpartition("/")
    served = {entry["name"]: entry for entry in discovery.resource_list(group, version)["resources"]}
    assert served == {entry["name"]: entry for entry in REAL[group_version]}


def test_little_is_served_beyond_what_the_real_server_was_asked_for():
    served = {f"{group}/{version}" if group else version for group, version in group_versions()}
    # The real one had no metrics server, and nobody asked it who they were.
    assert served - set(REAL) == {"authentication.k8s.io/v1", "metrics.k8s.io/v1beta1"}


@pytest.mark.parametrize("kind", [row for row in ROWS if row.kept != "nowhere"], ids=lambda row: row.definition[11:])
def test_columns_are_kubernetes_own(kind):
    fields = ("name", "type", "format", "priority")
    real = [{"format": "", **column} for column in REAL_COLUMNS[f"{kind.api_version} {kind.plural}"]]
    ours = [column.header() for column in COLUMNS.get(kind.kind, DEFAULT)]
    assert [[c[f] for f in fields] for c in ours] == [[c[f] for f in fields] for c in real]


def test_the_aggregated_form_tells_the_same():
    core, named = discovery.aggregated("v2", named=False), discovery.aggregated("v2", named=True)
    resources = [r for doc in (core, named) for g in doc["items"] for v in g["versions"] for r in v["resources"]]
    assert {r["resource"] for r in resources} == {kind.plural for kind in ROWS}
    assert [g["metadata"].get("name", "") for g in core["items"]] == [""]
    pods = next(r for r in resources if r["resource"] == "pods")
    assert pods["scope"] == "Namespaced"
    assert [s["subresource"] for s in pods["subresources"]] == [
        "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize",
        "status",
    ]  # fmt: skip


def test_an_unknown_group_is_no_group():
    with pytest.raises(KeyError):
        discovery.group("widgets.example.com")
    with pytest.raises(KeyError):
        discovery.resource_list("apps", "v9")
