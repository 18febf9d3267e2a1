"""JSON Schema of spec.yaml, for editors and for messages. Made from the models; nothing is written by hand."""

import json
from functools import lru_cache
from typing import Any

from specs.spec import CustomizationSpec

JsonSchema = dict[str, Any]


def json_schema() -> JsonSchema:
    """Return the schema of spec.yaml. Draft 7, because every YAML language server knows it."""
    schema = CustomizationSpec.model_json_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **schema,
        "title": "Tailor spec",
        "description": "One customization of a language model, from goal to budget.",
    }


@lru_cache(maxsize=1)
def schema_text() -> str:
    """Return the schema as indented JSON."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
