"""Of any interleaving of runs one writes at a time, in ascending generations, and the newest one's memory stands."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from inspect import GEN_RUNNING, getgeneratorstate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.errors import ConflictError, Hold, StoreError
from forecasting.store.keys import slug
from forecasting.store.ledger import Claim, Ledger
from forecasting.store.records import TargetState
from tests.stores import MemoryStore

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TARGET = "aws/eu-central-1/web"


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore, clock: Clock) -> Ledger:
    return Ledger(store, TARGET, clock=clock, sleep=clock.sleep)


def held(code: str) -> pytest.RaisesExc[Hold]:
    return pytest.RaisesExc(Hold, check=lambda error: error.code == code)


def test_generations_ascend_and_a_run_claims_once(ledger: Ledger) -> None:
    assert [ledger.claim(run).generation for run in ("a", "b")] == [1, 2]
    for run in ("a", "b"):
        with pytest.raises(Hold, match="under way or died") as caught:
            ledger.claim(run)
        assert caught.value.code == "duplicate-run"
    assert ledger.state().generation == 2


def test_a_run_does_not_overtake_one_that_started_later(ledger: Ledger, clock: Clock) -> None:
    minute = timedelta(minutes=1)
    clock.now = START + 10 * minute
    ledger.claim("newer", START + 5 * minute)
    with held("superseded"):
        ledger.claim("older", START)
    assert ledger.claim("same moment", START + 5 * minute).generation == 2
    # What a person does counts from now, and keeps out what began before it.
    ledger.claim("release")
    with held("superseded"):
        ledger.claim("under way", START + 9 * minute)
    assert ledger.claim("next", START + 10 * minute).generation == 4


def test_a_clock_that_is_ahead_keeps_nobody_out(ledger: Ledger, clock: Clock) -> None:
    ledger.claim("ahead", START + timedelta(days=1))
    assert ledger.claim("on time", START).generation == 2
    with held("superseded"):
        ledger.claim("late", START - timedelta(minutes=1))


def test_a_completed_run_is_not_repeated(ledger: Ledger) -> None:
    claim = ledger.claim("a")
    ledger.acquire(claim, lease_seconds=60)
    ledger.commit(claim, {})
    with pytest.raises(Hold, match="is complete"):
        ledger.claim("a")


def test_twins_that_claim_at_once_do_not_both_win(store: MemoryStore, clock: Clock) -> None:
    """Twins would write equal bytes if a claim held nothing of its own, and a store that takes equal bytes for its own retry would let both pass."""
    twin = Ledger(store, TARGET, clock=clock, sleep=clock.sleep)

    def interfere() -> None:
        store.before_put = lambda: None
        twin.claim("a")

    store.before_put = interfere
    with pytest.raises(Hold, match="duplicate-run"):
        Ledger(store, TARGET, clock=clock, sleep=clock.sleep).claim("a")
    other = MemoryStore()
    Ledger(other, TARGET, clock=clock).claim("a")
    assert other.items != store.items


def test_a_newer_claim_stops_the_older_run(ledger: Ledger) -> None:
    old = ledger.claim("old")
    ledger.acquire(old, lease_seconds=60)
    ledger.fence(old)
    ledger.claim("new")
    with held("superseded"):
        ledger.fence(old)
    with held("superseded"):
        ledger.acquire(old, lease_seconds=60)


def test_a_newer_run_waits_for_the_lease_to_be_released(ledger: Ledger, clock: Clock) -> None:
    old = ledger.claim("old")
    ledger.acquire(old, lease_seconds=600)
    new = ledger.claim("new")
    with held("busy"):
        ledger.acquire(new, lease_seconds=60, wait_seconds=30)
    assert clock.now == START + timedelta(seconds=30)
    ledger.release(old)
    ledger.acquire(new, lease_seconds=60)
    ledger.fence(new)


def test_the_lease_of_a_dead_run_expires(ledger: Ledger, clock: Clock) -> None:
    ledger.acquire(ledger.claim("dead"), lease_seconds=100)
    new = ledger.claim("new")
    state = ledger.acquire(new, lease_seconds=60, wait_seconds=200)
    assert clock.now == START + timedelta(seconds=100)
    assert state.lease is not None
    assert state.lease.generation == new.generation


def test_a_write_needs_a_live_lease(ledger: Ledger, clock: Clock) -> None:
    claim = ledger.claim("a")
    with held("lease-lost"):
        ledger.fence(claim)
    ledger.acquire(claim, lease_seconds=60)
    clock.sleep(60)
    with held("lease-lost"):
        ledger.fence(claim)
    ledger.acquire(claim, lease_seconds=60)
    ledger.fence(claim)


def test_the_memory_of_the_lease_holder_reaches_the_run_that_overtakes_it(ledger: Ledger) -> None:
    old = ledger.claim("old")
    ledger.acquire(old, lease_seconds=60)
    ledger.remember(old, {"baseline": 2})
    new = ledger.claim("new")
    assert new.state.memory == {"baseline": 2}
    ledger.commit(old, {"baseline": 2, "slots": {"a": 5}})
    ledger.release(old)
    assert ledger.acquire(new, lease_seconds=60).memory == {"baseline": 2, "slots": {"a": 5}}


@pytest.mark.parametrize("act", ["commit", "remember"])
def test_memory_is_refused_without_the_lease(ledger: Ledger, clock: Clock, act: str) -> None:
    old, new = ledger.claim("old"), ledger.claim("new")
    with held("lease-lost"):
        getattr(ledger, act)(old, {"from": "old"})
    ledger.acquire(new, lease_seconds=60)
    with held("lease-lost"):
        getattr(ledger, act)(old, {"from": "old"})
    clock.sleep(61)
    getattr(ledger, act)(new, {"from": "new"})
    assert ledger.state().memory == {"from": "new"}


def test_a_release_gives_back_only_ones_own_lease(ledger: Ledger) -> None:
    old, new = ledger.claim("old"), ledger.claim("new")
    ledger.acquire(new, lease_seconds=60)
    ledger.release(old)
    ledger.fence(new)


def test_a_store_that_never_lets_us_win_is_a_conflict_not_a_loop(store: MemoryStore, ledger: Ledger) -> None:
    key = f"targets/{slug(TARGET)}/state.json"

    def interfere() -> None:
        state = TargetState.from_bytes(key, store.items[key]) if key in store.items else TargetState()
        store.items[key] = state.model_copy(update={"generation": state.generation + 1}).to_bytes()

    store.before_put = interfere
    with pytest.raises(ConflictError, match=r"state\.json"):
        ledger.claim("a")


class World:
    """Runs that go on in any order, also between another's read and write, die anywhere, and write to one target."""

    def __init__(self, script: Iterator[tuple[int, int, bool]]) -> None:
        self.script = script
        self.store, self.clock = MemoryStore(), Clock()
        self.store.before_put = self.interrupt
        self.ledger = Ledger(self.store, TARGET, clock=self.clock, sleep=self.sleep)
        self.writes: list[int] = []
        self.commits: list[int] = []
        self.claims: list[tuple[str, int]] = []
        self.busy_until: dict[int, datetime] = {}
        self.runs = [self.run(f"run-{number % 3}", writes=number) for number in range(4)]  # the fourth is a twin

    def run(self, run_id: str, writes: int) -> Generator[None]:
        with suppress(Hold):
            claim = self.ledger.claim(run_id)
            self.claims.append((run_id, claim.generation))
            yield
            with suppress(Hold):
                state = self.ledger.acquire(claim, lease_seconds=30, wait_seconds=20)
                assert state.lease is not None
                self.busy_until[claim.generation] = state.lease.until
                yield
                for _ in range(writes):
                    self.write(claim)
                    yield
                self.ledger.commit(claim, {"generation": claim.generation})
                self.commits.append(claim.generation)
                yield
            self.busy_until.pop(claim.generation, None)
            self.ledger.release(claim)

    def write(self, claim: Claim) -> None:
        self.ledger.fence(claim)
        others = [until for generation, until in self.busy_until.items() if generation != claim.generation]
        assert all(until <= self.clock.now for until in others)
        self.writes.append(claim.generation)

    def interrupt(self) -> None:
        step = next(self.script, None)
        if step and step[2]:
            self.go(step)

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.interrupt()

    def go(self, step: tuple[int, int, bool]) -> None:
        number, seconds, _ = step
        self.clock.sleep(seconds)
        run = self.runs[number]
        if getgeneratorstate(run) != GEN_RUNNING:
            next(run, None)


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0, 0, 0, 0, 12, 31]), st.booleans()), min_size=10, max_size=60
    )
)
def test_any_interleaving_has_one_writer_at_a_time_and_the_newest_one_last(steps: list[tuple[int, int, bool]]) -> None:
    script = iter(steps)
    world = World(script)
    for step in script:
        world.go(step)
    assert world.writes == sorted(world.writes)
    assert world.commits == sorted(world.commits)
    generations = [generation for _, generation in world.claims]
    assert sorted(generations) == list(range(1, len(generations) + 1))
    assert len({run for run, _ in world.claims}) == len(world.claims)
    if world.commits:
        assert world.ledger.state().memory == {"generation": world.commits[-1]}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b'{"version": 2}', b'{"generation": -1}', b"\x80\x04K\x01.", b"[]"]
)
def test_a_corrupt_state_is_an_error_that_names_its_key(store: MemoryStore, ledger: Ledger, body: bytes) -> None:
    store.items[f"targets/{slug(TARGET)}/state.json"] = body
    with pytest.raises(StoreError, match=r"state\.json"):
        ledger.claim("a")
