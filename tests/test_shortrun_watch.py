"""What short runs see of fleets that they do not re-level, and what they do where the plan is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from forecasting.errors import SettingsError
from forecasting.invocation import checked_kind
from forecasting.invocation.summary import FleetLine, line_of
from forecasting.run import FleetResult
from tests.fleets import OWNER
from tests.shortruns import items, job_of, plan_an_hour_ago, rewrite, short
from tests.street import HOUR, MINUTE, Street

pytestmark = pytest.mark.usefixtures("quick_models")


def line(street: Street, result: FleetResult) -> FleetLine:
    return line_of(result, frozenset({OWNER}), street.aws.clock.now(), 1.0)


@pytest.mark.parametrize("fleet", [{"lead_time_seconds": 300}, {"lead_time_seconds": 600, "short_lead": False}])
def test_a_load_that_is_not_covered_is_seen_between_full_runs_of_any_fleet(
    street: Street, fleet: dict[str, object]
) -> None:
    job = street.job(street.fleet(**fleet))
    assert street.run(job).status == "written"
    street.aws.clock.advance(1 * HOUR)
    for factor, uncovered in ((1.0, False), (20.0, True)):
        rewrite(street, factor, 1 * HOUR)
        result = short(street, job)
        assert (result.status, result.needed, result.notes) == ("unchanged", None, ())
        seen = line(street, result)
        assert seen.load is not None
        assert seen.uncovered is uncovered
        street.aws.clock.advance(5 * MINUTE)


def test_a_load_that_cannot_be_read_is_a_remark_where_nothing_is_levelled_by_it(street: Street) -> None:
    job = street.job(street.fleet(lead_time_seconds=300))
    street.run(job)
    street.aws.clock.advance(1 * HOUR)
    (street.folder / "load.csv").unlink()
    result = short(street, job)
    assert result.status == "unchanged"
    assert "whether the load is covered could not be seen" in result.notes[0]


def test_by_a_plan_that_is_over_it_does_nothing(street: Street) -> None:
    plan_an_hour_ago(street)
    job = job_of(street, horizon_hours=6)
    street.run(job)
    street.aws.clock.advance(6 * HOUR + 10 * MINUTE)
    rewrite(street, 1.2, 20 * MINUTE)
    result = short(street, job)
    assert (result.status, result.code) == ("held", "plan-old")
    assert "ended at" in result.reason
    assert street.changes() == []


def test_a_plan_that_does_not_reach_the_run_after_the_next_is_refused(street: Street) -> None:
    fleet = street.fleet(horizon_hours=6)
    assert street.job(fleet, interval_minutes=180)
    with pytest.raises(SettingsError, match=r"fleets\.web\.horizon_hours: got 6; expected two intervals of 181 min"):
        street.job(fleet, interval_minutes=181)


def test_records_of_dry_runs_do_not_grow_without_end(street: Street) -> None:
    job = job_of(street, dry_run=True)
    for _ in range(4):
        street.run(job)  # the first plans; later ones are held, their load is old: all leave a record
        street.aws.clock.advance(timedelta(days=40))
        rewrite(street, 1.0, 1 * HOUR)
    records = [key for key in items(street.folder) if "/runs/" in key]
    assert len(records) == 2


@pytest.mark.parametrize("kind", [[], {}, "fast", 5])
def test_a_kind_that_is_none_is_refused_by_name(kind: object) -> None:
    with pytest.raises(SettingsError, match="kind"):
        checked_kind(kind)
