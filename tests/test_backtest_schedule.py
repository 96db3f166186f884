"""The floors of the backtest against the job's own schedules, run after run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.backtest.compare import slot_path
from forecasting.backtest.floors import floor_path
from forecasting.backtest.walk import Origin
from forecasting.history import Verdict
from forecasting.planning.base import Plan
from forecasting.replay.base import IntArray
from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Slot
from forecasting.schedule.slots import Request

START = pd.Timestamp("2026-03-02", tz="UTC")
RUNS, STEPS = 5, 192
SIX_HOURS = pd.Timedelta(hours=6)


class Given:
    """Plans what the origin's median says."""

    def plan(self, origin: Origin) -> pd.Series[int]:
        index = pd.date_range(origin.start, periods=STEPS, freq="15min")
        return pd.Series([int(value) for value in origin.quantiles[:, 0]], index=index)


def executed(plans: list[pd.Series[int]]) -> IntArray:
    """MinSize at each minute when each run's schedule stands until the next run, six hours later."""
    standing: list[Slot] = []
    live = 1
    minutes: list[IntArray] = []
    for number, floor in enumerate(plans):
        now = START + number * SIX_HOURS
        actions = tuple(ScheduledAction(slot.name, slot.start, slot.floor) for slot in standing if slot.start > now)
        plan = Plan(floor, floor, floor.astype(float), 1)
        group = GroupState(live, 100, live, actions)
        request = Request(plan, now.to_pydatetime(), "shop", (), 100, None, None, group, 0)
        standing = list(build_schedule(request).slots)
        minutes.append(slot_path(standing, now, 360, live))
        live = int(minutes[-1][-1])
    return np.concatenate(minutes)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.0, 0.4))
def test_they_differ_by_no_more_than_the_tolerance(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    truth = np.maximum(20 + np.cumsum(rng.normal(0, 1, STEPS + 24 * RUNS)), 1)
    origins: list[Origin] = []
    for number in range(RUNS):
        seen = np.rint(truth[24 * number :][:STEPS] * np.exp(spread * rng.normal())).clip(1, 100)
        at = START + number * SIX_HOURS
        origins.append(Origin(at, Verdict.GOOD, at, seen[:, None], (1.0,), seen, np.empty(0)))
    plans = [Given().plan(origin) for origin in origins]

    real = executed(plans)[::15]
    replayed = floor_path(Given(), origins, START, RUNS * 360, baseline=1, step_minutes=15)[::15]

    planned = np.concatenate([plan.to_numpy()[:24] for plan in plans])
    tolerance = np.maximum(np.ceil(0.1 * planned), 1)
    # The step of the run itself is left out: there the old plan is still in force, or a slot within it that starts between its quarters.
    inside = np.arange(len(planned)) % 24 != 0
    for floor in (real, replayed):
        assert (floor >= planned)[inside].all()
        assert (floor <= planned + tolerance)[inside].all()
