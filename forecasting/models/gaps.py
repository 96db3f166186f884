"""Gaps and lower bounds: what the models see in their place. A gap is never read as zero."""

from __future__ import annotations

import numpy as np

from forecasting.models.base import FloatArray


def fill_gaps(load: FloatArray, steps_per_day: int) -> FloatArray:
    """Fill NaN from the season: the same time a week before, else a day before, else (at the start) a day later, else the median.

    A filled value is made of earlier ones where there are any, so that rolling origins do not see their future through a gap.

    Args:
        load: The series, NaN for gaps, at least one value known.
        steps_per_day: Steps in a day.
    """
    filled = load.copy()
    if np.isfinite(filled).all():
        return filled
    for start in range(0, len(filled), steps_per_day):
        for lag in (7 * steps_per_day, steps_per_day):
            _fill(filled, start, min(start + steps_per_day, len(filled)), -lag)
    last_day = (len(filled) - 1) // steps_per_day * steps_per_day
    for start in range(last_day, -1, -steps_per_day):
        _fill(filled, start, min(start + steps_per_day, len(filled) - steps_per_day), steps_per_day)
    return np.where(np.isfinite(filled), filled, np.nanmedian(load))


def _fill(series: FloatArray, start: int, stop: int, offset: int) -> None:
    """Fill the gaps of `series[start:stop]` from `offset` steps away."""
    if start + offset < 0 or stop <= start:
        return
    part, source = series[start:stop], series[start + offset : stop + offset]
    part[:] = np.where(np.isfinite(part), part, source)


def lift_censored(load: FloatArray, censored: FloatArray, steps_per_day: int) -> FloatArray:
    """Read lower bounds as the larger of the bound and what the season lets expect.

    Args:
        load: The series, NaN for gaps.
        censored: The lower bounds where a step is censored, else NaN; same shape.
        steps_per_day: Steps in a day.
    """
    bound = np.isfinite(censored)
    if not bound.any():
        return load
    free = np.where(bound, np.nan, load)
    if not np.isfinite(free).any():
        return np.where(bound, censored, load)
    return np.where(bound, np.fmax(censored, fill_gaps(free, steps_per_day)), load)
