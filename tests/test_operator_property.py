"""Commands, manual changes, runs and crashes in any order: the minimum in force is never below the lower of the two schedules'."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.errors import ElasticIacError
from forecasting.release import release_fleet, roll_back_fleet
from forecasting.run import FleetResult, Run
from forecasting.schedule.grid import round_up
from forecasting.settings import Fleet, Job
from forecasting.targets.aws import AutoScalingTarget
from forecasting.targets.gcp import AutoscalerTarget
from forecasting.turn import Turn
from tests.fleets import GROUP, NOW, InProcess, floors_by_minute, make_group, make_job, plan_of, play, snapshot
from tests.gcp_fleets import NAME, PROJECT, REGION, call, gcp_fleet_data, make_autoscaler, scope_of
from tests.shortruns import KilledError
from tests.test_reconcile import levels, put_foreign

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AHEAD = 26 * HOUR
Minutes = npt.NDArray[np.int_]


class PlannedRun(Turn):
    """A run whose plan is given."""

    floors: list[int]

    def go(self) -> FleetResult:
        self._refuse_stopped()
        self.claim = self.ledger.claim(self.run.run_id, self.run.now, self._deadline())
        return self._write(self.claim, lambda _: plan_of(self.floors, self.run.now))

    def record(self, result: FleetResult) -> None:
        """Nothing."""


@dataclass
class World:
    """A fleet on an emulated cloud. `ahead` gives the minimum by whole minute from now on, if nothing more is written."""

    job: Job
    session: Any
    clock: Any
    ahead: Callable[[], Minutes]
    by_hand: Callable[[int], None]
    seen: list[Minutes] = field(default_factory=list[Minutes])
    dies_at: int | None = None
    before_last_plan: tuple[Any, Minutes] | None = None

    def fleet(self) -> Fleet:
        return self.job.fleets[0]

    def run(self) -> Run:
        return Run(self.job, self.clock.now(), run_id=str(uuid.uuid4()), session=self.session, clock=self.clock.now)

    def wrote(self) -> None:
        """After each write: keep what is ahead, or die."""
        self.seen.append(self.ahead())
        if self.dies_at is not None and len(self.seen) >= self.dies_at:
            raise KilledError

    def do(self, event: tuple[str, Any, int | None]) -> None:
        kind, value, dies_at = event
        before = self.ahead()
        self.seen, self.dies_at = [], dies_at
        try:
            done = self._do(kind, value)
        except KilledError:
            done = False
        self.dies_at = None
        after = self.ahead()
        least = np.minimum(before, after)
        for number, between in enumerate(self.seen):
            wrong = np.flatnonzero(between < least)
            assert not len(wrong), (
                f"{kind}, call {number + 1}, minute {wrong[0]}: {between[wrong[0]]}, not {least[wrong[0]]}"
            )
        if kind == "rollback" and done and self.before_last_plan is not None:
            made_at, old = self.before_last_plan
            self.compare_rollback(before, after, old[(round_up(self.clock.now(), 1) - made_at) // MINUTE :])
        if kind == "rollback" and done:  # the next one undoes this one
            self.before_last_plan = (round_up(self.clock.now(), 1), before)
        if kind == "plan" and self.seen:
            self.before_last_plan = (round_up(self.clock.now(), 1), before)

    @staticmethod
    def compare_rollback(replaced: Minutes, restored: Minutes, old: Minutes) -> None:
        length = min(len(replaced), len(old))
        least = np.minimum(replaced[:length], old[:length])
        wrong = np.flatnonzero(restored[:length] < least)
        assert not len(wrong), (
            f"minute {wrong[0]} after the rollback: {restored[wrong[0]]}, "
            f"old {old[wrong[0]]}, replaced {replaced[wrong[0]]}"
        )

    def _do(self, kind: str, value: Any) -> bool:
        if kind == "plan":
            planned = PlannedRun(self.run(), self.fleet())
            planned.floors = value
            result = planned.guarded()
            assert result.status != "failed", result.reason
            return result.ok
        if kind == "hand":
            self.by_hand(value)
            return True
        try:
            (roll_back_fleet if kind == "rollback" else release_fleet)(self.run(), self.fleet())
        except ElasticIacError:  # nothing to roll back to, or no time: then nothing, or a part, is written
            return False
        return True


def aws_world(aws: LocalAws, folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    aws.reset(now=NOW)
    client = make_group(aws)
    now = aws.clock.now

    def ahead() -> Minutes:
        start = round_up(now(), 1)
        return floors_by_minute(play(snapshot(aws), start + AHEAD), start, start + AHEAD)

    def by_hand(size: int) -> None:
        client.update_auto_scaling_group(AutoScalingGroupName=GROUP, MinSize=size)

    world = World(make_job(folder), InProcess(aws), aws.clock, ahead, by_hand)
    for name in ("put", "delete", "set_min_size"):
        watch(monkeypatch, AutoScalingTarget, name, world)
    return world


def gcp_world(gcp: LocalGcp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    gcp.reset(now=NOW)
    for name, value in gcp.environment().items():
        monkeypatch.setenv(name, value)
    make_autoscaler(gcp)
    now = gcp.clock.now

    def ahead() -> Minutes:
        start = round_up(now(), 1)
        return np.array(gcp.floor_by_minute(PROJECT, REGION, NAME, start, start + AHEAD))

    def by_hand(size: int) -> None:
        path = f"{scope_of(REGION)}/autoscalers?autoscaler={NAME}"
        call(gcp, "PATCH", path, {"autoscalingPolicy": {"minNumReplicas": size}})

    world = World(make_job(folder, gcp_fleet_data()), None, gcp.clock, ahead, by_hand)
    watch(monkeypatch, AutoscalerTarget, "_patch", world)
    return world


def watch(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, world: World) -> None:
    real = getattr(kind, name)

    def watched(self: Any, *arguments: Any) -> Any:
        done = real(self, *arguments)
        world.wrote()
        return done

    monkeypatch.setattr(kind, name, watched)


dies = st.one_of(st.none(), st.none(), st.integers(1, 40))
events = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just("plan"), levels(96), dies),
            st.tuples(st.just("plan"), levels(96), st.none()),
            st.tuples(st.just("rollback"), st.none(), dies),
            st.tuples(st.just("rollback"), st.none(), st.none()),
            st.tuples(st.just("release"), st.none(), dies),
            st.tuples(st.just("hand"), st.integers(2, 45), st.none()),
        ),
        st.one_of(st.integers(10, 400), st.integers(10, 2 * 3600)),
    ),
    min_size=2,
    max_size=7,
)
"""What happens, and the seconds until the next."""

foreign = st.lists(
    st.one_of(
        st.tuples(st.just("once"), st.integers(5, 1000), st.just("MinSize"), st.integers(1, 30)),
        st.tuples(st.just("daily"), st.integers(0, 23 * 60), st.just("MinSize"), st.integers(1, 30)),
    ),
    max_size=4,
    unique_by=lambda item: item[1] % 1440,
)


@settings(max_examples=25)
@given(happens=events, theirs=foreign)
def test_no_command_lowers_the_minimum_below_both_schedules_on_aws(
    aws: LocalAws,
    tmp_path_factory: pytest.TempPathFactory,
    happens: list[tuple[tuple[str, Any, int | None], int]],
    theirs: list[tuple[str, int, str, int]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = aws_world(aws, tmp_path_factory.mktemp("world"), monkeypatch)
        put_foreign(aws.client("autoscaling", in_process=True), theirs, NOW)
        play_out(world, happens)


@settings(max_examples=25)
@given(happens=events)
def test_no_command_lowers_the_minimum_below_both_schedules_on_gcp(
    gcp: LocalGcp,
    tmp_path_factory: pytest.TempPathFactory,
    happens: list[tuple[tuple[str, Any, int | None], int]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        play_out(gcp_world(gcp, tmp_path_factory.mktemp("world"), monkeypatch), happens)


def play_out(world: World, happens: list[tuple[tuple[str, Any, int | None], int]]) -> None:
    for event, seconds in happens:
        world.do(event)
        world.clock.advance(timedelta(seconds=seconds))


@pytest.mark.parametrize("external", [45, 200])
def test_a_rollback_fits_beside_what_fills_the_group(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, external: int
) -> None:
    """Both schedules and the external actions are more than the group may have: the restored slots are fewer."""
    world = aws_world(aws, tmp_path, monkeypatch)
    client = aws.client("autoscaling", in_process=True)
    world.do(("plan", [4 + number % 7 for number in range(96)], None))
    world.clock.advance(5 * HOUR + 7 * MINUTE)
    world.do(("plan", [30 - number % 5 for number in range(96)], None))
    for number in range(min(external, 125 - len(snapshot(aws).actions))):
        client.put_scheduled_update_group_action(
            AutoScalingGroupName=GROUP,
            ScheduledActionName=f"theirs-{number}",
            StartTime=NOW + 200 * HOUR + number * MINUTE,
            DesiredCapacity=3,
        )
    before = world.ahead()
    outcome = roll_back_fleet(world.run(), world.fleet())
    assert outcome.written
    assert world.before_last_plan is not None
    made_at, old = world.before_last_plan
    World.compare_rollback(before, world.ahead(), old[(round_up(world.clock.now(), 1) - made_at) // MINUTE :])
    assert play(snapshot(aws), NOW + 100 * HOUR).sizes.minimum == 2
