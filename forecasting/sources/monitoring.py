"""Load from Google Cloud Monitoring through ListTimeSeries.

Project and group come from the fleet; credentials and endpoint from the environment (`forecasting.gcp_clients`). Filters are built from the fields of
the settings: names are checked there, values are quoted here, so nothing that a person writes is read as an expression.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import tenacity

from forecasting import gcp_clients
from forecasting.deadline import NoAnswerError, within
from forecasting.errors import CredentialsError, InputError, SourceError
from forecasting.sources.base import Reading

if TYPE_CHECKING:
    from forecasting import settings as _settings

INGESTION_DELAY = timedelta(minutes=4)
"""A sample may become visible this late (Cloud Monitoring's list of Google Cloud metrics); a period that may still grow is not read."""

MAX_ATTEMPTS = 4
"""Reads of the whole range before an incomplete answer, or none, is given up."""

_CALL_SECONDS = 30.0
_WAIT = tenacity.wait_random_exponential(multiplier=0.5, max=5)
_ALIGNERS = {
    "rate": "ALIGN_RATE",
    "mean": "ALIGN_MEAN",
    "max": "ALIGN_MAX",
    "min": "ALIGN_MIN",
    "p50": "ALIGN_PERCENTILE_50",
    "p95": "ALIGN_PERCENTILE_95",
    "p99": "ALIGN_PERCENTILE_99",
}
READ_SECONDS = 120.0
"""Longest read of a fleet's metrics, retries and pages included; less if the run has less time left."""

_REDUCERS = {"sum": "REDUCE_SUM", "mean": "REDUCE_MEAN", "max": "REDUCE_MAX", "min": "REDUCE_MIN"}


class CloudMonitoringSource:
    """Reads the load of a group from one metric, with the metrics that say how far it can be trusted."""

    def __init__(self, settings: _settings.CloudMonitoringSource, *, target: _settings.GcpTarget) -> None:
        self._settings = settings
        self._target = target
        self._project = settings.project or target.project

    def read(self, start: datetime, end: datetime) -> Reading:
        """Samples with start <= stamp < end that can no longer grow; see `forecasting.sources.base.Source`."""
        if start.tzinfo is None or end.tzinfo is None:
            raise InputError(f"start {start} and end {end} must have a UTC offset")
        try:
            return within(READ_SECONDS, lambda: self._read(start, end))
        except NoAnswerError as error:
            raise SourceError(f"Cloud Monitoring, project {self._project!r}: {error}") from None

    def _read(self, start: datetime, end: datetime) -> Reading:
        settings, period = self._settings, self._settings.period_seconds
        first = datetime.fromtimestamp(math.ceil(start.timestamp() / period) * period, UTC)
        last = datetime.fromtimestamp((end - INGESTION_DELAY).timestamp() // period * period, UTC)
        load, warnings = _samples([]), ()
        others: dict[str, pd.Series[float]] = {}
        if first < last:
            client = gcp_clients.monitoring_client()
            read = functools.partial(_retrying, client, self._project, first, last, period)
            load = read(filter_of(settings.metric), settings.metric)
            metrics = {"utilisation": settings.utilisation, "refused": settings.refused}
            others = {name: read(filter_of(metric), metric) for name, metric in metrics.items() if metric is not None}
            if settings.per_instance:
                others["instances"] = read(_size_filter(self._target), None)
            if load.empty:
                text = f"{settings.metric.type} in project {self._project!r} has no samples; check its labels and resource type"
                warnings = (text,)
        if settings.metric.absent_is_zero:
            load = with_inner_zeros(load, period)
        return _reading(load, others, settings, warnings)


def filter_of(metric: _settings.MonitoringMetric) -> str:
    """The metric as a filter of ListTimeSeries."""
    parts = [f"metric.type = {_quoted(metric.type)}"]
    if metric.resource_type:
        parts.append(f"resource.type = {_quoted(metric.resource_type)}")
    for place, labels in (
        ("metric.labels", metric.metric_labels),
        ("resource.labels", metric.resource_labels),
        ("metadata.user_labels", metric.user_labels),
    ):
        parts += [f"{place}.{_name(key)} = {_quoted(value)}" for key, value in labels.items()]
    return " AND ".join(parts)


def _size_filter(target: _settings.GcpTarget) -> str:
    """The number of instances in the group (`instance_group/size`: GAUGE, INT64, resource `instance_group`)."""
    return (
        'metric.type = "compute.googleapis.com/instance_group/size" AND resource.type = "instance_group"'
        f" AND resource.labels.instance_group_name = {_quoted(target.group)}"
        f" AND resource.labels.location = {_quoted(target.location)}"
    )


def _name(label: str) -> str:
    return _quoted(label) if "-" in label else label


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _IncompleteError(Exception):
    """An answer that does not hold everything."""


def _retrying(
    client: Any,
    project: str,
    first: datetime,
    last: datetime,
    period: int,
    metric_filter: str,
    metric: _settings.MonitoringMetric | None,
) -> pd.Series[float]:
    api: Any = importlib.import_module("google.api_core.exceptions")
    auth: Any = importlib.import_module("google.auth.exceptions")
    passing = (
        api.ServiceUnavailable,
        api.DeadlineExceeded,
        api.InternalServerError,
        api.ResourceExhausted,
        api.TooManyRequests,
        _IncompleteError,
    )
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
        wait=_WAIT,
        retry=tenacity.retry_if_exception_type(passing),
        reraise=True,
    )
    where = f"Cloud Monitoring, project {project!r}"
    try:
        return attempts(_read_all, client, _request(project, first, last, period, metric_filter, metric), period)
    except api.NotFound:  # no sample was ever written under this type: as good as none
        return _samples([])
    except (api.PermissionDenied, api.Unauthenticated) as error:
        text = f"{where}: {type(error).__name__}; the job needs monitoring.timeSeries.list there"
        raise CredentialsError(text) from None
    except auth.GoogleAuthError as error:
        raise CredentialsError(f"{where}: no usable Google Cloud credentials ({type(error).__name__})") from None
    except passing as error:
        text = f"{where}: nothing whole in {MAX_ATTEMPTS} attempts ({type(error).__name__}: {str(error)[:200]})"
        raise SourceError(text) from None
    except api.GoogleAPIError as error:
        raise SourceError(f"{where}: {type(error).__name__}: {str(error)[:300]} (filter: {metric_filter})") from error


def _request(
    project: str,
    first: datetime,
    last: datetime,
    period: int,
    metric_filter: str,
    metric: _settings.MonitoringMetric | None,
) -> Any:
    monitoring: Any = importlib.import_module("google.cloud.monitoring_v3")
    aligner = _ALIGNERS[metric.statistic if metric else "mean"]
    reducer = _REDUCERS[metric.across if metric else "sum"]
    return monitoring.ListTimeSeriesRequest(
        name=f"projects/{project}",
        filter=metric_filter,
        interval=monitoring.TimeInterval(start_time=first, end_time=last),
        aggregation=monitoring.Aggregation(
            alignment_period=timedelta(seconds=period),
            per_series_aligner=monitoring.Aggregation.Aligner[aligner],
            cross_series_reducer=monitoring.Aggregation.Reducer[reducer],
        ),
        view=monitoring.ListTimeSeriesRequest.TimeSeriesView.FULL,
    )


def _read_all(client: Any, request: Any, period: int) -> pd.Series[float]:
    """All pages of one answer. Points come newest first and bear the end of their period."""
    points: list[tuple[datetime, float]] = []
    series = 0
    for page in client.list_time_series(request=request, retry=None, timeout=_CALL_SECONDS).pages:
        if page.execution_errors:
            raise _IncompleteError("; ".join(str(error.message) for error in page.execution_errors))
        for each in page.time_series:
            series += 1
            points += [
                (point.interval.end_time - timedelta(seconds=period), _value(point.value)) for point in each.points
            ]
    stamps = [stamp for stamp, _ in points]
    if len(set(stamps)) < len(stamps):
        raise SourceError(f"Cloud Monitoring gave {series} series that overlap where one was asked for")
    return _samples(points)


def _value(value: Any) -> float:
    message: Any = value.__class__
    kind: str = message.pb(value).WhichOneof("value")
    if kind not in {"double_value", "int64_value"}:
        raise SourceError(
            f"Cloud Monitoring gave a {kind}, not a number: a distribution needs the statistic p50, p95 or p99"
        )
    return float(getattr(value, kind))


def _samples(points: list[tuple[datetime, float]]) -> pd.Series[float]:
    ascending = sorted(points)
    stamps = pd.DatetimeIndex(pd.to_datetime([stamp for stamp, _ in ascending], utc=True))
    return pd.Series([value for _, value in ascending], index=stamps, dtype=float, name="load")


def with_inner_zeros(samples: pd.Series[float], period_seconds: int) -> pd.Series[float]:
    """Absent periods between the first and the last sample as zeros. Before and after them nothing is known: an empty answer stays empty."""
    if samples.empty:
        return samples
    stamps = pd.DatetimeIndex(samples.index)
    whole = pd.date_range(stamps[0], stamps[-1], freq=pd.Timedelta(seconds=period_seconds))
    return samples.reindex(whole, fill_value=0.0)


def _reading(
    load: pd.Series[float],
    others: Mapping[str, pd.Series[float]],
    settings: _settings.CloudMonitoringSource,
    warnings: tuple[str, ...],
) -> Reading:
    if settings.per_instance:
        load = load * others["instances"].reindex(load.index) if "instances" in others else load
        if load.isna().all() and not load.empty:
            warnings = (*warnings, "instance_group/size has no samples: without it an average is no load")
    censored = None
    if settings.utilisation is not None or settings.refused is not None:
        censored = others.get("refused", _samples([])).reindex(load.index) > 0
        if settings.saturated_above is not None:
            utilisation = others.get("utilisation", _samples([]))
            censored |= utilisation.reindex(load.index) >= settings.saturated_above
            if utilisation.empty:
                warnings = (*warnings, "the utilisation metric has no samples: no sample is marked as saturated")
    return Reading(load=load, sample_seconds=settings.period_seconds, censored=censored, warnings=warnings)
