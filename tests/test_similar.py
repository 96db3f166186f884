"""A fleet with little history borrows a similar one's: what serves at each stage, through the job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from forecasting.errors import SettingsError
from forecasting.history import Finding, History, Verdict
from forecasting.history.similar import ENOUGH_DAYS, begin_with, needs_similar
from forecasting.models.tournament import forecast
from forecasting.run import FleetResult
from tests.fleets import NOW, fleet_data, make_fleet, make_group, make_job
from tests.street import DAYS, Street, write_load

STEP = pd.Timedelta(minutes=15)
END = datetime(2026, 3, 29, tzinfo=UTC)


def week_shape(index: pd.DatetimeIndex) -> np.ndarray:
    hours = np.asarray(index.hour + index.minute / 60)
    return (100 - 60 * np.cos(hours / 24 * 2 * np.pi)) * np.where(np.asarray(index.day_of_week) >= 5, 0.4, 1.0)


def history(days: float, scale: float = 1.0, *findings: Finding) -> History:
    index = pd.date_range(end=END - STEP, periods=round(days * 96), freq=STEP)
    load = pd.Series(scale * week_shape(index), index=index, name="load")
    return History(load, pd.Series(data=False, index=index, name="censored"), load.rename("load"), findings)


SHORT = Finding("short-history", Verdict.HOLD, "less than a day")
EMPTY = Finding("empty", Verdict.HOLD, "nothing")


def borrowed(own: History, expected_load: float | None = None, other: History | None = None) -> History:
    return begin_with(own, other or history(28), STEP, name="fleet 'shop'", expected_load=expected_load)


def finding(found: History, code: str) -> Finding:
    return next(each for each in found.findings if each.code == code)


def test_nothing_known_takes_the_shape_at_the_expected_load_and_only_raises() -> None:
    found = borrowed(history(0, 1.0, EMPTY), expected_load=200.0)
    lent = history(28)
    np.testing.assert_allclose(found.load, lent.load * 200 / lent.load.iloc[-7 * 96 :].mean())
    assert found.verdict is Verdict.RAISE_ONLY
    assert "the plan only raises what stands" in finding(found, "borrowed").text


def test_nothing_known_and_nothing_expected_stays_held() -> None:
    found = borrowed(history(0, 1.0, EMPTY))
    assert (len(found.load), found.verdict) == (0, Verdict.HOLD)
    assert "give an expected_load" in finding(found, "not-borrowed").text


def test_hours_tell_the_level_and_still_only_raise() -> None:
    found = borrowed(history(0.25, 3.0, SHORT))
    assert found.verdict is Verdict.RAISE_ONLY
    np.testing.assert_allclose(found.load, 3 * history(28).load)
    # What was expected is a prior of six hours: six hours that were seen weigh as much.
    mixed = borrowed(history(0.25, 3.0, SHORT), expected_load=5.0 * float(history(7).load.mean()))
    night = history(0.25).load.sum() / 24 / history(7).load.mean()
    assert float(mixed.load.iloc[0] / history(28).load.iloc[0]) == pytest.approx((3 * night + 5) / (night + 1))


def test_days_keep_their_own_values_and_may_lower() -> None:
    own = history(3, 2.0)
    own.load.iloc[10] = np.nan
    found = borrowed(own)
    assert found.verdict is Verdict.GOOD
    pd.testing.assert_series_equal(found.load[own.load.index], own.load, check_freq=False)
    assert len(found.load) == 28 * 96
    # Three days from a Thursday on say nothing of a working Monday or of the next weekend: the borrowed weeks do.
    expected = 2 * week_shape(pd.date_range(END, periods=192, freq=STEP))
    made = forecast(found.load, 192).quantiles
    alone = forecast(own.load, 192).quantiles
    error, error_alone = (np.abs(each[0.5] - expected).mean() for each in (made, alone))
    assert error < 0.1 * expected.mean()
    assert error < error_alone / 3


def test_weeks_borrow_nothing() -> None:
    assert needs_similar(history(ENOUGH_DAYS - 0.1), STEP)
    assert not needs_similar(history(ENOUGH_DAYS), STEP)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (history(6), "itself less than a week"),
        (history(28, 1.0, Finding("stale", Verdict.HOLD, "old")), "itself less than a week of good history"),
        (history(28, 0.0), "has no load"),
    ],
)
def test_who_cannot_lend_changes_nothing(other: History, why: str) -> None:
    own = history(0.5, 1.0, SHORT)
    found = borrowed(own, None, other)
    assert found.verdict is Verdict.HOLD
    assert found.load is own.load
    assert why in finding(found, "not-borrowed").text


@given(
    days=st.floats(0, 7.9),
    scale=st.floats(1e-9, 1e9),
    expected=st.none() | st.floats(1e-9, 1e9),
    gap=st.integers(0, 90),
)
def test_whatever_is_borrowed_is_one_regular_series_of_finite_loads(
    days: float, scale: float, expected: float | None, gap: int
) -> None:
    own = history(days, scale, *((EMPTY,) if days * 96 < 1 else ()))
    own.load.iloc[1 : 1 + gap] = np.nan
    found = borrowed(own, expected)
    if any(each.code == "not-borrowed" for each in found.findings):
        assert found.load is own.load
        return
    stamps = pd.DatetimeIndex(found.load.index)
    assert (np.diff(stamps.asi8) == np.diff(stamps.asi8)[0]).all()
    assert found.censored.index.equals(found.load.index)
    known = found.load.dropna().to_numpy()
    assert np.isfinite(known).all()
    assert (known >= 0).all()
    assert (found.verdict is Verdict.RAISE_ONLY) == (own.load.notna().sum() < 96)


# Through the job


class Pair(Street):
    """Two groups: `shop` with its history, and `web`, as new as a test says, with twice its load."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        super().__init__(aws, folder)
        make_group(aws, "shop")
        self.others = write_load(folder / "shop.csv")

    def web_knows(self, days: float) -> None:
        now = self.aws.clock.now()
        known = 2 * self.others[self.others.index > pd.Timestamp(now) - timedelta(days=max(days, 1e-6))]
        if not days:  # samples of a time that nobody reads any more
            known = pd.Series([1.0, 1.0], index=pd.date_range(now - timedelta(days=40), periods=2, freq="5min"))
        rows = known.rename("value").rename_axis("timestamp")
        rows.to_csv(self.folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")

    def web(self, **changes: Any) -> FleetResult:
        shop = fleet_data(
            name="shop",
            target={"region": "us-east-1", "group_name": "shop"},
            source={"kind": "file", "path": str(self.folder / "shop.csv")},
        )
        fleet = self.fleet(**{"similar_fleet": "shop", "ceiling": 60, **changes})
        return self.run_all(self.job(shop, fleet))[1]


@pytest.fixture
def pair(aws: LocalAws, tmp_path: Path) -> Pair:
    return Pair(aws, tmp_path)


def codes(result: FleetResult) -> set[str]:
    return {each.code for each in result.history.findings} if result.history else set()


def test_a_fleet_goes_from_nothing_to_weeks_without_a_gap(pair: Pair) -> None:
    pair.web_knows(0)
    held = pair.web()
    assert (held.status, held.code) == ("held", "empty")

    expected = 2 * float(pair.others[: pd.Timestamp(NOW)].iloc[-7 * 288 :].mean())
    new = pair.web(expected_load=expected)
    assert (new.status, "borrowed" in codes(new)) == ("written", True)
    assert new.plan
    assert new.plan.floor.max() >= 0.9 * 2 * 180 / 10

    pair.aws.clock.advance(timedelta(hours=6))
    pair.web_knows(0.25)
    hours = pair.web(target={"region": "us-east-1", "group_name": "web"})
    assert hours.ok
    assert hours.schedule
    standing = {slot.start: slot.floor for slot in new.schedule.slots} if new.schedule else {}
    assert standing
    assert all(slot.floor >= standing.get(slot.start, 0) for slot in hours.schedule.slots[:-1])

    pair.web_knows(4)
    days = pair.web()
    assert (days.ok, "borrowed" in codes(days)) == (True, True)
    pair.web_knows(DAYS)
    weeks = pair.web()
    assert (weeks.ok, "borrowed" in codes(weeks)) == (True, False)
    # The shape of the week was there from the first day on: four days of their own plan nearly what twelve do.
    assert days.plan
    assert weeks.plan
    assert np.abs(days.plan.floor - weeks.plan.floor).mean() < 0.1 * weeks.plan.floor.mean()


def test_another_source_that_fails_is_a_finding_and_no_condition(pair: Pair) -> None:
    pair.web_knows(4)
    (pair.folder / "shop.csv").unlink()
    alone = pair.web()
    assert alone.ok
    assert "not-borrowed" in codes(alone)


def test_the_group_may_be_named_by_its_target(pair: Pair) -> None:
    pair.web_knows(2)
    assert "borrowed" in codes(pair.web(similar_fleet="aws/us-east-1/shop"))


@pytest.mark.parametrize(
    ("field", "changes"),
    [("similar_fleet", {"similar_fleet": "web"}), ("expected_load", {"expected_load": 5.0})],
)
def test_what_makes_no_sense_is_refused(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=field):
        make_fleet(**changes)


def test_a_similar_fleet_that_the_job_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"similar_fleet: got 'shop'.*a fleet of the job"):
        make_job(tmp_path, fleet_data(similar_fleet="shop"))
