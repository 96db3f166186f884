"""What an invocation measures, by name and unit: the same on every cloud. The entry points hand it to their cloud's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from forecasting.invocation.summary import OUTDATED, FleetLine, Summary

Unit = Literal["Count", "Seconds", "None"]
Metric = tuple[str, Unit, float]

_COUNTS = {
    "FleetsServed": "served",
    "FleetsHeld": "held",
    "FleetsFailed": "failed",
    "FleetsDeferred": "deferred",
    "FleetsPinned": "pinned",
    "FleetsWorseThanNaive": "worse_than_naive",
    "FleetsUncovered": "uncovered",
    "FleetsCapacityLimited": "capacity_limited",
    "FleetsLaunchesFailing": "launches_failing",
    "WritesRefused": "refused",
    "Writes": "writes",
}

_OF_FULL_RUNS = {"worse_than_naive"}
"""What a short run does not look at: its zeros would clear the alarm."""


def job_metrics(summary: Summary) -> Iterator[Metric]:
    """Of the job as a whole; dimension `Job`.

    A repeated delivery did nothing and measures nothing: its zeros would clear alarms that the first one raised.
    """
    if summary.lines and all(line.duplicate for line in summary.lines):
        return
    for name, key in _COUNTS.items():
        if summary.kind == "short" and key in _OF_FULL_RUNS:
            continue
        yield name, "Count", summary.counts[key]
    yield "RunSeconds", "Seconds", summary.seconds
    if summary.lines and all(line.code == OUTDATED for line in summary.lines):
        return  # no plan's age is known, and silence raises the alarm
    # Where a person has stopped all fleets, nobody waits for a plan: silence would say that the job is dead.
    yield "OldestPlanAgeMinutes", "None", summary.oldest_plan_age_minutes or 0.0


def fleet_metrics(line: FleetLine) -> Iterator[Metric]:
    """Of one fleet; dimensions `Job` and `Fleet`. What the run did not come to is left out."""
    values = {
        "Load": line.load,
        "ForecastLow": line.forecast_low,
        "ForecastMedian": line.forecast_median,
        "ForecastHigh": line.forecast_high,
        "Floor": line.floor,
        "Capacity": line.capacity,
        "WeightedQuantileLoss": line.weighted_quantile_loss,
        "NaiveWeightedQuantileLoss": line.naive_weighted_quantile_loss,
    }
    for name, value in values.items():
        if value is not None:
            yield name, "None", value
