"""The job and its pools on the double of AWS: boots learnt, shortages that clamp, a Capacity Block's life, shards."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from elastic_iac.aws.forecast_job.iam import reads
from elastic_iac.cli.result import document as result_document
from elastic_iac.cli.result import page as result_page
from elastic_iac.cli.standing import look
from elastic_iac.local import faults
from elastic_iac.local.aws import LocalAws
from elastic_iac.local.launches import Outage
from forecasting.choosing import Choice, quantile, replay_days
from forecasting.invocation.metrics import job_metrics
from forecasting.invocation.serving import invoke
from forecasting.pacing import Pacing
from forecasting.settings import Fleet
from forecasting.shortrun import run_short
from tests.fleets import GROUP, NOW, InProcess, make_group
from tests.street import HOUR, MINUTE, Street, write_load

BOOT = timedelta(minutes=14)
STOCKOUT = "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient p5.48xlarge capacity."
QUOTA = "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit."


class Pool(Street):
    """A street whose group launches as a pool does, held by a lifecycle hook until its model answers."""

    def __init__(self, aws: LocalAws, folder: Path, **pool: Any) -> None:
        super().__init__(aws, folder)
        self.pool = pool
        self.client.put_lifecycle_hook(
            AutoScalingGroupName=GROUP,
            LifecycleHookName="elastic-iac-ready",
            LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        )
        self.launching = aws.launch(GROUP, BOOT)

    def fleet(self, **changes: Any) -> dict[str, Any]:
        given = {"model": "seasonal-naive-day", "quantile": 0.9, "pool": self.pool, "learn_lead_time": True}
        return super().fleet(**{**given, **changes})

    def boot_some(self, count: int = 12) -> None:
        """As many scale-outs by one, an hour apart, each undone before the next."""
        for _ in range(count):
            self.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=3)
            self.aws.clock.advance(20 * MINUTE)
            self.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=2)
            self.aws.clock.advance(MINUTE)

    def limited(self) -> float:
        """`FleetsCapacityLimited` of an invocation, as the alarm sees it."""
        now, session = self.aws.clock.now(), InProcess(self.aws)
        summary = invoke(
            self.job(),
            run_id=str(now),
            now=now,
            session=session,  # pyright: ignore[reportArgumentType] - a session's one method
            clock=self.aws.clock.now,
            pacing=Pacing(10_000),
        )
        return {name: value for name, _unit, value in job_metrics(summary)}["FleetsCapacityLimited"]


@pytest.fixture
def pool(aws: LocalAws, tmp_path: Path) -> Pool:
    return Pool(aws, tmp_path)


def test_boots_of_14_minutes_are_learnt_and_the_ramp_starts_earlier(pool: Pool) -> None:
    before = pool.run(write=False)
    assert before.launching.lead_time is not None
    assert before.launching.lead_time.lead_time.source == "prior"
    pool.boot_some()
    after = pool.run()
    learnt = after.launching.lead_time
    assert learnt is not None
    assert (learnt.seconds, learnt.lead_time.source, learnt.to_answer) == (840, "measured", True)
    assert after.plan is not None
    unlearnt = pool.run(pool.job(pool.fleet(learn_lead_time=False)))
    assert unlearnt.plan is not None
    # 3 min of boot and 2 of jitter are a step, 14 and 2 are two.
    earlier, later = after.plan.floor, unlearnt.plan.floor
    assert (earlier >= later).all()
    assert (earlier.iloc[:-1].to_numpy() >= later.iloc[1:].to_numpy()).all()
    assert (earlier > later).any()
    record = pool.ledger.runs(2)[1]
    assert record.lead_time is not None
    assert (record.lead_time.seconds, record.lead_time.count) == (840, 12)


def test_the_quantile_is_chosen_by_the_lead_time_that_was_learnt(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its settings' 3 min reactive scaling covers what the plan does not; its boots take 14."""
    replayed: list[float] = []

    def replay(forecasts: Any, load: Any, fleet: Fleet, *more: Any) -> Any:
        replayed.append(fleet.lead_time_seconds)
        return replay_days(forecasts, load, fleet, *more)

    monkeypatch.setattr(quantile, "replay_days", replay)
    pool.boot_some()
    choices: list[Choice] = []
    for learns in (True, False):
        job = pool.job(pool.fleet(quantile=None, learn_lead_time=learns))
        if learns:
            for _ in range(5):
                assert pool.run(job).ok
                pool.aws.clock.advance(24 * HOUR)
                write_load(pool.folder / "load.csv", pool.aws.clock.now())
        found = pool.run(job, write=False).choice
        assert found
        choices.append(found)
    assert {*replayed[:-1]} == {840}
    assert replayed[-1] == 180
    assert [choice.source for choice in choices] == ["past", "past"]
    assert choices[0].uncovered_share != choices[1].uncovered_share


def test_a_short_run_goes_by_the_lead_time_that_was_learnt(pool: Pool) -> None:
    """By its settings' 3 min the fleet would take no part; its boots take 14."""
    pool.boot_some()
    assert pool.run().ok
    basis = pool.ledger.basis()
    assert basis is not None
    assert basis.lead_time_seconds == 840
    pool.aws.clock.advance(HOUR)
    (result,) = run_short(pool.make_run())
    assert result.ok
    assert result.needed is not None
    (apart,) = run_short(pool.make_run(pool.job(pool.fleet(learn_lead_time=False))))
    assert (apart.ok, apart.needed) == (True, None)


def test_plan_and_status_tell_of_boots_shortage_and_advice(aws: LocalAws, tmp_path: Path) -> None:
    pool = Pool(aws, tmp_path, on_demand_quantile=0.1)
    pool.boot_some()
    pool.launching.outages.append(Outage(aws.clock.now(), STOCKOUT, units=2))
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=12)
    aws.clock.advance(MINUTE)
    result = pool.run()
    standing = look(pool.make_run(write=False), pool.job().fleets[0])
    assert result.plan is not None
    base = result.plan.on_demand_base
    for document in (result_document(result), standing.document()):
        assert document["lead_time"]["p90_seconds"] == 840
        assert document["capacity_limited"]["code"] == "InsufficientInstanceCapacity"
        assert document["on_demand_base"] == {
            "units": base,
            "stack_config": f"spot: {{on_demand_base_capacity: {base}}}",
        }
    assert standing.document()["boots"]["unknown cold"]["count"] == 12  # those instances are gone
    for page in (result_page(result, frozenset({"prod"}), pool.job()), standing.page()):
        console = Console(width=200, record=True, file=StringIO())
        console.print(page)
        text = console.export_text()
        assert "840 s of lead time" in text
        assert f"on_demand_base_capacity: {base}" in text
        assert text.count("allow further instance types") == 1


def test_i13_a_pool_s_run_uses_the_reads_that_are_granted_to_it(pool: Pool) -> None:
    job = pool.job()
    pool.run(job)
    used = {
        f"autoscaling:{call.action}" for call in pool.aws.calls if call.service == "autoscaling" and not call.mutating
    }
    assert used == {action for action in reads(job.fleets) if action.startswith("autoscaling:")}


def test_boots_are_kept_between_runs_and_seen_once(pool: Pool) -> None:
    pool.boot_some()
    pool.run()
    pool.aws.clock.advance(timedelta(weeks=2))
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=3)
    pool.aws.clock.advance(HOUR)
    write_load(pool.folder / "load.csv", pool.aws.clock.now())
    pool.run()
    result = pool.run()
    assert result.launching.lead_time is not None
    assert result.launching.lead_time.lead_time.count >= 13


@pytest.mark.parametrize("action", ["DescribeScalingActivities", "DescribeLifecycleHooks"])
def test_what_cannot_be_read_holds_no_plan_and_the_last_known_counts(pool: Pool, action: str) -> None:
    pool.boot_some()
    pool.run()
    pool.aws.faults.add(faults.access_denied(action=action))
    result = pool.run()
    assert result.ok
    assert result.launching.lead_time is not None
    assert result.launching.lead_time.seconds == 840
    assert any(action in note and "could not be read" in note for note in result.notes)


def test_row_32_a_stockout_clamps_is_counted_and_ends(pool: Pool) -> None:
    """What the group has got stays asked for, no more; when the cool-off is over and capacity is back, the plan rises again."""
    pool.launching.outages.append(Outage(pool.aws.clock.now(), STOCKOUT, pool.aws.clock.now() + 2 * HOUR, units=6))
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=12)
    pool.aws.clock.advance(10 * MINUTE)
    clamped = pool.run()
    lacking = clamped.launching.shortage
    assert clamped.ok
    assert lacking is not None
    assert (lacking.units, lacking.code) == (6, "InsufficientInstanceCapacity")
    assert any("allow further instance types" in note for note in clamped.notes)
    assert clamped.plan is not None
    assert clamped.schedule is not None
    within = [slot.floor for slot in clamped.schedule.slots if slot.start < lacking.until]
    after = [slot.floor for slot in clamped.schedule.slots if slot.start >= lacking.until]
    assert max(within) <= 6 < max(after)
    assert pool.run().written == 0  # I4
    assert pool.limited() == 1
    # Desired is lowered by reactive scaling; nothing is asked for in vain until the cool-off is over.
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=6)
    pool.aws.clock.advance_to(lacking.until - 5 * MINUTE)
    pool.run()
    pool.aws.clock.advance(4 * HOUR)
    free = pool.run()
    assert free.launching.shortage is None
    assert pool.limited() == 0
    assert free.plan is not None
    assert free.plan.floor.max() > 6


def test_row_32_a_short_run_clamps_to_a_stockout_that_came_after_the_full_run(pool: Pool) -> None:
    job = pool.job(pool.fleet(lead_time_seconds=900, learn_lead_time=False))
    pool.launching.outages.append(Outage(pool.aws.clock.now(), STOCKOUT, units=6))
    assert pool.run(job).launching.shortage is None
    pool.aws.clock.advance(HOUR)
    (result,) = run_short(pool.make_run(job))
    lacking = result.launching.shortage
    assert result.ok
    assert lacking is not None
    assert lacking.units == 6
    assert result.needed is not None
    assert result.needed > 6
    ours = {action["StartTime"]: action["MinSize"] for action in pool.described("elastic-iac-")}
    assert max(floor for start, floor in ours.items() if pool.aws.clock.now() < start < lacking.until) <= 6
    assert max(ours.values()) > 6
    (again,) = run_short(pool.make_run(job))
    assert again.written == 0  # I4


def test_a_used_up_quota_waits_longer(pool: Pool) -> None:
    now = pool.aws.clock.now()
    pool.launching.outages.append(Outage(now, QUOTA, now + 5 * MINUTE))
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=12)
    pool.aws.clock.advance(MINUTE)
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=2)
    lacking = pool.run().launching.shortage
    assert lacking is not None
    assert (lacking.units, lacking.until - now >= 6 * HOUR) == (2, True)


def test_a_broken_image_is_no_shortage(pool: Pool) -> None:
    pool.launching.outages.append(Outage(pool.aws.clock.now(), "InvalidAMIID.NotFound - The image id does not exist"))
    pool.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=12)
    assert pool.run().launching.shortage is None


def test_a_clamp_never_lowers_what_a_person_wants(pool: Pool) -> None:
    pool.run()
    pool.hand(MinSize=9, DesiredCapacity=12)
    pool.launching.outages.append(Outage(pool.aws.clock.now(), STOCKOUT, units=6))
    pool.aws.clock.advance(MINUTE)
    result = pool.run()
    assert result.launching.shortage is not None
    assert result.schedule is not None
    assert min(slot.floor for slot in result.schedule.slots) >= 9


# A Capacity Block


def at(moment: datetime) -> str:
    return moment.isoformat()


def test_a_capacity_block_s_life_on_the_clock(aws: LocalAws, tmp_path: Path) -> None:
    """Nothing asked for before its start, empty before its last 30 min, the next Block picked up."""
    blocks = [(NOW + 3 * HOUR, NOW + 15 * HOUR), (NOW + 20 * HOUR, NOW + 32 * HOUR)]
    spans = [(start, end - 40 * MINUTE) for start, end in blocks]
    windows = [{"start": at(start), "end": at(end), "units": 16, "floor": 1} for start, end in spans]
    pool = Pool(aws, tmp_path, windows=windows)
    pool.hand(MinSize=0, MaxSize=0, DesiredCapacity=0)
    for number, (start, end) in enumerate(spans):
        pool.foreign(f"gpu-block-{number}-open", start, MinSize=1, MaxSize=16, DesiredCapacity=1)
        pool.foreign(f"gpu-block-{number}-close", end, MinSize=0, MaxSize=0, DesiredCapacity=0)
    job = pool.job(pool.fleet(floor=0, ceiling=16, lead_time_seconds=14 * 60))
    theirs = pool.described("gpu-block")
    begin = aws.clock.now()
    while aws.clock.now() < NOW + 34 * HOUR:
        result = pool.run(job)
        assert result.ok, (result.code, result.reason)
        coming = [action for action in theirs if action["StartTime"] > aws.clock.now()]
        assert pool.described("gpu-block") == coming  # I2
        aws.clock.advance(2 * HOUR)
    minimum = aws.min_size_by_minute(GROUP, begin, aws.clock.now())
    minutes = [begin + count * MINUTE for count in range(len(minimum))]
    inside = [any(start <= minute < end for start, end in spans) for minute in minutes]
    assert all(floor == 0 for floor, within in zip(minimum, inside, strict=True) if not within)
    assert all(1 <= floor <= 16 for floor, within in zip(minimum, inside, strict=True) if within)
    for start, end in spans:
        lived = [floor for minute, floor in zip(minutes, minimum, strict=True) if start <= minute < end]
        assert max(lived) > 3, "the plan was in force in each Block"
    desired = [change for change in aws.history(GROUP)[1:] if change.sizes.desired]
    assert all(any(start <= change.at < end for start, end in spans) for change in desired)


# Shards


def test_a_skewed_load_moves_only_its_shard(aws: LocalAws, tmp_path: Path) -> None:
    pool = Pool(aws, tmp_path)
    make_group(aws, "web-b")
    index = pd.date_range(NOW - timedelta(days=12), NOW, freq="5min").floor("5min")
    for name, load in (("a", 40.0), ("b", 40.0)):
        steady = load + np.random.default_rng(1).normal(0, 1, len(index))
        save(pool, name, pd.Series(steady, index=index))
    fleets = [shard(pool, name, group) for name, group in (("a", GROUP), ("b", "web-b"))]
    pool.run_all(pool.job(*fleets))
    before = {name: floors_of(aws, name) for name in (GROUP, "web-b")}
    skewed = 40.0 + np.where(np.arange(len(index)) > len(index) - 600, 200.0, 0.0)
    save(pool, "b", pd.Series(skewed + np.random.default_rng(1).normal(0, 1, len(index)), index=index))
    results = pool.run_all(pool.job(*fleets))
    assert [result.status for result in results] == ["unchanged", "written"]
    assert floors_of(aws, GROUP) == before[GROUP]
    assert max(floors_of(aws, "web-b")) > max(before["web-b"])


def save(pool: Pool, name: str, load: pd.Series) -> None:
    load.rename("value").rename_axis("timestamp").to_csv(pool.folder / f"{name}.csv", date_format="%Y-%m-%dT%H:%M:%SZ")


def shard(pool: Pool, name: str, group: str) -> dict[str, Any]:
    source = {"kind": "file", "path": str(pool.folder / f"{name}.csv")}
    target = {"region": "us-east-1", "group_name": group}
    return {**pool.fleet(), "name": f"pool-{name}", "source": source, "target": target}


def floors_of(aws: LocalAws, group: str) -> list[int]:
    return [action.min_size or 0 for action in aws.group(group).actions.values()]


def test_a_plain_group_without_a_hook_is_planned_with_no_less_than_its_settings(aws: LocalAws, tmp_path: Path) -> None:
    street = Street(aws, tmp_path)
    aws.launch(GROUP, MINUTE)
    for _ in range(10):
        street.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=3)
        aws.clock.advance(5 * MINUTE)
        street.client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=2)
        aws.clock.advance(MINUTE)
    learnt = street.run(street.job(street.fleet(learn_lead_time=True))).launching.lead_time
    assert learnt is not None
    assert (learnt.seconds, learnt.to_answer, learnt.lead_time.p90_seconds) == (180, False, 60)


def test_a_fleet_that_does_not_learn_reads_its_failures_alone(aws: LocalAws, tmp_path: Path) -> None:
    street = Street(aws, tmp_path)
    assert street.run().ok
    called = {call.action for call in aws.calls}
    assert called & {"DescribeScalingActivities", "DescribeLifecycleHooks"} == {"DescribeScalingActivities"}
