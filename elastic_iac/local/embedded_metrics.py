"""CloudWatch's embedded metric format: metrics inside a log event.

Source: SPEC = "Specification: Embedded metric format" in the CloudWatch user guide. An event that breaks it yields nothing: CloudWatch says so
nowhere but in a metric of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

MAX_METRICS, MAX_DIMENSIONS, MAX_VALUES = 100, 30, 100  # SPEC: per directive, per set, per metric
_MARK = '"_aws"'


def embedded(message: str) -> list[tuple[str, dict[str, Any]]]:
    """The metrics of one log event: each a namespace and a datum as PutMetricData takes it."""
    if _MARK not in message:
        return []
    try:
        document = json.loads(message)
        return list(_metrics(document))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return []


def _metrics(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    at = datetime.fromtimestamp(document["_aws"]["Timestamp"] / 1000, UTC)  # SPEC: milliseconds, required
    for directive in document["_aws"]["CloudWatchMetrics"]:
        metrics, sets = directive["Metrics"], directive["Dimensions"]
        if len(metrics) > MAX_METRICS:
            raise ValueError("too many metrics")
        for names in sets:  # SPEC: a metric of its own for each set of dimensions
            dimensions = [{"Name": name, "Value": _text(document[name])} for name in names]
            if len(dimensions) > MAX_DIMENSIONS:
                raise ValueError("too many dimensions")
            for metric in metrics:
                if metric["Name"] in document:
                    datum = {
                        "MetricName": metric["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": at,
                        "Unit": metric.get("Unit", "None"),
                        "Values": _values(document[metric["Name"]]),
                    }
                    yield directive["Namespace"], datum


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:  # SPEC: the target member of a dimension is a string
        raise ValueError("a dimension that is not text")
    return value


def _values(value: Any) -> list[float]:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not values or len(values) > MAX_VALUES:
        raise ValueError("no value, or too many")
    if any(isinstance(item, bool) or not isinstance(item, int | float) for item in values):
        raise ValueError("a value that is not a number")
    return [float(item) for item in values]
