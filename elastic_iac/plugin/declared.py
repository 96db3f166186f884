"""JSON schemas of the declared arguments, by the type that has them: their enumerations and defaults."""

from __future__ import annotations

from typing import Any

from elastic_iac.common.generate import TARGETS, default_of, kind_of, objects_of
from elastic_iac.common.schema.base import Arguments

_Fields = dict[str, dict[str, Any]]


def _fields(kind: type[Arguments]) -> _Fields:
    found: _Fields = {}
    for name, info in kind.model_fields.items():
        declared = kind_of(info)
        schema = (
            {}
            if declared is None
            else {key: declared.schema[key] for key in ("enum", "items") if key in declared.schema}
        )
        default = default_of(info)
        found[name] = schema if default is None else {**schema, "default": default}
    return found


DECLARED: dict[str, _Fields] = {kind.__name__: _fields(kind) for name in TARGETS for kind in objects_of(name)}
