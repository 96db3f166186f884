"""Write `settings.schema.json`, `settings.md` and `stack.schema.json` from the settings: `make generate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forecasting.settings import job_schema

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stacks.settings import Stack

_HEAD = """# Settings

What a job and its fleets are told, in YAML or JSON. `examples/job.yaml` is a whole file; `settings.schema.json` says the same to editors.
Unknown, repeated and blank fields are errors, and so are numbers written as text. This page is written by `make generate`.
"""


def render() -> dict[str, str]:
    """The text of each file, by its name."""
    schema = job_schema()
    models = {
        "Job": schema,
        "Fleet": schema["$defs"]["Fleet"],
        **{name: model for name, model in schema["$defs"].items() if "properties" in model},
    }
    return {
        "settings.schema.json": json.dumps(schema, indent=2) + "\n",
        "stack.schema.json": json.dumps(Stack.model_json_schema(), indent=2) + "\n",
        "settings.md": "\n".join([_HEAD, *(line for name, model in models.items() for line in _section(name, model))]),
    }


def _section(name: str, model: dict[str, Any]) -> Iterator[str]:
    yield from (
        f"## {name}",
        "",
        model["description"],
        "",
        "| field | value | default | meaning |",
        "|---|---|---|---|",
    )
    for field, schema in model["properties"].items():
        default = "required" if field in model.get("required", ()) else _code(schema.get("default"))
        cells = (f"`{field}`", _value(schema), default, schema["description"].replace("|", "\\|"))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _value(schema: dict[str, Any]) -> str:
    """What the field takes, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_value(each) for each in schema[several] if each.get("type") != "null")
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(_code(each) for each in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_value(schema['items'])}"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "object": "map",
    }
    bounds = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
        "multipleOf": "multiple of",
    }
    limits = [f"{sign} {schema[key]:g}" for key, sign in bounds.items() if key in schema]
    return " ".join(
        [words[schema["type"]] if schema.get("format") != "date-time" else "time", ", ".join(limits)]
    ).strip()


def _code(value: object) -> str:
    return "" if value in (None, [], {}) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    for name, text in render().items():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8", newline="\n")
