"""The dashboard: a row of the job, then a row of each fleet with its load, its floor and its accuracy."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from elastic_iac.aws.forecast_job.alarms import NAMESPACE
from elastic_iac.common.forecast_job import watched_minutes

_WIDTH = 24
_HEIGHT = 6


def dashboard_body(
    job: str,
    fleets: Sequence[str],
    *,
    region: str,
    function_name: str,
    queue_name: str,
    interval_minutes: int,
    short_run_minutes: int = 0,
) -> str:
    """The dashboard of one function as CloudWatch reads it (500 widgets at most: 4 and 3 for each of at most 150 fleets)."""
    period = 60 * watched_minutes(interval_minutes, short_run_minutes)
    rows = [
        _job_row(job, function_name, queue_name, interval_minutes),
        *(_fleet_row(function_name, fleet) for fleet in fleets),
    ]
    widgets = [
        {
            "type": "metric",
            "x": column * (_WIDTH // len(row)),
            "y": index * _HEIGHT,
            "width": _WIDTH // len(row),
            "height": _HEIGHT,
            "properties": {"view": "timeSeries", "region": region, "period": period, **graph},
        }
        for index, row in enumerate(rows)
        for column, graph in enumerate(row)
    ]
    return json.dumps({"widgets": widgets}, separators=(",", ":"))


def _job_row(job: str, function_name: str, queue_name: str, interval_minutes: int) -> list[Mapping[str, Any]]:
    def of_job(*names: str) -> list[list[Any]]:
        return [[NAMESPACE, name, "Job", function_name] for name in names]

    return [
        {
            "title": f"{job}: fleets",
            "stat": "Maximum",
            "metrics": of_job(
                "FleetsServed",
                "FleetsHeld",
                "FleetsFailed",
                "FleetsDeferred",
                "FleetsPinned",
                "FleetsCapacityLimited",
                "FleetsLaunchesFailing",
            ),
        },
        {
            "title": f"{job}: age of the oldest plan, minutes",
            "stat": "Maximum",
            "metrics": of_job("OldestPlanAgeMinutes"),
            "annotations": {"horizontal": [{"label": "alarm", "value": 2 * interval_minutes}]},
        },
        {
            "title": f"{job}: writes, and what went wrong",
            "stat": "Sum",
            "metrics": [
                *of_job("Writes", "WritesRefused"),
                ["AWS/Lambda", "Errors", "FunctionName", function_name],
                ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue_name, {"stat": "Maximum"}],
            ],
        },
        {
            "title": f"{job}: seconds of a run",
            "stat": "Maximum",
            "metrics": [*of_job("RunSeconds")],
        },
    ]


def _fleet_row(function_name: str, fleet: str) -> list[Mapping[str, Any]]:
    def of_fleet(name: str, **options: Any) -> list[Any]:
        return [NAMESPACE, name, "Job", function_name, "Fleet", fleet, options]

    return [
        {
            "title": f"{fleet}: load and forecast",
            "stat": "Average",
            "metrics": [
                of_fleet("Load", label="load"),
                of_fleet("ForecastHigh", label="high"),
                of_fleet("ForecastMedian", label="median"),
                of_fleet("ForecastLow", label="low"),
            ],
        },
        {
            "title": f"{fleet}: floor and capacity, instances",
            "stat": "Average",
            "metrics": [of_fleet("Floor", label="floor"), of_fleet("Capacity", label="capacity")],
        },
        {
            "title": f"{fleet}: accuracy, weighted quantile loss",
            "stat": "Average",
            "metrics": [
                of_fleet("WeightedQuantileLoss", label="forecast"),
                of_fleet("NaiveWeightedQuantileLoss", label="seasonal naive"),
            ],
        },
    ]
