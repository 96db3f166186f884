from __future__ import annotations

import json
from typing import Any

import pytest

from forecasting.errors import SettingsError
from tests.job_args import MANY, MAXIMAL, MINIMAL, changed, component, fleet, later
from tests.recording import record

from elastic_iac.aws.forecast_job.args import AwsForecastJobArgs  # isort: skip - after the import that quiets the SDK

TOPIC = "arn:aws:sns:eu-central-1:111122223333:oncall"
GOOGLE = json.loads(fleet()) | {
    "cloud": "gcp",
    "target": {
        "project": "shop-prod",
        "location": "europe-west1",
        "autoscaler": "web",
        "group": "web",
        "kind": "regional",
    },
    "source": {"kind": "file", "path": "load.csv"},
}

WRONG: list[tuple[str, AwsForecastJobArgs]] = [
    ("fleet", changed(MINIMAL, fleet=fleet())),
    ("fleets", changed(MINIMAL, fleets=None)),
    ("fleets", changed(MINIMAL, fleets=[])),
    ("fleets", changed(MINIMAL, fleets=fleet())),
    ("fleets", changed(MINIMAL, fleets=[fleet("web"), fleet("web")])),
    ("fleets", changed(MINIMAL, fleets=[fleet("web"), json.dumps({**json.loads(fleet()), "name": "api"})])),
    ("fleets", changed(MINIMAL, fleets=[*MANY, fleet("web-0")])),
    ("fleets[0]", changed(MINIMAL, fleets=["web"])),
    ("fleets[0]", changed(MINIMAL, fleets=[{"name": "web"}])),
    ("fleets[1].floor", changed(MINIMAL, fleets=[fleet("api"), fleet("web", floor=21)])),
    ("fleets[0].cloud", changed(MINIMAL, fleets=[json.dumps(GOOGLE)])),
    ("fleet_count", changed(MINIMAL, fleet_count=2)),
    ("fleet_count", changed(MINIMAL, fleet_count=0)),
    ("schedule", changed(MINIMAL, schedule="*/15 * * * *")),
    ("schedule", changed(MINIMAL, schedule="rate(15 minute)")),
    ("schedule", changed(MINIMAL, schedule="rate(25 hours)")),
    ("schedule", changed(MAXIMAL, schedule="cron(5/20 * * * * *)")),
    ("interval_minutes", changed(MINIMAL, interval_minutes=15)),
    ("interval_minutes", changed(MAXIMAL, interval_minutes=None)),
    ("interval_minutes", changed(MAXIMAL, interval_minutes=1441)),
    ("flexible_window_minutes", changed(MINIMAL, flexible_window_minutes=360)),
    ("time_zone", changed(MINIMAL, time_zone="Berlin")),
    ("architecture", changed(MINIMAL, architecture="arm")),
    ("memory_mib", changed(MINIMAL, memory_mib=256)),
    ("timeout_seconds", changed(MINIMAL, timeout_seconds=901)),
    ("log_retention_days", changed(MINIMAL, log_retention_days=31)),
    ("reserved_concurrency", changed(MINIMAL, reserved_concurrency=0)),
    ("package_path", changed(MINIMAL, package_path="dist/absent.zip")),
    ("package_path", changed(MINIMAL, package_path=__file__)),
    ("owner", changed(MINIMAL, owner="Shop")),
    ("former_owners", changed(MINIMAL, former_owners=["job"])),
    ("former_owners", changed(MINIMAL, former_owners="old")),
    ("former_owners[0]", changed(MINIMAL, former_owners=["Old"])),
    ("dry_run", changed(MINIMAL, dry_run="yes")),
    ("enabled", changed(MINIMAL, enabled=1)),
    ("alarm_topic_arn", changed(MINIMAL, alarm_topic_arn="oncall")),
    ("alarm_emails", changed(MINIMAL, alarm_emails="oncall@example.com")),
    ("alarm_emails", changed(MINIMAL, alarm_emails=["oncall@example.com"] * 2)),
    ("alarm_emails", changed(MINIMAL, alarm_emails=["oncall@example.com"], alarm_topic_arn=TOPIC)),
    ("alarm_emails[0]", changed(MINIMAL, alarm_emails=["oncall"])),
    ("store_retention_days", changed(MINIMAL, store_retention_days=60)),
    ("kms_key_arn", changed(MINIMAL, kms_key_arn="alias/job")),
    ("force_destroy", changed(MINIMAL, force_destroy="true")),
    ("tags.team", changed(MINIMAL, tags={"team": 3})),
]


@pytest.mark.parametrize(("field", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _) in enumerate(WRONG)])
def test_a_wrong_argument_is_named_before_anything_is_registered(field: str, args: AwsForecastJobArgs) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.AwsForecastJob("job", args)
        assert raised.value.field == field
        assert raised.value.expected

    recorder, _ = record(program)
    assert recorder.registrations == []


@pytest.mark.parametrize("name", ["Job", "my_job", "-job", "j" * 38, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    def program() -> None:
        with pytest.raises(SettingsError, match=r"^name: "):
            component.AwsForecastJob(name, MINIMAL)

    assert record(program)[0].registrations == []


def test_a_number_of_fleets_that_is_not_known_is_asked_for() -> None:
    def program() -> None:
        fleets = later([fleet()])
        with pytest.raises(SettingsError, match="how many fleets there are") as raised:
            component.AwsForecastJob("job", changed(MINIMAL, fleets=fleets))
        assert raised.value.field == "fleet_count"

    assert record(program)[0].registrations == []


WRONG_OUTPUTS: list[tuple[str, dict[str, Any]]] = [
    ("fleets", {"fleets": [fleet()], "fleet_count": 2}),
    ("fleets", {"fleets": fleet(), "fleet_count": 1}),
    ("fleets[1]", {"fleets": [fleet(), "api"], "fleet_count": 2}),
    ("fleets[0].cloud", {"fleets": [json.dumps(GOOGLE)], "fleet_count": 1}),
    ("schedule", {"schedule": "every day"}),
    ("interval_minutes", {"schedule": "cron(0 * * * ? *)"}),
    ("time_zone", {"time_zone": "Berlin"}),
    ("former_owners", {"former_owners": ["job"]}),
    ("memory_mib", {"memory_mib": 1.5}),
]


@pytest.mark.parametrize(("field", "given"), WRONG_OUTPUTS, ids=[f"{n}-{f}" for n, (f, _) in enumerate(WRONG_OUTPUTS)])
def test_a_wrong_output_is_named_by_the_deployment(field: str, given: dict[str, Any]) -> None:
    def program() -> None:
        outputs = {key: value if key == "fleet_count" else later(value) for key, value in given.items()}
        component.AwsForecastJob("job", changed(MINIMAL, **outputs))

    with pytest.raises(SettingsError) as raised:
        record(program)
    assert raised.value.field == field


def test_a_fleet_that_comes_later_is_told_apart_from_those_at_hand() -> None:
    with pytest.raises(SettingsError, match="fleets: got 'web'; expected names that are unique"):
        record(lambda: component.AwsForecastJob("job", changed(MINIMAL, fleets=[later(fleet()), fleet()])))
