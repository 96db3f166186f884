"""A full run knows the newest samples too: it does not take back what the short run before it has found to be needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting import job as job_module
from forecasting.planning.capacity import plan_capacity
from tests.shortruns import asked, full, job_of, rewrite, short
from tests.street import MINUTE, Street

pytestmark = pytest.mark.usefixtures("quick_models")


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the forecast alone asks for, plan by plan."""
    made: list[Any] = []

    def kept(*args: Any, **options: Any) -> Any:
        made.append(plan_capacity(*args, **options))
        return made[-1]

    monkeypatch.setattr(job_module, "plan_capacity", kept)
    return made


def test_it_keeps_the_next_minutes_at_what_the_short_run_before_found(planned: Street, plans: list[Any]) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    found = short(planned).needed
    planned.aws.clock.advance(5 * MINUTE)
    result = full(planned)
    assert (result.status, result.read_back) == ("written", True)
    assert found
    assert result.needed
    assert result.needed >= found - 1  # a new forecast, five minutes on
    assert (asked(planned, 15 * MINUTE) >= min(result.needed, found)).all()
    near, later = plans[-1].floor.iloc[0], slice(2, None)
    assert near < result.needed
    assert result.plan
    pd.testing.assert_series_equal(result.plan.floor.iloc[later], plans[-1].floor.iloc[later])


def test_it_only_raises_and_twice_is_once(planned: Street, plans: list[Any]) -> None:
    rewrite(planned, 0.5, 3 * 60 * MINUTE)
    result = full(planned)
    assert result.needed
    assert result.plan
    assert result.needed < plans[-1].floor.iloc[0]
    pd.testing.assert_series_equal(result.plan.floor, plans[-1].floor)
    rewrite(planned, 1.6, 20 * MINUTE)
    assert full(planned).status == "written"
    again = full(planned)
    assert (again.status, planned.changes()) == ("unchanged", [])


def test_what_is_shown_before_writing_is_what_is_written(street: Street) -> None:
    rewrite(street, 1.6, 20 * MINUTE)
    shown = full(street, write=False)
    assert shown.status == "planned"
    assert shown.diff
    written = full(street)
    assert written.needed == shown.needed
    assert written.plan
    assert shown.plan
    pd.testing.assert_series_equal(written.plan.floor, shown.plan.floor)


def test_it_stays_below_the_ceiling_and_says_nothing_without_fresh_samples(planned: Street, plans: list[Any]) -> None:
    rewrite(planned, 1.6, 20 * MINUTE)
    capped = planned.run(job_of(planned, ceiling=14))
    assert capped.needed
    assert capped.needed > 14
    assert max(action["MinSize"] for action in planned.described()) <= 14
    rewrite(planned, float("nan"), 25 * MINUTE)
    silent = full(planned)
    assert silent.needed is None
    assert silent.plan
    assert np.array_equal(silent.plan.floor, plans[-1].floor)


def test_a_fleet_that_takes_no_part_is_planned_by_its_forecast(street: Street, plans: list[Any]) -> None:
    rewrite(street, 1.6, 20 * MINUTE)
    result = street.run(job_of(street, short_lead=False))
    assert (result.ok, result.needed) == (True, None)
    assert result.plan
    assert np.array_equal(result.plan.floor, plans[-1].floor)
