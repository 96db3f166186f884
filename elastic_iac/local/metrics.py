"""CloudWatch metric data on the double's clock: PutMetricData is checked, kept and passed on; GetMetricData is answered here.

The emulator behind ignores `ScanBy`, paging, units and limits, mixes the metrics of one name when a query gives no dimensions, and goes by the
machine's clock. Sources: API = the CloudWatch API reference (also in botocore's service model); INFERRED = not documented.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from elastic_iac.local.clock import Clock
from elastic_iac.local.wire import AwsError, Request, Response

MAX_QUERIES = 500  # API, GetMetricData.MetricDataQueries
MAX_DATAPOINTS = 100_800  # API, GetMetricData.MaxDatapoints: the default and the most
MAX_DATUMS, MAX_VALUES, MAX_DIMENSIONS = 1000, 150, 30  # API, PutMetricData
OLDEST, NEWEST = timedelta(days=14), timedelta(hours=2)  # API, PutMetricData: two weeks before to two hours after now
LARGEST = 2.0**360  # API, MetricDatum.Value
# API, GetMetricData: how long samples of a period are kept, in days.
_RETENTION_DAYS = ((300, 15), (3600, 63), (math.inf, 455))

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_STATISTIC = re.compile(r"Sum|Average|Minimum|Maximum|SampleCount|p(100|\d{1,2}(\.\d+)?)")

_Key = tuple[str, str, str, frozenset[tuple[str, str]]]
"""Region, namespace, name, dimensions: each set of dimensions is a metric of its own (API, GetMetricData)."""


@dataclass(frozen=True, order=True)
class _Sample:
    at: float
    count: float
    total: float
    minimum: float
    maximum: float
    unit: str
    values: tuple[tuple[float, float], ...]  # value and how often; empty where only a statistic set was given


class Metrics:
    """CloudWatch's metric data."""

    def __init__(self, clock: Clock, send: Callable[[Request], Response]) -> None:
        self._clock = clock
        self._send = send
        self._samples: dict[_Key, list[_Sample]] = defaultdict(list)

    def handle(self, request: Request) -> Response:
        """Answer a CloudWatch call; all but metric data is the emulator's.

        Raises:
            AwsError: as CloudWatch refuses it.
        """
        if request.action not in {"GetMetricData", "PutMetricData"}:
            return self._send(request)
        asked = _asked(request)
        if request.action == "PutMetricData":
            self._put(request.region, asked)
            return self._send(request)
        return _answer(self._get(request, asked))

    def reset(self) -> None:
        """Forget all samples."""
        self._samples.clear()

    def _put(self, region: str, asked: dict[str, Any]) -> None:
        datums: list[dict[str, Any]] = asked.get("MetricData", [])
        if len(datums) > MAX_DATUMS:
            raise _invalid(f"The collection MetricData must not have a size greater than {MAX_DATUMS}.")
        now = self._clock.now()
        read = [_sample(number, datum, now) for number, datum in enumerate(datums, start=1)]
        for datum, sample in zip(datums, read, strict=True):
            insort(self._samples[_key(region, asked["Namespace"], datum)], sample)

    def publish(self, region: str, namespace: str, datum: dict[str, Any]) -> None:
        """Take in a datum that a service publishes by itself; one that CloudWatch would refuse is lost, as there."""
        with suppress(AwsError):
            insort(self._samples[_key(region, namespace, datum)], _sample(1, datum, self._clock.now()))

    def value(self, region: str, stat: dict[str, Any], start: datetime, end: datetime) -> float | None:
        """A metric's statistic over start <= time < end; None where it has no sample there.

        Args:
            region: The metric's region.
            stat: As a query's `MetricStat`: Metric (Namespace, MetricName, Dimensions), Stat, Unit where it is to match.
            start: Aware.
            end: Aware.
        """
        samples = self._samples.get(_key(region, stat["Metric"]["Namespace"], stat["Metric"]), [])
        first = bisect_left(samples, start.timestamp(), key=lambda sample: sample.at)
        last = bisect_left(samples, end.timestamp(), key=lambda sample: sample.at)
        meant = [sample for sample in samples[first:last] if stat.get("Unit", sample.unit) == sample.unit]
        return _statistic(stat["Stat"], meant) if meant else None

    def _get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        queries: list[dict[str, Any]] = asked["MetricDataQueries"]
        start, end, limit = _check_query(asked, queries)
        newest_first = asked.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        skip = _token(asked.get("NextToken"))
        results: list[dict[str, Any]] = []
        room, more = limit, False
        for query in queries:
            if query.get("ReturnData", True) is False:
                continue
            points = list(self._points(request.region, query["MetricStat"], start, end))
            if newest_first:
                points.reverse()
            # Pages fill up query by query; the token is the number of points given so far (INFERRED: AWS's tokens are opaque).
            passed, points = min(skip, len(points)), points[skip:]
            skip -= passed
            taken = points[:room]
            room -= len(taken)
            cut = len(taken) < len(points)
            more = more or cut
            metric = query["MetricStat"]["Metric"]
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label", metric["MetricName"]),
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in taken],
                    "Values": [value for _, value in taken],
                    "StatusCode": "PartialData" if cut else "Complete",
                }
            )
        answer: dict[str, Any] = {"MetricDataResults": [_faulty(result, request) for result in results]}
        if more:
            answer["NextToken"] = str(_token(asked.get("NextToken")) + limit)
        return answer

    def _points(
        self, region: str, stat: dict[str, Any], start: datetime, end: datetime
    ) -> Iterable[tuple[float, float]]:
        metric, period = stat["Metric"], int(stat["Period"])
        samples = self._samples.get(_key(region, metric["Namespace"], metric), [])
        # API, StartTime: rounded down to the whole minute (the coarser rounding of old data only adds to what is read).
        first = start.timestamp() // 60 * 60
        first_index = bisect_left(samples, first, key=lambda sample: sample.at)
        end_index = bisect_left(samples, end.timestamp(), key=lambda sample: sample.at)
        kept_since = (
            self._clock.now() - timedelta(days=next(days for most, days in _RETENTION_DAYS if period < most))
        ).timestamp()
        buckets: dict[float, list[_Sample]] = defaultdict(list)
        for sample in samples[first_index:end_index]:
            if sample.at >= kept_since and stat.get("Unit", sample.unit) == sample.unit:
                buckets[sample.at // period * period].append(sample)
        for at in sorted(buckets):
            value = _statistic(stat["Stat"], buckets[at])
            if value is not None:
                yield at, value


def _key(region: str, namespace: str, metric: dict[str, Any]) -> _Key:
    dimensions = frozenset((pair["Name"], pair["Value"]) for pair in metric.get("Dimensions", []))
    return region, namespace, metric["MetricName"], dimensions


def _sample(number: int, datum: dict[str, Any], now: datetime) -> _Sample:
    where = f"MetricData.member.{number}"
    moment: datetime = datum.get("Timestamp", now)
    if moment < now - OLDEST:
        raise _invalid(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    if moment > now + NEWEST:
        raise _invalid(f"The parameter {where}.Timestamp must specify a time no more than two hours in the future.")
    if len(datum.get("Dimensions", [])) > MAX_DIMENSIONS:
        raise _invalid(f"The collection {where}.Dimensions must not have a size greater than {MAX_DIMENSIONS}.")
    at, unit = moment.timestamp(), datum.get("Unit", "None")
    given = datum.get("StatisticValues")
    if given is not None:
        count, total, least, most = (float(given[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
        _check_values(where, (count, total, least, most))
        return _Sample(at, count, total, least, most, unit, ())
    values = [float(value) for value in datum.get("Values", [datum["Value"]] if "Value" in datum else [])]
    counts = [float(count) for count in datum.get("Counts", [1.0] * len(values))]
    if not values or len(values) > MAX_VALUES or len(counts) != len(values):
        raise _invalid(
            f"The parameter {where} must hold Value, StatisticValues or up to {MAX_VALUES} Values with as many Counts."
        )
    _check_values(where, values)
    total = sum(value * count for value, count in zip(values, counts, strict=True))
    return _Sample(at, sum(counts), total, min(values), max(values), unit, tuple(zip(values, counts, strict=True)))


def _check_values(where: str, values: Iterable[float]) -> None:
    for value in values:
        if not math.isfinite(value) or abs(value) > LARGEST:
            raise _invalid(f"The value {value} of the parameter {where} is not a finite number within -2^360 to 2^360.")


def _check_query(asked: dict[str, Any], queries: list[dict[str, Any]]) -> tuple[datetime, datetime, int]:
    if len(queries) > MAX_QUERIES:
        raise AwsError(
            "ValidationError", f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}."
        )
    start, end = asked["StartTime"], asked["EndTime"]
    if start >= end:
        raise AwsError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    limit = int(asked.get("MaxDatapoints", MAX_DATAPOINTS))
    if not 1 <= limit <= MAX_DATAPOINTS:
        raise AwsError("ValidationError", f"The parameter MaxDatapoints must be between 1 and {MAX_DATAPOINTS}.")
    ids = [query["Id"] for query in queries]
    for query in queries:
        if not _ID.fullmatch(query["Id"]) or ids.count(query["Id"]) > 1:
            raise AwsError(
                "ValidationError",
                f"The value {query['Id']!r} for parameter Id is not matching the expected pattern or not unique.",
            )
        if "MetricStat" not in query:
            raise AwsError("ValidationError", f"{query['Id']}: the double evaluates no metric math; give a MetricStat")
        period, stat = int(query["MetricStat"]["Period"]), query["MetricStat"]["Stat"]
        if period not in {1, 5, 10, 20, 30} and period % 60:  # API, MetricStat.Period
            raise AwsError(
                "ValidationError", f"{query['Id']}: Period {period} is not 1, 5, 10, 20, 30 or a multiple of 60."
            )
        if not _STATISTIC.fullmatch(stat):
            raise AwsError("ValidationError", f"{query['Id']}: the double knows no statistic {stat!r}")
    return start, end, limit


def _token(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit():
        raise AwsError("InvalidNextToken", "The NextToken value is not valid.")
    return int(text)


def _statistic(stat: str, samples: list[_Sample]) -> float | None:
    count, total = sum(sample.count for sample in samples), sum(sample.total for sample in samples)
    match stat:
        case "Sum":
            return total
        case "SampleCount":
            return count
        case "Average":
            return total / count if count else None
        case "Minimum":
            return min(sample.minimum for sample in samples)
        case "Maximum":
            return max(sample.maximum for sample in samples)
        case _:
            return _percentile(float(stat[1:]) / 100, samples)


def _percentile(share: float, samples: list[_Sample]) -> float | None:
    """By nearest rank (INFERRED); None where a statistic set hides the raw values (API, PutMetricData)."""
    if any(not sample.values for sample in samples):
        return None
    values = sorted(pair for sample in samples for pair in sample.values)
    rank, passed = share * sum(count for _, count in values), 0.0
    for value, count in values:
        passed += count
        if passed >= rank:
            return value
    return values[-1][0]


def _faulty(result: dict[str, Any], request: Request) -> dict[str, Any]:
    """The result as an injected StatusCode leaves it: nothing, or of `PartialData` the first half."""
    for fault in request.faults:
        if fault.metric_status:
            kept = len(result["Values"]) // 2 if fault.metric_status == "PartialData" else 0
            return {
                **result,
                "Timestamps": result["Timestamps"][:kept],
                "Values": result["Values"][:kept],
                "StatusCode": fault.metric_status,
                "Messages": [{"Code": fault.metric_status, "Value": fault.message}],
            }
    return result


def _asked(request: Request) -> dict[str, Any]:
    """What was asked, in JSON: of the protocols of CloudWatch the one that botocore speaks (run against 1.44)."""
    if "json" not in request.headers.get("content-type", ""):
        raise AwsError("InvalidAction", "the double reads metric data as JSON only, as botocore 1.44 sends them")
    zipped = request.headers.get("content-encoding") == "gzip"
    asked: dict[str, Any] = json.loads(gzip.decompress(request.body) if zipped else request.body)
    timed = [(asked, "StartTime"), (asked, "EndTime"), *((datum, "Timestamp") for datum in asked.get("MetricData", []))]
    for holder, name in timed:
        if name in holder:
            holder[name] = datetime.fromtimestamp(holder[name], UTC)
    return asked


def _answer(result: dict[str, Any]) -> Response:
    body = json.dumps(result, default=lambda moment: moment.timestamp())
    return Response(200, {"Content-Type": "application/x-amz-json-1.0"}, body.encode())


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
