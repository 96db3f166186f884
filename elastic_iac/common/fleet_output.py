"""The `fleet` output of a group: its forecast settings in the form that the forecasting job reads, whatever the cloud."""

import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from elastic_iac.common.capacity import Sizes
from elastic_iac.common.parsing import ArgumentsError
from elastic_iac.common.schema.base import Arguments, Value, whole_numbers
from elastic_iac.common.schema.fleet import FORECAST_FIELDS
from elastic_iac.common.validation import is_literal
from forecasting.errors import SettingsError
from forecasting.settings import SETTINGS_VERSION, Fleet, problems_of

_STAND_INS: Mapping[str, object] = {
    "load_per_instance": 1.0,
    "floor": 0,
    "ceiling": 100_000,
    "namespace": "unknown",
    "metric_name": "unknown",
    "saturated_above": 1.0,
    "instance_hour": 1.0,
    "unmet_instance_hour": 1.0,
    "name": "unknown",
    "group_name": "unknown",
    "region": "us-east-1",
    "type": "unknown.example.com/unknown",
    "start": "2000-01-01T00:00:00Z",
    "end": "2200-01-01T00:00:00Z",
    "project": "unknown",
    "location": "europe-west1",
    "autoscaler": "unknown",
    "group": "unknown",
    "kind": "regional",
}
"""Required values for checking the others while these are outputs; optional outputs are left out of the early check."""

_ARGUMENT_OF = (
    ("source.metric.type", "forecast.load.metric_type"),
    ("source.metric.", "forecast.load."),
    ("source.per_instance", "forecast.load.per_instance"),
    ("source.saturated_above", "forecast.saturated_cpu_percent"),
    ("source.", "forecast."),
    ("target.", ""),
    ("pool.windows", "capacity_blocks"),
    ("pool.", "forecast."),
    ("floor", "min_size"),
    ("ceiling", "max_size"),
)
"""Where a field of the fleet comes from, so that a message names what the user wrote."""


def fleet_fields(
    name: str, cloud: str, forecast: Arguments, sizes: Sizes, load_per_instance: Value[float]
) -> dict[str, Any]:
    """The fields of a fleet that are the same on every cloud; of the forecast, those that were given."""
    own = {"name": name, "cloud": cloud, "load_per_instance": load_per_instance}
    return {**own, "floor": sizes.minimum, "ceiling": sizes.maximum, **forecast.given(*FORECAST_FIELDS)}


def check_literals(settings: Mapping[str, Any]) -> None:
    """Check a fleet's literals against the job's own contract; outputs are checked by `fleet_json`.

    Raises:
        SettingsError: the first wrong literal, by the argument's name.
    """
    fleet_json(_literals(settings))


def _literals(value: Any) -> Any:
    """`value` without its outputs, or with stand-ins where a fleet needs a value."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        known = {key: item if is_literal(item) else _STAND_INS.get(key) for key, item in items}
        return {key: _literals(item) for key, item in known.items() if item is not None}
    if isinstance(value, list):
        return [_literals(item) for item in cast("list[object]", value) if is_literal(item)]
    return value


def fleet_json(settings: Mapping[str, Any]) -> str:
    """A fleet's settings as the JSON that `forecasting.settings.Fleet.model_validate_json` reads.

    Only what is set is in it: a job of an older release reads it too, as long as nothing is used that it does not know.

    Raises:
        ArgumentsError: all values that the job would refuse, by the argument's name.
    """
    try:
        fleet = Fleet.model_validate({"version": SETTINGS_VERSION, **whole_numbers(settings)})
    except ValidationError as error:
        problems = [SettingsError(_argument(each.field), each.value, each.expected) for each in problems_of(error)]
        raise ArgumentsError(problems) from error
    return fleet.model_dump_json(exclude_unset=True)


def _argument(field: str) -> str:
    field = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", field)
    for start, argument in _ARGUMENT_OF:
        if field.startswith(start):
            return argument + field.removeprefix(start)
    return f"forecast.{field}" if field else "forecast"
