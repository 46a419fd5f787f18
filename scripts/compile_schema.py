"""Makes `k8slab/api/data/`: Kubernetes' structure (schema.json) and its words (docs.json.gz).

Sources: `lightkube-models`, read as source text (fields, what is required, descriptions), and `scripts/facts/`.
Run `python -m scripts.compile_schema` in the repository; a test compares what it would write with what is there.
"""

from __future__ import annotations

import ast
import csv
import functools
import gzip
import importlib.util
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from k8slab.api import schema

HERE = Path(__file__).parent
FACTS = HERE / "facts"
DATA = HERE.parent / "k8slab" / "api" / "data"

METRICS = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
ROOTS = {  # module of lightkube.models -> what can be asked for; all that these hold comes along
    "core_v1": (
        "Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod "
        "PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount"
    ),
    "apps_v1": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "authentication_v1": "SelfSubjectReview TokenRequest",
    "authorization_v1": "SelfSubjectAccessReview SelfSubjectRulesReview",
    "autoscaling_v1": "HorizontalPodAutoscaler Scale",
    "autoscaling_v2": "HorizontalPodAutoscaler",
    "batch_v1": "CronJob Job",
    "coordination_v1": "Lease",
    "discovery_v1": "EndpointSlice",
    "events_v1": "Event",
    "meta_v1": "DeleteOptions Status",
    "networking_v1": "Ingress IngressClass",
    "policy_v1": "Eviction PodDisruptionBudget",
    "scheduling_v1": "PriorityClass",
    "storage_v1": "StorageClass",
}
# Types whose JSON form is not that of their Go struct, and Go's scalars by our names.
SPECIAL = {
    "v1.Time": "Time", "v1.MicroTime": "MicroTime", "resource.Quantity": "Quantity", "v1.FieldsV1": "FieldsV1",
    "intstr.IntOrString": "IntOrString", "runtime.RawExtension": "Any", "v1.Duration": "string", "[]uint8": "bytes",
    "v1.ExtraValue": "Any",
    "bool": "bool", "int32": "int32", "int64": "int64", "float64": "double", "string": "string",
}  # fmt: skip
STRUCTS = re.compile(r"(?:(\w+)\.)?\b([A-Z]\w+)")
MAPS = {"v1.ResourceList": "map[v1.ResourceName]resource.Quantity"}  # Go's named map types
METRICS_DOCS = {  # the one group that lightkube-models lacks
    "NodeMetrics": "NodeMetrics sets resource usage metrics of a node.",
    "PodMetrics": "PodMetrics sets resource usage metrics of a pod.",
    "ContainerMetrics": "ContainerMetrics sets resource usage metrics of a container.",
    "NodeMetricsList": "NodeMetricsList is a list of NodeMetrics.",
    "PodMetricsList": "PodMetricsList is a list of PodMetrics.",
}


class Model(NamedTuple):
    """A definition as lightkube-models writes it down."""

    fields: dict[str, tuple[str, bool]]  # name -> (annotation, required)
    about: str
    words: dict[str, str]  # name -> description


class GoField(NamedTuple):
    """A row of go-fields.tsv."""

    number: str
    type: str
    omitempty: bool


def identify(module: str, name: str) -> str:
    """The id of a definition in Kubernetes' OpenAPI."""
    group, version = module.rsplit("_", 1)
    return f"{schema.META}.{name}" if module == "meta_v1" else f"io.k8s.api.{group}.{version}.{name}"


@functools.cache
def models(module: str) -> dict[str, Model]:
    """The dataclasses of one module, read from its source: importing them says less."""
    found = importlib.util.find_spec(f"lightkube.models.{module}")
    if found is None or found.origin is None:
        raise SystemExit(f"There is no lightkube.models.{module}: pip install 'k8slab[test]'")
    tree = ast.parse(Path(found.origin).read_text())
    return {node.name: _model(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _model(node: ast.ClassDef) -> Model:
    found = {}
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name, annotation = line.target.id, ast.literal_eval(line.annotation)
            for keyword in line.value.keywords if isinstance(line.value, ast.Call) else ():
                if keyword.arg == "metadata":  # a Python keyword: `continue_`, `from_`
                    name = ast.literal_eval(keyword.value)["json"]
            found[name] = (annotation, line.value is None)
    about, _, rest = (ast.get_docstring(node, clean=False) or "").partition("**parameters**")
    parts = re.split(r"^ *\* \*\*(\w+)\*\* ``[^`]*`` - ?", rest, flags=re.MULTILINE)[1:]
    words = {name.removesuffix("_"): flow(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}
    return Model(found, flow(about), words)


def flow(text: str) -> str:
    """Text as one line a paragraph; lists keep their lines."""
    lines = textwrap.dedent("      " + text.strip("\n")).strip().splitlines()
    out = ""
    for line in map(str.strip, lines):
        apart = not out or out.endswith("\n") or not line or re.match(r"[*\-+] |\d+[.)] ", line)
        out += ("\n" if apart and out else "" if apart else " ") + line
        out += "\n" if not line else ""
    return re.sub(r"\n{3,}", "\n\n", out).strip()


def reach() -> dict[str, tuple[str, str]]:
    """Every definition that a root holds, directly or not: id -> (module, name)."""
    todo = [(module, name) for module, names in ROOTS.items() for name in names.split()]
    todo += [(module, f"{name}List") for module, name in todo if f"{name}List" in models(module)]
    found: dict[str, tuple[str, str]] = {}
    while todo:
        module, name = todo.pop()
        model = models(module).get(name) if not module.startswith(("runtime", "util", "resource")) else None
        if model is None or identify(module, name) in found:
            continue
        found[identify(module, name)] = (module, name)
        todo += [(at or module, held) for note, _ in model.fields.values() for at, held in STRUCTS.findall(note)]
    return dict(sorted(found.items()))


def table(name: str) -> Iterator[list[str]]:
    """The rows of a table of facts; the definition with its full id."""
    with (FACTS / name).open(newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        yield from ([full(row[0]), *row[1:]] for row in rows)


def full(short: str) -> str:
    """`apis.meta.v1.ListMeta` -> `io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta`."""
    return f"io.k8s.{short}" if not short.startswith("apis.") else f"io.k8s.apimachinery.pkg.{short}"


def struct_of(annotation: str, module: str) -> str:
    """The definition an annotation names: `Optional[List[core_v1.Pod]]`; empty if it is none of ours."""
    for at, name in STRUCTS.findall(annotation):
        if name not in ("Optional", "List") and name in models(at or module):
            return identify(at or module, name)
    return ""


def spec_of(go: GoField, struct: str, required: bool, facts: dict[str, Any], atomic: set[str]) -> dict[str, Any]:
    """A field as schema.json has it: the attributes of `schema.Field` that differ from their defaults."""
    pointer = go.type.startswith("*")
    shown = go.type.lstrip("*")  # what Go's error messages call it
    holds: Literal["one", "list", "map"] = "one"
    held = MAPS.get(shown, shown)
    if held.startswith("map["):
        holds, held = "map", held.partition("]")[2]
    elif held.startswith("[]") and held != "[]uint8":
        holds, held = "list", held[2:]
    within, _, number = go.number.rpartition(".")
    type_ = SPECIAL.get(held) or struct or "string"  # what remains are Go's named strings
    plain = type_ in schema.SCALARS
    spec: dict[str, Any] = {"type": type_, "holds": holds, "number": int(number), "within": int(within or 0)}
    if not pointer and type_ not in ("Time", "MicroTime", "Any", "FieldsV1", "IntOrString"):
        structural = holds == "one" and not plain
        spec["zero"] = "fill" if structural or (not go.omitempty and holds == "one") else "drop" if go.omitempty else ""
    if shown != schema.Field(type_, holds).go_type:
        spec["go"] = shown
    spec["required"] = required
    spec |= {
        "merge_key": facts.get("patch-merge-key"),
        "strategy": facts["patch-strategy"].split(",") if "patch-strategy" in facts else None,
        "list_type": facts.get("list-type"),
        "map_keys": facts.get("list-map-keys"),
        "atomic": facts.get("map-type") == "atomic" or (struct in atomic and facts.get("map-type") != "granular"),
    }
    return {key: value for key, value in spec.items() if value and (key, value) != ("holds", "one")}


def compile_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """(structure, words): definition -> field -> spec, and definition -> field -> description ("" is its own)."""
    go: dict[str, dict[str, GoField]] = {}
    for definition, name, number, type_, omitempty in table("go-fields.tsv"):
        go.setdefault(definition, {})[name] = GoField(number, type_, bool(omitempty))
    facts = {(definition, name): json.loads(what) for definition, name, what in table("field-facts.tsv")}
    atomic = {full(line) for line in (FACTS / "atomic-structs.txt").read_text().split()}
    structure, docs = {}, {}
    for definition, (module, name) in reach().items():
        model = models(module)[name]
        structure[definition] = {
            field: spec_of(
                go[definition][field], struct_of(note, module), required, facts.get((definition, field), {}), atomic
            )
            for field, (note, required) in sorted(model.fields.items())
        }
        docs[definition] = {"": model.about, **{field: model.words.get(field, "") for field in sorted(model.fields)}}
    for name, about in METRICS_DOCS.items():
        definition = f"{METRICS}.{name}"
        docs[definition] = {"": about}
        structure[definition] = {
            field: spec_of(row, _metrics_struct(row.type), field in ("timestamp", "window", "usage"), {}, atomic)
            for field, row in sorted(go[definition].items())
        }
    return structure, docs


def _metrics_struct(type_: str) -> str:
    package, _, name = type_.lstrip("*[]").rpartition(".")
    return f"{METRICS}.{name}" if package == "v1beta1" else f"{schema.META}.{name}" if name.endswith("Meta") else ""


def dump(value: Any) -> bytes:
    """One line a definition, so that a change shows in a diff."""
    lines = (f"{json.dumps(key)}:{json.dumps(value[key], separators=(',', ':'))}" for key in value)
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def main() -> None:
    """Write the data."""
    structure, docs = compile_schema()
    DATA.mkdir(exist_ok=True)
    (DATA / "schema.json").write_bytes(dump(structure))
    (DATA / "docs.json.gz").write_bytes(gzip.compress(dump(docs), mtime=0))


if __name__ == "__main__":
    main()
