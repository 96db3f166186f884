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
    floor: NotRequired[pulumi.Input[float]]
    """At least this many instances within the event; 0 by default."""
    repeats: NotRequired[pulumi.Input[str]]
    """'monthly' or 'yearly': it comes back on the same day and local time; a 31st on a shorter month's last day. Once by default."""
    learn_factor: NotRequired[pulumi.Input[bool]]
    """Learn the factor from earlier occurrences in the history, instead of `load_factor`; false by default."""


class LoadExclusion(TypedDict):
    """A time that is not learnt from: an incident, a load test, a broken exporter."""

    name: pulumi.Input[str]
    """What it was."""
    start: pulumi.Input[str]
    """ISO 8601 with its UTC offset, for example '2027-11-26T08:00:00+01:00'."""
    end: pulumi.Input[str]
    """As `start`, and later."""


FORECAST_FIELDS = (
    "load_per_instance",
    "lead_time_seconds",
    "quantile",
    "prices",
    "uncovered_share",
    "reactive_target",
    "short_lead",
    "step_minutes",
    "horizon_hours",
    "max_increase_per_slot",
    "max_decrease_per_slot",
    "time_zone",
    "model",
    "max_load",
    "events",
    "holidays",
    "exclusions",
    "similar_fleet",
    "expected_load",
    "dry_run",
    "enabled",
)
"""Fields of `AwsForecast` and `GcpForecast` that a fleet has under the same name.

Each type repeats them: the analyzer loses the documentation of inherited fields.
"""
