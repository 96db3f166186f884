"""Cloud Monitoring's MetricService over gRPC: time series on the stand-in's clock.

Source: API = the Cloud Monitoring v3 reference and "Quotas and limits"; INFERRED = not documented, the stricter reading is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from elastic_iac.local.clock import Clock
from elastic_iac.local.gcp import filters
from elastic_iac.local.gcp.series import CUMULATIVE, GAUGE, Key, Point, Series, align, reduce_series
from elastic_iac.local.gcp.wire import GcpError

MAX_SERIES = 200  # API, CreateTimeSeries: TimeSeries objects in a request
OLDEST, NEWEST = timedelta(hours=25), timedelta(minutes=5)  # API, "Writing": how far a point may be from now
SHORTEST_STEP = timedelta(seconds=5)  # API, quotas: one point each 5 seconds per series
MAX_LABELS = 30  # API, quotas: labels of a user-defined metric
MAX_PAGE = 100_000  # API, ListTimeSeries.page_size: the default and the most
SHORTEST_PERIOD = 60.0  # API, Aggregation.alignment_period
_WRITABLE = (
    "custom.googleapis.com/",
    "external.googleapis.com/",
    "workload.googleapis.com/",
    "prometheus.googleapis.com/",
)
# API, "Monitored resource types" that user-defined metrics may be written against, with their labels.
_RESOURCES: Mapping[str, frozenset[str]] = {
    "global": frozenset({"project_id"}),
    "generic_node": frozenset({"project_id", "location", "namespace", "node_id"}),
    "generic_task": frozenset({"project_id", "location", "namespace", "job", "task_id"}),
    "gce_instance": frozenset({"project_id", "instance_id", "zone"}),
}


@dataclass(frozen=True)
class Descriptor:
    """What is known of a metric."""

    type: str
    kind: str
    value_type: str
    unit: str = "1"
    description: str = ""


@dataclass(frozen=True)
class Aggregation:
    """How series are aligned and reduced."""

    period: float
    aligner: str
    reducer: str
    fields: tuple[str, ...]


_RAW = Aggregation(0.0, "ALIGN_NONE", "REDUCE_NONE", ())


class Monitoring:
    """The Cloud Monitoring service: what it holds, apart from the wire."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._series: dict[tuple[str, Key], Series] = {}
        self._descriptors: dict[tuple[str, str], Descriptor] = {}

    def publish(
        self,
        project: str,
        metric: str,
        points: Iterable[tuple[datetime, float]],
        *,
        kind: str = GAUGE,
        value_type: str = "DOUBLE",
        resource: str = "global",
        metric_labels: Mapping[str, str] | None = None,
        resource_labels: Mapping[str, str] | None = None,
        period: timedelta = timedelta(minutes=1),
    ) -> None:
        """Put a whole history there at once, of any age and of any metric: the back door of tests and demos.

        Args:
            project: Whose.
            metric: Its type.
            points: End of each interval (aware) and value, in order of time.
            kind: GAUGE, DELTA or CUMULATIVE.
            value_type: DOUBLE or INT64.
            resource: Type of the monitored resource.
            metric_labels: The metric's labels.
            resource_labels: The resource's labels; `project_id` is added.
            period: Length of each interval of a DELTA; a CUMULATIVE counts from one period before its first point.
        """
        key = Key(metric, _labels(metric_labels), resource, _labels({"project_id": project, **(resource_labels or {})}))
        step = 0.0 if kind == GAUGE else period.total_seconds()
        made = [Point(at.timestamp(), at.timestamp() - step, float(value)) for at, value in points]
        if kind == CUMULATIVE and made:
            made = [Point(point.end, made[0].start, point.value) for point in made]
        with self._lock:
            self._descriptors.setdefault((project, metric), Descriptor(metric, kind, value_type))
            series = self._series.setdefault((project, key), Series(key, kind, value_type))
            series.points = sorted([*series.points, *made])

    def write(self, project: str, written: list[tuple[Key, str, str, list[Point]]]) -> None:
        """CreateTimeSeries: what can be written is, then the first error is raised.

        Args:
            project: Whose.
            written: Key, kind and value type (empty: the descriptor's) and points of each series.

        Raises:
            GcpError: as Monitoring refuses it.
        """
        if not 1 <= len(written) <= MAX_SERIES:
            raise GcpError(
                400,
                f"Field timeSeries had an invalid value: expected 1 to {MAX_SERIES} time series; got {len(written)}",
            )
        refused: list[GcpError] = []
        seen: set[Key] = set()
        with self._lock:
            for number, (key, kind, value_type, points) in enumerate(written):
                try:
                    self._write_one(project, key, kind, value_type, points, new=key not in seen)
                except GcpError as error:
                    refused.append(GcpError(error.status, f"timeSeries[{number}]: {error.message}"))
                seen.add(key)
        if refused:
            raise refused[0]

    def _write_one(self, project: str, key: Key, kind: str, value_type: str, points: list[Point], *, new: bool) -> None:
        if not new:
            raise GcpError(
                400, "Duplicate TimeSeries encountered. Only one point can be written per TimeSeries per request."
            )
        _check_key(key)
        if len(points) != 1:
            raise GcpError(400, f"points: expected exactly one point; got {len(points)}")
        point = points[0]
        known = self._descriptors.get((project, key.metric))
        kind = kind or (known.kind if known else GAUGE)
        value_type = value_type or "DOUBLE"
        if kind not in {GAUGE, CUMULATIVE}:
            raise GcpError(400, f"metricKind: got {kind}; a user-defined metric is GAUGE or CUMULATIVE")
        if known and (known.kind, known.value_type) != (kind, value_type):
            raise GcpError(
                400,
                f"metricKind and valueType: got {kind} and {value_type}; the metric's descriptor says {known.kind} and {known.value_type}",
            )
        self._check_times(point, kind)
        series = self._series.get((project, key)) or Series(key, kind, value_type)
        last = series.points[-1] if series.points else None
        if last is not None and point.end <= last.end:
            raise GcpError(
                400,
                "Points must be written in order. One or more of the points specified had an older end time than the most recent point.",
            )
        if last is not None and point.end - last.end < SHORTEST_STEP.total_seconds():
            raise GcpError(
                400,
                "One or more points were written more frequently than the maximum sampling period configured for the metric.",
            )
        if last is not None and last.start != point.start and point.start < last.end and kind == CUMULATIVE:
            raise GcpError(
                400, "The start time of a cumulative point must be that of the point before, or later than its end."
            )
        self._descriptors.setdefault((project, key.metric), Descriptor(key.metric, kind, value_type))
        series.points.append(point)
        self._series[project, key] = series

    def _check_times(self, point: Point, kind: str) -> None:
        now = self._clock.now()
        if not (now - OLDEST).timestamp() <= point.end <= (now + NEWEST).timestamp():
            raise GcpError(400, "Data points cannot be written more than 25h in the past or 5m in the future.")
        if kind == GAUGE and point.start != point.end:
            raise GcpError(400, "interval.startTime: a GAUGE's start time must be its end time, or absent")
        if kind == CUMULATIVE and point.start >= point.end:
            raise GcpError(400, "interval.startTime: a CUMULATIVE's start time must be before its end time")

    def read(
        self, project: str, text: str, start: float, end: float, aggregation: Aggregation | None = None
    ) -> list[Series]:
        """ListTimeSeries without its paging: the series that the filter selects, in a stable order; points oldest first.

        Raises:
            GcpError: as Monitoring refuses it.
        """
        terms = filters.parse(text)
        metric = filters.metric_type(terms, text)
        if not start < end:
            raise GcpError(
                400, "Field interval had an invalid value: the start time must be given and be before the end time"
            )
        with self._lock:
            if metric.startswith(_WRITABLE) and (project, metric) not in self._descriptors:
                raise GcpError(404, f"Cannot find metric(s) that match type = {metric!r}.")
            found = [
                series
                for (holder, key), series in sorted(self._series.items(), key=lambda item: str(item[0]))
                if holder == project and key.metric == metric and all(term.matches(key.selected()) for term in terms)
            ]
            read = _aggregated(found, aggregation or _RAW, start, end)
        return [series for series in read if series.points]

    def describe(self, project: str, metric: str) -> Descriptor:
        """The descriptor of a metric.

        Raises:
            GcpError: 404, there is none.
        """
        if (project, metric) not in self._descriptors:
            raise GcpError(404, f"Could not find descriptor for metric '{metric}'.")
        return self._descriptors[project, metric]

    def declare(self, project: str, descriptor: Descriptor) -> None:
        """CreateMetricDescriptor."""
        self._descriptors[project, descriptor.type] = descriptor

    def described(self, project: str, text: str) -> list[Descriptor]:
        """ListMetricDescriptors."""
        terms = filters.parse(text)
        return [
            descriptor
            for (holder, metric), descriptor in sorted(self._descriptors.items())
            if holder == project and all(term.matches({"metric.type": metric}) for term in terms)
        ]


def _aggregated(found: list[Series], aggregation: Aggregation, start: float, end: float) -> list[Series]:
    if aggregation.aligner == "ALIGN_NONE":
        if aggregation.reducer != "REDUCE_NONE":
            raise GcpError(
                400,
                "Field aggregation.perSeriesAligner had an invalid value: a reducer needs an aligner other than ALIGN_NONE",
            )
        return [series.within(start, end) for series in found]
    if aggregation.period < SHORTEST_PERIOD:
        raise GcpError(
            400,
            f"Field aggregation.alignmentPeriod had an invalid value of {aggregation.period:g}s: must be at least {SHORTEST_PERIOD:g}s",
        )
    aligned = [align(series, aggregation.aligner, aggregation.period, start, end) for series in found]
    if aggregation.reducer == "REDUCE_NONE":
        return aligned
    fields = [filters.canonical(name) for name in aggregation.fields]
    return reduce_series([series for series in aligned if series.points], aggregation.reducer, fields)


def _check_key(key: Key) -> None:
    if not key.metric.startswith(_WRITABLE):
        raise GcpError(
            400, f"metric.type: got {key.metric!r}; only user-defined metrics can be written ({', '.join(_WRITABLE)})"
        )
    if len(key.metric_labels) > MAX_LABELS:
        raise GcpError(400, f"metric.labels: at most {MAX_LABELS}; got {len(key.metric_labels)}")
    wanted = _RESOURCES.get(key.resource)
    if wanted is None:
        raise GcpError(400, f"resource.type: got {key.resource!r}; expected one of {', '.join(_RESOURCES)}")
    given = {name for name, _ in key.resource_labels}
    if given - wanted or wanted - given - {"project_id"}:
        raise GcpError(400, f"resource.labels: got {sorted(given)}; expected {sorted(wanted)}")


def _labels(labels: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((labels or {}).items()))
