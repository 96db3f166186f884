"""Load from Cloud Monitoring through the official client, against the stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.local.gcp import faults
from elastic_iac.local.gcp.cloud import LocalGcp
from elastic_iac.local.gcp.filters import parse
from forecasting.errors import CredentialsError, InputError, SourceError
from forecasting.settings import CloudMonitoringSource, GcpTarget, validated
from forecasting.settings.gcp import load_balancer_refusals, load_balancer_requests, pubsub_backlog
from forecasting.sources import Reading, open_source
from forecasting.sources.monitoring import filter_of, with_inner_zeros
from tests.fleets import NOW
from tests.gcp_fleets import PROJECT, REGION

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TARGET = GcpTarget(project=PROJECT, location=REGION, autoscaler="web", group="web", kind="regional")
CUSTOM = "custom.googleapis.com/shop/load"


def no_wait(_state: object) -> float:
    """Waits for nothing."""
    return 0.0


@pytest.fixture
def cloud(gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> LocalGcp:
    gcp.reset(now=NOW)
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("forecasting.sources.monitoring._WAIT", no_wait)
    return gcp


def source(metric: Any, **more: Any) -> CloudMonitoringSource:
    return validated(CloudMonitoringSource, {"kind": "cloud-monitoring", "metric": dict(metric), **more})


def read(settings: CloudMonitoringSource, hours: float = 2) -> Reading:
    return open_source(settings, target=TARGET).read(NOW - hours * HOUR, NOW)


def minutes(values: Sequence[float], end: datetime = NOW) -> list[tuple[datetime, float]]:
    """Samples of a minute, the last one ending at `end`."""
    return [(end - (len(values) - 1 - at) * MINUTE, value) for at, value in enumerate(values)]


def test_a_gauge_is_averaged_over_each_period_and_bears_its_start(cloud: LocalGcp) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, minutes([float(value) for value in range(120)]))
    load = read(source({"type": CUSTOM})).load
    assert load.index.is_monotonic_increasing
    assert load.index[-1] == pd.Timestamp(NOW.replace(minute=0)) - pd.Timedelta(minutes=5) + pd.Timedelta(minutes=5 * 0)
    # the samples that end within (09:55, 10:00] are those of seven to eleven minutes before the newest, which ends at 10:07
    assert load.iloc[-1] == pytest.approx(np.mean([119 - ago for ago in range(7, 12)]))


def test_periods_that_may_still_grow_are_not_read(cloud: LocalGcp) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, minutes([1.0] * 120))
    newest = read(source({"type": CUSTOM}, period_seconds=60)).load.index[-1]
    assert newest == pd.Timestamp(NOW) - pd.Timedelta(minutes=5)


@pytest.mark.parametrize("kind", ["DELTA", "CUMULATIVE"])
def test_a_counter_is_a_rate_per_second_summed_over_its_series_and_never_negative(cloud: LocalGcp, kind: str) -> None:
    for code, each in (("200", 120.0), ("500", 60.0)):
        counts = [each] * 120 if kind == "DELTA" else list(np.cumsum([each] * 120))
        cloud.monitoring.publish(
            PROJECT, CUSTOM, minutes(counts), kind=kind, value_type="INT64", metric_labels={"code": code}
        )
    load = read(source({"type": CUSTOM, "statistic": "rate"}), 1).load
    assert load.to_numpy() == pytest.approx(3.0)
    only = read(source({"type": CUSTOM, "statistic": "rate", "metric_labels": {"code": "500"}}), 1).load
    assert only.to_numpy() == pytest.approx(1.0)


def test_load_balancer_requests_and_refusals(cloud: LocalGcp) -> None:
    requests = dict(load_balancer_requests("web-backend"))
    common: dict[str, Any] = {
        "kind": "DELTA",
        "value_type": "INT64",
        "resource": "https_lb_rule",
        "resource_labels": {"backend_target_name": "web-backend"},
    }
    quiet = [600.0] * 60 + [0.0] * 60
    points = [point for point, value in zip(minutes([600.0] * 120), quiet, strict=True) if value]
    # Nothing is written while nothing is asked for: the second hour begins with half an hour without samples.
    points += minutes([600.0] * 30)
    cloud.monitoring.publish(PROJECT, requests["type"], points, metric_labels={"response_code": "200"}, **common)
    refused_at = [(NOW.replace(minute=0) - 7 * MINUTE, 5.0)]
    cloud.monitoring.publish(PROJECT, requests["type"], refused_at, metric_labels={"response_code": "503"}, **common)
    other: dict[str, Any] = {**common, "resource_labels": {"backend_target_name": "other"}}
    cloud.monitoring.publish(PROJECT, requests["type"], minutes([9999.0] * 120), **other)

    reading = read(source(requests, refused=dict(load_balancer_refusals("web-backend"))))
    load, censored = reading.load, reading.censored
    assert censored is not None
    stamp = pd.Timestamp(NOW.replace(minute=0))
    assert load[stamp - pd.Timedelta(minutes=35)] == 0.0
    assert load[stamp - pd.Timedelta(minutes=90)] == pytest.approx(10.0)
    assert list(censored[censored].index) == [stamp - pd.Timedelta(minutes=10)]
    kept = read(source({**requests, "absent_is_zero": False})).load
    assert stamp - pd.Timedelta(minutes=35) not in kept.index


def test_a_backlog_is_a_gauge(cloud: LocalGcp) -> None:
    backlog = dict(pubsub_backlog("orders"))
    cloud.monitoring.publish(
        PROJECT,
        backlog["type"],
        minutes([700.0] * 60),
        value_type="INT64",
        resource="pubsub_subscription",
        resource_labels={"subscription_id": "orders"},
    )
    assert set(read(source(backlog), 1).load) == {700.0}


def test_an_average_per_instance_is_multiplied_by_the_groups_size_and_saturation_is_marked(cloud: LocalGcp) -> None:
    cpu = "compute.googleapis.com/instance/cpu/utilization"
    cloud.monitoring.publish(
        PROJECT, cpu, minutes([0.5] * 60 + [0.9] * 60), resource="gce_instance", resource_labels={"zone": f"{REGION}-b"}
    )
    size = "compute.googleapis.com/instance_group/size"
    for group, count in (("web", 4.0), ("other", 50.0)):
        cloud.monitoring.publish(
            PROJECT,
            size,
            minutes([count] * 120),
            value_type="INT64",
            resource="instance_group",
            resource_labels={"instance_group_name": group, "location": REGION},
        )
    metric = {"type": cpu, "across": "mean"}
    reading = read(source(metric, per_instance=True, utilisation=metric, saturated_above=0.8))
    assert reading.censored is not None
    assert reading.load.iloc[0] == pytest.approx(2.0)
    assert reading.load.iloc[-1] == pytest.approx(3.6)
    assert (reading.censored.iloc[0], reading.censored.iloc[-1]) == (False, True)


def test_missing_periods_are_missing_and_nothing_at_all_is_said(cloud: LocalGcp) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, [point for point in minutes([5.0] * 120) if point[0].minute >= 30])
    load = read(source({"type": CUSTOM})).load
    assert not load.empty
    assert all(stamp.minute >= 25 for stamp in load.index)
    for zero in (False, True):
        reading = read(source({"type": "custom.googleapis.com/none", "absent_is_zero": zero}))
        assert reading.load.empty
        assert any("no samples" in warning for warning in reading.warnings)


def test_pages_are_all_read(cloud: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, minutes([1.0] * 2000))
    monkeypatch.setattr("elastic_iac.local.gcp.rpc.MAX_PAGE", 100)
    cloud.calls.clear()
    load = read(source({"type": CUSTOM}, period_seconds=60), 30).load
    assert len(load) > 1700
    assert load.index.is_unique
    assert len([call for call in cloud.calls if call.action == "timeSeries.list"]) > 10


# Faults


def test_a_partial_answer_is_no_answer(cloud: LocalGcp) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, minutes([1.0] * 120))
    cloud.faults.add(faults.partial_series())
    assert len(read(source({"type": CUSTOM}), 1).load) == 10
    cloud.faults.add(faults.partial_series(times=None))
    with pytest.raises(SourceError, match="nothing whole in 4 attempts"):
        read(source({"type": CUSTOM}), 1)


@pytest.mark.parametrize("fault", [faults.unavailable, faults.too_many_requests, faults.server_error, faults.reset])
def test_what_passes_by_itself_is_tried_again(cloud: LocalGcp, fault: Any) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, minutes([1.0] * 120))
    cloud.faults.add(fault(service="monitoring", times=2))
    assert len(read(source({"type": CUSTOM}), 1).load) == 10


@pytest.mark.parametrize("fault", [faults.forbidden, faults.expired_token])
def test_a_refusal_names_the_permission_and_is_not_tried_again(cloud: LocalGcp, fault: Any) -> None:
    cloud.faults.add(fault(service="monitoring", times=None))
    cloud.calls.clear()
    with pytest.raises(CredentialsError, match=r"monitoring\.timeSeries\.list"):
        read(source({"type": CUSTOM}))
    assert len(cloud.calls) == 1


def test_an_aligner_that_does_not_fit_the_metric_is_refused_in_googles_words(cloud: LocalGcp) -> None:
    cloud.monitoring.publish(PROJECT, CUSTOM, minutes([1.0] * 60), kind="GAUGE")
    with pytest.raises(SourceError, match=r"filter: metric\.type"):
        read(source({"type": CUSTOM, "statistic": "rate"}))


def test_naive_times_are_refused(cloud: LocalGcp) -> None:
    with pytest.raises(InputError, match="UTC offset"):
        open_source(source({"type": CUSTOM}), target=TARGET).read(NOW.replace(tzinfo=None), NOW)


# Filters


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
def test_no_value_is_read_as_an_expression(value: str) -> None:
    metric = source({"type": CUSTOM, "metric_labels": {"code": value}}).metric
    terms = parse(filter_of(metric))
    assert [(term.selector, term.function) for term in terms] == [("metric.type", ""), ("metric.labels.code", "")]
    assert terms[1].given == (metric.metric_labels["code"],)


def test_every_field_of_a_metric_is_in_its_filter() -> None:
    metric = source(
        {
            "type": CUSTOM,
            "resource_type": "global",
            "metric_labels": {"code": 'a"b\\'},
            "resource_labels": {"project_id": "p"},
            "user_labels": {"elastic-iac-fleet": "web"},
        }
    ).metric
    assert filter_of(metric) == (
        'metric.type = "custom.googleapis.com/shop/load" AND resource.type = "global" AND metric.labels.code = "a\\"b\\\\"'
        ' AND resource.labels.project_id = "p" AND metadata.user_labels."elastic-iac-fleet" = "web"'
    )


def test_zeros_are_put_between_samples_alone() -> None:
    stamps = pd.to_datetime([NOW, NOW + 15 * MINUTE], utc=True)
    filled = with_inner_zeros(pd.Series([4.0, 5.0], index=stamps), 300)
    assert list(filled) == [4.0, 0.0, 0.0, 5.0]
