"""Row 35: a person stops the job, or one fleet of it, without a deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from forecasting import job as job_module
from forecasting.errors import SettingsError, StoreError
from forecasting.job import Pipeline
from forecasting.settings import Job, parse_job
from forecasting.store import Store, open_store
from forecasting.store.pause import pause, paused, resume
from tests.fleets import NOW, OWNER, fleet_data
from tests.invocations import quick_forecast
from tests.stores import MemoryStore
from tests.street import HOUR, MINUTE, Street


def named(name: str, **changes: Any) -> Job:
    return parse_job({"name": name, "owner": OWNER, "fleets": [fleet_data()], **changes})


JOB = named("job")


def test_a_pause_says_who_when_why_and_until_when() -> None:
    store = MemoryStore()
    berlin = timezone(timedelta(hours=1))
    made = pause(
        store,
        JOB,
        "web",
        until=datetime(2026, 3, 2, 18, 7, tzinfo=berlin),
        by="ada@desk",
        reason="load test",
        now=NOW,
    )
    assert paused(store, JOB, "web", NOW) == made
    assert str(made) == (
        "fleet 'web' was paused by ada@desk on 2026-03-02 10:07 UTC: load test; "
        "it lasts until 2026-03-02 17:07 UTC or `elastic-iac resume --fleet web`"
    )
    assert paused(store, JOB, "other", NOW) is None
    assert paused(store, named("another", owner="test"), "web", NOW) is None


def test_a_jobs_pause_holds_all_its_fleets_and_a_fleets_own_stays_when_it_ends() -> None:
    store = MemoryStore()
    pause(store, JOB, by="ada", now=NOW)
    pause(store, JOB, "web", by="bob", now=NOW)
    assert [_by(store, name) for name in ("web", "other")] == ["ada", "ada"]
    assert resume(store, JOB)
    assert [_by(store, name) for name in ("web", "other")] == ["bob", None]
    assert resume(store, JOB, "web")
    assert not resume(store, JOB, "web")
    assert _by(store, "web") is None


def test_a_fleets_pause_goes_with_it_to_another_job_of_its_owner_and_outlasts_a_new_name() -> None:
    """A component with more fleets than a function serves has several jobs; where one fleet goes, others move up."""
    store = MemoryStore()
    pause(store, named("job-2"), "web", by="ada", now=NOW)
    pause(store, named("job-2"), by="bob", now=NOW)
    assert _by(store, "web") == "ada"
    assert _by(store, "other") is None
    renamed = named("job", owner="shop", former_owners=[OWNER])
    assert paused(store, renamed, "web", NOW)
    assert resume(store, renamed, "web")
    assert _by(store, "web") is None


def _by(store: Store, fleet: str) -> str | None:
    found = paused(store, JOB, fleet, NOW)
    return found.by if found else None


def test_a_pause_ends_by_itself_and_is_replaced_by_a_newer_one() -> None:
    store = MemoryStore()
    pause(store, JOB, until=NOW + HOUR, by="ada", now=NOW)
    assert paused(store, JOB, "web", NOW + HOUR - MINUTE)
    assert paused(store, JOB, "web", NOW + HOUR) is None
    pause(store, JOB, until=NOW + 2 * HOUR, by="bob", now=NOW)
    assert paused(store, JOB, "web", NOW + HOUR)


@pytest.mark.parametrize("until", [NOW, NOW - HOUR, datetime(2026, 3, 3)])  # noqa: DTZ001 - a naive one is the point
def test_an_end_that_is_past_or_naive_is_refused(until: datetime) -> None:
    store = MemoryStore()
    with pytest.raises(SettingsError, match="until: got"):
        pause(store, JOB, until=until, by="ada", now=NOW.astimezone(UTC))
    assert store.items == {}


def test_who_cannot_tell_whether_a_fleet_is_paused_does_not_write() -> None:
    store = MemoryStore()
    store.items["jobs/job/paused.json"] = b"{half"
    with pytest.raises(StoreError, match=r"paused\.json"):
        paused(store, JOB, "web", NOW)


def test_row_35_a_paused_fleet_is_held_without_a_call_that_changes_anything(street: Street) -> None:
    store = open_store(street.job().store)
    pause(store, JOB, "web", by="ada", reason="load test", now=NOW)
    result = street.run()
    assert (result.status, result.code) == ("held", "paused")
    assert "ada" in result.reason
    assert "load test" in result.reason
    assert street.aws.calls == []
    assert street.ledger.state().generation == 0
    assert street.run(write=False).status == "planned"  # what it would do may be looked at
    resume(store, JOB, "web")
    assert street.run().status == "written"


def test_a_pause_stops_a_run_that_is_about_to_write(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "forecast", quick_forecast)
    run = street.make_run()

    class Interrupted(Pipeline):
        def _score(self, history: Any) -> None:
            super()._score(history)
            pause(run.store, run.job, by="ada", now=NOW)

    street.aws.calls.clear()
    result = Interrupted(run, run.job.fleets[0]).guarded()
    assert (result.status, result.code) == ("held", "paused")
    assert street.changes() == []
    assert street.ledger.state().lease is None
