from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pulumi_aws
import pytest

from forecasting.errors import SettingsError
from forecasting.settings import Job, parse_job
from tests.job_args import MANY, MAXIMAL, MINIMAL, SHARDED, changed, component, declare, fleet, later
from tests.recording import GOLDEN, Recorder, as_json, golden, record

from elastic_iac.aws.forecast_job.args import AwsForecastJobArgs  # isort: skip


def settings(recorder: Recorder, job: str = "job") -> Job:
    """The settings that the function reads."""
    return parse_job(json.loads(recorder.one(":BucketObjectv2", f"{job}-settings").inputs["content"]))


@pytest.mark.parametrize(("file", "args"), [("minimal", MINIMAL), ("maximal", MAXIMAL)])
def test_every_child_is_registered_with_its_type_name_parent_and_inputs(file: str, args: AwsForecastJobArgs) -> None:
    recorder, outputs = declare(args)
    found = {"registrations": as_json(recorder.registrations), "outputs": outputs}
    assert found == golden(f"forecast_job_{file}.json", found)
    assert {item.parent for item in recorder.registrations if item.name != "job"} == {"job"}


MUTATIONS = [
    (":BucketPublicAccessBlock", "restrictPublicBuckets"),
    (":BucketLifecycleConfiguration", "rules"),
    (":BucketObjectv2", "content"),
    (":BucketNotification", "lambdaFunctions"),
    (":BucketObjectv2", "source"),
    ("function:Function", "architectures"),
    ("function:Function", "environment"),
    ("function:Function", "sourceCodeHash"),
    ("function:Function", "loggingConfig"),
    ("function:Function", "reservedConcurrentExecutions"),
    (":FunctionEventInvokeConfig", "maximumEventAgeInSeconds"),
    (":FunctionEventInvokeConfig", "destinationConfig"),
    ("schedule:Schedule", "scheduleExpressionTimezone"),
]


@pytest.mark.parametrize(("kind", "argument"), MUTATIONS)
def test_a_dropped_input_does_not_pass(kind: str, argument: str) -> None:
    """The component is mutated: the assertion of every child must fail for each input that goes missing."""
    recorder, _ = declare(MAXIMAL, without=(kind, argument))
    assert as_json(recorder.registrations) != golden("forecast_job_maximal.json", None)["registrations"]


def test_the_function_reads_what_was_declared() -> None:
    recorder, outputs = declare(MAXIMAL)
    job = settings(recorder)
    assert (job.name, job.owner, job.former_owners) == ("job", "shop", ("old-shop",))
    assert (job.schedule, job.schedule_time_zone, job.interval_minutes) == ("cron(5/20 * * * ? *)", "Europe/Berlin", 20)
    assert [each.name for each in job.fleets] == ["web", "api"]
    assert (job.dry_run, job.enabled, job.time_budget_seconds) == (True, False, 570)
    assert job.store.kind == "s3"
    assert (job.store.bucket, job.store.prefix, job.store.region) == ("job-bucket-id", "store", "eu-central-1")
    variables = recorder.one(":Function").inputs["environment"]["variables"]
    assert [variables["ELASTIC_IAC_SETTINGS"]] == outputs["settings_urls"] == ["s3://job-bucket-id/settings/job.json"]


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [("rate(1 minute)", 1), ("rate(15 minutes)", 15), ("rate(2 hours)", 120), ("rate(1 day)", 1440)],
)
def test_an_event_lives_no_longer_than_the_interval(schedule: str, minutes: int) -> None:
    recorder, _ = declare(changed(MINIMAL, schedule=schedule, short_run_minutes=0))
    target = recorder.one(":Schedule").inputs["target"]
    invocation = recorder.one(":FunctionEventInvokeConfig").inputs
    assert target["retryPolicy"]["maximumEventAgeInSeconds"] == minutes * 60
    assert invocation["maximumEventAgeInSeconds"] == min(minutes * 60, 6 * 3600)  # Lambda keeps none longer than 6 h
    assert invocation["maximumRetryAttempts"] == 0
    assert settings(recorder).interval_minutes == minutes


def test_what_fails_is_reported_to_one_queue() -> None:
    recorder, _ = declare(MINIMAL)
    queue = "arn:aws:mock:::job-failures"
    assert [each.inputs["target"]["deadLetterConfig"] for each in recorder.of(":Schedule")] == 2 * [{"arn": queue}]
    destination = recorder.one(":FunctionEventInvokeConfig").inputs["destinationConfig"]
    assert destination == {"onFailure": {"destination": queue}}
    assert recorder.one(":Queue").inputs["sqsManagedSseEnabled"] is True


def test_the_schedule_tells_the_job_what_time_it_planned() -> None:
    target = schedule_of(declare(MINIMAL)[0]).inputs["target"]
    assert json.loads(target["input"]) == {"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>"}


def schedule_of(recorder: Recorder, *, short: bool = False) -> Any:
    name = "job-short-schedule" if short else "job-schedule"
    return next(each for each in recorder.of(":Schedule") if each.name == name)


class TestShortRuns:
    """One function for both cadences: a second schedule with the same role, whose event says what it is."""

    def test_by_default_full_runs_are_six_hours_apart_and_short_ones_five_minutes(self) -> None:
        recorder, outputs = declare(MINIMAL)
        full, short = schedule_of(recorder).inputs, schedule_of(recorder, short=True).inputs
        assert (full["scheduleExpression"], short["scheduleExpression"]) == ("rate(6 hours)", "rate(5 minutes)")
        told = {"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>", "kind": "short"}
        assert json.loads(short["target"]["input"]) == told
        assert short["target"]["arn"] == full["target"]["arn"]
        assert short["target"]["roleArn"] == full["target"]["roleArn"]
        assert short["target"]["retryPolicy"] == {"maximumEventAgeInSeconds": 300, "maximumRetryAttempts": 1}
        assert settings(recorder).short_run_minutes == 5
        assert outputs["short_schedule_names"] != outputs["schedule_names"]

    def test_without_them_full_runs_are_a_quarter_of_an_hour_apart(self) -> None:
        recorder, outputs = declare(changed(MINIMAL, short_run_minutes=0))
        assert recorder.one(":Schedule").inputs["scheduleExpression"] == "rate(15 minutes)"
        assert (settings(recorder).short_run_minutes, outputs["short_schedule_names"]) == (0, [])

    def test_full_runs_that_are_as_frequent_need_none_beside_them(self) -> None:
        assert len(declare(changed(MINIMAL, schedule="rate(5 minutes)"))[0].of(":Schedule")) == 1
        assert len(declare(changed(MINIMAL, schedule="rate(6 minutes)"))[0].of(":Schedule")) == 2

    @pytest.mark.parametrize("wrong", [-1, 7, 61, 2.5, "5", True])
    def test_what_no_schedule_can_say_is_refused(self, wrong: Any) -> None:
        with pytest.raises(SettingsError, match="short_run_minutes"):
            declare(changed(MINIMAL, short_run_minutes=wrong))

    def test_they_are_more_frequent_than_full_runs(self) -> None:
        with pytest.raises(SettingsError, match=r"short_run_minutes.*less than the 10 minutes"):
            declare(changed(MINIMAL, schedule="rate(10 minutes)", short_run_minutes=10))

    def test_the_age_of_a_plan_counts_full_runs_and_all_else_quarters_of_an_hour(self) -> None:
        recorder, _ = declare(MINIMAL)
        alarms = {each.name.removeprefix("job-alarm-"): each.inputs for each in recorder.of(":MetricAlarm")}
        assert (alarms["plan-old"]["threshold"], alarms["plan-old"]["period"]) == (720, 1800)
        periods = {key: alarm["period"] for key, alarm in alarms.items() if key != "plan-old"}
        assert periods.pop("worse-than-naive") == 6 * 3600
        assert periods.pop("failure-queue") == 300
        assert set(periods.values()) == {900}


def test_the_kill_switch_leaves_the_schedule_on_and_the_alarms_silent() -> None:
    recorder, _ = declare(changed(MINIMAL, enabled=False))
    assert all("state" not in each.inputs for each in recorder.of(":Schedule"))  # enabled is the default
    assert settings(recorder).enabled is False
    assert {alarm.inputs["actionsEnabled"] for alarm in recorder.of(":MetricAlarm")} == {False}


def test_new_settings_run_the_job_once_it_may_do_its_work() -> None:
    recorder, _ = declare(MINIMAL)
    (run,) = recorder.one(":BucketNotification").inputs["lambdaFunctions"]
    stored = recorder.one(":BucketObjectv2", "-settings")
    assert (run["filterPrefix"], run["events"]) == (stored.inputs["key"], ["s3:ObjectCreated:*"])
    before = {
        "job-settings-changed",
        "job-function-policy",
        "job-may-write-1",
        "job-invocation",
        "job-bucket-versioning",
    }
    assert before < set(stored.depends_on)
    assert all("job-settings" in each.depends_on for each in recorder.of(":Schedule"))
    permission = recorder.one(":Permission")
    assert (permission.inputs["principal"], permission.inputs["sourceAccount"]) == ("s3.amazonaws.com", "111122223333")
    assert "job-settings-may-invoke" in recorder.one(":BucketNotification").depends_on


def test_no_two_jobs_of_a_bucket_are_run_by_one_settings_object() -> None:
    recorder, outputs = declare(SHARDED)
    runs = recorder.one(":BucketNotification").inputs["lambdaFunctions"]
    keys = [url.removeprefix("s3://job-bucket-id/") for url in outputs["settings_urls"]]
    for key in keys:
        assert [run["id"] for run in runs if key.startswith(run["filterPrefix"])] == [Path(key).stem]


def test_more_fleets_than_a_role_can_serve_get_a_function_of_their_own() -> None:
    recorder, outputs = declare(changed(SHARDED, short_run_minutes=0))
    first, second = settings(recorder, "job"), settings(recorder, "job-2")
    assert (len(first.fleets), len(second.fleets)) == (150, 1)
    assert (first.name, second.name, second.owner) == ("job", "job-2", "job")
    assert (first.functions, second.functions) == (2, 2)  # they share the rate that the account is granted
    assert outputs["function_names"] == ["job-function-0", "job-2-function-0"]
    shared = {":Bucket", ":Queue", ":Topic", ":BucketNotification"}
    assert {len(recorder.of(kind)) for kind in shared} == {1}
    own = {":Function", ":Schedule", ":Dashboard", ":LogGroup", ":FunctionEventInvokeConfig", ":Permission"}
    assert {len(recorder.of(kind)) for kind in own} == {2}
    assert len(recorder.of(":RolePolicyAttachment")) == 10 + 1
    per_role = [item.inputs["role"] for item in recorder.of(":RolePolicyAttachment")]
    assert max(map(per_role.count, per_role)) <= 10  # quota of IAM


def test_a_job_of_one_shard_keeps_its_names_when_a_second_one_comes() -> None:
    one = {item.name for item in declare(changed(SHARDED, fleets=MANY[:150]))[0].registrations}
    two = {item.name for item in declare(SHARDED)[0].registrations}
    assert one < two
    assert all(name.startswith("job-2-") for name in two - one)


class TestAlarms:
    @pytest.fixture
    def alarms(self) -> Mapping[str, Any]:
        recorder, _ = declare(MINIMAL)
        return {item.name.removeprefix("job-alarm-"): item.inputs for item in recorder.of(":MetricAlarm")}

    def test_each_says_what_to_read(self, alarms: Mapping[str, Any]) -> None:
        runbook = (GOLDEN.parents[1] / "docs" / "runbook.md").read_text(encoding="utf-8")
        for key, alarm in alarms.items():
            assert alarm["alarmDescription"].endswith(f" docs/runbook.md#alarm-{key}")
            assert f"\n## Alarm: {key}\n" in runbook  # whose anchor that is
            assert alarm["alarmActions"] == alarm["okActions"] == ["arn:aws:mock:::job-alarms"]

    def test_each_watches_a_metric_of_this_job(self, alarms: Mapping[str, Any]) -> None:
        assert {key: (alarm["namespace"], alarm["metricName"]) for key, alarm in alarms.items()} == {
            "failed": ("AWS/Lambda", "Errors"),
            "plan-old": ("ElasticIac", "OldestPlanAgeMinutes"),
            "fleets-held": ("ElasticIac", "FleetsHeld"),
            "writes-refused": ("ElasticIac", "WritesRefused"),
            "worse-than-naive": ("ElasticIac", "FleetsWorseThanNaive"),
            "uncovered-load": ("ElasticIac", "FleetsUncovered"),
            "capacity-limited": ("ElasticIac", "FleetsCapacityLimited"),
            "launches-failing": ("ElasticIac", "FleetsLaunchesFailing"),
            "failure-queue": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
            "pinned": ("ElasticIac", "FleetsPinned"),
        }
        dimensions = [alarm["dimensions"] for alarm in alarms.values()]
        assert dimensions.count({"Job": "job-function-0"}) == 8  # two stacks' functions never have one name
        assert dimensions.count({"FunctionName": "job-function-0"}) == 1
        assert dimensions.count({"QueueName": "job-failures-0"}) == 1

    def test_all_functions_share_the_alarm_on_their_failure_queue(self) -> None:
        recorder, _ = declare(SHARDED)
        watched = [each.inputs["dimensions"] for each in recorder.of(":MetricAlarm")]
        assert watched.count({"QueueName": "job-failures-0"}) == 1
        assert watched.count({"Job": "job-2-function-0"}) == 8

    def test_a_silent_job_is_told_of_and_others_are_not_taken_for_one(self, alarms: Mapping[str, Any]) -> None:
        missing = {key: alarm["treatMissingData"] for key, alarm in alarms.items()}
        assert missing.pop("plan-old") == "breaching"
        assert set(missing.values()) == {"notBreaching"}
        assert (alarms["plan-old"]["threshold"], alarms["plan-old"]["period"]) == (720, 1800)

    @pytest.mark.parametrize("schedule", ["rate(1 minute)", "rate(59 minutes)", "rate(1 day)"])
    def test_cloudwatch_takes_them_at_any_interval(self, schedule: str) -> None:
        """Periods are multiples of a minute and a day at most; an alarm looks back a day, or a week with hourly periods (PutMetricAlarm)."""
        for alarm in declare(changed(MINIMAL, schedule=schedule))[0].of(":MetricAlarm"):
            period, periods = alarm.inputs["period"], alarm.inputs["evaluationPeriods"]
            assert period % 60 == 0
            assert 60 <= period <= 86_400
            assert period * periods <= (7 * 86_400 if period >= 3600 else 86_400)

    def test_a_topic_of_ones_own_is_used(self) -> None:
        topic = "arn:aws:sns:eu-central-1:111122223333:oncall"
        recorder, outputs = declare(changed(MINIMAL, alarm_topic_arn=topic))
        assert not recorder.of(":Topic")
        assert outputs["alarm_topic_arn"] == topic
        assert {tuple(item.inputs["alarmActions"]) for item in recorder.of(":MetricAlarm")} == {(topic,)}


class TestDashboard:
    def test_it_shows_the_job_and_each_fleet(self) -> None:
        body = json.loads(declare(MAXIMAL)[0].one(":Dashboard").inputs["dashboardBody"])
        shown = {
            (metric[1], metric[5])
            for widget in body["widgets"]
            for metric in widget["properties"]["metrics"]
            if "Fleet" in metric
        }
        names = ("Load", "ForecastLow", "ForecastMedian", "ForecastHigh", "Floor", "Capacity")
        accuracy = ("WeightedQuantileLoss", "NaiveWeightedQuantileLoss")
        assert shown == {(name, each) for name in (*names, *accuracy) for each in ("web", "api")}
        assert {widget["properties"]["period"] for widget in body["widgets"]} == {900}

    def test_its_widgets_do_not_overlap_and_fit(self) -> None:
        for item in declare(SHARDED)[0].of(":Dashboard"):
            widgets = json.loads(item.inputs["dashboardBody"])["widgets"]
            assert len(widgets) <= 500
            assert sum(len(widget["properties"]["metrics"]) for widget in widgets) <= 2500
            cells = [(x, each["y"]) for each in widgets for x in range(each["x"], each["x"] + each["width"])]
            assert len(set(cells)) == len(cells)
            assert max(x for x, _ in cells) < 24


class TestCode:
    def test_another_zip_is_another_object_and_moves_the_function(self, tmp_path: Path) -> None:
        def declared(text: str) -> tuple[str, str, str]:
            with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
                archive.writestr("forecasting/entrypoints/aws_lambda.py", text)
            recorder, _ = declare(changed(MINIMAL, package_path=str(tmp_path / "function.zip")))
            function = recorder.one(":Function").inputs
            return recorder.one("v2", "-code").inputs["key"], function["s3Key"], function["sourceCodeHash"]

        one, other = declared("a"), declared("b")
        assert one[0] == one[1]
        assert other[0] == other[1]
        assert all(before != after for before, after in zip(one, other, strict=True))

    def test_without_a_zip_the_builders_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[str, str, str]] = []

        def ensure_package(kind: str, *, arch: str, python: str) -> Any:
            asked.append((kind, arch, python))
            return SimpleNamespace(path=GOLDEN / "function.zip", sha256="ab" * 32)

        builder = SimpleNamespace(ensure_package=ensure_package)
        monkeypatch.setitem(sys.modules, "elastic_iac.package", builder)
        recorder, _ = declare(changed(MINIMAL, package_path=None))
        assert asked == [("aws-lambda", "arm64", "3.13")]
        assert recorder.one("v2", "-code").inputs["key"] == "code/job-arm64-abababababab.zip"


def test_none_is_the_same_as_not_given() -> None:
    given = {**MINIMAL, "tags": None, "kms_key_arn": None, "alarm_topic_arn": None, "interval_minutes": None}
    with_none, without = (declare(cast("AwsForecastJobArgs", args)) for args in (given, MINIMAL))
    assert as_json(with_none[0].registrations) == as_json(without[0].registrations)
    assert with_none[1] == without[1]


@pytest.mark.parametrize("whole_list", [False, True])
def test_outputs_declare_what_literals_declare(whole_list: bool) -> None:
    def args() -> AwsForecastJobArgs:
        texts = cast("list[str]", MAXIMAL.get("fleets"))
        fields = set(MAXIMAL) - {
            "fleets",
            "fleet_count",
            "architecture",
            "package_path",
            "alarm_emails",
            "force_destroy",
        }
        fleets = later(texts) if whole_list else [later(texts[0]), texts[1]]
        return changed(MAXIMAL, fleets=fleets, **{key: later(cast("Any", MAXIMAL)[key]) for key in fields})

    recorder, outputs = declare(args)
    assert {"registrations": as_json(recorder.registrations), "outputs": outputs} == golden(
        "forecast_job_maximal.json", None
    )


@pytest.mark.parametrize("whole_list", [False, True])
def test_a_preview_bears_what_is_not_known_yet(whole_list: bool) -> None:
    """An output that the mocks do not give is unknown in a preview, as the name of a group that is yet to be made."""

    def program() -> None:
        unknown: pulumi.Output[Any] = pulumi_aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16").main_route_table_id
        fields = ("memory_mib", "owner", "dry_run", "enabled", "kms_key_arn", "tags", "schedule", "interval_minutes")
        fleets = unknown if whole_list else [unknown, unknown]
        component.AwsForecastJob("job", changed(MAXIMAL, fleets=fleets, **dict.fromkeys(fields, unknown)))

    preview, known = record(program, preview=True)[0], declare(MAXIMAL)[0]
    assert {item.name for item in preview.registrations} - {"vpc"} == {item.name for item in known.registrations}


def test_a_changed_floor_changes_the_settings_and_what_the_role_may_write() -> None:
    before, after = (declare(changed(MINIMAL, fleets=[fleet(floor=floor)]))[0] for floor in (2, 3))
    changed_resources = {
        one.name
        for one, other in zip(
            sorted(before.registrations, key=lambda item: item.name),
            sorted(after.registrations, key=lambda item: item.name),
            strict=True,
        )
        if one != other
    }
    assert changed_resources == {"job-settings", "job-writes-1"}
