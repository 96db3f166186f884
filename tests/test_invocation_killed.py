"""Invocations that end in the middle, wherever that is: the next one completes, I3 and I5 hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.rules import Group
from forecasting.pacing import Pacing
from forecasting.store.local import LocalStore
from forecasting.targets.aws import AutoScalingTarget
from tests.fleets import floors_by_minute, play, snapshot
from tests.invocations import Fleets, statuses
from tests.street import HOUR, MINUTE, write_load

NAME = "fleet-0"


pytestmark = pytest.mark.usefixtures("quick_models")


class Killed(BaseException):
    """The process is gone: nothing after this is done, no lease is given back."""


class Mortal:
    """Counts every write, to the cloud and to the store, and dies at one: before it is made or after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.last: int | None = None
        self.after = False
        self.dead = False
        for owner, name in ((LocalStore, "put"), (AutoScalingTarget, "put"), (AutoScalingTarget, "delete")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def lives(self, last: int | None = None, *, after: bool = False) -> None:
        """Start anew; die at the `last` write."""
        self.writes, self.last, self.after, self.dead = 0, last, after, False

    def _counted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.writes += 1
            self.dead = self.dead or self.writes == self.last
            if self.dead and not (self.after and self.writes == self.last):
                raise Killed
            result = write(*args, **options)
            if self.dead:
                raise Killed
            return result

        return counted


def prepare(aws: LocalAws, folder: Path) -> Fleets:
    """A plan stands; an hour later the load has grown by half, and most slots are to be written."""
    fleets = Fleets(aws, folder, 1, horizon_hours=6)
    fleets.invoke("first")
    aws.clock.advance(1 * HOUR)
    write_load(folder / "load.csv", scale=1.5)
    return fleets


def test_i3_and_i5_ended_at_any_write_the_next_run_completes(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mortal = Mortal(monkeypatch)
    fleets = prepare(aws, tmp_path / _folder(tmp_path, "whole"))
    before = snapshot(aws, NAME)
    mortal.lives()
    fleets.invoke("second")
    total, whole = mortal.writes, snapshot(aws, NAME)
    assert total > 20
    start, end = aws.clock.now(), aws.clock.now() + 7 * HOUR
    old, new = (floors_by_minute(play(group, end), start, end) for group in (before, whole))
    assert (old != new).any()
    # The claim, the lease, the intent and the last ones of all kinds; among the puts every sixth.
    for last in {1, 2, 3, 4, *range(5, total - 4, 6), *range(total - 4, total + 1)}:
        mortal.lives()
        fleets = prepare(aws, tmp_path / _folder(tmp_path, str(last)))
        mortal.lives(last, after=last % 2 == 0)
        with pytest.raises(Killed):
            fleets.invoke("second")
        crashed = floors_by_minute(play(snapshot(aws, NAME), end), start, end)
        assert ((crashed == old) | (crashed == new)).all(), f"I3 at write {last}"
        mortal.lives()
        _completes(fleets)


@pytest.mark.parametrize("change", ["up", "down", "person"])
def test_i3_and_i5_a_short_run_ended_at_any_call_the_next_run_completes(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Its claim, its intent, its writes, its commit and what the job keeps of it, before each and after; a person's action changes many slots."""
    mortal = Mortal(monkeypatch)
    begun = aws.clock.now

    def prepared(name: str) -> Fleets:
        fleets = Fleets(aws, tmp_path / _folder(tmp_path, name), 1, horizon_hours=6, lead_time_seconds=600)
        fleets.invoke("first")
        aws.clock.advance(1 * HOUR)
        if change == "person":
            aws.client("autoscaling", in_process=True).put_scheduled_update_group_action(
                AutoScalingGroupName=NAME, ScheduledActionName="theirs", StartTime=begun() + 130 * MINUTE, MinSize=33
            )
        write_load(fleets.folder / "load.csv", scale=0.5 if change == "down" else 1.6)
        mortal.lives()
        return fleets

    fleets = prepared("whole")
    before = snapshot(aws, NAME)
    assert statuses(fleets.invoke("second", kind="short", seconds=240)) == [(NAME, "written", "")]
    total, whole = mortal.writes, snapshot(aws, NAME)
    start, end = begun(), begun() + 7 * HOUR
    old, new = (floors_by_minute(play(group, end), start, end) for group in (before, whole))
    assert (old != new).any()
    steps = range(1, total + 1) if change != "person" else (2, total // 2, total - 2)
    for last in steps:
        for after in (False, True):
            fleets = prepared(f"{last}-{after}")
            mortal.lives(last, after=after)
            with pytest.raises(Killed):
                fleets.invoke("second", kind="short", seconds=240)
            crashed = floors_by_minute(play(snapshot(aws, NAME), end), start, end)
            assert ((crashed == old) | (crashed == new)).all(), f"I3 at write {last}"
            mortal.lives()
            aws.clock.advance(5 * MINUTE)
            kind = "full" if last % 3 == 0 else "short"
            assert statuses(fleets.invoke("third", kind=kind, seconds=240))[0][1] in {"written", "unchanged"}
            assert statuses(fleets.invoke("fourth", kind=kind)) == [(NAME, "unchanged", "")]


def test_i3_and_i5_the_time_runs_out_among_the_writes(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls turn out slower than they were taken for: the lease ends with the run's time, and so do the writes."""
    put = AutoScalingTarget.put
    pause = 0.0

    def slow(self: AutoScalingTarget, slot: Any) -> None:
        aws.clock.advance(pause * (MINUTE / 60))
        put(self, slot)

    monkeypatch.setattr(AutoScalingTarget, "put", slow)
    stopped: set[int] = set()
    for seconds in (0.4, 1, 4, 11):
        pause = 0.0
        fleets = prepare(aws, tmp_path / _folder(tmp_path, str(seconds)))
        before, start, end = snapshot(aws, NAME), aws.clock.now(), aws.clock.now() + 7 * HOUR
        pause = seconds
        summary = fleets.invoke(
            "second", seconds=12, pacing=Pacing(monotonic=lambda: aws.clock.now().timestamp(), sleep=fleets.wait)
        )
        stopped.add(fleets.writes())
        late = snapshot(aws, NAME)
        pause = 0.0
        if not summary.lines[0].ok:
            assert summary.lines[0].code == "lease-lost"
        _completes(fleets)
        _within(late, before, snapshot(aws, NAME), start, end)
    assert len(stopped) == 4


def _within(crashed: Group, before: Group, after: Group, start: Any, end: Any) -> None:
    """I3 from the time on that both plans cover; the later plan was made some minutes after."""
    old, new, floor = (floors_by_minute(play(group, end), start, end) for group in (before, after, crashed))
    covered = np.arange(len(floor)) >= 35
    assert ((floor == old) | (floor == new))[covered].all()


def _completes(fleets: Fleets) -> None:
    """A quarter of an hour later the next run goes on: its plan stands, I5, and one more writes nothing."""
    fleets.aws.clock.advance(15 * MINUTE)
    assert statuses(fleets.invoke("third"))[0][1] in {"written", "unchanged"}
    assert statuses(fleets.invoke("fourth")) == [(NAME, "unchanged", "")]


def _folder(parent: Path, name: str) -> str:
    (parent / name).mkdir()
    return name
