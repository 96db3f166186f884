"""JSON schemas of arguments that the job's settings declare, by the type that has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from elastic_iac.forecast_args import FORECAST_FIELDS
from forecasting.settings import Event, Exclusion, Fleet, Prices, Settings

_Fields = dict[str, dict[str, Any]]


def _fields(model: type[Settings], names: Iterable[str] | None = None, *, defaults: bool = True) -> _Fields:
    """Enumeration and default of each field."""
    found: dict[str, Any] = model.model_json_schema()["properties"]
    return {name: _one(found[name], defaults=defaults) for name in (found if names is None else names)}


def _one(schema: dict[str, Any], *, defaults: bool) -> dict[str, Any]:
    kinds = [schema, *schema.get("anyOf", [])]
    values = next((kind["enum"] for kind in kinds if "enum" in kind), None)
    default = schema.get("default") if defaults else None
    return {key: value for key, value in (("enum", values), ("default", default)) if value is not None}


_GROUPS = _fields(Fleet, FORECAST_FIELDS)
_POOLS = _fields(Fleet, FORECAST_FIELDS, defaults=False)  # some defaults of a pool depend on its workload

DECLARED: dict[str, _Fields] = {
    "LoadPrices": _fields(Prices),
    "LoadEvent": _fields(Event),
    "LoadExclusion": _fields(Exclusion),
    **dict.fromkeys(("AwsForecast", "GcpForecast"), _GROUPS),
    **dict.fromkeys(("AwsGpuForecast", "GcpGpuForecast"), _POOLS),
}
