"""Settings of fleets on Google Cloud: targets, sources and stores, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from forecasting.errors import SettingsError
from forecasting.schedule.actions import window_name
from forecasting.schedule.gcp_limits import MAX_NAME_LENGTH
from forecasting.settings import CloudMonitoringSource, Fleet, GcpTarget, GcsStore, parse_fleet, parse_job
from forecasting.settings.gcp import (
    load_balancer_refusals,
    load_balancer_requests,
    pubsub_backlog,
    pubsub_publish_requests,
)
from tests.fleets import NOW
from tests.test_settings import JOB, METRIC, MISSING, changed

FLEET: dict[str, Any] = {
    "name": "web",
    "cloud": "gcp",
    "target": {
        "project": "shop-prod",
        "location": "europe-west1",
        "autoscaler": "web-scaler",
        "group": "web",
        "kind": "regional",
    },
    "source": {"kind": "cloud-monitoring", "metric": {"type": "custom.googleapis.com/shop/load"}},
    "load_per_instance": 120,
    "floor": 2,
    "ceiling": 40,
}


def test_a_fleet_of_google_cloud_is_read_and_comes_back_from_json() -> None:
    fleet = parse_fleet(FLEET)
    assert isinstance(fleet.target, GcpTarget)
    assert isinstance(fleet.source, CloudMonitoringSource)
    assert (fleet.target_key, str(fleet.target)) == (
        "gcp/shop-prod/europe-west1/web-scaler",
        "web in europe-west1 of shop-prod",
    )
    assert Fleet.model_validate_json(fleet.model_dump_json()) == fleet


def test_a_job_serves_both_clouds_and_keeps_records_in_cloud_storage() -> None:
    job = parse_job(
        {**JOB, "fleets": [*JOB["fleets"], {**FLEET, "name": "other"}], "store": {"kind": "gcs", "bucket": "my_bucket"}}
    )
    assert [fleet.cloud for fleet in job.fleets] == ["aws", "gcp"]
    assert job.store == GcsStore(kind="gcs", bucket="my_bucket", prefix="elastic-iac")


def test_an_owner_leaves_room_for_the_names_of_scaling_schedules() -> None:
    owner = "o" * 36
    assert len(window_name(owner, NOW)) == MAX_NAME_LENGTH
    assert parse_job({**JOB, "owner": owner, "fleets": [FLEET]}).owner == owner
    assert parse_job({**JOB, "owner": owner + "o"}).owner == owner + "o"
    with pytest.raises(SettingsError, match="at most 36 characters"):
        parse_job({**JOB, "owner": owner + "o", "fleets": [FLEET]})


@pytest.mark.parametrize(
    ("path", "value", "field", "expected"),
    [
        ("cloud", "aws", "target", "a target of cloud 'aws', with the fields: region, group_name"),
        ("target", {"region": "eu-central-1", "group_name": "web"}, "target", "a target of cloud 'gcp', with the fields"),
        ("target", {}, "target", "a target of cloud 'gcp'"),
        ("target", "web", "target", "fields with their values"),
        ("target.grup", "web", "target.grup", "did you mean 'group'"),
        ("target.autoscaler", MISSING, "target.autoscaler", "required"),
        ("target.project", "123456789", "target.project", "not its number"),
        ("target.location", "europe-west1-b", "target.location", "a region such as 'europe-west1', since kind is 'regional'"),
        ("target.location", "../zones/x", "target.location", "a region such as"),
        ("target.kind", "global", "target.kind", "'regional' or 'zonal'"),
        ("target.autoscaler", "a/b", "target.autoscaler", "lower-case letters"),
        ("source.metric.type", 'x" OR true', "source.metric.type", "a metric's type"),
        ("source.metric.metric_labels", {'a" OR "b': "c"}, "source.metric.metric_labels", "a label's name"),
        ("source.metric.metric_labels", {"code": "a\nb"}, "source.metric.metric_labels.code", "one line"),
        ("source.metric.statistic", "Sum", "source.metric.statistic", "'rate'"),
        ("source", {"kind": "cloudwatch", "metric": METRIC}, "source.kind", "a file or the metrics of cloud 'gcp'"),
        ("source.period_seconds", 420, "source.period_seconds", "divisor of the step"),
        ("source.saturated_above", 0.8, "source.saturated_above", "together with utilisation"),
    ],
)  # fmt: skip
def test_a_wrong_fleet_is_refused_by_field_and_what_would_be_right(
    path: str, value: object, field: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_fleet(changed(FLEET, path, value))
    assert caught.value.field.startswith(field)
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    "preset", [load_balancer_requests, load_balancer_refusals, pubsub_publish_requests, pubsub_backlog]
)
def test_the_presets_are_metrics(preset: Any) -> None:
    fleet = parse_fleet(changed(FLEET, "source.metric", dict(preset("web"))))
    assert isinstance(fleet.source, CloudMonitoringSource)
    assert "web" in fleet.source.metric.resource_labels.values()
