"""Invocations that run at the same time, and one that wakes up late. `python -m benchmarks.interleavings` plays 20,000 of these."""

from __future__ import annotations

import random

from benchmarks.interleavings import simulate


def test_i5_no_update_is_lost_beyond_the_documented_window() -> None:
    seed = random.randrange(10**9)
    counts = simulate(500, seed)
    said = f"seeds from {seed}: {counts}"
    assert counts.interleavings == 500
    assert counts.lost == 0, said
    assert counts.unmended == 0, said
    assert not any(outcome.startswith("failed") for outcome in counts.outcomes), said
    # The simulation reaches what it is about: overtaken, expired and killed invocations, and the window itself.
    assert counts.highest_through > 250, said
    assert {"written", "held superseded", "held lease-lost", "killed"} <= set(counts.outcomes), said
    assert counts.late_writes > 0, said
