"""The instances needed within the window: a quantile regression per knob value, pulled towards coefficients that were learnt on other loads."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from forecasting.models.base import FloatArray
from forecasting.shortlead.coefficients import TABLE
from forecasting.shortlead.features import STEP, Features

TAUS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
"""The knob: the quantile of the window's highest load that is provided for."""

RIDGE = 0.1
"""How strongly a fleet's own coefficients are pulled to the shipped ones (per sample; the constant by a tenth of it)."""

HOLD_STEPS = 12
"""A need is kept for an hour."""

LARGEST_FACTOR = 1.5
"""No need goes above this multiple of the largest load seen."""

MIN_SAMPLES = 288
"""Fewer than a day of own samples: the shipped coefficients are taken as they are."""

_DELAY_STEPS = 3
"""Beyond the boot time: an action starts at most 5 minutes after its tick, holds for 5, and may run late."""

_ITERATIONS, _TOLERANCE, _SMALLEST_RESIDUAL = 30, 1e-4, 1e-3


def window_steps(lead_time_seconds: float) -> int | None:
    """Samples from a tick on that its update answers for; None where the lead time is longer than any window that was learnt."""
    steps = math.ceil(lead_time_seconds / STEP.total_seconds()) + _DELAY_STEPS
    return steps if steps <= max(_table()) else None


def shipped(window: int) -> FloatArray:
    """The coefficients learnt on other loads, shape (taus, features), drawn as a line between the windows that were learnt.

    `python -m benchmarks.short_lead_prior` learns them again, also without one trace.
    """
    table = _table()
    windows = np.array(sorted(table), dtype=float)
    place = float(np.clip(window, windows[0], windows[-1]))
    low, high = windows[windows <= place].max(), windows[windows >= place].min()
    share = (place - low) / (high - low) if high > low else 0.0
    return (1 - share) * table[int(low)] + share * table[int(high)]


def fitted(known: Features, prior: FloatArray, *, taus: tuple[float, ...] = TAUS, ridge: float = RIDGE) -> FloatArray:
    """The coefficients of a fleet's own past, shape (taus, features); `prior` itself where that is too short.

    Args:
        known: Ticks of the past; those whose window is not over are left out.
        prior: What they are pulled towards, same shape.
        taus: The quantiles.
        ridge: How strongly.
    """
    learnt = known.usable & np.isfinite(known.change)
    if learnt.sum() < MIN_SAMPLES:
        return prior
    rows, change = known.rows[learnt], known.change[learnt]
    return np.stack([quantile_regression(rows, change, tau, row, ridge) for tau, row in zip(taus, prior, strict=True)])


def quantile_regression(
    rows: FloatArray, values: FloatArray, tau: float, prior: FloatArray, ridge: float
) -> FloatArray:
    """Coefficients of the `tau` quantile, by iteratively reweighted least squares (Schlossmacher 1973, for absolute errors).

    The iterations are few, so the highest quantiles are met to a point: what is chosen by its outcome needs no more.

    Args:
        rows: Shape (samples, features), the first one constant.
        values: Shape (samples,).
        tau: 0 < tau < 1.
        prior: Where the ridge pulls to, shape (features,).
        ridge: Per sample; the constant has a tenth of it.
    """
    penalty = np.full(rows.shape[1], ridge * len(values))
    penalty[0] *= 0.1
    found = prior
    for _ in range(_ITERATIONS):
        residual = values - rows @ found
        weights = np.where(residual > 0, tau, 1 - tau) / np.maximum(np.abs(residual), _SMALLEST_RESIDUAL)
        weighted = rows * weights[:, None]
        solved = np.linalg.solve(weighted.T @ rows + np.diag(penalty), weighted.T @ values + penalty * prior)
        better = np.asarray(solved, dtype=np.float64)
        done = np.abs(better - found).max() < _TOLERANCE
        found = better
        if done:
            break
    return found


def needs(known: Features, coefficients: FloatArray, largest: FloatArray | float, hold: int = HOLD_STEPS) -> FloatArray:
    """Load to be provided for within each tick's window, shape (ticks, taus).

    Finite, not negative, not falling with tau; NaN where nothing can be said.

    Args:
        known: Features of the ticks, ascending without gaps.
        coefficients: Shape (taus, features).
        largest: The largest load seen before each tick, or before all of them.
        hold: Ticks that a need is kept for.
    """
    wanted = known.now[:, None] * np.exp(np.clip(known.rows @ coefficients.T, -20, 20))
    # Regressions of several quantiles may cross; in order they are no worse (Chernozhukov, Fernandez-Val and Galichon 2010).
    wanted = np.sort(np.minimum(wanted, LARGEST_FACTOR * np.reshape(largest, (-1, 1))), axis=1)
    wanted = np.where(known.usable[:, None], wanted, np.nan)
    padded = np.concatenate([np.full((hold - 1, wanted.shape[1]), np.nan), wanted])
    kept = np.fmax.reduce(np.lib.stride_tricks.sliding_window_view(padded, hold, axis=0), axis=-1)
    return np.where(known.usable[:, None], kept, np.nan)


def need(known: Features, coefficients: FloatArray, largest: float, tau: float, load_per_instance: float) -> int | None:
    """Instances needed within the window of the newest tick; None where nothing can be said, and the 48-h plan stands.

    Args:
        known: Features up to the newest tick; the last `HOLD_STEPS` count.
        coefficients: Shape (taus, features).
        largest: The largest load seen.
        tau: One of `TAUS`.
        load_per_instance: What one instance carries.
    """
    load = needs(known.part(slice(-HOLD_STEPS, None)), coefficients, largest)[-1, TAUS.index(tau)]
    return math.ceil(load / load_per_instance - 1e-9) if np.isfinite(load) else None


@cache
def _table() -> dict[int, FloatArray]:
    """Coefficients by window, shape (taus, features)."""
    lines = [line.split() for line in TABLE.strip().splitlines()]
    windows = sorted({int(line[0]) for line in lines})
    rows = {(int(line[0]), float(line[1])): [float(value) for value in line[2:]] for line in lines}
    return {window: np.array([rows[window, tau] for tau in TAUS]) for window in windows}
