"""Full and short invocations that run at the same time, and one that wakes up late. `python -m benchmarks.interleavings` plays 20,000 of these."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.interleaved import basis_of, make_plan
from benchmarks.interleavings import simulate
from forecasting.errors import Hold, StandsBack
from forecasting.store.ledger import Ledger
from tests.stores import MemoryStore


def test_i5_no_update_is_lost_beyond_the_documented_window() -> None:
    seed = random.randrange(10**9)
    counts = simulate(600, seed)
    said = f"seeds from {seed}: {counts}"
    assert counts.interleavings == 600
    assert counts.lost == 0, said
    assert counts.undone == 0, said
    assert counts.unmended == 0, said
    assert not any(" failed" in outcome for outcome in counts.outcomes), said
    # The simulation reaches what it is about: overtaken, expired, late and killed invocations of both kinds, and the window itself.
    assert counts.highest_through > 300, said
    assert counts.shorts_through > 60, said
    reached = {
        f"{kind} {outcome}" for kind in ("full", "short") for outcome in ("written", "held superseded", "killed")
    }
    stood_back = {"short unchanged busy", "short unchanged full-run"}
    assert reached | stood_back | {"full held lease-lost", "full deferred out-of-time"} <= set(counts.outcomes), said
    assert counts.late_writes > 0, said


def test_an_older_full_run_that_wakes_late_does_not_replace_a_newer_ones_basis() -> None:
    ledger, now = Ledger(MemoryStore(), "target"), datetime.now(UTC)
    older, newer = (ledger.claim(name, now, now + timedelta(minutes=10)) for name in ("older", "newer"))
    left = basis_of(make_plan(random.Random(1)), newer.generation, now)
    ledger.leave_basis(left)
    with pytest.raises(Hold, match="superseded"):
        ledger.leave_basis(left.model_copy(update={"generation": older.generation}))
    assert ledger.basis() == left
    # One of a state that was lost keeps nobody out.
    ledger.leave_basis(left.model_copy(update={"generation": 9}))
    ledger.leave_basis(left)
    assert ledger.basis() == left


def test_a_short_run_stands_back_where_a_full_run_has_come_and_gone_since_it_read_the_plan() -> None:
    store, now = MemoryStore(), datetime.now(UTC)
    ledger = Ledger(store, "target", clock=lambda: now)
    basis = ledger.claim("full-1", now, now + timedelta(minutes=10)).generation
    now += timedelta(hours=6)
    seen = ledger.state()
    ledger.claim("full-2", now, now + timedelta(seconds=5))  # the last fleet of its time
    now += timedelta(seconds=20)
    with pytest.raises(StandsBack, match="full-run"):
        ledger.claim_short("short", basis, seen, lease_seconds=60)
    # One that died, and left no plan, keeps nobody out once its time is up.
    assert ledger.claim_short("short", basis, ledger.state(), lease_seconds=60).leased
