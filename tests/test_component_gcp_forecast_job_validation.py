"""Wrong arguments of a forecast job on Google Cloud."""

from __future__ import annotations

import pytest

from forecasting.errors import SettingsError
from tests.gcp_job_args import MINIMAL, changed, component, declare, fleet, target
from tests.recording import record

from elastic_iac.gcp.forecast_job.args import GcpForecastJobArgs  # isort: skip


WRONG: list[tuple[str, GcpForecastJobArgs]] = [
    ("fleets", changed(MINIMAL, fleets=[])),
    ("fleets[0]", changed(MINIMAL, fleets=["web"])),
    (
        "fleets[0].target.location",
        changed(MINIMAL, fleets=[fleet(target={**target("web"), "location": "europe-west1-b"})]),
    ),
    ("fleets", changed(MINIMAL, fleets=[fleet(), fleet()])),
    ("fleet_count", changed(MINIMAL, fleet_count=2)),
    ("flets", changed(MINIMAL, flets=[])),
    ("region", changed(MINIMAL, region="europe")),
    ("schedule", changed(MINIMAL, schedule="rate", interval_minutes=15)),
    ("interval_minutes", changed(MINIMAL, schedule="0 * * * *")),
    ("interval_minutes", changed(MINIMAL, interval_minutes=15)),
    ("interval_minutes", changed(MINIMAL, schedule="0 * * * *", interval_minutes=0)),
    ("time_zone", changed(MINIMAL, time_zone="Berlin")),
    ("memory_mib", changed(MINIMAL, memory_mib=100)),
    ("timeout_seconds", changed(MINIMAL, timeout_seconds=3600)),
    ("package_path", changed(MINIMAL, package_path="nothing.zip")),
    ("owner", changed(MINIMAL, owner="Shop")),
    ("former_owners[0]", changed(MINIMAL, former_owners=["Shop"])),
    ("former_owners", changed(MINIMAL, former_owners=["job"])),
    ("dry_run", changed(MINIMAL, dry_run="no")),
    ("enabled", changed(MINIMAL, enabled=1)),
    ("alarm_channels[0]", changed(MINIMAL, alarm_channels=["oncall"])),
    ("alarm_emails[0]", changed(MINIMAL, alarm_emails=["oncall"])),
    ("alarm_emails", changed(MINIMAL, alarm_emails=["a@b.example", "a@b.example"])),
    ("store_retention_days", changed(MINIMAL, store_retention_days=30)),
    ("vpc_connector", changed(MINIMAL, vpc_connector="private")),
    ("kms_key", changed(MINIMAL, kms_key="k")),
    ("force_destroy", changed(MINIMAL, force_destroy="yes")),
    ("labels.team", changed(MINIMAL, labels={"team": 3})),
]


@pytest.mark.parametrize(("field", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _) in enumerate(WRONG)])
def test_a_wrong_argument_is_named_before_anything_is_registered(field: str, args: GcpForecastJobArgs) -> None:
    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.GcpForecastJob("job", args)
        assert raised.value.field == field
        assert raised.value.expected

    recorder, _ = record(program)
    assert recorder.registrations == []


def test_a_group_of_another_cloud_is_refused() -> None:
    aws = fleet(
        cloud="aws", target={"region": "eu-central-1", "group_name": "web"}, source={"kind": "file", "path": "x"}
    )
    with pytest.raises(SettingsError, match=r"fleets\[0\]\.cloud: got 'aws'"):
        declare(changed(MINIMAL, fleets=[aws]))


@pytest.mark.parametrize("name", ["Job", "9job", "j" * 29, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    def program() -> None:
        with pytest.raises(SettingsError, match=r"^name: "):
            component.GcpForecastJob(name, MINIMAL)

    assert record(program)[0].registrations == []
