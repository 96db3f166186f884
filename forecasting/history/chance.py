"""Binomial test: how likely marks are to come together by chance."""

from __future__ import annotations

from math import comb


def chance_of(seen: int, among: int, rate: float) -> float:
    """Probability of `seen` or more marks among so many places, each marked at random at a rate."""
    return sum(comb(among, k) * rate**k * (1 - rate) ** (among - k) for k in range(seen, among + 1))
