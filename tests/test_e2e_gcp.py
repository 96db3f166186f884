"""The product on the stand-in of Google Cloud, end to end: declared by the program, fired by Cloud Scheduler, run from the built source."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest

from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from elastic_iac.local.gcp.delivery import Delivery
from elastic_iac.package import ensure_package
from forecasting.entrypoints.gcp_function import SCHEDULE_TIME
from forecasting.errors import ElasticIacError
from forecasting.invocation import Summary, invoke, load_settings
from forecasting.pacing import Pacing
from forecasting.schedule.gcp_windows import read_window
from forecasting.store import open_store
from forecasting.store.ledger import Ledger
from forecasting.store.records import RunRecord
from tests.gcp_deployed import OPERATOR, Deployed, FunctionProcess, publish_load, serving
from tests.gcp_job_args import PACKAGE
from tests.stores import let_every_run_prune

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


class Story:
    """The deployed job, its function's process, and what happens to it."""

    def __init__(self, job: Deployed, function: FunctionProcess) -> None:
        self.job = job
        self.gcp = job.gcp
        self.function = function

    def catch_up(self) -> None:
        """The function goes by the machine's time: let the clock be there."""
        self.gcp.clock.advance_to(max(self.gcp.clock.now(), datetime.now(UTC).replace(second=0, microsecond=0)))

    def newest(self) -> RunRecord:
        """The newest run that made a plan."""
        runs = Ledger(open_store(self.job.job().store), self.job.fleet.target_key).runs(20)
        return max((run for run in runs if run.floors), key=lambda run: (run.time, run.generation))

    def scheduled(self) -> Delivery:
        """The last call of Cloud Scheduler."""
        return [made for made in self.gcp.deliveries.made if "/jobs/" in made.source][-1]

    def pause_schedule(self) -> None:
        """As an operator does."""
        name = self.job.resource("jobs")["name"]
        answer = self.gcp.answer("POST", f"/v1/{name}:pause", {"authorization": f"Bearer {OPERATOR}"}, b"")
        assert answer.status == 200, answer.body


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Story]:
    now = datetime.now(UTC)
    quarter = datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC)
    with local_gcp(now=quarter - MINUTE - MINUTE) as gcp:
        for name, value in gcp.environment().items():
            monkeypatch.setenv(name, value)
        job = Deployed(gcp, ensure_package("gcp-function").path)
        publish_load(gcp, job.fleet, now)
        gcp.calls.clear()
        gcp.grant(job.granted())  # whoever comes without a token is the function
        with serving(job, tmp_path) as function:
            yield Story(job, function)


def test_the_job_runs_unattended_from_its_built_source(story: Story, tmp_path: Path) -> None:
    assert story.function.source.is_relative_to(tmp_path)  # not the checkout's
    settings_and_schedule_run_it(story)
    a_repeated_delivery_does_nothing(story)
    who_may_not_is_kept_out(story)
    for refreshed, maximum in ((False, 22), (True, 24)):
        an_update_brings_it_back(story, refreshed=refreshed, maximum=maximum)
    the_plan_is_followed_for_two_days(story)


def settings_and_schedule_run_it(story: Story) -> None:
    """New settings have been told to the topic and are pushed; a minute later the schedule fires."""
    story.gcp.clock.advance(MINUTE)
    (first,) = story.function.runs()
    assert first.startswith("settings-")
    assert len(story.job.schedules()) > 90
    assert story.job.patches() == 1
    story.gcp.clock.advance(MINUTE)
    called = story.scheduled()
    planned = called.headers[SCHEDULE_TIME]
    assert datetime.fromisoformat(planned) == called.at == story.gcp.clock.now()
    assert called.headers["User-Agent"] == "Google-Cloud-Scheduler"
    assert called.headers["X-CloudScheduler"] == "true"
    assert (called.status, story.function.runs()[1:]) == (200, [f"schedule-{planned}"])
    measured = [line["metrics"] for line in story.function.log() if "fleet" not in line and "metrics" in line]
    assert [each["FleetsServed"] for each in measured] == [1, 1]


def send(story: Story, headers: dict[str, str]) -> int:
    """Call the function's address as Cloud Scheduler has, with other headers."""
    called = story.scheduled()
    parts = urlsplit(called.url)
    connection = HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request("POST", parts.path, called.body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def a_repeated_delivery_does_nothing(story: Story) -> None:
    """At least once is what Cloud Scheduler promises. The autoscaler is emptied first: a run of its own would write."""
    held = story.job.schedules()
    story.job.put_from_state(refreshed=False, maximum=20)
    patches = story.job.patches()
    assert send(story, dict(story.scheduled().headers)) == 200
    assert story.job.patches() == patches
    assert story.job.schedules() == {}
    assert story.function.log()[-1]["run_id"] == f"schedule-{story.scheduled().headers[SCHEDULE_TIME]}"
    assert "metrics" not in story.function.log()[-1]
    assert send(story, {**story.scheduled().headers, SCHEDULE_TIME: "2001-01-01T00:00:00Z"}) == 200
    assert story.job.schedules().keys() >= {name for name in held if ahead(story, name)}


def ahead(story: Story, name: str) -> bool:
    """Whether a window begins so late that no run may have left it out."""
    stamp = datetime.strptime(name.rsplit("-", 1)[1], "%Y%m%dt%H%Mz").replace(tzinfo=UTC)
    return stamp > max(story.gcp.clock.now(), datetime.now(UTC)) + QUARTER


def who_may_not_is_kept_out(story: Story) -> None:
    """Without a token, with a damaged one, with one for another service or of another account nobody reaches the function."""
    called = story.scheduled()
    runs, log = story.function.runs(), len(story.function.log())
    headers = {key: value for key, value in called.headers.items() if key != "Authorization"}
    now = story.gcp.clock.now()
    audience = story.job.resource("functions")["serviceConfig"]["uri"]
    invoker = story.job.resource("jobs")["httpTarget"]["oidcToken"]["serviceAccountEmail"]
    stranger = story.job.resource("functions")["serviceConfig"]["serviceAccountEmail"]
    token = story.gcp.identity.token
    assert send(story, headers) == 401
    for wrong, status in (
        (called.headers["Authorization"][:-4] + "AAAA", 401),
        (f"Bearer {token(invoker, 'https://elsewhere.example', now)}", 401),
        (f"Bearer {token(invoker, audience, now - 2 * HOUR)}", 401),
        (f"Bearer {token(stranger, audience, now)}", 403),
    ):
        assert send(story, {**headers, "Authorization": wrong}) == status
    assert (story.function.runs(), len(story.function.log())) == (runs, log)


def an_update_brings_it_back(story: Story, *, refreshed: bool, maximum: int) -> None:
    """`up` with a raised ceiling writes the autoscaler whole, from a state that knows the schedules only after a refresh, then the settings."""
    story.catch_up()
    before, old = story.job.schedules(), story.job.settings()
    story.job.put_from_state(refreshed=refreshed, maximum=maximum)
    assert story.job.schedules() == (before if refreshed else {})
    assert (
        story.gcp.autoscaler(story.job.target.location, story.job.target.autoscaler).policy["maxNumReplicas"] == maximum
    )
    new = story.job.settings_of(maxSize=maximum)
    assert new != old
    revision = story.job.job().fleets[0].revision
    runs = len(story.function.runs())
    story.job.upload(new)
    story.gcp.clock.advance(2 * MINUTE)
    assert story.job.job().fleets[0].revision != revision
    assert any(run.startswith("settings-") for run in story.function.runs()[runs:])
    assert story.job.schedules().keys() >= {name for name in before if ahead(story, name)}
    agrees_with_the_plan(story, before if refreshed else {}, maximum)


def agrees_with_the_plan(story: Story, stood: dict[str, Any], ceiling: int) -> None:
    """The floor of the coming two days, minute by minute, is the newest plan's: in each window the highest of its steps.

    Where a window stood before, by hysteresis.
    """
    plan = story.newest()
    start = (max(plan.time, story.gcp.clock.now()) + HOUR + 5 * MINUTE).replace(minute=0, second=0, microsecond=0)
    steps = pd.Series({pd.Timestamp(moment): floor for moment, floor in plan.floors.items()}).sort_index()
    end = steps.index[-1].to_pydatetime() + 15 * MINUTE
    starts = pd.DatetimeIndex(floors_by_start(story.job.schedules()).index)
    minutes = pd.date_range(starts[0], end, freq="min", inclusive="left")
    in_window = pd.Series(starts, index=starts).reindex(minutes, method="ffill")
    highest = steps.reindex(minutes, method="ffill").groupby(in_window).max()
    stood_at = floors_by_start(stood).reindex(highest.index)
    far = np.asarray(highest.index > plan.time + 6 * HOUR)
    settled = [
        min(settle(int(floor), None if np.isnan(old) else int(old), far=bool(late)), ceiling)
        for floor, old, late in zip(highest, stood_at, far, strict=True)
    ]
    expected = pd.Series(settled, index=highest.index).reindex(minutes, method="ffill")[start:]
    assert expected.nunique() > 5
    assert story.job.floors(start, end) == expected.tolist()


def settle(planned: int, stood: int | None, *, far: bool) -> int:
    """Hysteresis (`designs/schedule-aws.md`): a little too high stays, and a far window that must be raised is raised by three tenths more."""
    if stood is None:
        return planned
    too_high = max(3, math.ceil(planned / 2)) if far else max(1, math.ceil(planned / 10))
    if planned <= stood <= planned + too_high:
        return stood
    return planned + math.ceil(planned * 0.3) if far and stood < planned else planned


def floors_by_start(schedules: dict[str, Any]) -> pd.Series[float]:
    """Of our windows, ascending."""
    windows = [read_window(name, raw) for name, raw in schedules.items()]
    return pd.Series(
        {pd.Timestamp(each.start): float(each.min_size or 0) for each in windows if each.start}
    ).sort_index()


def the_plan_is_followed_for_two_days(story: Story) -> None:
    """Nobody runs the job any more: the stand-in opens and closes its windows, and the baseline returns by itself."""
    story.pause_schedule()
    story.catch_up()
    start, runs = story.gcp.clock.now(), len(story.function.runs())
    promised = story.job.floors(start, start + 48 * HOUR)
    sizes: list[int] = []
    for hour in range(48):
        story.gcp.clock.advance(HOUR)
        sizes.append(story.gcp.group(story.job.target.location, story.job.target.group).size)
        assert sizes[-1] >= promised[60 * (hour + 1) - 1]
    assert len(set(sizes)) > 5
    assert story.job.floors(start, start + 48 * HOUR) == promised
    story.gcp.clock.advance(2 * HOUR)
    now = story.gcp.clock.now()
    assert story.job.floors(now, now + MINUTE) == [2]
    assert len(story.function.runs()) == runs


def test_both_cadences_are_fired_by_cloud_scheduler_and_served_by_one_function(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the built source, with what the custom roles grant; full runs every six hours, short ones every five minutes."""
    now = datetime.now(UTC)
    six = datetime.fromtimestamp(now.timestamp() // 21600 * 21600, UTC)
    with local_gcp(now=six - MINUTE) as gcp:
        for name, value in gcp.environment().items():
            monkeypatch.setenv(name, value)
        job = Deployed(gcp, ensure_package("gcp-function").path, short_run_minutes=5)
        publish_load(gcp, job.fleet, now)
        gcp.grant(job.granted())
        with serving(job, tmp_path) as function:
            gcp.clock.advance(7 * MINUTE)
            made = [each for each in gcp.deliveries.made if "/jobs/" in each.source]
            kinds = [json.loads(each.body).get("kind", "full") for each in made]
            assert sorted(set(kinds)) == ["full", "short"]
            assert kinds.count("full") == 1
            assert {each.status for each in made} <= {200, 429}
            served = [run.split("-")[0] for run in function.runs()]
            assert served.count("schedule") == 1
            assert served.count("short") >= 1
            told = [line for line in function.log() if "fleet" in line]
            assert {(line["status"], line["code"]) for line in told} <= {
                ("written", ""),
                ("unchanged", ""),
                ("unchanged", "full-run"),
            }
            assert job.schedules()


# The permissions, one by one: the job in this process, with what the custom roles grant


class Sweep:
    """The job under its roles. What it is about to do needs every call that it may make."""

    def __init__(self, gcp: LocalGcp) -> None:
        self.gcp = gcp
        self.job = Deployed(gcp, Path(PACKAGE))
        publish_load(gcp, self.job.fleet, gcp.clock.now())
        self.granted = self.job.granted()
        self.gcp.grant(self.granted)

    def run(self, lacking: str = "") -> Summary:
        """One run; a simple model: what is forecast is not the question."""
        self.gcp.grant(self.granted - {lacking})
        try:
            settings = load_settings(self.job.settings_url)
            fleet = settings.fleets[0].model_copy(update={"model": "seasonal-naive-day"})
            job = settings.model_copy(update={"fleets": (fleet,)})
            clock = self.gcp.clock.now
            return invoke(job, run_id=uuid4().hex, now=clock(), clock=clock, pacing=Pacing(10_000))
        finally:
            self.gcp.compute.operations.finish_all()
            self.gcp.grant(self.granted)

    def told(self, lacking: str) -> str:
        """What a run that is refused says."""
        try:
            summary = self.run(lacking)
        except ElasticIacError as error:
            return str(error)
        assert (summary.counts["served"], summary.counts["refused"]) == (0, 1), (lacking, summary)
        return " ".join(line.reason for line in summary.lines)

    def floors(self) -> list[int]:
        """The floor of each of the coming minutes of two days, if nobody did anything any more."""
        now = self.gcp.clock.now()
        return self.job.floors(now, now + 48 * HOUR)


BEFORE_THE_WRITE = (
    "compute.autoscalers.get",
    "compute.autoscalers.update",
    "compute.instanceGroupManagers.use",
    "monitoring.timeSeries.list",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
)
"""Without one of these nothing of the autoscaler is changed. (A record is replaced by creating it anew, which takes `delete` too.)"""

AFTER_THE_WRITE = "compute.regionOperations.get"
HOUSEKEEPING = "storage.objects.list"
"""Of the records, once the plan stands."""
WATCHING = "compute.instanceGroupManagers.get"
"""Of launches that fail: a run that may not do it serves the fleet."""


@pytest.fixture
def sweep(gcp: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    let_every_run_prune(monkeypatch)
    made = Sweep(gcp)
    assert made.run().counts["served"] == 1
    gcp.clock.advance(5 * HOUR)
    publish_load(gcp, made.job.fleet, gcp.clock.now(), days=4.9 / 24, scale=1.5)
    gcp.calls.clear()
    return made


def test_with_a_permission_taken_away_the_run_fails_names_it_and_harms_nothing(
    sweep: Sweep, caplog: pytest.LogCaptureFixture
) -> None:
    assert sweep.granted == {*BEFORE_THE_WRITE, AFTER_THE_WRITE, HOUSEKEEPING, WATCHING}
    before, old = sweep.job.schedules(), sweep.floors()
    for permission in BEFORE_THE_WRITE:
        assert permission in sweep.told(permission)
        assert (sweep.job.schedules(), sweep.floors()) == (before, old), permission
    assert AFTER_THE_WRITE in sweep.told(AFTER_THE_WRITE)
    between = sweep.floors()
    assert sweep.run().counts["served"] == 1
    new = sweep.floors()
    assert between in (old, new)
    assert new != old
    with caplog.at_level(logging.WARNING):
        assert sweep.run(HOUSEKEEPING).counts["served"] == 1
    assert HOUSEKEEPING in caplog.text
    assert sweep.run(WATCHING).counts["served"] == 1


def test_permissions_used_are_permissions_granted(sweep: Sweep) -> None:
    assert sweep.run().counts["served"] == 1
    used = {each for call in sweep.gcp.calls if call.principal == "limited" for each in call.asked.permissions}
    assert used == sweep.granted
