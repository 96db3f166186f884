"""The plan's quantile, chosen by what each candidate would have cost on the days before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.choosing import CANDIDATES, REACTIVE_TARGETS, choose, quantile, replay_days
from forecasting.choosing.base import DEFAULT_QUANTILE
from forecasting.errors import SettingsError
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import learn_headroom
from forecasting.settings import parse_fleet
from forecasting.shortlead import DayTotals
from tests.fleets import NOW, make_fleet
from tests.street import HOUR, Street, write_load

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 5, 4, tzinfo=UTC)
KNOBS = len(CANDIDATES) * len(REACTIVE_TARGETS)
AS_SET = (len(REACTIVE_TARGETS) - 1) * len(CANDIDATES)
"""The first knob at the reactive target of the settings."""


def forecast_of(middle: pd.Series[float], spread: float) -> pd.DataFrame:
    """Quantiles a `spread` apart from each other around a middle."""
    rise = {level: 1 + spread * (place - 2) for place, level in enumerate(CANDIDATES)}
    return pd.DataFrame({level: middle * factor for level, factor in rise.items()})


def daily(days: int, start: datetime = MIDNIGHT) -> pd.Series[float]:
    """A load of 5-minute samples that rises from 50 to 150 and falls again, each day."""
    index = pd.date_range(start, periods=days * 288, freq="5min")
    return pd.Series(100 - 50 * np.cos(np.arange(days * 288) / 288 * 2 * np.pi), index=index)


def stored(load: pd.Series[float], spread: float = 0.1) -> list[tuple[datetime, pd.DataFrame]]:
    """A forecast every six hours that knows the load."""
    steps = load.resample("15min").mean()
    return [
        (at.to_pydatetime(), forecast_of(steps[(steps.index >= at) & (steps.index < at + 2 * DAY)], spread))
        for at in pd.date_range(load.index[0], load.index[-1] - DAY, freq="6h")
    ]


def no_headroom() -> dict[float, float]:
    return dict.fromkeys(CANDIDATES, 1.0)


def days_of(paid: list[float], uncovered: list[float], count: int = 10) -> list[DayTotals]:
    """Days that are alike: candidates at the reactive target of the settings; at lower ones nothing is gained."""
    whole_paid, whole_uncovered = np.full(KNOBS, 1e3), np.zeros(KNOBS)
    whole_paid[AS_SET:], whole_uncovered[AS_SET:] = paid, uncovered
    return [DayTotals(whole_paid, whole_uncovered, 1000.0) for _ in range(count)]


def test_a_day_is_replayed_with_the_plans_that_stood() -> None:
    load = daily(4)
    fleet = make_fleet(load_per_instance=10, ceiling=60)
    found = replay_days(stored(load), load, fleet, no_headroom(), [MIDNIGHT + DAY, MIDNIGHT + 2 * DAY])

    totals = found[(MIDNIGHT + DAY).date()]
    assert len(found) == 2
    assert totals.load == pytest.approx(load.iloc[288:576].sum())
    assert len(totals.paid) == KNOBS
    paid, uncovered = totals.paid.reshape(-1, len(CANDIDATES)), totals.uncovered.reshape(-1, len(CANDIDATES))
    # More is provided for the higher quantile, and at the lower target of reactive scaling; less is left then.
    assert (np.diff(paid, axis=1) >= 0).all()
    assert (np.diff(paid, axis=0) <= 0).all()
    assert (np.diff(uncovered, axis=1) <= 0).all()
    # The candidate .7 is the load itself.
    assert uncovered[-1, CANDIDATES.index(0.7)] < 0.0001 * totals.load
    assert uncovered[-1, 0] > 0.0005 * totals.load
    # What the best candidate pays for is what the plan asks for, step by step.
    planned = plan_capacity(_as_forecast(stored(load)[4][1]), fleet.model_copy(update={"quantile": 0.98})).floor
    assert paid[-1, -1] >= 3 * int(planned.iloc[:96].sum()) * 0.99


def _as_forecast(frame: pd.DataFrame) -> Any:
    from forecasting.models.base import Forecast, ModelChoice  # noqa: PLC0415

    return Forecast(frame, ModelChoice("stored", {}))


def test_a_day_without_a_forecast_or_without_most_of_its_load_says_nothing() -> None:
    load = daily(6)
    load.iloc[3 * 288 : 3 * 288 + 200] = np.nan
    forecasts = [each for each in stored(daily(6)) if not MIDNIGHT - DAY < each[0] < MIDNIGHT + 2 * DAY]
    days = [MIDNIGHT + number * DAY for number in range(5)]
    found = replay_days(forecasts, load, make_fleet(), no_headroom(), days)
    assert sorted(found) == [(MIDNIGHT + 2 * DAY).date(), (MIDNIGHT + 4 * DAY).date()]


def test_forecasts_of_an_older_release_without_the_candidates_are_left_out() -> None:
    load = daily(3)
    older = [(at, frame[[0.5, 0.9, 0.95]]) for at, frame in stored(load)]
    assert replay_days(older, load, make_fleet(), no_headroom(), [MIDNIGHT + DAY]) == {}


def test_the_past_chooses_what_covers_enough_for_least() -> None:
    paid = [100.0, 105, 110, 115, 120, 140, 180]
    exact = choose(days_of(paid, [0.0] * 7), 0.005)
    assert (exact.quantile, exact.source, exact.days) == (0.5, "past", 10)
    wanting = choose(days_of(paid, [80.0, 60, 40, 20, 10, 4, 1]), 0.005)
    assert wanting.quantile == 0.95
    assert wanting.uncovered_share == pytest.approx(0.004)
    assert wanting.cost_ratio == pytest.approx(140 / 120)
    assert "0.40% of the load uncovered (goal 0.50%)" in wanting.reason


def test_a_target_that_nothing_meets_does_not_buy_any_price() -> None:
    hopeless = choose(days_of([100, 150, 250, 400, 800, 1600, 3200], [90.0, 89, 88, 87, 86, 85, 84]), 0.005)
    assert hopeless.quantile == 0.5


def test_a_better_target_of_reactive_scaling_is_advised_beside_it() -> None:
    days = days_of([100, 105, 110, 115, 120, 140, 180], [80.0, 60, 40, 20, 10, 4, 1])
    better = REACTIVE_TARGETS.index(0.7) * len(CANDIDATES)
    for day in days:
        day.paid[better], day.uncovered[better] = 101.0, 3.0
    found = choose(days, 0.005)
    assert (found.quantile, found.reactive_target) == (0.95, 0.7)
    assert (
        "with reactive scaling at 70% of load_per_instance, 0.5 would have left 0.30% for 72% of that" in found.reason
    )


def test_too_few_days_leave_the_default() -> None:
    found = choose(days_of([100.0] * 7, [0.0] * 7, count=quantile.WARM_DAYS - 1), 0.005)
    assert (found.quantile, found.source) == (DEFAULT_QUANTILE, "default")
    assert "2 days with earlier forecasts are too few" in found.reason


@given(
    steps=st.lists(st.floats(0.1, 50), min_size=7, max_size=7),
    left=st.lists(st.floats(0, 30), min_size=7, max_size=7),
    shares=st.tuples(st.floats(1e-4, 0.5), st.floats(1e-4, 0.5)),
)
def test_who_allows_more_uncovered_load_gets_no_higher_quantile(
    steps: list[float], left: list[float], shares: tuple[float, float]
) -> None:
    paid = np.cumsum(steps) + 50
    uncovered = np.cumsum(left[::-1])[::-1]
    days = days_of(paid.tolist(), uncovered.tolist(), count=4)
    strict, lax = (choose(days, share).quantile for share in sorted(shares))
    assert lax <= strict


def test_what_the_settings_give_rules(street: Street) -> None:
    given_one = street.run(street.job(street.fleet(quantile=0.8)))
    assert given_one.choice
    assert (given_one.choice.quantile, given_one.choice.source) == (0.8, "given")
    prices = {"instance_hour": 1.0, "unmet_instance_hour": 19.0}
    priced = street.run(street.job(street.fleet(prices=prices)))
    assert priced.choice
    assert (priced.choice.quantile, priced.choice.source) == (pytest.approx(0.95), "prices")
    assert "19 times" in priced.choice.reason


@pytest.mark.parametrize("beside", [{"quantile": 0.9}, {"prices": {"instance_hour": 1.0, "unmet_instance_hour": 9.0}}])
def test_an_objective_beside_what_sets_the_quantile_is_refused(beside: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="uncovered_share"):
        make_fleet(uncovered_share=0.01, **beside)


def test_the_job_chooses_by_its_own_past_once_a_day(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    write_load(street.folder / "load.csv", after=8)
    first = street.run()
    assert first.choice
    assert (first.choice.quantile, first.choice.source) == (0.9, "default")
    last = first
    for _ in range(18):
        street.aws.clock.advance(6 * HOUR)
        last = street.run()

    assert last.status == "written"
    assert last.choice
    assert (last.choice.source, last.choice.days) == ("past", 3)
    # The forecast knows this load to a few instances: the middle is enough beside reactive scaling.
    assert last.choice.quantile < 0.9
    assert last.plan
    assert last.history
    assert last.forecast
    as_chosen = street.job().fleets[0].model_copy(update={"quantile": last.choice.quantile})
    headroom = learn_headroom(last.history, last.choice.quantile)
    planned = plan_capacity(last.forecast, as_chosen, headroom=headroom, current_floor=last.floor_in_force)
    pd.testing.assert_series_equal(last.plan.floor, planned.floor)

    record = street.ledger.runs(1)[0]
    assert record.choice
    assert (record.choice.quantile, record.choice.reason) == (last.choice.quantile, last.choice.reason)
    past = street.ledger.past_days()
    assert len(past.days) == 3
    assert past.looked == (street.aws.clock.now() - DAY).date()

    def again(*_args: object, **_more: object) -> None:
        raise AssertionError("a day was replayed twice")

    monkeypatch.setattr(quantile, "replay_days", again)
    same = street.run()
    assert same.choice == last.choice

    # New settings begin anew, by the last week's forecasts, in the next run.
    monkeypatch.undo()
    bigger = street.run(street.job(street.fleet(load_per_instance=12, uncovered_share=0.05)))
    assert bigger.choice
    assert (bigger.choice.days, bigger.choice.target_share) == (3, 0.05)
    assert street.ledger.past_days().settings_sha256 != past.settings_sha256


def test_a_plan_that_is_only_shown_keeps_nothing(street: Street) -> None:
    street.run()
    before = street.ledger.past_days()
    street.aws.clock.advance(DAY)
    street.run(write=False)
    assert street.ledger.past_days() == before


def test_a_damaged_past_is_a_remark_and_no_condition(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.run()
    (path,) = street.folder.rglob("past-days.json")
    path.write_text("{", encoding="utf-8")
    damaged = street.run()
    assert damaged.ok
    assert damaged.choice
    assert (damaged.choice.quantile, damaged.choice.source) == (0.9, "default")
    assert "past-days.json" in damaged.choice.reason

    def defect(*_args: object, **_more: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(quantile, "choose_quantile", defect)
    broken = street.run()
    assert broken.ok
    assert broken.choice
    assert "KeyError" in broken.choice.reason


def test_the_settings_are_told_apart_by_what_the_replay_depends_on() -> None:
    plain = make_fleet(lead_time_seconds=301)
    same = plain.model_copy(update={"lead_time_seconds": 420.0, "dry_run": True})
    later = plain.model_copy(update={"lead_time_seconds": 700.0})
    digest = quantile._settings_sha256  # pyright: ignore[reportPrivateUsage]
    assert digest(plain) == digest(same)
    assert digest(plain) != digest(later)


def test_days_are_kept_while_a_lead_time_that_is_learnt_hovers(street: Street) -> None:
    seen: list[bool] = []
    for number, lead in enumerate((590, 610, 590, 610, 530)):
        street.aws.clock.advance_to(NOW + number * DAY)
        write_load(street.folder / "load.csv", street.aws.clock.now())
        before = street.ledger.past_days()
        assert street.run(street.job(street.fleet(lead_time_seconds=lead))).ok
        seen.append(street.ledger.past_days().settings_sha256 == before.settings_sha256)
    assert seen == [False, False, True, True, False]
    assert len(street.ledger.past_days().days) == 3  # replayed anew from the stored forecasts


def test_a_fleet_may_say_what_reactive_scaling_aims_at() -> None:
    fleet = parse_fleet(make_fleet(reactive_target=0.65).model_dump(mode="json", exclude_none=True))
    load = daily(3)
    targets = quantile.targets_of(fleet.reactive_target)
    assert targets[2] == 0.65
    found = replay_days(stored(load), load, fleet, no_headroom(), [MIDNIGHT + DAY], targets)
    day = found[(MIDNIGHT + DAY).date()]
    # Candidate .5 at 65 % leaves nothing; at the settings' 100 % it is not enough for so strict a goal.
    assert choose([day] * 5, 1e-5, 0.65).quantile == 0.5
    as_set = replay_days(stored(load), load, make_fleet(), no_headroom(), [MIDNIGHT + DAY])
    assert choose([as_set[(MIDNIGHT + DAY).date()]] * 5, 1e-5).quantile > 0.5
