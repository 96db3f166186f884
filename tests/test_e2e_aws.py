"""The product on the local cloud, end to end: declared by its component, fired by the scheduler, run from the real zip, with policies enforced."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest

from elastic_iac.local.aws import LocalAws
from forecasting.errors import ElasticIacError
from forecasting.invocation import Summary, invoke, load_settings
from forecasting.pacing import Pacing
from forecasting.settings import S3Store, parse_fleet
from forecasting.store import open_store
from forecasting.store.ledger import Ledger
from forecasting.store.records import RunRecord
from tests.deployed import FLOOR, INTERVAL, Deployed, LoadFeed, deploy, granted, host_package, idle_package, without
from tests.fleets import floors_by_minute, play, snapshot
from tests.stores import let_every_run_prune

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NEED = "autoscaling:DescribeScheduledActions"


class Story:
    """The deployed job and its load, told interval by interval."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.feed = LoadFeed(aws)
        self.job = deploy(aws, host_package())

    def run(self, times: int = 1, *, scale: float = 1.0, just_before: Callable[[], None] | None = None) -> None:
        """From a minute after one run to a minute after the next: with fresh load, and the alarms see what comes of it."""
        for _ in range(times):
            self.aws.clock.advance(INTERVAL - 2 * MINUTE)
            self.feed.publish(scale)
            if just_before is not None:
                just_before()
            self.aws.clock.advance(2 * MINUTE)

    def newest(self) -> RunRecord:
        """The newest run that changed the group's actions."""
        store = S3Store(kind="s3", bucket=self.job.deployment.outputs["bucket"], prefix="store")
        fleet = parse_fleet(json.loads(self.job.deployment.outputs["fleet"]))
        ledger = Ledger(open_store(store, self.job.session()), fleet.target_key)
        return max((run for run in ledger.runs(9) if run.outcome == "written"), key=lambda run: run.generation)

    def hears(self, alarm: str, state: str) -> None:
        """The alarm is in the state, and its last notification said so."""
        told = [new for name, new in self.job.mail() if name == alarm]
        assert (self.job.states()[alarm], told[-1:]) == (state, [state])


@pytest.fixture
def story(policed: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Story:
    for name, value in policed.environment().items():
        monkeypatch.setenv(name, value)
    policed.reset(now=NOW)
    return Story(policed)


def test_the_job_runs_unattended_and_each_alarm_fires_and_clears(story: Story) -> None:
    run_settings_and_schedule(story)
    follow_the_plan_for_two_days(story)
    return_from_silence(story)
    pin_by_hand(story)
    hold(story)
    outgrow(story)
    take_a_permission_away(story)
    forecast_badly(story)


def run_settings_and_schedule(story: Story) -> None:
    """New settings have run the job; then the schedule does, from the same zip."""
    (first,) = [line for line in story.job.log() if line.get("message") == "done"]
    assert first["run_id"].startswith("settings-")
    assert first["served"] == 1
    assert len(story.job.actions()) > 90
    story.aws.clock.advance(INTERVAL + MINUTE)
    assert {line["run_id"].split("-")[0] for line in story.job.log() if "run_id" in line} == {"settings", "schedule"}
    called = {call.caller for call in story.aws.calls}
    assert {"scheduler.amazonaws.com", "lambda.amazonaws.com"} < called
    assert story.job.states() == dict.fromkeys(story.job.states(), "OK")


def follow_the_plan_for_two_days(story: Story) -> None:
    """Nobody runs the job any more: its plan is executed minute by minute, ends at the baseline, and the silence is told."""
    story.job.schedule(enabled=False)
    plan, starts = story.newest(), [action["StartTime"].astimezone(UTC) for action in story.job.actions()]
    start = min(starts)
    end = datetime.fromisoformat(max(plan.floors)).replace(minute=0)  # the last hour is planned in part
    story.aws.clock.advance(49 * HOUR)
    floors = story.aws.min_size_by_minute(story.job.group, start, end)
    assert floors == reported_by_minute(plan, start, end)
    needed = planned_by_minute(plan, starts, start, end)
    # A far slot that an earlier run has left higher stays by as much as the hysteresis allows.
    assert all(low <= floor <= max(1.5 * low, low + 3) for low, floor in zip(needed, floors, strict=True))
    assert len(set(floors)) > 5
    assert story.aws.group(story.job.group).sizes.minimum == FLOOR
    story.hears("plan-old", "ALARM")


def reported_by_minute(run: RunRecord, start: datetime, end: datetime) -> list[int]:
    """The minimum in force that the run has reported, at each minute."""
    changes = pd.Series({pd.Timestamp(moment): floor for moment, floor in run.minimum_in_force.items()}).sort_index()
    minutes = pd.date_range(start, end, freq="min", inclusive="left")
    return [int(floor) for floor in changes.reindex(minutes, method="ffill")]


def planned_by_minute(plan: RunRecord, starts: list[datetime], start: datetime, end: datetime) -> list[int]:
    """The plan at each minute; a slot, from one action's start to the next, has the highest floor of its steps."""
    steps = pd.Series({pd.Timestamp(moment): floor for moment, floor in plan.floors.items()}).sort_index()
    minutes = pd.date_range(min(starts), end, freq="min", inclusive="left")
    by_minute = steps.reindex(minutes, method="ffill")
    slots = pd.Series(pd.DatetimeIndex(sorted(starts)), index=pd.DatetimeIndex(sorted(starts)))
    highest = by_minute.groupby(slots.reindex(minutes, method="ffill")).transform("max")
    return highest[start:].astype(int).tolist()


def return_from_silence(story: Story) -> None:
    story.feed.publish()
    story.job.schedule(enabled=True)
    story.aws.clock.advance(MINUTE)
    story.hears("plan-old", "OK")


def pin_by_hand(story: Story) -> None:
    """A person raises the minimum; the next due action would take it back, and the job sees that it must not."""
    autoscaling = story.aws.client("autoscaling")

    def put(minimum: int) -> None:
        autoscaling.update_auto_scaling_group(AutoScalingGroupName=story.job.group, MinSize=minimum)

    story.run(just_before=lambda: put(30))
    story.hears("pinned", "ALARM")
    story.run(just_before=lambda: put(FLOOR))  # in time: the next action of the pinned plan would raise it again
    story.run(2)
    story.hears("pinned", "OK")


def hold(story: Story) -> None:
    """Without Terminate nothing would take a raised floor back: the fleet is held."""
    autoscaling = story.aws.client("autoscaling")
    before = story.job.actions()
    autoscaling.suspend_processes(AutoScalingGroupName=story.job.group, ScalingProcesses=["Terminate"])
    story.run(2)
    story.hears("fleets-held", "ALARM")
    left = [action for action in before if action["StartTime"] > story.aws.clock.now()]
    assert story.job.actions() == left
    autoscaling.resume_processes(AutoScalingGroupName=story.job.group, ScalingProcesses=["Terminate"])
    story.run(3)
    story.hears("fleets-held", "OK")


def outgrow(story: Story) -> None:
    """More load than the ceiling serves; the newest sample, which may be incomplete, does not count yet."""
    story.run(3, scale=3)
    story.hears("uncovered-load", "ALARM")
    story.run(4)
    story.hears("uncovered-load", "OK")


def take_a_permission_away(story: Story) -> None:
    """The run fails, names what it lacks, changes nothing, and tells: by two alarms and by the failure's record."""
    before, sizes = story.job.actions(), story.aws.group(story.job.group).sizes
    with without(story.job, NEED):
        story.run()
        story.hears("failed", "ALARM")
        assert story.job.states()["writes-refused"] == "ALARM"
        (reason,) = {line["reason"] for line in story.job.log() if line.get("code") == "CredentialsError"}
        assert NEED.split(":")[1] in reason
        now = story.aws.clock.now()
        assert story.job.actions() == [action for action in before if action["StartTime"] > now]
        assert story.aws.group(story.job.group).sizes.maximum == sizes.maximum
        (record,) = failures(story.job)
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestPayload"]["source"] == "schedule"
    story.run()
    story.hears("failed", "OK")
    assert story.job.states()["writes-refused"] == "OK"


def forecast_badly(story: Story) -> None:
    """Whether a day of forecasts was bad is the forecasts' affair: here the job's log says it and takes it back."""
    story.job.schedule(enabled=False)
    story.aws.clock.advance(HOUR)
    story.job.mail()
    say(story, worse=1)
    story.aws.clock.advance(MINUTE)
    story.hears("worse-than-naive", "ALARM")
    story.aws.clock.advance(INTERVAL)
    say(story, worse=0)
    story.aws.clock.advance(HOUR)
    story.hears("worse-than-naive", "OK")


def say(story: Story, *, worse: int) -> None:
    at = int(story.aws.clock.now().timestamp() * 1000)
    metrics = [{"Name": "FleetsWorseThanNaive", "Unit": "Count"}]
    directive = {"Namespace": "ElasticIac", "Dimensions": [["Job"]], "Metrics": metrics}
    told = {"Job": story.job.function, "FleetsWorseThanNaive": worse}
    event = {"_aws": {"Timestamp": at, "CloudWatchMetrics": [directive]}, **told}
    logs, group, stream = story.aws.client("logs"), story.job.deployment.outputs["logs"][0], f"said-{at}"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(
        logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at, "message": json.dumps(event)}]
    )


def failures(job: Deployed) -> list[dict[str, Any]]:
    queue = job.deployment.outputs["failures"]
    received = job.aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]


def test_both_cadences_run_unattended_and_a_surge_is_answered_between_two_full_runs(
    policed: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one zip, under the role's policies: the scheduler's full and short events, and no other kind."""
    for name, value in policed.environment().items():
        monkeypatch.setenv(name, value)
    policed.reset(now=datetime(2026, 3, 2, 10, 57, tzinfo=UTC))
    feed = LoadFeed(policed)
    job = deploy(
        policed,
        host_package(),
        short_run_minutes=5,
        schedule="cron(0 * * * ? *)",
        interval_minutes=60,
        lead_time_seconds=600,
    )
    for scale in (1.0, 1.0, 1.0, 1.8, 1.8, 1.8):
        policed.clock.advance(5 * MINUTE)
        feed.publish(scale)
    policed.clock.advance(5 * MINUTE)
    runs = [line["run_id"].split("-")[0] for line in job.log() if line.get("message") == "done"]
    assert (runs.count("settings"), runs.count("schedule")) == (1, 1)
    assert runs.count("short") >= 4
    told = [line for line in job.log() if line.get("fleet")]
    assert {line["code"] for line in told} <= {"", "full-run"}, told
    short = [line for line in told if line["run_id"].startswith("short-") and not line["code"]]
    assert short[-1]["needed"] > short[0]["needed"]
    assert any(line["written"] for line in short)
    assert policed.group(job.group).sizes.minimum >= short[-2]["needed"]
    assert failures(job) == []


# The permissions, one by one: the job in this process, under the credentials that Lambda gives the function


class Sweep:
    """The job under its role. What it is about to do needs every call that it may make."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.feed = LoadFeed(aws)
        self.job = deploy(aws, idle_package(folder))
        self.job.schedule(enabled=False)
        self.horizon_hours = 48
        cloudwatch = aws.client("cloudwatch")  # alarms would be evaluated at each minute of two months
        cloudwatch.delete_alarms(
            AlarmNames=[alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]
        )
        self.keys: set[str] = set()

    def run(self) -> Summary:
        """One run; a simple model: what is forecast is not the question."""
        session = self.job.session()
        self.keys.add(session.get_credentials().access_key)
        settings = load_settings(self.job.settings_url, session)
        changes = {"model": "seasonal-naive-day", "horizon_hours": self.horizon_hours}
        fleet = settings.fleets[0].model_copy(update=changes)
        job = settings.model_copy(update={"fleets": (fleet,)})
        pacing = Pacing(10_000)
        now = self.aws.clock.now()
        return invoke(job, run_id=uuid4().hex, now=now, session=session, clock=self.aws.clock.now, pacing=pacing)

    def pass_two_months(self) -> None:
        """Until the first records are old enough to go."""
        self.aws.clock.advance(timedelta(days=61))
        self.feed = LoadFeed(self.aws)

    def used(self) -> set[str]:
        """The IAM actions that were used by the role, or by Lambda in its name."""
        callers = self.keys | {"lambda.amazonaws.com"}
        return {iam_action(call.service, call.action) for call in self.aws.calls if call.caller in callers}

    def floors(self) -> list[int]:
        """MinSize at each of the coming minutes of two days, if nobody did anything any more."""
        now = self.aws.clock.now()
        played = play(snapshot(self.aws, self.job.group), now + 48 * HOUR)
        return floors_by_minute(played, now, now + 48 * HOUR).tolist()


def iam_action(service: str, operation: str) -> str:
    """The action that an operation needs (Service Authorization Reference)."""
    prefix = {"monitoring": "cloudwatch"}.get(service, service)
    return f"{prefix}:{ {'ListObjectsV2': 'ListBucket'}.get(operation, operation) }"


BY_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
"""Used by Lambda in the role's name; that they are needed `tests/test_double_functions.py` shows."""


@pytest.fixture
def sweep(policed: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    for name, value in policed.environment().items():
        monkeypatch.setenv(name, value)
    let_every_run_prune(monkeypatch)
    made = Sweep(policed, tmp_path)
    assert made.run().counts["served"] == 1
    policed.clock.advance(5 * HOUR)
    made.feed.publish(1.5)
    made.horizon_hours = 24  # what was planned beyond is to be deleted
    return made


READS = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribePolicies",
    "autoscaling:DescribeScheduledActions",
    "cloudwatch:GetMetricData",
    "s3:GetObject",
    "s3:PutObject",
)
"""Without one of these a run does not come to its first change of the group. (The store is written before: a run claims its turn there.)"""

PUT, DELETE = "autoscaling:PutScheduledUpdateGroupAction", "autoscaling:DeleteScheduledAction"
HOUSEKEEPING = ("s3:ListBucket", "s3:DeleteObject")
"""Of the records, once the plan stands: a run that may not do it has served the fleet, and says in its log what it lacks."""
WATCHING = "autoscaling:DescribeScalingActivities"
"""Of launches that fail: a run that may not do it serves the fleet."""


def test_with_a_permission_taken_away_the_run_fails_names_it_and_harms_nothing(
    sweep: Sweep, caplog: pytest.LogCaptureFixture
) -> None:
    everything = {action for group in granted(sweep.job).values() for action in group}
    assert everything == {*READS, PUT, DELETE, *HOUSEKEEPING, WATCHING} | BY_LAMBDA
    before, old = sweep.job.actions(), sweep.floors()
    for action in (*READS, PUT):
        with without(sweep.job, action):
            assert action.split(":")[1] in told_by(sweep), action
        assert (sweep.job.actions(), sweep.floors()) == (before, old), action
    with without(sweep.job, DELETE):
        assert "DeleteScheduledAction" in told_by(sweep)
    between = sweep.floors()  # raised by what could be written, and nothing is lost
    assert sweep.run().counts["served"] == 1
    new = sweep.floors()
    assert all(now in {was, will} for was, now, will in zip(old, between, new, strict=True))
    assert new != old
    sweep.pass_two_months()
    for action in HOUSEKEEPING:
        caplog.clear()
        with without(sweep.job, action):
            assert sweep.run().counts["served"] == 1
        assert action in caplog.text
    with without(sweep.job, WATCHING):
        assert sweep.run().counts["served"] == 1


def told_by(sweep: Sweep) -> str:
    """What a run that is refused says."""
    try:
        summary = sweep.run()
    except ElasticIacError as error:
        return str(error)
    assert (summary.counts["served"], summary.counts["refused"]) == (0, 1), summary
    return " ".join(line.reason for line in summary.lines)


def test_operations_used_are_operations_granted(sweep: Sweep) -> None:
    assert sweep.run().counts["served"] == 1
    sweep.pass_two_months()
    assert sweep.run().counts["served"] == 1
    everything = {action for group in granted(sweep.job).values() for action in group}
    assert sweep.used() | BY_LAMBDA == everything
