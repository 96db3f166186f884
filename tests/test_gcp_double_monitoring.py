"""Monitoring of the stand-in: what may be written, and what a reader is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, MethodNotImplemented, NotFound
from google.cloud import monitoring_v3
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.series import CUMULATIVE, DELTA, Key, Point, Series, align
from tests.gcp_doubles import PROJECT, raises

NOW = datetime(2026, 3, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REQUESTS = "loadbalancing.googleapis.com/https/request_count"
CUSTOM = "custom.googleapis.com/load"
NAME = f"projects/{PROJECT}"
ALIGNER, REDUCER = monitoring_v3.Aggregation.Aligner, monitoring_v3.Aggregation.Reducer


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=NOW)
    return gcp


@pytest.fixture(scope="module")
def client(running_gcp: LocalGcp) -> Any:
    return running_gcp.monitoring_client()


def point(at: datetime, value: float = 1.0, start: datetime | None = None) -> monitoring_v3.Point:
    interval = monitoring_v3.TimeInterval(end_time=at, start_time=start)
    return monitoring_v3.Point(interval=interval, value={"double_value": value})


def series(*points: monitoring_v3.Point, metric: str = CUSTOM, **more: Any) -> monitoring_v3.TimeSeries:
    resource = {"type": "global", "labels": {"project_id": PROJECT}}
    fields: dict[str, Any] = {"metric": {"type": metric}, "resource": resource, "points": points, **more}
    return monitoring_v3.TimeSeries(fields)


def write(client: Any, *written: monitoring_v3.TimeSeries) -> None:
    client.create_time_series(name=NAME, time_series=list(written))


def read(client: Any, text: str, minutes: int = 60, **more: Any) -> list[monitoring_v3.TimeSeries]:
    interval = monitoring_v3.TimeInterval(start_time=NOW - minutes * MINUTE, end_time=NOW)
    request = monitoring_v3.ListTimeSeriesRequest(name=NAME, filter=text, interval=interval, **more)
    return list(client.list_time_series(request=request))


def values(found: monitoring_v3.TimeSeries) -> list[tuple[int, float]]:
    """Minutes before now and value, newest first, as answered."""
    return [
        (round((NOW - p.interval.end_time) / MINUTE), p.value.double_value or float(p.value.int64_value))
        for p in found.points
    ]


def aggregation(aligner: Any, seconds: int = 300, **more: Any) -> monitoring_v3.Aggregation:
    return monitoring_v3.Aggregation(alignment_period={"seconds": seconds}, per_series_aligner=aligner, **more)


def publish(gcp: LocalGcp, minutes: int = 60, value: float = 60.0, **more: Any) -> None:
    """A DELTA by the minute, for as long back."""
    history = [(NOW - number * MINUTE, value) for number in range(minutes, -1, -1)]
    settings: dict[str, Any] = {"kind": "DELTA", "value_type": "INT64", "resource": "https_lb_rule", **more}
    gcp.monitoring.publish(PROJECT, REQUESTS, history, **settings)


def test_what_is_written_is_read_newest_first_and_the_start_is_excluded(gcp: LocalGcp, client: Any) -> None:
    for minute in (3, 2, 1, 0):
        write(client, series(point(NOW - minute * MINUTE, float(minute + 10))))
    [found] = read(client, f'metric.type = "{CUSTOM}"', minutes=3)
    assert values(found) == [(0, 10.0), (1, 11.0), (2, 12.0)]
    assert (found.metric_kind, found.value_type) == (MetricDescriptor.GAUGE, MetricDescriptor.DOUBLE)


BAD_WRITES: dict[str, list[monitoring_v3.TimeSeries]] = {
    "nothing": [],
    "201 series": [series(point(NOW))] * 201,
    "two points of one series": [series(point(NOW - MINUTE), point(NOW))],
    "one series twice": [series(point(NOW)), series(point(NOW))],
    "older than 25 hours": [series(point(NOW - timedelta(hours=25, seconds=1)))],
    "more than 5 minutes ahead": [series(point(NOW + timedelta(minutes=5, seconds=1)))],
    "a gauge over a time": [series(point(NOW, start=NOW - MINUTE))],
    "a counter without a start": [series(point(NOW), metric_kind=CUMULATIVE)],
    "a user's delta": [series(point(NOW, start=NOW - MINUTE), metric_kind=DELTA)],
    "text": [series(monitoring_v3.Point(interval={"end_time": NOW}, value={"string_value": "x"}))],
    "a type that is not the value's": [series(point(NOW), value_type="INT64")],
    "a metric of Google's own": [series(point(NOW), metric=REQUESTS)],
    "a resource that is none": [series(point(NOW), resource={"type": "toaster"})],
    "a label that the resource has not": [series(point(NOW), resource={"type": "global", "labels": {"zone": "a"}})],
    "a resource without its labels": [series(point(NOW), resource={"type": "gce_instance"})],
    "31 labels": [series(point(NOW))],
}
BAD_WRITES["31 labels"][0].metric.labels.update({f"l{number}": "x" for number in range(31)})


@pytest.mark.parametrize("name", BAD_WRITES)
def test_a_wrong_write_is_refused(gcp: LocalGcp, client: Any, name: str) -> None:
    raises(InvalidArgument, write, client, *BAD_WRITES[name])


def test_points_come_in_order_and_no_faster_than_every_five_seconds(gcp: LocalGcp, client: Any) -> None:
    write(client, series(point(NOW - MINUTE)))
    for late in (NOW - 2 * MINUTE, NOW - MINUTE, NOW - MINUTE + timedelta(seconds=4)):
        raises(InvalidArgument, write, client, series(point(late)))
    write(client, series(point(NOW - MINUTE + timedelta(seconds=5))))


def test_the_first_write_makes_the_descriptor_and_later_ones_agree_with_it(gcp: LocalGcp, client: Any) -> None:
    raises(NotFound, client.get_metric_descriptor, name=f"{NAME}/metricDescriptors/{CUSTOM}")
    raises(NotFound, read, client, f'metric.type = "{CUSTOM}"')
    write(client, series(point(NOW - MINUTE)))
    made = client.get_metric_descriptor(name=f"{NAME}/metricDescriptors/{CUSTOM}")
    assert made.type == CUSTOM
    whole = monitoring_v3.Point(interval={"end_time": NOW}, value={"int64_value": 1})
    raises(InvalidArgument, write, client, series(whole))
    listed = client.list_metric_descriptors(
        request={"name": NAME, "filter": 'metric.type = starts_with("custom.googleapis.com/")'}
    )
    assert [descriptor.type for descriptor in listed] == [CUSTOM]


def test_what_can_be_written_is_even_if_another_series_is_refused(gcp: LocalGcp, client: Any) -> None:
    raises(
        InvalidArgument, write, client, series(point(NOW)), series(point(NOW - timedelta(days=2)), metric=f"{CUSTOM}2")
    )
    assert len(read(client, f'metric.type = "{CUSTOM}"')) == 1


def test_a_whole_history_is_published_at_once(gcp: LocalGcp, client: Any) -> None:
    publish(gcp, minutes=28 * 1440)
    [found] = read(client, f'metric.type="{REQUESTS}"', 28 * 1440, aggregation=aggregation(ALIGNER.ALIGN_RATE, 3600))
    assert len(found.points) == 28 * 24
    assert {value for _, value in values(found)} == {1.0}


FILTERS: dict[str, list[str]] = {
    "": ["a1", "a2", "b1"],
    'resource.labels.zone = "a"': ["a1", "a2"],
    'resource.label.zone="a" AND metric.labels.code = "2"': ["a2"],
    'resource.labels.zone != "a"': ["b1"],
    'resource.labels.zone = one_of("b", "c")': ["b1"],
    'metric.labels.code = starts_with("1")': ["a1", "b1"],
    'resource.type = "https_lb_rule" AND project = "local-project"': ["a1", "a2", "b1"],
    'resource.type = "global"': [],
}


@pytest.mark.parametrize("more", FILTERS)
def test_a_filter_selects(gcp: LocalGcp, client: Any, more: str) -> None:
    for zone, code in (("a", "1"), ("a", "2"), ("b", "1")):
        publish(gcp, 3, metric_labels={"code": code}, resource_labels={"zone": zone})
    text = f'metric.type = "{REQUESTS}"' + (f" AND {more}" if more else "")
    found = [item.resource.labels["zone"] + item.metric.labels["code"] for item in read(client, text)]
    assert sorted(found) == FILTERS[more]


@pytest.mark.parametrize(
    "text",
    [
        "",
        'resource.type = "global"',
        'metric.type = "a" AND metric.type = "b"',
        f'metric.type = starts_with("{REQUESTS}")',
        f'metric.type = "{REQUESTS}" resource.type = "global"',
        f'metric.type = "{REQUESTS}" OR resource.type = "global"',
        f'metric.type = "{REQUESTS}" AND',
        f'metric.type = "{REQUESTS}" AND resource.colour = "red"',
        f'metric.type = "{REQUESTS}" AND resource.type = looks_like("global")',
        f"metric.type = '{REQUESTS}'",
        'metric.type > "a"',
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(gcp: LocalGcp, client: Any, text: str) -> None:
    raises(InvalidArgument, read, client, text)


def test_aligners_and_reducers(gcp: LocalGcp, client: Any) -> None:
    text = f'metric.type = "{REQUESTS}"'
    publish(gcp, 60, 60, resource_labels={"zone": "a"})
    publish(gcp, 60, 120, resource_labels={"zone": "b"})

    def reduced(aligner: Any, reducer: Any, fields: tuple[str, ...] = ()) -> list[tuple[str, float]]:
        how = aggregation(aligner, cross_series_reducer=reducer, group_by_fields=list(fields))
        return [(s.resource.labels.get("zone", ""), values(s)[0][1]) for s in read(client, text, aggregation=how)]

    assert reduced(ALIGNER.ALIGN_RATE, REDUCER.REDUCE_SUM) == [("", 3.0)]
    assert reduced(ALIGNER.ALIGN_DELTA, REDUCER.REDUCE_SUM, ("resource.label.zone",)) == [("a", 300.0), ("b", 600.0)]
    assert reduced(ALIGNER.ALIGN_DELTA, REDUCER.REDUCE_MAX) == [("", 600.0)]
    assert reduced(ALIGNER.ALIGN_SUM, REDUCER.REDUCE_MEAN) == [("", 450.0)]
    assert reduced(ALIGNER.ALIGN_MEAN, REDUCER.REDUCE_MIN) == [("", 60.0)]
    assert reduced(ALIGNER.ALIGN_COUNT, REDUCER.REDUCE_SUM) == [("", 10.0)]


def test_periods_without_data_are_absent(gcp: LocalGcp, client: Any) -> None:
    history = [(NOW - number * MINUTE, 5.0) for number in (14, 13, 2, 1)]
    gcp.monitoring.publish(PROJECT, CUSTOM, history)
    [found] = read(client, f'metric.type = "{CUSTOM}"', 20, aggregation=aggregation(ALIGNER.ALIGN_MEAN))
    assert values(found) == [(0, 5.0), (10, 5.0)]
    assert read(client, f'metric.type = "{CUSTOM}" AND resource.type = "gce_instance"') == []


def test_a_counter_that_starts_anew_gives_no_negative_rate(gcp: LocalGcp, client: Any) -> None:
    begin = NOW - 10 * MINUTE
    for minute, value, start in (
        (8, 120.0, begin),
        (6, 240.0, begin),
        (4, 60.0, NOW - 5 * MINUTE),
        (2, 180.0, NOW - 5 * MINUTE),
    ):
        write(client, series(point(NOW - minute * MINUTE, value, start), metric_kind=CUMULATIVE))
    [found] = read(client, f'metric.type = "{CUSTOM}"', 10, aggregation=aggregation(ALIGNER.ALIGN_RATE, 60))
    assert values(found) == [(2, 1.0), (3, 1.0), (4, 1.0), (6, 1.0), (7, 1.0), (8, 1.0), (9, 1.0)]


BAD_READS: dict[str, tuple[dict[str, Any], type[GoogleAPICallError]]] = {
    "a period below a minute": ({"aggregation": aggregation(ALIGNER.ALIGN_RATE, 30)}, InvalidArgument),
    "a reducer without an aligner": (
        {"aggregation": monitoring_v3.Aggregation(cross_series_reducer=REDUCER.REDUCE_SUM)},
        InvalidArgument,
    ),
    "the mean of a counter": ({"aggregation": aggregation(ALIGNER.ALIGN_MEAN)}, InvalidArgument),
    "a percentile, which this stand-in has not got": (
        {"aggregation": aggregation(ALIGNER.ALIGN_PERCENTILE_99)},
        MethodNotImplemented,
    ),
    "grouped by what is no field": (
        {
            "aggregation": aggregation(
                ALIGNER.ALIGN_RATE, cross_series_reducer=REDUCER.REDUCE_SUM, group_by_fields=["zone"]
            )
        },
        InvalidArgument,
    ),
    "an interval that ends before it starts": ({"minutes": -1}, InvalidArgument),
    "an interval without a start": ({"minutes": 0}, InvalidArgument),
    "a token that is none": ({"page_token": "x"}, InvalidArgument),
}


@pytest.mark.parametrize("name", BAD_READS)
def test_a_wrong_read_is_refused(gcp: LocalGcp, client: Any, name: str) -> None:
    more, error = BAD_READS[name]
    write(client, series(point(NOW, 1.0, NOW - MINUTE), metric_kind=CUMULATIVE))
    raises(error, read, client, f'metric.type = "{CUSTOM}"', **more)


def test_the_rate_of_a_gauge_is_refused(gcp: LocalGcp, client: Any) -> None:
    write(client, series(point(NOW)))
    raises(InvalidArgument, read, client, f'metric.type = "{CUSTOM}"', aggregation=aggregation(ALIGNER.ALIGN_RATE))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_hold_so_many_points_and_together_all_of_them(gcp: LocalGcp, client: Any, size: int) -> None:
    for zone in ("a", "b"):
        publish(gcp, 9, resource_labels={"zone": zone})
    interval = monitoring_v3.TimeInterval(start_time=NOW - 30 * MINUTE, end_time=NOW)
    request = {"name": NAME, "filter": f'metric.type = "{REQUESTS}"', "interval": interval, "page_size": size}
    pages = list(client.list_time_series(request=request).pages)
    counts = [sum(len(item.points) for item in page.time_series) for page in pages]
    assert counts == [size] * (20 // size) + ([20 % size] if 20 % size else [])
    together: dict[str, list[tuple[int, float]]] = {}
    for page in pages:
        for item in page.time_series:
            together.setdefault(item.resource.labels["zone"], []).extend(values(item))
    assert together == {zone: [(minute, 60.0) for minute in range(10)] for zone in ("a", "b")}


def test_headers_have_no_points(gcp: LocalGcp, client: Any) -> None:
    publish(gcp)
    view = monitoring_v3.ListTimeSeriesRequest.TimeSeriesView.HEADERS
    [found] = read(client, f'metric.type = "{REQUESTS}"', view=view)
    assert (len(found.points), found.value_type) == (0, MetricDescriptor.INT64)


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=40, unique=True).map(sorted),
    st.data(),
    st.sampled_from([60, 300, 420]),
)
def test_what_a_counter_counted_is_shared_out_over_the_periods_and_none_is_lost(
    ends: list[int], data: Any, period: int
) -> None:
    amounts = data.draw(st.lists(st.integers(0, 1000), min_size=len(ends), max_size=len(ends)))
    total, points = 0, list[Point]()
    for end, amount in zip(ends, amounts, strict=True):
        total += amount
        points.append(Point(float(end * 10), 0.0, float(total)))
    counted = Series(Key("m", (), "global", ()), CUMULATIVE, "INT64", points)
    aligned = align(counted, "ALIGN_DELTA", float(period), 0.0, 21 * 420.0)
    assert sum(p.value for p in aligned.points) == pytest.approx(total)
    assert all(p.value >= 0 for p in aligned.points)
