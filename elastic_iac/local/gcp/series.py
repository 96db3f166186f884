"""Time series: points, alignment and reduction, as Cloud Monitoring does them. Times are seconds since the epoch.

Source: API = the Cloud Monitoring v3 reference (Aggregation.Aligner, Aggregation.Reducer, TimeInterval); INFERRED = not documented.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from elastic_iac.local.gcp.wire import GcpError

GAUGE, DELTA, CUMULATIVE = "GAUGE", "DELTA", "CUMULATIVE"
_ON_GAPS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "ALIGN_MIN": min,
    "ALIGN_MAX": max,
    "ALIGN_MEAN": fmean,
    "ALIGN_SUM": math.fsum,
    "ALIGN_COUNT": len,
}
REDUCERS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "REDUCE_SUM": math.fsum,
    "REDUCE_MEAN": fmean,
    "REDUCE_MAX": max,
    "REDUCE_MIN": min,
    "REDUCE_COUNT": len,
}


@dataclass(frozen=True, order=True)
class Point:
    """One value. A gauge's start is its end."""

    end: float
    start: float
    value: float


@dataclass(frozen=True)
class Key:
    """What tells one series from another."""

    metric: str
    metric_labels: tuple[tuple[str, str], ...]
    resource: str
    resource_labels: tuple[tuple[str, str], ...]

    def selected(self) -> dict[str, str]:
        """Its values by the filter's selectors."""
        found = {"metric.type": self.metric, "resource.type": self.resource}
        found |= {f"metric.labels.{name}": value for name, value in self.metric_labels}
        found |= {f"resource.labels.{name}": value for name, value in self.resource_labels}
        found["project"] = found.get("resource.labels.project_id", "")
        return found


@dataclass
class Series:
    """One series; points in order of time."""

    key: Key
    kind: str
    value_type: str
    points: list[Point] = field(default_factory=list[Point])

    def within(self, start: float, end: float) -> Series:
        """The points of (start, end] (API, TimeInterval: reads exclude the start and include the end)."""
        return Series(self.key, self.kind, self.value_type, [p for p in self.points if start < p.end <= end])


def align(series: Series, aligner: str, period: float, start: float, end: float) -> Series:
    """One value per period, counted back from the interval's end (INFERRED); periods without data are absent.

    Raises:
        GcpError: 400, the aligner does not go with the kind or the type of the metric; 501, this stand-in has not got it.
    """
    numeric = series.value_type in {"INT64", "DOUBLE"}
    if aligner in {"ALIGN_DELTA", "ALIGN_RATE"}:
        if series.kind == GAUGE or not numeric:
            raise _unfit(aligner, series)
        amounts = _spread(_increments(series), period, start, end)
        if aligner == "ALIGN_RATE":
            return Series(series.key, GAUGE, "DOUBLE", _gauges({at: amount / period for at, amount in amounts.items()}))
        points = [Point(at, at - period, amount) for at, amount in sorted(amounts.items())]
        return Series(series.key, DELTA, series.value_type, points)
    if aligner == "ALIGN_NEXT_OLDER":
        if series.kind != GAUGE:
            raise _unfit(aligner, series)
        # API: the most recent value of the period or before it.
        held = {at: series.within(-math.inf, at).points[-1:] for at in _ends(period, start, end)}
        return Series(series.key, GAUGE, series.value_type, _gauges({at: p[0].value for at, p in held.items() if p}))
    if aligner not in _ON_GAPS:
        raise GcpError(501, f"{aligner} is not in this stand-in")
    if series.kind == CUMULATIVE or not numeric:
        raise _unfit(aligner, series)
    grouped: dict[float, list[float]] = defaultdict(list)
    for point in series.within(start, end).points:
        grouped[end - math.floor((end - point.end) / period) * period].append(point.value)
    value_type = {"ALIGN_MEAN": "DOUBLE", "ALIGN_COUNT": "INT64"}.get(aligner, series.value_type)
    return Series(series.key, GAUGE, value_type, _gauges({at: _ON_GAPS[aligner](v) for at, v in grouped.items()}))


def reduce_series(aligned: Iterable[Series], reducer: str, fields: Sequence[str]) -> list[Series]:
    """Combine aligned series that agree in the fields that are grouped by; the other labels are gone.

    Raises:
        GcpError: 501, this stand-in has not got the reducer.
    """
    if reducer not in REDUCERS:
        raise GcpError(501, f"{reducer} is not in this stand-in")
    grouped: dict[Key, list[Series]] = defaultdict(list)
    for series in aligned:
        grouped[_kept(series.key, fields)].append(series)
    reduced: list[Series] = []
    for key, members in grouped.items():
        at: dict[tuple[float, float], list[float]] = defaultdict(list)
        for point in (point for member in members for point in member.points):
            at[point.end, point.start].append(point.value)
        points = [Point(end, start, REDUCERS[reducer](values)) for (end, start), values in sorted(at.items())]
        value_type = {"REDUCE_MEAN": "DOUBLE", "REDUCE_COUNT": "INT64"}.get(reducer, members[0].value_type)
        reduced.append(Series(key, members[0].kind, value_type, points))
    return reduced


def _kept(key: Key, fields: Sequence[str]) -> Key:
    def kept(labels: tuple[tuple[str, str], ...], family: str) -> tuple[tuple[str, str], ...]:
        return tuple(item for item in labels if f"{family}.labels.{item[0]}" in fields)

    # API, groupByFields: type of metric and resource are always kept.
    return Key(key.metric, kept(key.metric_labels, "metric"), key.resource, kept(key.resource_labels, "resource"))


def _increments(series: Series) -> list[Point]:
    """What was added in each interval. A counter that starts anew, or falls, was reset: its value is what was added since."""
    if series.kind == DELTA:
        return series.points
    found: list[Point] = []
    before: Point | None = None
    for point in series.points:
        if before is None or point.start != before.start:
            begin = point.start if before is None else max(point.start, before.end)
            found.append(Point(point.end, begin, point.value))
        else:
            fallen = point.value < before.value
            found.append(Point(point.end, before.end, point.value if fallen else point.value - before.value))
        before = point
    return found


def _spread(increments: list[Point], period: float, start: float, end: float) -> dict[float, float]:
    """Share each increment out over the periods that its interval lies in (API, ALIGN_DELTA: interpolated at the boundaries)."""
    amounts: dict[float, float] = defaultdict(float)
    ends = _ends(period, start, end)
    if not ends:
        return amounts
    first = ends[0]
    for point in increments:
        number = max(0, math.ceil((point.start - first) / period))
        while number < len(ends) and (at := ends[number]) - period < point.end:
            overlap = min(point.end, at) - max(point.start, at - period)
            if overlap > 0:
                amounts[at] += point.value * overlap / (point.end - point.start)
            number += 1
    return amounts


def _ends(period: float, start: float, end: float) -> list[float]:
    """The ends of the periods of (start, end], oldest first."""
    return [end - number * period for number in reversed(range(math.ceil((end - start) / period)))]


def _gauges(values: Mapping[float, float]) -> list[Point]:
    return [Point(at, at, value) for at, value in sorted(values.items())]


def _unfit(aligner: str, series: Series) -> GcpError:
    return GcpError(
        400,
        f"Field aggregation.perSeriesAligner had an invalid value of {aligner!r}: The aligner cannot be applied to metrics with kind"
        f" {series.kind} and value type {series.value_type}.",
    )
