"""Whole invocations: the order of fleets, the time left, what is reported; against the double, on its clock."""

from __future__ import annotations

import gc
import os
import weakref
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from forecasting import job as job_module
from forecasting.errors import SettingsError, StoreError
from forecasting.invocation import FleetLine, Summary, load_settings, serving
from forecasting.invocation.order import by_need
from forecasting.models.base import Forecast
from forecasting.pacing import WRITES_PER_SECOND, Pacing
from forecasting.store.ledger import Ledger
from forecasting.store.local import LocalStore
from forecasting.store.progress import FleetProgress, read_progress
from tests.fleets import NOW, InProcess, make_fleet, make_job
from tests.invocations import Fleets, quick_forecast, statuses
from tests.street import HOUR, MINUTE, write_load

pytestmark = pytest.mark.usefixtures("quick_models")


@pytest.fixture
def three(aws: LocalAws, tmp_path: Path) -> Fleets:
    return Fleets(aws, tmp_path, 3, horizon_hours=6)


def test_every_fleet_is_served_and_a_small_line_says_how(three: Fleets) -> None:
    summary = three.invoke("first")
    assert [status for _, status, _ in statuses(summary)] == ["written"] * 3
    assert summary.counts["served"] == 3
    assert summary.counts["writes"] == three.writes() == sum(line.written for line in summary.lines)
    assert summary.oldest_plan_age_minutes == 0
    line = summary.lines[0]
    assert line.load is not None
    assert line.forecast_low is not None
    assert line.forecast_median is not None
    assert line.forecast_high is not None
    assert 40 < line.load < 200
    assert line.forecast_low < line.forecast_median < line.forecast_high
    assert (line.floor, line.capacity) == (2, 2)
    assert line.uncovered  # two instances of ten where some 160 are asked for
    again = three.invoke("second")
    assert [status for _, status, _ in statuses(again)] == ["unchanged"] * 3
    assert three.writes() == 0


def test_what_does_not_fit_is_not_begun_goes_first_next_time_and_ends_right(aws: LocalAws, tmp_path: Path) -> None:
    fleets = Fleets(aws, tmp_path, 7, horizon_hours=6)
    aws.limit_writes(10)
    done: list[str] = []
    put_off: list[str] = []
    first_put_off: list[str] = []
    for number in range(9):
        summary = fleets.invoke(f"run-{number}", seconds=14, per_second=8)
        served = [line.fleet for line in summary.lines if line.ok]
        put_off = [line.fleet for line in summary.lines if line.status == "deferred"]
        # All or nothing, and nobody was throttled.
        assert all(
            fleets.writes(name) == 0 and fleets.actions(name).keys() == set() for name in put_off if name not in done
        )
        assert all(call.status == 200 for call in aws.calls)
        if number == 0:
            assert 0 < len(served) < 7
            first_put_off = put_off
        if number == 1:
            assert [line.fleet for line in summary.lines][: len(first_put_off)] == first_put_off
        done += [name for name in served if name not in done]
        progress = read_progress(fleets.store, "job").fleets
        assert {name for name, each in progress.items() if each.deferred_since} == set(put_off)
        if not put_off:
            break
    assert not put_off
    assert sorted(done) == fleets.names
    end = aws.clock.now() + 5 * HOUR
    start = aws.clock.now() + 16 * MINUTE
    aws.clock.advance_to(end)
    floors = [aws.min_size_by_minute(name, start, end) for name in fleets.names]
    assert all(floor == floors[0] for floor in floors)
    plan = Ledger(fleets.store, fleets.job.fleets[0].target_key).runs(1)[0].floors
    planned = sorted((datetime.fromisoformat(step), floor) for step, floor in plan.items())
    needed = [
        next(floor for step, floor in reversed(planned) if step <= start + number * MINUTE)
        for number in range(len(floors[0]))
    ]
    assert (np.array(floors[0]) >= needed).all()
    assert max(floors[0]) == max(needed)


def test_of_more_fleets_than_fit_into_120_seconds_none_is_half_written(aws: LocalAws, tmp_path: Path) -> None:
    """With as many fleets as a function may have in `make bench`: 150."""
    count = int(os.environ.get("FLEETS_OF_A_FUNCTION", "10"))
    fleets = Fleets(aws, tmp_path, count, horizon_hours=6)
    summary = fleets.invoke("first", seconds=120 - serving.RESERVE_SECONDS, per_second=1.5)
    written = {line.fleet: line.written for line in summary.lines if line.status == "written"}
    assert 1 < len(written) < count
    assert {line.code for line in summary.lines if line.fleet not in written} == {"out-of-time"}
    assert min(written.values()) > 5
    for name in fleets.names:  # a plan of which each action has been read back, or nothing
        assert len(fleets.actions(name)) == written.get(name, 0)
    assert set(read_progress(fleets.store, "job").fleets) == set(fleets.names)


def test_differences_since_the_last_run_are_in_the_log_and_the_line(
    aws: LocalAws, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fleets = Fleets(aws, tmp_path, 1, horizon_hours=6)
    client, group = aws.client("autoscaling"), {"AutoScalingGroupName": "fleet-0"}
    action = {**group, "ScheduledActionName": "ops"}
    client.put_scheduled_update_group_action(**action, StartTime=NOW + 20 * HOUR, MinSize=3)
    assert fleets.invoke("first").lines[0].desired_before is None
    client.delete_scheduled_action(**action)
    client.set_desired_capacity(**group, DesiredCapacity=30)
    (line,) = fleets.invoke("second").lines
    assert (line.desired_before, line.capacity) == (2, 30)
    assert "fleet fleet-0: external action 'ops'" in caplog.text
    assert "was deleted since the run of" in caplog.text


def test_those_put_off_go_first_then_the_soonest_need_then_the_oldest() -> None:
    def known(hours: float, served: float, *, put_off: bool = False) -> FleetProgress:
        return FleetProgress(
            since=NOW,
            needed_by=NOW + hours * HOUR,
            served_at=NOW - served * HOUR,
            deferred_since=NOW if put_off else None,
        )

    progress = {
        "late": known(40, 1),
        "soon": known(2, 1),
        "older": known(40, 5),
        "put-off": known(30, 9, put_off=True),
        "put-off-soon": known(10, 9, put_off=True),
        "held": FleetProgress(since=NOW),
    }
    fleets = [make_fleet(name=name) for name in ("late", "older", "new", "put-off", "soon", "put-off-soon", "held")]
    order = [fleet.name for fleet in by_need(fleets, progress)]
    assert order == ["put-off-soon", "put-off", "new", "held", "soon", "older", "late"]


def test_a_plan_that_was_put_off_says_when_what_stands_falls_short(aws: LocalAws, tmp_path: Path) -> None:
    fleets = Fleets(aws, tmp_path, 1, horizon_hours=6)
    fleets.invoke("first")
    write_load(tmp_path / "load.csv", scale=3)
    summary = fleets.invoke("second", seconds=6, per_second=4)
    assert statuses(summary) == [("fleet-0", "deferred", "out-of-time")]
    assert fleets.writes() == 0
    progress = read_progress(fleets.store, "job").fleets["fleet-0"]
    assert progress.served_at == NOW
    assert progress.plan_until is not None
    assert progress.plan_until > NOW + 5 * HOUR
    assert progress.needed_by is not None
    assert NOW < progress.needed_by < NOW + HOUR


@pytest.mark.parametrize("functions", [1, 2])
def test_functions_share_the_rate_of_their_account(
    three: Fleets, monkeypatch: pytest.MonkeyPatch, functions: int
) -> None:
    rates: list[float] = []

    def paced(rate: float) -> Pacing:
        rates.append(rate)
        return Pacing(None)

    monkeypatch.setattr(serving, "Pacing", paced)
    three.invoke(job=three.make_job(functions=functions), pacing=None)
    assert rates == [WRITES_PER_SECOND / functions]


def test_a_repeated_delivery_is_no_news(three: Fleets) -> None:
    three.invoke("schedule-10:00")
    before = read_progress(three.store, "job")
    repeated = three.invoke("schedule-10:00")
    assert three.writes() == 0
    assert repeated.counts["duplicates"] == 3
    assert sum(repeated.counts.values()) == 3
    assert repeated.failure is None
    assert read_progress(three.store, "job") == before


def test_i15_a_fleet_that_fails_leaves_the_others_as_they_are(
    three: Fleets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = serving.run_fleet

    def broken(run: Any, fleet: Any) -> Any:
        if fleet.name == "fleet-1":
            raise RuntimeError("boom")
        return real(run, fleet)

    monkeypatch.setattr(serving, "run_fleet", broken)
    caplog.set_level("CRITICAL")
    three.aws.faults.add(faults.access_denied(group="fleet-2", times=None))
    summary = three.invoke()
    assert statuses(summary) == [
        ("fleet-0", "written", ""),
        ("fleet-1", "failed", "unexpected"),
        ("fleet-2", "held", "CredentialsError"),
    ]
    assert summary.counts["refused"] == 1
    assert summary.failure is not None
    assert "fleet-1" in summary.failure


def test_all_fleets_refused_is_a_failure_one_is_not(three: Fleets) -> None:
    three.aws.faults.add(faults.access_denied(group="fleet-0", times=None))
    assert three.invoke("one").failure is None
    three.aws.faults.add(faults.access_denied(times=None))
    failure = three.invoke("all").failure
    assert failure is not None
    assert "all 3 fleets were refused" in failure


def test_a_run_under_way_does_not_write_over_what_newer_settings_gave(three: Fleets) -> None:
    """It has its settings from its start, and comes to its last fleets minutes later."""
    three.changes["load_per_instance"] = 5  # the same load takes twice as many instances
    newer = three.make_job()
    summaries: list[Summary] = []
    planned: list[dict[str, int]] = []

    def deployed(_line: FleetLine) -> None:
        if not summaries:
            three.wait(5)
            summaries.append(three.invoke("settings-2", job=newer))
            planned.extend(map(three.actions, three.names))

    under_way = three.invoke("schedule-1", on_result=deployed)
    assert [status for _, status, _ in statuses(summaries[0])] == ["written"] * 3
    first, *rest = statuses(under_way)
    assert first[1] == "written"
    assert [(status, code) for _, status, code in rest] == [("held", "superseded")] * 2
    assert [three.actions(name) for name in three.names] == planned


def test_the_oldest_plan_is_that_of_a_fleet_that_nobody_has_stopped(three: Fleets) -> None:
    three.invoke("first")
    three.aws.faults.add(faults.access_denied(group="fleet-1", times=None))
    three.aws.clock.advance(40 * MINUTE)
    assert three.invoke("second").oldest_plan_age_minutes == 40
    stopped = three.job.model_copy(
        update={
            "fleets": tuple(each.model_copy(update={"enabled": each.name != "fleet-1"}) for each in three.job.fleets)
        }
    )
    assert three.invoke("third", job=stopped).oldest_plan_age_minutes == 0


def test_a_persons_raise_is_told_while_it_stands(three: Fleets) -> None:
    three.invoke("first")
    three.aws.client("autoscaling", in_process=True).update_auto_scaling_group(
        AutoScalingGroupName="fleet-1", MinSize=33
    )
    for number in range(2):
        three.aws.clock.advance(1 * MINUTE)
        summary = three.invoke(f"later-{number}")
        assert [line.fleet for line in summary.lines if line.pinned] == ["fleet-1"]


def test_forecasts_of_the_last_day_are_scored_beside_seasonal_naive(aws: LocalAws, tmp_path: Path) -> None:
    fleets = Fleets(aws, tmp_path, 1)
    lines: list[FleetLine] = []
    for number in range(4):
        write_load(tmp_path / "load.csv", aws.clock.now())
        lines.append(fleets.invoke(f"run-{number}").lines[0])
        aws.clock.advance(5 * HOUR)
    # Half of the day must have been forecast.
    assert [line.weighted_quantile_loss is not None for line in lines] == [False, False, False, True]
    assert [line.naive_weighted_quantile_loss is not None for line in lines] == [False, False, False, True]
    # The forecast is yesterday's load with bands far too wide; naive's bands are its own errors.
    assert lines[3].worse_than_naive


def test_no_forecast_outlives_its_fleets_turn(three: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Forecast]] = []

    def watched(*args: Any, **options: Any) -> Forecast:
        forecast = quick_forecast(*args, **options)
        made.append(weakref.ref(forecast))
        return forecast

    alive: list[int] = []

    def count(_line: FleetLine) -> None:
        gc.collect()
        alive.append(sum(each() is not None for each in made))

    monkeypatch.setattr(job_module, "forecast", watched)
    three.invoke(on_result=count)
    assert len(made) == 3
    assert alive == [0, 0, 0]


def test_fleets_share_clients_and_threads_never_write_to_one_group_at_once(aws: LocalAws, tmp_path: Path) -> None:
    fleets = Fleets(aws, tmp_path, 6, horizon_hours=6)
    aws.faults.add(faults.refuse_concurrent_puts())
    made: list[str] = []

    class Counting(InProcess):
        def client(self, service: str, region_name: str | None = None, config: Any = None) -> Any:
            made.append(service)
            return super().client(service, region_name, config)

    summary = fleets.invoke(session=Counting(aws), workers=4)
    assert sorted(statuses(summary)) == [(name, "written", "") for name in fleets.names]
    assert made == ["autoscaling"]
    assert all(call.status == 200 for call in aws.calls)
    assert len({frozenset(fleets.actions(name).items()) for name in fleets.names}) == 1


def test_progress_that_is_lost_costs_the_order_alone(three: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    three.invoke("first")
    key = "jobs/job/progress.json"
    item = three.store.get(key)
    assert item is not None
    three.store.put(key, b"{half", if_version=item.version)
    assert three.invoke("second").counts["served"] == 3
    assert read_progress(three.store, "job").fleets["fleet-0"].served_at == NOW

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    monkeypatch.setattr(serving, "update_progress", refuse)
    assert three.invoke("third").counts["served"] == 3


def test_a_store_that_cannot_be_read_fails_the_run_before_anything_is_written(
    three: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("unreachable")

    monkeypatch.setattr(LocalStore, "get", refuse)
    with pytest.raises(StoreError):
        three.invoke()
    assert three.aws.calls == []


# Settings from where they are kept


def test_row_37_settings_are_taken_whole_or_not_at_all(s3_environment: None, aws: LocalAws, tmp_path: Path) -> None:
    client = aws.client("s3")
    client.create_bucket(Bucket="settings-bucket")
    job = make_job(tmp_path)

    def put(text: str | bytes) -> None:
        client.put_object(Bucket="settings-bucket", Key="settings/job.json", Body=text)

    url = "s3://settings-bucket/settings/job.json"
    with pytest.raises(SettingsError, match=r"settings: got 's3://.*an object that exists"):
        load_settings(url)
    put(job.model_dump_json())
    assert load_settings(url) == job
    for wrong, said in (
        ("{half", "JSON"),
        (b"\xff\xfe", "UTF-8"),
        (job.model_dump_json().replace('"web"', '""', 1), "fleets.0"),
        (job.model_dump_json().replace('"owner"', '"ownr"', 1), "did you mean 'owner'"),
    ):
        put(wrong)
        with pytest.raises(SettingsError, match=said):
            load_settings(url)


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "https://example.com/job.json", "gs:///job.json"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match=r"settings: got .*expected s3://BUCKET/KEY\.json"):
        load_settings(url)


def test_a_file_is_read_as_the_command_line_reads_it(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    (tmp_path / "job.json").write_text(job.model_dump_json(), encoding="utf-8")
    assert load_settings(tmp_path / "job.json") == load_settings(str(tmp_path / "job.json")) == job
