"""The function's handler, against the double: its events, logs, metrics, errors and what a warm start keeps."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from forecasting import job as job_module
from forecasting.errors import SettingsError
from tests.fleets import REGION, fleet_data, make_group, make_job
from tests.invocations import quick_forecast
from tests.street import write_load

BUCKET = "job-bucket"
URL = f"s3://{BUCKET}/settings/job.json"
SCHEDULED = {"source": "schedule", "scheduled_time": "2026-03-02T10:00:00Z"}


@dataclass
class Context:
    """Lambda's context."""

    aws_request_id: str = "request-1"
    milliseconds: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


class Function:
    """The deployed function: its environment, its settings in a bucket, two groups."""

    def __init__(self, aws: LocalAws, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from forecasting.entrypoints import aws_lambda  # noqa: PLC0415 - as in Lambda: after the environment is set

        self.aws, self.folder, self.module, self._capsys = aws, folder, aws_lambda, capsys
        self.logged = io.StringIO()  # the logger keeps the standard output that it was made with
        write_load(folder / "load.csv", aws.clock.now())
        self.settings(self.job())

    def job(self, lead_time_seconds: int = 180, **changes: Any) -> str:
        source = {"kind": "file", "path": str(self.folder / "load.csv")}
        fleets = [
            fleet_data(
                name=name,
                target={"region": REGION, "group_name": name},
                source=source,
                horizon_hours=6,
                lead_time_seconds=lead_time_seconds,
            )
            for name in ("api", "web")
        ]
        store = {"kind": "s3", "bucket": BUCKET, "prefix": "store", "region": REGION}
        return make_job(self.folder, *fleets, **{"store": store, **changes}).model_dump_json()

    def settings(self, text: str) -> None:
        self.aws.client("s3").put_object(Bucket=BUCKET, Key="settings/job.json", Body=text)

    def __call__(self, event: dict[str, Any], **context: Any) -> dict[str, Any]:
        self.aws.calls.clear()
        return self.module.handler(event, Context(**context))

    def changes(self) -> int:
        return sum(call.mutating and call.service == "autoscaling" for call in self.aws.calls)

    def printed(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Metrics and log lines since it was asked last."""
        metrics = [json.loads(line) for line in self._capsys.readouterr().out.splitlines() if line.startswith("{")]
        logs = [json.loads(line) for line in self.logged.getvalue().splitlines()]
        self.logged.seek(0)
        self.logged.truncate()
        return metrics, logs


@pytest.fixture
def function(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Function]:
    variables = {
        **aws.environment(),
        "ELASTIC_IAC_SETTINGS": URL,
        "POWERTOOLS_SERVICE_NAME": "elastic-iac",
        "POWERTOOLS_METRICS_NAMESPACE": "ElasticIac",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    aws.client("s3").create_bucket(Bucket=BUCKET)
    for name in ("api", "web"):
        make_group(aws, name)
    monkeypatch.setattr(job_module, "forecast", quick_forecast)
    made = Function(aws, tmp_path, capsys)
    # Each test is a process of its own as far as clients go; what is written is written at once, on the double's clock.
    from forecasting.aws_session import sharing_clients  # noqa: PLC0415

    monkeypatch.setattr(made.module, "_session", sharing_clients())
    monkeypatch.setattr("forecasting.invocation.serving.WRITES_PER_SECOND", float("inf"))
    made.module.logger.registered_handler.stream = made.logged
    logging.getLogger("forecasting").handlers = made.module.logger.handlers
    yield made
    logging.getLogger("forecasting").handlers = []
    logging.getLogger("forecasting").propagate = True


def test_a_scheduled_run_serves_all_fleets_and_reports_them(function: Function) -> None:
    summary = function(SCHEDULED)
    assert summary["run_id"] == "schedule-2026-03-02T10:00:00+00:00"
    assert (summary["served"], summary["writes"]) == (2, function.changes())
    assert {fleet["status"] for fleet in summary["fleets"]} == {"written"}
    assert json.loads(json.dumps(summary)) == summary

    metrics, logs = function.printed()
    of_job = [each for each in metrics if "Fleet" not in each]
    assert len(of_job) == 1
    definition = of_job[0]["_aws"]["CloudWatchMetrics"][0]
    assert (definition["Namespace"], definition["Dimensions"], of_job[0]["Job"]) == ("ElasticIac", [["Job"]], "job")
    units = {metric["Name"]: metric["Unit"] for metric in definition["Metrics"]}
    counts = {"FleetsServed", "FleetsHeld", "FleetsFailed", "FleetsDeferred", "FleetsPinned", "FleetsWorseThanNaive"}
    counts |= {"FleetsUncovered", "FleetsCapacityLimited", "FleetsLaunchesFailing", "WritesRefused", "Writes"}
    assert units == dict.fromkeys(counts, "Count") | {"RunSeconds": "Seconds", "OldestPlanAgeMinutes": "None"}
    assert of_job[0]["FleetsServed"] == [2.0]
    of_fleet = {each["Fleet"]: each for each in metrics if "Fleet" in each}
    assert sorted(of_fleet) == ["api", "web"]
    assert of_fleet["web"]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Job", "Fleet"]]
    names = {metric["Name"] for metric in of_fleet["web"]["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert names == {"Load", "ForecastLow", "ForecastMedian", "ForecastHigh", "Floor", "Capacity"}
    assert {line["run_id"] for line in logs} == {summary["run_id"]}
    assert {line["fleet"] for line in logs if "fleet" in line} == {"api", "web"}


def test_a_delivery_that_is_repeated_writes_nothing_and_clears_no_alarm(function: Function) -> None:
    function(SCHEDULED)
    function.printed()
    again = function(SCHEDULED, aws_request_id="request-2")
    assert (again["duplicates"], again["held"], function.changes()) == (2, 0, 0)
    assert function.printed()[0] == []


@pytest.mark.parametrize(
    ("event", "run_id"),
    [
        (SCHEDULED, "schedule-2026-03-02T10:00:00+00:00"),
        ({"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>"}, "request-1"),
        ({"source": "manual"}, "request-1"),
        (
            {"Records": [{"s3": {"object": {"key": "settings/job.json", "versionId": "v7", "eTag": "e"}}}]},
            "settings-v7",
        ),
        ({"Records": [{"s3": {"object": {"key": "settings/job.json", "eTag": "e1"}}}]}, "settings-e1"),
        ({}, "request-1"),
    ],
)
def test_each_occasion_has_its_run_id(function: Function, event: dict[str, Any], run_id: str) -> None:
    assert function.module.run_id_of(event, "request-1") == run_id


def test_a_warm_start_makes_no_client_and_reads_the_settings_again(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    function({"source": "manual"})

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a client was made")

    monkeypatch.setattr("boto3.session.Session.client", refuse)
    function.settings(function.job(dry_run=True))
    warm = function({"source": "manual"}, aws_request_id="request-2")
    assert {fleet["status"] for fleet in warm["fleets"]} == {"planned"}
    assert function.changes() == 0


def test_row_37_settings_that_are_wrong_fail_the_run_and_change_nothing(function: Function) -> None:
    function(SCHEDULED)
    standing = {name: set(function.aws.group(name).actions) for name in ("api", "web")}
    function.settings(function.job().replace('"floor":2', '"floor":-2', 1))
    with pytest.raises(SettingsError, match=r"fleets\.0\.floor: got -2"):
        function({"source": "manual"})
    assert function.changes() == 0
    assert {name: set(function.aws.group(name).actions) for name in ("api", "web")} == standing
    _metrics, logs = function.printed()
    assert "fleets.0.floor" in logs[-1]["reason"]


def test_without_its_variable_the_function_says_which(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELASTIC_IAC_SETTINGS")
    with pytest.raises(SettingsError, match="ELASTIC_IAC_SETTINGS: got ''"):
        function(SCHEDULED)


def test_held_fleets_are_metrics_and_all_refused_is_an_error(function: Function) -> None:
    function.aws.faults.add(faults.access_denied(group="web", times=None))
    summary = function(SCHEDULED)
    assert (summary["served"], summary["held"], summary["refused"]) == (1, 1, 1)
    function.aws.faults.add(faults.access_denied(times=None))
    function.printed()
    with pytest.raises(function.module.JobFailedError, match="all 2 fleets were refused"):
        function({"source": "manual"})
    metrics, _logs = function.printed()
    assert [each["WritesRefused"] for each in metrics if "Fleet" not in each] == [[2.0]]


def test_with_no_time_left_everything_is_put_off(function: Function) -> None:
    summary = function(SCHEDULED, milliseconds=24_000)
    assert (summary["deferred"], summary["served"], function.changes()) == (2, 0, 0)


def test_i14_what_is_printed_holds_no_secret(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-SECRET")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "IQoJb3JpZ2lu-TOKEN")
    function.aws.faults.add(faults.expired_token(times=None))
    with pytest.raises(function.module.JobFailedError) as caught:
        function(SCHEDULED)
    told = str(caught.value) + json.dumps(function.printed())
    assert "ExpiredToken" in told
    assert "SECRET" not in told.replace("AWS_SECRET_ACCESS_KEY", "")
    assert "TOKEN" not in told


# Short runs


def at(now: datetime, kind: str = "short") -> dict[str, Any]:
    return {"source": "schedule", "scheduled_time": now.isoformat(), "kind": kind}


def test_a_short_event_re_levels_and_a_repeated_one_is_a_duplicate(function: Function) -> None:
    function.settings(function.job(lead_time_seconds=600))
    now = function.aws.clock.now()
    assert function(at(now, "full"))["kind"] == "full"
    write_load(function.folder / "load.csv", now, scale=1.6)
    function.printed()
    summary = function(at(now), aws_request_id="request-2")
    assert (summary["kind"], summary["run_id"]) == ("short", f"short-{now.isoformat()}")
    assert {fleet["status"] for fleet in summary["fleets"]} == {"written"}
    assert 0 < function.changes() <= 2 * 4
    metrics, logs = function.printed()
    (of_job,) = [each for each in metrics if "Fleet" not in each]
    assert "FleetsWorseThanNaive" not in of_job
    assert {"FleetsServed", "FleetsHeld", "OldestPlanAgeMinutes"} <= set(of_job)
    assert all(line["needed"] for line in logs if "fleet" in line)

    write_load(function.folder / "load.csv", now, scale=0.6)
    again = function(at(now), aws_request_id="request-3")
    assert (again["duplicates"], again["held"], function.changes()) == (2, 0, 0)
    assert function.printed()[0] == []


def test_a_short_event_that_waited_longer_than_the_next_one_takes_is_dropped(function: Function) -> None:
    now = datetime.now(UTC)
    late = at(now - timedelta(minutes=6))
    assert function(late) == {"job": "job", "run_id": f"short-{late['scheduled_time']}", "outdated": True}
    assert [call.action for call in function.aws.calls if call.mutating] == []
    assert function.printed()[0] == []
    function.settings(function.job(short_run_minutes=10))
    assert "outdated" not in function(late)
    assert "outdated" not in function(at(now - timedelta(hours=5), "full"))
    assert "outdated" not in function({"source": "manual", "kind": "short"}, aws_request_id="request-9")


def test_an_event_of_no_kind_that_there_is_fails_and_changes_nothing(function: Function) -> None:
    with pytest.raises(SettingsError, match="kind: got 'shorter'"):
        function(at(function.aws.clock.now(), "shorter"))
    assert function.changes() == 0


def test_whom_a_full_run_put_off_has_a_full_turn_in_the_next_short_one(function: Function) -> None:
    now = function.aws.clock.now()
    assert function(at(now, "full"), milliseconds=24_000)["deferred"] == 2
    summary = function(at(now), aws_request_id="request-2")
    assert {fleet["status"] for fleet in summary["fleets"]} == {"written"}
    assert function.changes() > 2 * 20
    assert all(function.aws.group(name).actions for name in ("api", "web"))
    assert function(at(now + timedelta(minutes=5)), aws_request_id="request-3")["writes"] <= 2 * 4


NEWER: list[tuple[str, str, str]] = [
    ('{"version":1', '{"version":2', "version"),
    ('"former_owners"', '"surge_capacity":3,"former_owners"', "surge_capacity"),
    ('"floor":2', '"min_capacity":2', "min_capacity"),
]


@pytest.mark.parametrize(("old", "new", "named"), NEWER)
def test_settings_of_a_newer_release_hold_every_fleet_and_the_old_plan_runs_on(
    function: Function, old: str, new: str, named: str
) -> None:
    function(SCHEDULED)
    function.printed()
    standing = {name: dict(function.aws.group(name).actions) for name in ("api", "web")}
    text = function.job()
    assert old in text
    function.settings(text.replace(old, new, 1))
    summary = function({"source": "manual"}, aws_request_id="request-2")
    assert {fleet["code"] for fleet in summary["fleets"]} == {"package-outdated"}
    assert (summary["held"], function.changes()) == (2, 0)
    assert {name: dict(function.aws.group(name).actions) for name in ("api", "web")} == standing
    metrics, logs = function.printed()
    [of_job] = [each for each in metrics if "Fleet" not in each]
    assert of_job["FleetsHeld"] == [2.0]
    assert "OldestPlanAgeMinutes" not in of_job  # silence raises that alarm, a zero would clear it
    said = [each["message"] for each in logs if each["level"] == "ERROR"]
    assert len(said) == 1
    assert named in said[0]
    assert "deploy the package of that release" in said[0]
    assert "Traceback" not in str(logs)


def test_row_39_a_secret_is_in_no_log_line_of_the_function(function: Function) -> None:
    url = "http://user:s3cr3t-password@127.0.0.1:9"
    try:
        int(url)
    except ValueError:
        function.module.logger.exception("failed at %s", url, extra={"endpoint": url})
    text = function.logged.getvalue()
    assert text.count("http://***@127.0.0.1:9") >= 3  # message, field, traceback
    assert "s3cr3t" not in text
