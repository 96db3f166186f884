"""One regular series of whatever samples came, and the verdict on them (rows 1-6, 9, 10, 13-15 of the fault list)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import InputError
from forecasting.history import Verdict, build_history
from forecasting.sources import Reading
from tests.histories import NOW, ago, daily, history, reading, stamps, text, verdicts


def test_a_good_load_has_no_findings_and_its_steps_are_means() -> None:
    load = daily()
    made = history(load)
    assert made.findings == ()
    assert made.verdict is Verdict.GOOD
    pd.testing.assert_series_equal(made.load, load.resample("15min").mean(), check_names=False, check_freq=False)
    pd.testing.assert_series_equal(made.fine, load, check_names=False, check_freq=False)
    assert not made.censored.any()
    assert stamps(made.load).freq == pd.Timedelta(minutes=15)


# --- gaps (1), late tail (2), nothing (3) ------------------------------------------------------------------------------


def test_a_short_gap_stays_a_gap() -> None:
    load = daily()
    hole = (load.index >= ago(hours=30)) & (load.index < ago(hours=27))
    made = history(load[~hole])
    assert verdicts(made) == {"gap": Verdict.GOOD}
    assert text(made, "gap") == "1 gap, 0.9% of the history; the longest from 2026-03-14 06:00 UTC for 3 h"
    assert made.load.index.equals(pd.date_range(load.index[0], NOW, freq="15min", inclusive="left"))
    assert made.load.isna().sum() == 12
    assert made.fine.isna().sum() == 36


def test_a_long_gap_lets_the_plan_rise_only_while_it_is_recent() -> None:
    load = daily()
    recent = (load.index >= ago(hours=40)) & (load.index < ago(hours=33))
    assert verdicts(history(load[~recent])) == {"long-gap": Verdict.RAISE_ONLY}
    old = (load.index >= ago(days=9)) & (load.index < ago(days=9, hours=-7))
    assert verdicts(history(load[~old])) == {"gap": Verdict.GOOD}


def test_many_short_gaps_let_the_plan_rise_only() -> None:
    load = daily()
    assert verdicts(history(load[stamps(load).hour % 4 != 0])) == {"long-gap": Verdict.RAISE_ONLY}


def test_half_of_a_steps_samples_make_it_and_fewer_do_not() -> None:
    load = daily(minutes=5)
    two_of_three, one_of_three = ago(hours=20), ago(hours=10)
    gone = [two_of_three, one_of_three, one_of_three + timedelta(minutes=5)]
    made = history(load.drop(gone))
    assert made.load[two_of_three] == pytest.approx(load[two_of_three:].iloc[1:3].mean())
    assert np.isnan(made.load[one_of_three])


def test_the_sample_and_the_step_that_are_still_filling_are_left_out() -> None:
    load = daily(end=NOW + timedelta(minutes=10))  # the newest sample starts at 12:05 and ends at 12:10
    made = history(load, now=NOW + timedelta(minutes=8))
    assert made.load.index[-1] == ago(minutes=15)
    assert made.fine.index[-1] == ago(minutes=5)
    assert "late-tail" not in verdicts(made)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_tail_that_is_not_complete_yet_is_not_read_as_low_load(share: float) -> None:
    load = daily()
    load.iloc[-2:] *= share
    made = history(load)
    assert verdicts(made) == {"late-tail": Verdict.GOOD}
    assert text(made, "late-tail") == (
        "2 samples since 2026-03-15 11:50 UTC too low to be complete; left out until they are older"
    )
    assert made.load.min() > 20
    assert made.load.index[-1] == ago(minutes=30)


def test_nothing_at_all_holds() -> None:
    for load in (daily()[:0], daily() * np.nan):
        made = build_history(Reading(load=load, sample_seconds=300), now=NOW, step_minutes=15)
        assert made.load.empty
        assert made.fine.dropna().empty
        assert made.verdict is Verdict.HOLD
        assert verdicts(made)["empty"] is Verdict.HOLD


@pytest.mark.parametrize(("hours", "verdict"), [(1.9, None), (3, Verdict.RAISE_ONLY), (25, Verdict.HOLD)])
def test_old_data(hours: float, verdict: Verdict | None) -> None:
    load = daily()
    made = history(load[load.index < ago(hours=hours)])
    assert verdicts(made).get("stale") is verdict


# --- clocks (6), order (9) ---------------------------------------------------------------------------------------------


def test_stamps_of_broken_clocks_are_rejected() -> None:
    load = daily()
    strays = pd.Series([1e3, 1e3], index=pd.DatetimeIndex(["1970-01-01T00:00Z", "2026-03-15T12:30Z"]))
    made = history(pd.concat([strays, load]))
    assert verdicts(made) == {"misdated": Verdict.GOOD}
    assert text(made, "misdated") == "2 time stamps after 2026-03-15 12:00 UTC or years before it; rejected"
    pd.testing.assert_series_equal(made.load, history(load).load)


def test_naive_times_are_refused() -> None:
    with pytest.raises(InputError, match="now 2026-03-15T12:00:00 has no UTC offset"):
        history(daily(), now=NOW.replace(tzinfo=None))
    with pytest.raises(InputError, match="time stamps have no UTC offset"):
        history(daily().tz_localize(None))


def test_other_zones_are_the_same_moments() -> None:
    pd.testing.assert_series_equal(history(daily().tz_convert("Asia/Kolkata")).load, history(daily()).load)


def test_conflicting_duplicates_become_the_largest() -> None:
    load = daily()
    again = load.iloc[[-10]] + 7
    made = history(pd.concat([again, load]))
    assert verdicts(made) == {"duplicate": Verdict.GOOD}
    assert made.fine.iloc[-10] == again.iloc[0]


BASE = daily(days=2)


@given(
    order=st.randoms(use_true_random=False),
    repeats=st.lists(st.integers(0, len(BASE) - 1), max_size=50),
    conflicts=st.lists(st.tuples(st.integers(0, len(BASE) - 1), st.floats(0, 1e4)), max_size=10),
    missing=st.lists(st.integers(0, len(BASE) - 1), max_size=40),
)
def test_shuffled_and_repeated_samples_give_the_same_history(
    order: object, repeats: list[int], conflicts: list[tuple[int, float]], missing: list[int]
) -> None:
    extra = pd.Series([value for _, value in conflicts], index=BASE.index[[at for at, _ in conflicts]], dtype=float)
    load = pd.concat([BASE.drop(BASE.index[missing]), extra])
    censored = pd.Series(np.arange(len(load)) % 17 == 0, index=load.index)
    positions = [*range(len(load)), *(at % len(load) for at in repeats)]
    order.shuffle(positions)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - a random.Random
    first = build_history(reading(load, sample_seconds=300, censored=censored), now=NOW, step_minutes=15)
    again = reading(load.iloc[positions], sample_seconds=300, censored=censored.iloc[positions])
    second = build_history(again, now=NOW, step_minutes=15)
    pd.testing.assert_series_equal(first.load, second.load, check_exact=True)
    pd.testing.assert_series_equal(first.fine, second.fine, check_exact=True)
    pd.testing.assert_series_equal(first.censored, second.censored)
    assert first.findings == second.findings


@given(
    values=st.lists(
        st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1e308, -1.0, 5.0])),
        max_size=400,
    ),
    step_minutes=st.sampled_from([5, 15, 30, 60]),
    seconds=st.sampled_from([60, 300, 420, 600, 3600]),
    jitter=st.integers(0, 59),
)
def test_whatever_comes_the_history_is_regular_finite_and_not_negative(
    values: list[float], step_minutes: int, seconds: int, jitter: int
) -> None:
    index = pd.date_range(end=NOW, periods=len(values), freq=f"{seconds}s") + pd.Timedelta(seconds=jitter)
    made = build_history(
        Reading(load=pd.Series(values, index=index, dtype=float), sample_seconds=seconds),
        now=NOW,
        step_minutes=step_minutes,
    )
    step = pd.Timedelta(minutes=step_minutes)
    for series in (made.load, made.fine):
        present = series.dropna()
        assert np.isfinite(present).all()
        assert (present >= 0).all()
    assert made.censored.index.equals(made.load.index)
    if len(made.load):
        assert made.load.index.equals(pd.date_range(made.load.index[0], periods=len(made.load), freq=step))
        assert made.load.index[0] == made.load.index[0].floor(step)
        assert made.load.index[-1] + step <= pd.Timestamp(NOW)
        assert made.load.notna().iloc[[0, -1]].all()
        assert made.fine.index[-1] < made.load.index[-1] + step


# --- values (10, 13) ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-5.0, np.inf, -np.inf, 1e308])
def test_impossible_values_are_missing(value: float) -> None:
    load = daily()
    load.iloc[-100] = value
    made = history(load)
    assert verdicts(made) == {"impossible": Verdict.GOOD}
    assert text(made, "impossible") == "1 sample at 2026-03-15 03:40 UTC negative, infinite or absurd; rejected"
    assert np.isnan(made.fine.iloc[-100])


def test_a_wrong_unit_holds() -> None:
    load = daily()
    load.iloc[-12:] *= 1000
    made = history(load, max_load=1000)
    assert verdicts(made)["too-high"] is Verdict.HOLD
    assert "12 samples between 2026-03-15 11:00 UTC and 2026-03-15 11:55 UTC above max_load 1000" in text(
        made, "too-high"
    )


@pytest.mark.parametrize(("at", "verdict"), [(-50, Verdict.RAISE_ONLY), (-600, Verdict.GOOD)])
def test_a_single_sample_above_max_load_is_left_out(at: int, verdict: Verdict) -> None:
    load = daily()
    load.iloc[at] = 1001
    made = history(load, max_load=1000)
    assert verdicts(made) == {"too-high": verdict}
    assert np.isnan(made.fine.iloc[at])


# --- length (14), frozen (15) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "short"), [(0.5, True), (23.5, True), (24.0, False)])
def test_less_than_a_day_holds(hours: float, short: bool) -> None:
    made = history(daily(days=hours / 24))
    assert (verdicts(made).get("short-history") is Verdict.HOLD) == short


def test_a_frozen_exporter_lets_the_plan_rise_only() -> None:
    load = daily()
    load.iloc[-72:] = 42.5
    made = history(load)
    assert verdicts(made) == {"frozen": Verdict.RAISE_ONLY}
    assert text(made, "frozen") == "the load has been exactly 42.5 for 6 h: a frozen exporter"


def test_a_value_held_for_less_is_not_frozen() -> None:
    load = daily()
    load.iloc[-60:] = 42.5
    assert "frozen" not in verdicts(history(load))
    held = daily().iloc[::12].reindex(daily().index, method="ffill")  # each value is held for an hour
    assert history(held).findings == ()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_load_that_never_changes_is_frozen(value: float) -> None:
    made = history(daily() * 0 + value)
    assert verdicts(made) == {"frozen": Verdict.RAISE_ONLY}
    assert "all of the history" in text(made, "frozen")


def test_an_idle_night_is_not_frozen() -> None:
    load = daily(end=NOW.replace(hour=7))
    load[stamps(load).hour < 7] = 0.0
    assert history(load, now=NOW.replace(hour=7)).findings == ()


# --- steps, censored samples -------------------------------------------------------------------------------------------


def test_coarse_samples_are_interpolated_between_their_middles() -> None:
    hours = pd.date_range(end=NOW, periods=48, freq="1h", inclusive="left")
    load = pd.Series(100.0 - np.arange(len(hours)), index=hours)
    made = history(load.drop(hours[20]))
    assert verdicts(made) == {"coarse-samples": Verdict.GOOD, "gap": Verdict.GOOD}
    assert len(made.load) == 4 * len(hours)
    assert made.load[hours[10] + timedelta(minutes=15)] == pytest.approx(100 - 10 + 0.125)
    assert made.load[hours[10] + timedelta(minutes=45)] == pytest.approx(100 - 10 - 0.375)
    assert made.load.isna().sum() == 4
    assert made.load[hours[20] : hours[20] + timedelta(minutes=59)].isna().all()
    assert stamps(made.fine).freq == pd.Timedelta(hours=1)


def test_a_coarse_sample_that_is_still_filling_is_left_out() -> None:
    load = daily(minutes=60, end=NOW + timedelta(hours=1))
    made = history(load, now=NOW + timedelta(minutes=40))
    assert made.load.index[-1] == ago(minutes=15)
    assert made.fine.index[-1] == ago(hours=1)


@pytest.mark.parametrize("offset", [0, 7, 150, 290])
def test_stamps_that_jitter_are_each_one_sample(offset: int) -> None:
    load = daily()[:-1]
    jitter = np.random.default_rng(1).integers(-20, 20, len(load))
    shaken = load.set_axis(load.index + pd.to_timedelta(offset + jitter, unit="s"))
    made = build_history(reading(shaken, sample_seconds=300), now=NOW, step_minutes=5)
    assert made.findings == ()
    assert made.fine.to_list() == load.to_list()
    assert abs(made.fine.index[0] - load.index[0]) <= pd.Timedelta(minutes=5)


def test_a_step_is_a_lower_bound_if_one_of_its_samples_is() -> None:
    load = daily()
    censored = pd.Series(data=False, index=load.index)
    censored.iloc[-100] = True
    made = build_history(reading(load, censored=censored), now=NOW, step_minutes=15)
    assert made.censored.sum() == 1
    assert made.censored[load.index[-100].floor("15min")]
    assert made.load[made.censored].notna().all()
    assert text(made, "censored") == "1 of 1344 steps are lower bounds: the fleet was saturated or refused requests"


def test_a_day_of_23_hours_has_a_step_for_each_of_them() -> None:
    now = datetime(2026, 3, 30, 12, tzinfo=UTC)  # Berlin's clocks went forward on the 29th
    made = history(daily(end=now), now=now, time_zone="Europe/Berlin")
    assert made.findings == ()
    assert (made.load.index.to_series().diff().dropna() == pd.Timedelta(minutes=15)).all()


def test_a_grid_that_no_history_needs_is_refused() -> None:
    days = pd.date_range("2025-01-01", periods=600, freq="1D", tz="UTC")
    pairs = days.union(days + pd.Timedelta(seconds=1))
    reading = Reading(load=pd.Series(1.0, index=pairs), sample_seconds=1)
    with pytest.raises(InputError, match="samples of 1 s over"):
        build_history(reading, now=pairs[-1].to_pydatetime(), step_minutes=15)
