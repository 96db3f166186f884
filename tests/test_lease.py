"""A lease's bounds, to the second: who may claim, acquire, write, commit, and what the ledger keeps of it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from forecasting.errors import ConflictError, Hold, StandsBack
from forecasting.store import ledger as ledgers
from forecasting.store.basis import Basis
from forecasting.store.ledger import Claim, Ledger, refuse_under_way
from forecasting.store.records import Lease, PastDays, RunRecord, TargetState
from tests.stores import MemoryStore

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
TARGET = "aws/eu-central-1/web"


class World:
    """A ledger on a store in memory, with a clock that moves only by sleeping or by hand."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []
        self.store = MemoryStore()
        self.puts = 0
        self.store.before_put = self.count
        self.ledger = Ledger(self.store, TARGET, clock=lambda: self.now, sleep=self.sleep)

    def count(self) -> None:
        self.puts += 1

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def key(self, name: str) -> str:
        (root,) = {key.split("/")[1] for key in self.store.items}
        return f"targets/{root}/{name}"


@pytest.fixture
def world() -> World:
    return World()


def held(code: str, kind: type[Hold] = Hold) -> pytest.RaisesExc[Hold]:
    return pytest.RaisesExc(kind, check=lambda error: error.code == code)


def term(lease: Lease | None) -> tuple[int, datetime] | None:
    """Generation and end of a lease, whoever holds it."""
    return (lease.generation, lease.until) if lease else None


# Claims


def test_a_claim_writes_down_who_claimed_when_and_until_when(world: World) -> None:
    until = START + 10 * MINUTE
    claim = world.ledger.claim("a", START - MINUTE, until)
    state = world.ledger.state()
    assert (claim.generation, claim.run_id, claim.state, claim.leased) == (1, "a", state, False)
    assert (state.generation, state.full_generation, state.run_id) == (1, 1, "a")
    assert (state.started, state.full_until) == (START - MINUTE, until)
    assert (state.claimed_runs, state.completed_runs, state.short_runs, state.lease) == (("a",), (), (), None)
    world.ledger.claim("command")
    after = world.ledger.state()
    assert (after.full_until, after.started, after.claimed_runs) == (None, START, ("a", "command"))
    assert len(state.token) == 16
    assert after.token != state.token


def test_what_started_last_stays_known_although_a_run_of_the_same_moment_claims(world: World) -> None:
    world.now = START + 10 * MINUTE
    world.ledger.claim("latest", START + 5 * MINUTE)
    world.ledger.claim("twin", START + 5 * MINUTE)
    assert world.ledger.state().started == START + 5 * MINUTE
    with held("superseded"):
        world.ledger.claim("older", START + 5 * MINUTE - SECOND)
    assert world.ledger.state().generation == 2


def test_a_start_that_a_fast_clock_wrote_is_forgotten_at_the_next_claim(world: World) -> None:
    world.ledger.claim("ahead", START + SECOND)
    world.ledger.claim("now", START - MINUTE)
    assert world.ledger.state().started == START - MINUTE
    # One of this very moment is not ahead.
    other = World()
    other.ledger.claim("now", START)
    with held("superseded"):
        other.ledger.claim("before", START - SECOND)


def test_the_last_fifty_claims_are_known_again(world: World) -> None:
    for number in range(51):
        world.ledger.claim(f"run-{number}")
    with held("duplicate-run"):
        world.ledger.claim("run-1")
    assert world.ledger.claim("run-0").generation == 52
    assert len(world.ledger.state().claimed_runs) == 50


@pytest.mark.parametrize(
    ("before", "started", "first"),
    [
        (None, START, True),
        (START, START + MINUTE, False),
        (START, START + 12 * 60 * MINUTE, True),
        (START - DAY, START, True),
        # 2 March in Tokyo is 1 March in UTC.
        (START, datetime(2026, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=9))) + 4 * 60 * MINUTE, False),
    ],
)
def test_a_days_first_claim_knows_it_by_utc(
    world: World, before: datetime | None, started: datetime, first: bool
) -> None:
    world.now = START + 2 * DAY
    if before is not None:
        world.ledger.claim("before", before)
    assert world.ledger.claim("a", started).first_of_day is first


def test_a_command_counts_as_of_today(world: World) -> None:
    assert world.ledger.claim("a").first_of_day
    assert not world.ledger.claim("b").first_of_day
    world.now += DAY
    assert world.ledger.claim("c").first_of_day


# Short runs


def shortly(world: World, run: str = "short", basis: int = 1, seconds: float = 60) -> Claim:
    return world.ledger.claim_short(run, basis, world.ledger.state(), lease_seconds=seconds)


def test_a_short_run_takes_generation_and_lease_in_one_step(world: World) -> None:
    world.ledger.claim("full", START, START)
    before = world.ledger.state()
    claim = shortly(world)
    state = world.ledger.state()
    assert (claim.generation, claim.run_id, claim.leased, claim.first_of_day, claim.state) == (
        2,
        "short",
        True,
        False,
        state,
    )
    assert state.lease == Lease(generation=2, until=START + MINUTE)
    assert (state.generation, state.run_id, state.short_runs) == (2, "short", ("short",))
    assert (state.full_generation, state.started, state.claimed_runs) == (1, before.started, ("full",))
    assert state.token != before.token
    world.ledger.fence(claim)
    with held("duplicate-run"):
        shortly(world)


def test_the_last_twelve_short_runs_are_known_again(world: World) -> None:
    world.ledger.claim("full", START, START)
    for number in range(13):
        world.ledger.release(shortly(world, f"short-{number}"))
    with held("duplicate-run"):
        shortly(world, "short-1")
    assert shortly(world, "short-0").generation == 15
    assert len(world.ledger.state().short_runs) == 12


def test_a_short_run_stands_back_where_a_full_one_claimed_since_its_plan_was_read(world: World) -> None:
    world.ledger.claim("full", START, START)
    seen = world.ledger.state()
    world.ledger.claim("newer", START, START)
    with held("full-run", StandsBack):
        world.ledger.claim_short("short", 1, seen, lease_seconds=60)
    assert world.ledger.claim_short("short", 2, seen, lease_seconds=60).generation == 3


def state_of(**changes: object) -> TargetState:
    return TargetState.model_validate({"generation": 5, "run_id": "x", "full_generation": 5, **changes})


@pytest.mark.parametrize(
    ("changes", "basis", "code"),
    [
        ({"lease": Lease(generation=5, until=START + SECOND)}, 5, "busy"),
        ({"lease": Lease(generation=5, until=START)}, 5, None),
        ({}, 5, None),
        ({}, 6, None),
        ({}, 4, "after-command"),
        ({"full_until": START + SECOND}, 4, "full-run"),
        ({"full_until": START + SECOND}, 5, None),
        ({"full_until": START}, 4, None),
    ],
)
def test_a_short_run_is_refused_only_while_another_run_is_under_way(
    changes: dict[str, object], basis: int, code: str | None
) -> None:
    if code is None:
        refuse_under_way(state_of(**changes), basis, START)
        return
    with held(code, StandsBack):
        refuse_under_way(state_of(**changes), basis, START)


# The lease


def test_a_lease_is_taken_when_the_older_one_ends_and_not_a_second_before(world: World) -> None:
    world.ledger.acquire(world.ledger.claim("old"), lease_seconds=60)
    new = world.ledger.claim("new")
    world.now = START + 59 * SECOND
    with held("busy"):
        world.ledger.acquire(new, lease_seconds=60)
    assert world.slept == []
    world.now = START + 60 * SECOND
    state = world.ledger.acquire(new, lease_seconds=90)
    assert term(state.lease) == (2, START + 150 * SECOND)
    assert state == world.ledger.state()


def test_a_holder_renews_its_lease(world: World) -> None:
    claim = world.ledger.claim("a")
    world.ledger.acquire(claim, lease_seconds=60)
    world.now = START + 30 * SECOND
    assert term(world.ledger.acquire(claim, lease_seconds=60).lease) == (1, START + 90 * SECOND)


def test_waiting_for_a_lease_polls_every_two_seconds_and_no_longer_than_asked(world: World) -> None:
    world.ledger.acquire(world.ledger.claim("old"), lease_seconds=600)
    new = world.ledger.claim("new")
    with held("busy"):
        world.ledger.acquire(new, lease_seconds=60, wait_seconds=5)
    assert world.slept == [2.0, 2.0, 1.0]
    assert term(world.ledger.state().lease) == (1, START + 600 * SECOND)


def test_a_run_that_was_overtaken_while_it_waited_gives_up(world: World) -> None:
    world.ledger.acquire(world.ledger.claim("old"), lease_seconds=600)
    waiting = world.ledger.claim("waiting")
    world.ledger.claim("newest")
    with held("superseded"):
        world.ledger.acquire(waiting, lease_seconds=60, wait_seconds=60)
    assert world.slept == []


def test_a_write_is_allowed_until_the_lease_ends(world: World) -> None:
    claim = world.ledger.claim("a")
    world.ledger.acquire(claim, lease_seconds=60)
    world.now = START + 60 * SECOND - timedelta(microseconds=1)
    world.ledger.fence(claim)
    world.now = START + 60 * SECOND
    with held("lease-lost"):
        world.ledger.fence(claim)


def test_a_write_beside_anothers_lease_is_refused(world: World) -> None:
    old = world.ledger.claim("old")
    world.ledger.acquire(old, lease_seconds=60)
    other = replace(old, generation=2)
    with held("lease-lost"):
        world.ledger.fence(other)


def test_a_release_is_written_once_and_only_by_the_holder(world: World) -> None:
    claim = world.ledger.claim("a")
    world.ledger.acquire(claim, lease_seconds=60)
    puts = world.puts
    world.ledger.release(replace(claim, generation=7))
    assert (world.puts, world.ledger.state().lease is None) == (puts, False)
    world.ledger.release(claim)
    world.ledger.release(claim)
    assert (world.puts, world.ledger.state().lease) == (puts + 1, None)


def test_a_commit_keeps_the_memory_and_the_last_fifty_runs_that_committed(world: World) -> None:
    for number in range(51):
        claim = world.ledger.claim(f"run-{number}")
        world.ledger.acquire(claim, lease_seconds=60)
        world.ledger.commit(claim, {"number": number})
        world.ledger.commit(claim, {"number": number, "again": True})
        world.ledger.release(claim)
    state = world.ledger.state()
    assert state.memory == {"number": 50, "again": True}
    assert state.completed_runs == tuple(f"run-{number}" for number in range(1, 51))
    with pytest.raises(Hold, match="is complete"):
        world.ledger.claim("run-50")


def test_an_intent_does_not_complete_a_run(world: World) -> None:
    claim = world.ledger.claim("a")
    world.ledger.acquire(claim, lease_seconds=60)
    world.ledger.remember(claim, {"intended": 1})
    assert (world.ledger.state().memory, world.ledger.state().completed_runs) == ({"intended": 1}, ())


# Conflicts


def test_after_a_lost_race_a_run_reads_again_and_waits_longer_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def longest(low: float, high: float) -> float:
        assert low == 0
        return high

    monkeypatch.setattr(random, "uniform", longest)
    others = iter(range(8))

    def interfere() -> None:
        if next(others, None) is not None:
            state = world.ledger.state()
            body = state.model_copy(update={"generation": state.generation + 1}).to_bytes()
            world.store.items[f"{world.ledger._root}/state.json"] = body  # pyright: ignore[reportPrivateUsage] - another writer

    world.store.before_put = interfere
    assert world.ledger.claim("a").generation == 9
    assert world.slept == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


def test_a_run_that_loses_twenty_races_gives_up(world: World) -> None:
    tries = 0

    def refuse() -> None:
        nonlocal tries
        tries += 1
        raise ConflictError("others")

    world.store.before_put = refuse
    with pytest.raises(ConflictError, match="20 times"):
        world.ledger.claim("a")
    assert (tries, len(world.slept)) == (20, 20)


# What is kept beside the state


class Plan:
    """A stand-in of a basis: its generation alone is of interest here."""

    def __init__(self, generation: int) -> None:
        self.generation = generation

    def to_bytes(self) -> bytes:
        return str(self.generation).encode()


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_key: str, body: bytes) -> Plan:
        return Plan(int(body))

    monkeypatch.setattr(ledgers.Basis, "from_bytes", read)


def leave(world: World, generation: int) -> None:
    plan: Basis = Plan(generation)  # pyright: ignore[reportAssignmentType] - see Plan
    world.ledger.leave_basis(plan)


def left(world: World) -> int | None:
    basis = world.ledger.basis()
    return basis.generation if basis else None


@pytest.mark.usefixtures("plans")
def test_the_newest_runs_plan_stays_and_a_preview_replaces_it(world: World) -> None:
    assert left(world) is None
    for number in range(3):
        world.ledger.claim(f"run-{number}")
    leave(world, 2)
    assert left(world) == 2
    with held("superseded"):
        leave(world, 1)
    leave(world, 2)
    leave(world, 3)
    assert left(world) == 3
    leave(world, 0)  # of a run that writes nothing to the group
    assert left(world) == 0
    leave(world, 1)
    assert left(world) == 1


@pytest.mark.usefixtures("plans")
def test_a_plan_beyond_the_states_own_count_keeps_nobody_out(world: World) -> None:
    for number in range(3):
        world.ledger.claim(f"run-{number}")
    leave(world, 3)
    world.store.delete(world.key("state.json"))
    world.ledger.claim("again")
    leave(world, 1)
    assert left(world) == 1


@pytest.mark.usefixtures("plans")
def test_two_plans_left_at_once_are_a_conflict(world: World) -> None:
    leave(world, 1)

    def interfere() -> None:
        world.store.before_put = lambda: None
        leave(world, 2)

    world.store.before_put = interfere
    with pytest.raises(ConflictError):
        leave(world, 3)
    assert left(world) == 2


def record(minute: int, generation: int = 1) -> RunRecord:
    time = START + minute * MINUTE
    return RunRecord(
        run_id=f"run-{minute}", generation=generation, time=time, fleet="web", target=TARGET, outcome="written"
    )


def test_runs_of_one_moment_are_kept_apart_by_their_generation(world: World) -> None:
    for generation in (3, 20, 100):
        world.ledger.record_run(record(0, generation))
    world.ledger.record_run(record(1, 4))
    assert [(each.time, each.generation) for each in world.ledger.runs(3)] == [
        (START + MINUTE, 4),
        (START, 100),
        (START, 20),
    ]


def test_a_day_is_new_until_it_has_a_record(world: World) -> None:
    assert world.ledger.first_of_day()
    world.ledger.record_run(record(-24 * 60))
    assert world.ledger.first_of_day()
    world.ledger.record_run(record(0))
    assert not world.ledger.first_of_day()
    world.now += DAY
    assert world.ledger.first_of_day()


def test_records_and_forecasts_are_pruned_by_their_age_and_the_state_stays(world: World) -> None:
    frame = pd.DataFrame({0.5: [1.0, 2.0]}, index=pd.date_range(START, periods=2, freq="15min"))
    world.ledger.claim("a")
    for minutes in (0, 1, 2):
        world.ledger.record_run(record(minutes))
        world.ledger.save_forecast(f"run-{minutes}", START + minutes * MINUTE, frame)
    world.now = START + 60 * DAY
    assert world.ledger.prune() == 0
    world.now += MINUTE + SECOND
    assert world.ledger.prune() == 4
    assert [each.time for each in world.ledger.runs(9)] == [START + 2 * MINUTE]
    assert world.ledger.state().generation == 1
    assert world.ledger.prune(keep_days=1) == 2
    assert world.ledger.forecasts(START) == []


def test_forecasts_are_found_from_a_moment_on_and_before_another(world: World) -> None:
    for minute in range(10):
        made = START + minute * MINUTE
        frame = pd.DataFrame({0.5: [float(minute)] * 2}, index=pd.date_range(made, periods=2, freq="15min"))
        world.ledger.save_forecast(f"run-{minute}", made, frame)

    def minutes(since: int, until: int | None = None, at_most: int | None = None) -> list[int]:
        end = None if until is None else START + until * MINUTE
        # Keys are as precise as a second.
        begin = START + since * MINUTE + timedelta(microseconds=5)
        found = world.ledger.forecasts(begin, until=end, at_most=at_most)
        assert [each.quantiles[0.5].iloc[0] for each in found] == [(each.made_at - START) / MINUTE for each in found]
        return [(each.made_at - START) // MINUTE for each in found]

    assert minutes(3) == [3, 4, 5, 6, 7, 8, 9]
    assert minutes(3, 6) == [3, 4, 5]
    assert minutes(0, at_most=10) == list(range(10))
    assert minutes(0, at_most=4) == [0, 2, 5, 7]
    assert minutes(0, 4, at_most=1) == [0]


def test_past_days_are_kept_in_place_of_the_ones_before(world: World) -> None:
    assert world.ledger.past_days() == PastDays()
    kept = PastDays()
    world.ledger.keep_past_days(kept)
    world.ledger.keep_past_days(kept)
    assert world.ledger.past_days() == kept
    assert list(world.store.items) == [world.key("past-days.json")]
