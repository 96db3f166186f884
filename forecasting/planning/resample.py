"""Days drawn again from days: what one past does not say of the next."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from forecasting.models.base import FloatArray

BLOCK_DAYS = 3
"""Days next to each other are alike: resampling takes them in blocks."""


def resampled(days: int, length: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Block bootstrap (Kuensch 1989, circular as in Politis and Romano 1992): how often each of `days` is in each of `count` samples of `length`."""
    positions = _block_positions(days, length, count, rng)
    return _counts(positions, days)


def resampled_twice(days: int, ahead: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Samples of `ahead` days to come: each is drawn from a past that is itself resampled, since the past seen is one of many."""
    past = _block_positions(days, days, count, rng)
    future = _block_positions(days, ahead, count, rng)
    return _counts(np.take_along_axis(past, future, axis=1), days)


def _block_positions(days: int, length: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    block = min(BLOCK_DAYS, max(days // 4, 1))
    starts = rng.integers(0, days, size=(count, math.ceil(length / block), 1))
    return ((starts + np.arange(block)) % days).reshape(count, -1)[:, :length]


def _counts(positions: npt.NDArray[np.int64], days: int) -> FloatArray:
    counts = np.zeros((len(positions), days))
    np.add.at(counts, (np.arange(len(positions))[:, None], positions), 1.0)
    return counts
