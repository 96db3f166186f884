"""The short-lead update: what it gives on any load, and what it says where it knows nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.planning.base import Plan
from forecasting.shortlead import (
    FIRST_TAU,
    LEVELS,
    TAUS,
    DayTotals,
    Features,
    Fit,
    Terms,
    choose,
    day_totals,
    features,
    fitted,
    forecast_paths,
    is_due,
    learn,
    need,
    needs,
    relevel,
    shipped,
    window_steps,
)
from forecasting.shortlead.choice import WARM_DAYS
from forecasting.shortlead.features import HOUR_STEPS, NAMES
from forecasting.shortlead.need import HOLD_STEPS, LARGEST_FACTOR, quantile_regression

FIRST = datetime(2026, 5, 4, tzinfo=UTC)
DAY = 288
WINDOW = 7

KINDS = ("daily", "constant", "zero", "spike", "gaps", "sparse", "huge")


def load_of(kind: str, days: int = 9, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    ticks = np.arange(days * DAY)
    load = 100 - 60 * np.cos(ticks / DAY * 2 * np.pi) + random.normal(0, 3, len(ticks))
    if kind == "constant":
        load = np.full(len(ticks), 50.0)
    elif kind == "zero":
        load = np.zeros(len(ticks))
    elif kind == "spike":
        load[-20] = 1e4
    elif kind == "gaps":
        load[random.random(len(ticks)) < 0.3] = np.nan
    elif kind == "sparse":
        load = np.where(random.random(len(ticks)) < 0.02, 1.0, 0.0)
    elif kind == "huge":
        load = load * 1e12
    return load


def paths_of(load: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """A forecast that knows the daily shape of the load, and a band around it."""
    shape = np.nan_to_num(load[:DAY], nan=float(np.nanmean(load)))
    ticks = np.arange(len(load) + 1)[:, None] + np.arange(window)
    middle = np.convolve(np.tile(shape, 3), np.ones(9) / 9, "same")[DAY : 2 * DAY][ticks % DAY]
    return np.stack([middle, 1.2 * middle, 1.3 * middle], axis=2)


def past(found: Features) -> Features:
    return found.part(slice(-1))


@pytest.mark.parametrize("kind", KINDS)
def test_any_load_gives_finite_needs_in_order(kind: str) -> None:
    load = load_of(kind)
    found = features(load, paths_of(load))
    assert np.isfinite(found.rows).all()
    assert found.rows.shape == (len(load) + 1, len(NAMES))
    coefficients = fitted(past(found), shipped(WINDOW))
    largest = float(np.nanmax(load))

    wanted = needs(found, coefficients, largest)

    known = wanted[found.usable]
    assert len(known) > DAY
    assert np.isfinite(known).all()
    assert (known >= 0).all()
    assert (np.diff(known, axis=1) >= 0).all()
    assert (known <= LARGEST_FACTOR * largest + 1e-9).all()
    assert np.isnan(wanted[~found.usable]).all()


def test_a_constant_load_needs_little_more_than_itself() -> None:
    load = load_of("constant")
    found = features(load, paths_of(load))
    wanted = needs(found, fitted(past(found), shipped(WINDOW)), 50.0)[-1]
    assert wanted[TAUS.index(0.6)] == pytest.approx(50, rel=0.05)
    assert wanted[-1] <= 1.5 * 50


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(1e-6, 1e9), seed=st.integers(0, 1000), kind=st.sampled_from(["daily", "spike", "gaps"]))
def test_a_unit_changes_nothing(factor: float, seed: int, kind: str) -> None:
    load = load_of(kind, days=3, seed=seed)
    largest = float(np.nanmax(load))
    plain = needs(features(load, paths_of(load)), shipped(WINDOW), largest)
    scaled = needs(features(factor * load, factor * paths_of(load)), shipped(WINDOW), factor * largest)
    np.testing.assert_allclose(scaled, factor * plain, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(DAY, 3 * DAY - 1), seed=st.integers(0, 1000))
def test_a_row_knows_only_the_samples_before_it(cut: int, seed: int) -> None:
    load = load_of("daily", days=3, seed=seed)
    paths = paths_of(load)
    changed = load.copy()
    changed[cut:] *= 5
    before, after = features(load, paths), features(changed, paths)
    np.testing.assert_array_equal(before.rows[: cut + 1], after.rows[: cut + 1])
    np.testing.assert_array_equal(before.now[: cut + 1], after.now[: cut + 1])
    np.testing.assert_array_equal(before.change[: cut - WINDOW + 1], after.change[: cut - WINDOW + 1])
    # ... and the newest row of a shorter series is that row of the longer one.
    short = features(load[:cut], paths[: cut + 1])
    np.testing.assert_allclose(short.rows[-1], before.rows[cut], atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), ticks=st.integers(HOUR_STEPS + 1, 40), seed=st.integers(0, 1000))
def test_the_last_ticks_alone_are_those_of_the_whole(kind: str, ticks: int, seed: int) -> None:
    load = load_of(kind, seed=seed)
    paths = paths_of(load)
    whole, last = features(load, paths).part(slice(-ticks, None)), features(load, paths[-ticks:])
    np.testing.assert_array_equal(last.rows[HOUR_STEPS:], whole.rows[HOUR_STEPS:])
    for name in ("now", "change", "usable"):
        np.testing.assert_array_equal(getattr(last, name), getattr(whole, name))


def test_a_jump_raises_the_need_within_one_tick() -> None:
    load = load_of("daily")
    calm = needs(features(load, paths_of(load)), shipped(WINDOW), 200.0)[-1]
    load[-3:] *= 1.8
    jumped = needs(features(load, paths_of(load)), shipped(WINDOW), 400.0)[-1]
    assert (jumped > 1.3 * calm).all()


def test_a_need_is_held() -> None:
    load = load_of("daily")
    load[-HOLD_STEPS:-6] *= 2
    found = features(load, paths_of(load))
    held = needs(found, shipped(WINDOW), 1e6)
    at_once = needs(found, shipped(WINDOW), 1e6, hold=1)
    np.testing.assert_allclose(held[-1], at_once[-HOLD_STEPS:].max(axis=0))
    assert (held[-1] > at_once[-1]).any()


@pytest.mark.parametrize("missing", ["samples", "forecast"])
def test_without_recent_samples_or_a_forecast_nothing_is_said(missing: str) -> None:
    load = load_of("daily")
    paths = paths_of(load)
    assert need(features(load, paths), shipped(WINDOW), 200.0, 0.9, 10.0) is not None
    if missing == "samples":
        load[-3:] = np.nan
    else:
        paths[-1, -1] = np.nan
    assert need(features(load, paths), shipped(WINDOW), 200.0, 0.9, 10.0) is None


def test_the_newest_need_is_the_last_of_all() -> None:
    load = load_of("daily")
    found = features(load, paths_of(load))
    wanted = needs(found, shipped(WINDOW), 200.0)[-1, TAUS.index(0.95)]
    assert need(found, shipped(WINDOW), 200.0, 0.95, 10.0) == int(np.ceil(wanted / 10))


def test_too_short_a_past_takes_the_shipped_coefficients() -> None:
    load = load_of("daily", days=1)
    found = features(load, paths_of(load))
    assert fitted(past(found), shipped(WINDOW)) is not None
    np.testing.assert_array_equal(fitted(past(found), shipped(WINDOW)), shipped(WINDOW))
    longer = load_of("daily", days=4)
    found = features(longer, paths_of(longer))
    assert np.abs(fitted(past(found), shipped(WINDOW)) - shipped(WINDOW)).max() > 0.01


@pytest.mark.parametrize("tau", [0.6, 0.9, 0.99])
def test_the_regression_finds_the_quantile(tau: float) -> None:
    random = np.random.default_rng(1)
    rows = np.stack([np.ones(20_000), random.uniform(-1, 1, 20_000)], axis=1)
    values = rows @ np.array([0.3, 2.0]) + random.exponential(1.0, 20_000)
    found = quantile_regression(rows, values, tau, np.zeros(2), 1e-6)
    assert np.mean(values <= rows @ found) == pytest.approx(tau, abs=0.015)
    assert found[1] == pytest.approx(2.0, abs=0.5)
    pulled = quantile_regression(rows, values, tau, np.zeros(2), 1e6)
    np.testing.assert_allclose(pulled, 0, atol=1e-4)


def test_every_window_has_its_coefficients() -> None:
    assert window_steps(300) == 4
    assert window_steps(1201) == 8
    assert window_steps(3600) == 15
    assert window_steps(3601) is None
    assert shipped(8).shape == (len(TAUS), len(NAMES))
    np.testing.assert_allclose(shipped(8), (shipped(7) + shipped(9)) / 2)
    np.testing.assert_array_equal(shipped(3), shipped(4))


def test_a_tick_has_the_newest_forecast_made_by_then() -> None:
    def made(hours: int, value: float) -> tuple[datetime, pd.DataFrame]:
        at = FIRST + timedelta(hours=hours)
        index = pd.date_range(at, periods=16, freq="15min")
        return at, pd.DataFrame({level: value * (1 + level) for level in LEVELS}, index=index)

    paths = forecast_paths([made(2, 20.0), made(0, 10.0)], FIRST, 100, 3)
    assert paths[0, 0] == pytest.approx([15.0, 19.0, 19.5])
    assert paths[23, 2, 0] == pytest.approx(
        15.0
    )  # the tick before the second one was made, though its window reaches into it
    assert paths[24, 0, 0] == pytest.approx(30.0)
    assert paths[69, 2, 0] == pytest.approx(30.0)  # 7:45 to 8:00 of the forecast's last step
    assert np.isnan(paths[70, 2, 0])
    early = forecast_paths([made(2, 20.0)], FIRST, 30, 3)
    assert np.isnan(early[:24]).all()
    assert np.isnan(forecast_paths([], FIRST, 5, 3)).all()


def test_a_forecast_is_a_line_between_the_middles_of_its_steps() -> None:
    index = pd.date_range(FIRST, periods=3, freq="15min")
    quantiles = pd.DataFrame({level: [0.0, 30.0, 60.0] for level in LEVELS}, index=index)
    path = forecast_paths([(FIRST, quantiles)], FIRST, 3, 3)[:, :, 0]
    np.testing.assert_allclose(path, [[0, 0, 10], [0, 10, 20], [10, 20, 30]])


def totals(paid: list[float], uncovered: list[float]) -> DayTotals:
    return DayTotals(np.array(paid), np.array(uncovered), 1000.0)


def test_the_knob_is_the_cheapest_that_keeps_to_the_target() -> None:
    days = [totals([100, 110, 150], [40, 4, 0])] * WARM_DAYS
    assert choose(days) == 1
    assert choose(days, target_share=0.05) == 0
    assert choose(days[:-1]) is None


def test_a_target_that_nothing_meets_does_not_cost_everything() -> None:
    days = [totals([100, 110, 5000], [60, 50, 49])] * WARM_DAYS
    assert choose(days) == 1


def test_what_is_cheapest_by_luck_in_one_past_is_not_chosen() -> None:
    # Over these ten days the first one just keeps to the target, all of it on a single day: one more such day, and it is at twice that.
    days = [totals([100, 102], [50 if day == 4 else 0, 0]) for day in range(10)]
    assert choose(days) == 1
    assert choose([totals([100, 102], [5, 0])] * 10) == 0


def test_old_days_are_forgotten() -> None:
    days = [totals([100, 300], [500, 0])] * 40 + [totals([100, 300], [0, 0])] * 28
    assert choose(days) == 0


def test_the_coarse_replay_boots_pays_and_misses() -> None:
    load = np.full(DAY, 10.0)
    load[100:] = 100.0
    floors = np.ones((DAY, 2))
    floors[90:, 1] = 10
    (day,) = day_totals(load, floors, 10.0, 4)
    # Reactive scaling sees the jump a step later and boots for four: five steps without nine of ten instances.
    assert day.uncovered == pytest.approx([5 * 90, 0])
    assert day.paid[0] == pytest.approx(101 + 187 * 10)
    assert day.paid[1] == pytest.approx(91 + 197 * 10)
    assert day.load == pytest.approx(load.sum())


def plan_of(floors: list[int]) -> Plan:
    index = pd.date_range(FIRST, periods=len(floors), freq="15min")
    floor = pd.Series(floors, index=index)
    return Plan(floor=floor, need=floor, load=10.0 * floor, baseline=2, notes=("of the full run",))


@pytest.mark.parametrize(("wanted", "given"), [(9, 9), (3, 3), (0, 2), (99, 12)])
def test_only_the_next_slots_are_relevelled_and_within_bounds(wanted: int, given: int) -> None:
    plan = plan_of([5, 6, 7, 8, 9])
    # At 00:16 an action can start at 00:19: the step that began at 00:15 and the one at 00:30 are the next slots.
    changed = relevel(plan, wanted, now=FIRST + timedelta(minutes=16), ceiling=12)
    assert list(changed.floor) == [5, given, given, 8, 9]
    assert changed.baseline == 2
    assert list(plan.floor) == [5, 6, 7, 8, 9]


def test_a_doubt_only_raises() -> None:
    plan = plan_of([5, 6, 7, 8, 9])
    changed = relevel(plan, 6, now=FIRST + timedelta(minutes=16), ceiling=12, raise_only=True)
    assert list(changed.floor) == [5, 6, 7, 8, 9]
    assert changed.fresh_until is None  # no slot follows it down
    changed = relevel(plan, 11, now=FIRST + timedelta(minutes=16), ceiling=12, raise_only=True)
    assert list(changed.floor) == [5, 11, 11, 8, 9]


def test_a_plan_that_has_run_out_is_left_alone() -> None:
    plan = plan_of([5, 6])
    assert list(relevel(plan, 9, now=FIRST + timedelta(hours=5), ceiling=12).floor) == [5, 6]


TERMS = Terms(load_per_instance=10.0, floor=0, ceiling=1000)


def learnt(before: Fit | None, days: int, terms: Terms = TERMS) -> Fit:
    """What is learnt of the first days of a daily load; its forecast says nothing."""
    load = pd.Series(load_of("daily", days=days), index=pd.date_range(FIRST, periods=days * DAY, freq="5min"))
    hours = pd.date_range(FIRST, periods=15 * 24, freq="h")
    made = [(FIRST, pd.DataFrame({level: np.full(len(hours), 1.0) for level in LEVELS}, index=hours))]
    return learn(before, load, made, window=WINDOW, terms=terms, boot_steps=2)


def test_a_day_is_judged_beside_what_reactive_scaling_aims_at() -> None:
    def paid(target: float) -> np.ndarray:
        terms = TERMS._replace(reactive_target=target)
        (day,) = learnt(learnt(None, 8, terms), 9, terms).days
        return day.paid

    assert (paid(0.5) > paid(1.0)).all()


def test_a_day_is_judged_between_floor_and_ceiling() -> None:
    """Reactive scaling asks for up to 17; the update for more where it may, and for less at night where it must not."""
    (free,) = learnt(learnt(None, 8), 9).days
    bounded = TERMS._replace(floor=12, ceiling=12)
    (held,) = learnt(learnt(None, 8, bounded), 9, bounded).days
    assert len({*free.paid.tolist()}) == len(TAUS)
    assert {*held.paid.tolist()} == {held.paid[0]}
    assert held.paid[0] >= 12 * DAY


@pytest.mark.parametrize(
    "changed",
    [{"load_per_instance": 20.0}, {"floor": 3}, {"ceiling": 12}, {"reactive_target": 0.5}],
    ids=lambda changed: next(iter(changed)),
)
def test_days_that_were_judged_in_other_terms_say_nothing(changed: dict[str, Any]) -> None:
    fit: Fit | None = None
    for days in range(8, 13):
        fit = learnt(fit, days)
    assert fit
    assert len(fit.days) == WARM_DAYS + 1
    assert fit.tau != FIRST_TAU
    assert not is_due(fit, WINDOW, TERMS, fit.until)
    terms = TERMS._replace(**changed)
    assert is_due(fit, WINDOW, terms, fit.until)
    anew = learnt(fit, 12, terms)
    assert (anew.days, anew.tau, anew.terms) == ((), FIRST_TAU, terms)
    assert len(learnt(anew, 13, terms).days) == 1
