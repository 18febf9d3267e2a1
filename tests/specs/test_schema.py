"""The JSON Schema that editors use."""

import importlib.util
import json
from typing import Any

import pytest

from specs.schema import json_schema, schema_text
from specs.tree import read_tree


def _fields(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    shapes = [schema, *schema["$defs"].values()]
    return [pair for shape in shapes for pair in shape.get("properties", {}).items()]


def _target(schema: dict[str, Any], field: dict[str, Any]) -> str:
    return schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {}).get("description", "")


def test_every_field_is_described() -> None:
    schema = json_schema()
    names = {name for name, field in _fields(schema) if not (field.get("description") or _target(schema, field))}
    assert names == set()


def test_schema_knows_every_section_and_method() -> None:
    schema = json_schema()
    assert schema["$schema"].startswith("http://json-schema.org/draft-07/")
    assert list(schema["properties"]) == ["version", "name", "goal", "model", "data", "train", "compute", "evaluation",
                                          "deployment", "budget"]  # fmt: skip
    assert set(schema["properties"]["train"]["items"]["discriminator"]["mapping"]) == {
        "cpt", "sft", "dpo", "rlvr", "rlaif"
    }  # fmt: skip
    assert all(shape.get("additionalProperties") is False for shape in schema["$defs"].values())


def test_every_reference_of_the_schema_resolves() -> None:
    schema = json_schema()
    names = {part.split('"')[0] for part in schema_text().split('"#/$defs/')[1:]}
    assert names <= set(schema["$defs"])
    assert json.loads(schema_text()) == schema


@pytest.mark.skipif(importlib.util.find_spec("jsonschema") is None, reason="jsonschema is not installed")
def test_schema_accepts_the_example_and_refuses_a_wrong_key(spec_text: str) -> None:
    validator = importlib.import_module("jsonschema").Draft7Validator(json_schema())
    values = read_tree(spec_text, "x").root.value
    assert list(validator.iter_errors(values)) == []
    assert list(validator.iter_errors({**values, "gaol": 1}))
    assert list(validator.iter_errors({**values, "train": [{"method": "sft", "epochs": "many"}]}))
