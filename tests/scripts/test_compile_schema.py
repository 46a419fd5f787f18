"""The data in the package is what the script makes of its sources today."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "compile_schema.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compile_schema", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_data_is_fresh(script):
    structure, docs = script.compile_schema()
    again = "run `python -m scripts.compile_schema`"
    assert (script.DATA / "schema.json").read_bytes() == script.dump(structure), again
    # Compared unpacked: another zlib packs the same words into other bytes.
    assert gzip.decompress((script.DATA / "docs.json.gz").read_bytes()) == script.dump(docs), again


def test_every_fact_is_about_a_field_there_is(script):
    structure, _ = script.compile_schema()
    unknown = [(d, f) for d, f, *_ in script.table("field-facts.tsv") if d in structure and f not in structure[d]]
    assert not unknown


def test_formats_of_a_real_server_agree_with_gos_types(script):
    """Two sources, one answer: the OpenAPI document of 1.36 and the type information in kubectl."""
    structure, _ = script.compile_schema()
    for definition, name, what in script.table("field-facts.tsv"):
        facts = json.loads(what)
        told = facts.get("format") or facts.get("type")
        if told and definition in structure:
            assert structure[definition][name]["type"] == told, (definition, name)


def test_numbers_are_known_but_for_a_few_young_fields(script):
    structure, _ = script.compile_schema()
    missing = [
        f"{definition}.{name}"
        for definition, fields in structure.items()
        for name, spec in fields.items()
        if "number" not in spec and name not in ("apiVersion", "kind")
    ]
    assert len(missing) == 10, missing


def test_text_flows_and_lists_keep_their_lines(script):
    assert script.flow("one\n        two\n        three") == "one two three"
    assert script.flow("these:\n        * a\n        * b") == "these:\n* a\n* b"
    assert script.flow("one\n\n        two") == "one\n\ntwo"
