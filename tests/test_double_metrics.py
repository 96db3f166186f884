"""CloudWatch metric data: the rules that the bare emulator does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.faults import metric_status
from tests.doubles import refused

MINUTE = timedelta(minutes=1)


@pytest.fixture
def strict(aws: LocalAws) -> Any:
    return aws.client("cloudwatch", in_process=True)


@pytest.fixture
def bare(aws: LocalAws, strict: Any) -> Any:
    """The emulator behind the double: what is put through the double reaches it, too."""
    return aws.bare_client("cloudwatch")


def put(client: Any, stamps: list[datetime], values: list[float], **more: Any) -> None:
    data = [
        {"MetricName": "Requests", "Timestamp": stamp, "Value": value, **more}
        for stamp, value in zip(stamps, values, strict=True)
    ]
    client.put_metric_data(Namespace="App", MetricData=data)


def query(stat: str = "Sum", period: int = 300, identifier: str = "q", **metric: Any) -> dict[str, Any]:
    unit = {"Unit": metric.pop("Unit")} if "Unit" in metric else {}
    named = {"Namespace": "App", "MetricName": "Requests", **metric}
    return {"Id": identifier, "MetricStat": {"Metric": named, "Period": period, "Stat": stat, **unit}}


@pytest.fixture
def hour(aws: LocalAws, strict: Any) -> list[datetime]:
    """Twelve samples of 0 to 11, one every 5 min, of the last full hour; their stamps."""
    end = aws.clock.now().replace(minute=0)
    stamps = [end - 5 * number * MINUTE for number in range(12, 0, -1)]
    put(strict, stamps, [float(number) for number in range(12)])
    return stamps


def read(client: Any, stamps: list[datetime], *queries: dict[str, Any], **more: Any) -> Any:
    return client.get_metric_data(
        MetricDataQueries=list(queries) or [query()], StartTime=stamps[0], EndTime=stamps[-1] + 5 * MINUTE, **more
    )


def test_the_newest_comes_first_unless_asked_otherwise(strict: Any, bare: Any, hour: list[datetime]) -> None:
    result = read(strict, hour)["MetricDataResults"][0]
    assert (result["Timestamps"], result["Values"]) == (hour[::-1], [float(number) for number in range(11, -1, -1)])
    assert (result["StatusCode"], result["Label"]) == ("Complete", "Requests")
    assert read(strict, hour, ScanBy="TimestampAscending")["MetricDataResults"][0]["Timestamps"] == hour
    assert read(bare, hour)["MetricDataResults"][0]["Timestamps"] == hour, "the emulator knows one order"


@pytest.mark.parametrize("scan", ["TimestampAscending", "TimestampDescending"])
def test_pages_hold_max_datapoints(strict: Any, bare: Any, hour: list[datetime], scan: str) -> None:
    queries = [query(identifier="a"), query("Maximum", identifier="b"), query(identifier="none", MetricName="Absent")]
    whole = {
        result["Id"]: result["Values"] for result in read(strict, hour, *queries, ScanBy=scan)["MetricDataResults"]
    }
    found: dict[str, list[float]] = {}
    token: dict[str, str] = {}
    for _ in range(5):
        page = read(strict, hour, *queries, ScanBy=scan, MaxDatapoints=5, **token)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 5
        for result in page["MetricDataResults"]:
            found.setdefault(result["Id"], []).extend(result["Values"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == whole
    assert {name: len(values) for name, values in found.items()} == {"a": 12, "b": 12, "none": 0}
    refused("InvalidNextToken", read, strict, hour, NextToken="made-up")
    assert "NextToken" not in read(bare, hour, MaxDatapoints=5)


REFUSED_QUERIES: dict[str, list[dict[str, Any]]] = {
    "more than 500": [query(identifier=f"q{number}") for number in range(501)],
    "an id that repeats": [query(), query()],
    "an id in capitals": [query(identifier="Q")],
    "a period of 90 s": [query(period=90)],
    "no such statistic": [query("Mode")],
}


@pytest.mark.parametrize("rule", REFUSED_QUERIES)
def test_a_query_out_of_the_rules_is_refused(strict: Any, bare: Any, hour: list[datetime], rule: str) -> None:
    refused("ValidationError", read, strict, hour, *REFUSED_QUERIES[rule])
    read(bare, hour, *REFUSED_QUERIES[rule])


@pytest.mark.parametrize("points", [0, 100_801])
def test_a_page_holds_1_to_100800_points(strict: Any, bare: Any, hour: list[datetime], points: int) -> None:
    refused("ValidationError", read, strict, hour, MaxDatapoints=points)
    read(bare, hour, MaxDatapoints=points)


def test_the_start_is_before_the_end(strict: Any, bare: Any, hour: list[datetime]) -> None:
    refused("ValidationError", read, strict, [hour[0], hour[0] - 5 * MINUTE])
    read(bare, [hour[0], hour[0] - 5 * MINUTE])


def test_each_set_of_dimensions_is_a_metric(strict: Any, bare: Any, hour: list[datetime]) -> None:
    one = {"Name": "Balancer", "Value": "one"}
    put(strict, hour[:1], [100.0], Dimensions=[one])
    put(strict, hour[:1], [1000.0], Dimensions=[one, {"Name": "Zone", "Value": "a"}])
    sums = [
        sum(read(client, hour, asked)["MetricDataResults"][0]["Values"])
        for client in (strict, bare)
        for asked in (query(), query(Dimensions=[one]))
    ]
    assert sums == [66, 100, 1166, 100], "the emulator adds up all metrics of the name"


def test_a_unit_selects_samples(strict: Any, bare: Any, hour: list[datetime]) -> None:
    put(strict, hour[:1], [100.0], Unit="Count")
    sums = [
        sum(read(client, hour, query(Unit=unit))["MetricDataResults"][0]["Values"])
        for client in (strict, bare)
        for unit in ("Count", "Bytes")
    ]
    assert sums == [100, 0, 166, 166]


def test_statistics(strict: Any, hour: list[datetime]) -> None:
    put(strict, hour[:1], [8.0])
    strict.put_metric_data(
        Namespace="App",
        MetricData=[{"MetricName": "Requests", "Timestamp": hour[0], "Values": [1.0, 2.0], "Counts": [3.0, 1.0]}],
    )
    values = {
        stat: read(strict, hour, query(stat, period=3600))["MetricDataResults"][0]["Values"]
        for stat in ("Sum", "SampleCount", "Average", "Minimum", "Maximum", "p50", "p100", "p0")
    }
    everything = [*range(12), 8, 1, 1, 1, 2]
    total, count = sum(everything), len(everything)
    assert values == {
        "Sum": [total],
        "SampleCount": [count],
        "Average": [total / count],
        "Minimum": [0],
        "Maximum": [11],
        "p50": [sorted(everything)[count // 2]],
        "p100": [11],
        "p0": [0],
    }


def test_a_statistic_set_hides_percentiles(strict: Any, hour: list[datetime]) -> None:
    given = {"SampleCount": 4.0, "Sum": 20.0, "Minimum": 2.0, "Maximum": 9.0}
    datum = {"MetricName": "Sets", "Timestamp": hour[0], "StatisticValues": given}
    strict.put_metric_data(Namespace="App", MetricData=[datum])
    answers = {
        stat: read(strict, hour, query(stat, MetricName="Sets"))["MetricDataResults"][0]["Values"]
        for stat in ("Average", "Maximum", "p50")
    }
    assert answers == {"Average": [5], "Maximum": [9], "p50": []}


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(days=14, minutes=1), "InvalidParameterValue"),
        (-timedelta(hours=2, minutes=1), "InvalidParameterValue"),
    ],
)
def test_samples_are_two_weeks_old_at_most_and_two_hours_ahead(
    aws: LocalAws, strict: Any, bare: Any, age: timedelta, code: str
) -> None:
    refused(code, put, strict, [aws.clock.now() - age], [1.0])
    put(bare, [aws.clock.now() - age], [1.0])


def test_age_goes_by_the_doubles_clock(aws: LocalAws, strict: Any) -> None:
    start = datetime(2022, 5, 18, tzinfo=UTC)
    aws.reset(now=start)
    stamps = [start - timedelta(days=14), start - 5 * MINUTE]
    put(strict, stamps, [1.0, 2.0])
    assert read(strict, stamps)["MetricDataResults"][0]["Values"] == [2, 1]
    aws.clock.advance(timedelta(days=2))
    kept = {
        period: read(strict, stamps, query(period=period))["MetricDataResults"][0]["Values"] for period in (60, 300)
    }
    assert kept == {60: [2], 300: [2, 1]}, "60 s are kept for 15 days, 300 s for 63"


REFUSED_DATA: dict[str, dict[str, Any]] = {
    "not a number": {"Value": float("nan")},
    "infinite": {"Value": float("inf")},
    "too large": {"Value": 2.0**361},
    "151 values": {"Values": [1.0] * 151},
    "a count for each value": {"Values": [1.0, 2.0], "Counts": [1.0]},
    "no value": {},
    "31 dimensions": {"Value": 1.0, "Dimensions": [{"Name": f"d{number}", "Value": "x"} for number in range(31)]},
}


@pytest.mark.parametrize("rule", REFUSED_DATA)
def test_data_out_of_the_rules_are_refused_whole(aws: LocalAws, strict: Any, rule: str) -> None:
    stamp = aws.clock.now() - 5 * MINUTE
    good = {"MetricName": "Requests", "Timestamp": stamp, "Value": 1.0}
    with pytest.raises(ClientError):
        strict.put_metric_data(Namespace="App", MetricData=[good, {"MetricName": "Bad", **REFUSED_DATA[rule]}])
    assert read(strict, [stamp])["MetricDataResults"][0]["Values"] == []


def test_a_call_puts_1000_samples(aws: LocalAws, strict: Any, bare: Any) -> None:
    stamps = [aws.clock.now() - number * MINUTE for number in range(1, 1002)]
    put(strict, stamps[:1000], [1.0] * 1000)  # long enough for botocore to compress it
    assert len(read(strict, stamps[::-1], query(period=60))["MetricDataResults"][0]["Values"]) == 1000
    refused("InvalidParameterValue", put, strict, stamps, [1.0] * 1001)
    put(bare, stamps, [1.0] * 1001)


@pytest.mark.parametrize(("status", "values"), [("InternalError", 0), ("Forbidden", 0), ("PartialData", 6)])
def test_a_status_inside_a_200_is_injected(
    aws: LocalAws, strict: Any, hour: list[datetime], status: str, values: int
) -> None:
    aws.faults.add(metric_status(status))
    result = read(strict, hour)["MetricDataResults"][0]
    assert (result["StatusCode"], len(result["Values"])) == (status, values)
    assert read(strict, hour)["MetricDataResults"][0]["StatusCode"] == "Complete"


def test_the_same_over_http(aws: LocalAws, strict: Any, hour: list[datetime]) -> None:
    client = aws.client("cloudwatch")
    assert read(client, hour)["MetricDataResults"] == read(strict, hour)["MetricDataResults"]
    assert client.list_metrics(Namespace="App")["Metrics"][0]["MetricName"] == "Requests", "the emulator has them, too"
