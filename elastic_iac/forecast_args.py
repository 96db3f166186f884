"""Arguments of a group's forecast that both clouds share, as far as Pulumi's analyzer takes them to other languages."""

from typing import NotRequired, TypedDict

import pulumi


class LoadPrices(TypedDict):
    """The price of too much against too little; the plan's quantile follows."""

    instance_hour: pulumi.Input[float]
    """What an instance costs per hour."""
    unmet_instance_hour: pulumi.Input[float]
    """What it costs to miss one instance for one hour, in the same currency."""


class LoadEvent(TypedDict):
    """A known future event: a sale, a launch, a match."""

    name: pulumi.Input[str]
    """What it is."""
    start: pulumi.Input[str]
    """ISO 8601 with its UTC offset, for example '2027-11-26T08:00:00+01:00'."""
    end: pulumi.Input[str]
    """As `start`, and later."""
    load_factor: NotRequired[pulumi.Input[float]]
    """The forecast is multiplied by this within the event; 1 by default."""


FORECAST_FIELDS = (
    "load_per_instance",
    "lead_time_seconds",
    "quantile",
    "prices",
    "step_minutes",
    "horizon_hours",
    "max_increase_per_slot",
    "max_decrease_per_slot",
    "time_zone",
    "model",
    "max_load",
    "events",
    "dry_run",
    "enabled",
)
"""Fields of `AwsForecast` and `GcpForecast` that a fleet has under the same name.

Each type repeats them: the analyzer loses the documentation of inherited fields.
"""
