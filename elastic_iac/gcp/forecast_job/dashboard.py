"""The dashboard: a row of the job, and load, floor and accuracy of a fleet that is chosen at its head."""

import json
from collections.abc import Mapping
from typing import Any

from elastic_iac.gcp.forecast_job.metrics import FLEET_METRICS, time_series

_WIDTH = 48
_HEIGHT = 16

_ROWS: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {
        "fleets": (
            "FleetsServed",
            "FleetsHeld",
            "FleetsFailed",
            "FleetsDeferred",
            "FleetsPinned",
            "FleetsCapacityLimited",
            "FleetsLaunchesFailing",
        ),
        "age of the oldest plan, minutes": ("OldestPlanAgeMinutes",),
        "writes, and those refused": ("Writes", "WritesRefused"),
        "seconds of a run": ("RunSeconds",),
    },
    {
        "load and forecast": ("Load", "ForecastHigh", "ForecastMedian", "ForecastLow"),
        "floor and capacity, instances": ("Floor", "Capacity"),
        "accuracy, weighted quantile loss": ("WeightedQuantileLoss", "NaiveWeightedQuantileLoss"),
    },
)


def dashboard_body(job: str, metrics: Mapping[str, str], interval_minutes: int) -> str:
    """The dashboard of one function as Cloud Monitoring reads it; a filter at its head chooses the fleet.

    Metrics are the names of the log-based ones by what they measure; two points are no less apart than two runs.
    """
    tiles = [
        {
            "xPos": column * (_WIDTH // len(row)),
            "yPos": number * _HEIGHT,
            "width": _WIDTH // len(row),
            "height": _HEIGHT,
            "widget": _widget(job, title, {name: metrics[name] for name in names}, interval_minutes),
        }
        for number, row in enumerate(_ROWS)
        for column, (title, names) in enumerate(row.items())
    ]
    document = {
        "displayName": f"Forecast job {job}",
        "dashboardFilters": [{"labelKey": "fleet", "filterType": "METRIC_LABEL"}],
        "mosaicLayout": {"columns": _WIDTH, "tiles": tiles},
    }
    return json.dumps(document, separators=(",", ":"))


def _widget(job: str, title: str, metrics: Mapping[str, str], interval_minutes: int) -> dict[str, Any]:
    plots = [
        {
            "plotType": "LINE",
            "legendTemplate": measured + (" ${metric.labels.fleet}" if measured in FLEET_METRICS else ""),
            "timeSeriesQuery": {
                "timeSeriesFilter": {
                    "filter": time_series(name, {"job": job}),
                    "aggregation": {
                        "alignmentPeriod": f"{interval_minutes * 60}s",
                        "perSeriesAligner": "ALIGN_DELTA",
                        "crossSeriesReducer": "REDUCE_MEAN",
                        "groupByFields": ["metric.label.fleet"] if measured in FLEET_METRICS else [],
                    },
                }
            },
        }
        for measured, name in metrics.items()
    ]
    return {"title": f"{job}: {title}", "xyChart": {"dataSets": plots}}
