"""What must not be learnt as it stands: a level that moved for good, and flash crowds.

Every model here averages over days or weeks, so after a step in the level (a launch, a customer gained or lost) it is late for as long, and its
errors from before and after the step say nothing of today's. A clear step is therefore taken out: what came before it is brought to the present
level, its shape kept. A flash crowd says that it happened, not that it comes back tomorrow: the models see no more than its beginning, the bands
see all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.models.base import FloatArray

SMALLEST_FACTOR = 1.4
"""A smaller step is within what the models follow by themselves."""
NOISE_FACTOR = 4.0
"""A step stands out this many times over the usual change from one week to the next (median absolute deviation as a standard deviation)."""
RISE_DAYS = 2
FALL_DAYS = 5
"""A step must have lasted so long. A fall that was only a holiday would cost load that is not covered; a rise that was, a few instances."""
OUTSIDE_DAYS = 3
"""Days without the step that it is judged against, at least."""

CROWD_SHARE = 0.99
CROWD_FACTOR = 1.5
"""Above this factor over the load that is exceeded 1 % of the time, load is a flash crowd's: the models see the threshold in its place."""
CROWD_HOURS = 3
"""What is newer is taken as it is: the rise may still be going on."""

_WEEK = 7


def without_crowds(load: FloatArray, steps_per_day: int) -> FloatArray:
    """The series, no gaps, without what flash crowds add; itself where nearly all of it is zero."""
    threshold = CROWD_FACTOR * float(np.quantile(load, CROWD_SHARE))
    calm = np.minimum(load, threshold if threshold > 0 else np.inf)
    newest = max(steps_per_day * CROWD_HOURS // 24, 1)
    calm[-newest:] = load[-newest:]
    return calm


def step_factors(load: FloatArray, steps_per_day: int) -> FloatArray:
    """What brings each step to the level after the newest clear step of the series: one factor before that step, 1 after it or where there is none.

    Each day is compared with the same weekday a week before, so that a weekend is no step and steady growth none either. Twelve days of history are
    needed.

    Args:
        load: The series, no gaps, not negative.
        steps_per_day: Steps in a day.
    """
    factors = np.ones(len(load))
    days = len(load) // steps_per_day
    daily = load[len(load) - days * steps_per_day :].reshape(days, steps_per_day).mean(axis=1)[::-1]
    if days < _WEEK + RISE_DAYS + OUTSIDE_DAYS or daily.min() <= 0:
        return factors
    log_daily = np.log(daily)
    changes = log_daily[:-_WEEK] - log_daily[_WEEK:]
    steps = [_step(changes, lasted) for lasted in range(RISE_DAYS, len(changes) + 1)]
    lasted = int(np.argmin([step.misfit for step in steps])) + RISE_DAYS
    height = steps[lasted - RISE_DAYS].height
    if height and lasted >= (RISE_DAYS if height > 0 else FALL_DAYS):
        factors[: _position(load, lasted, height, steps_per_day)] = np.exp(height)
    return factors


@dataclass(frozen=True)
class _Step:
    """A step some days ago: its height as a logarithm, 0 where it is not clear, and what of the changes it leaves unexplained."""

    height: float
    misfit: float


def _step(changes: FloatArray, lasted: int) -> _Step:
    # A step shows in the comparisons of the week after it, and in no others.
    inside = np.zeros(len(changes), bool)
    inside[max(lasted - _WEEK, 0) : lasted] = True
    if len(changes) - inside.sum() < OUTSIDE_DAYS:
        return _Step(0.0, np.inf)
    usual = float(np.median(changes[~inside]))
    noise = 1.4826 * float(np.median(np.abs(changes[~inside] - usual)))
    height = float(np.median(changes[inside])) - usual
    shown = np.sort((changes[inside] - usual) / (height or 1.0))
    # The day of the step holds some of both levels; every other one shows most of it.
    clear = (
        abs(height) > max(np.log(SMALLEST_FACTOR), NOISE_FACTOR * noise) and shown[0] > 0 and (shown[1:] > 0.7).all()
    )
    return _Step(height if clear else 0.0, float(np.abs(changes - usual - height * inside).sum()))


def _position(load: FloatArray, lasted: int, step: float, steps_per_day: int) -> int:
    """Where the change from a week before turns from none to `step`, within a day of `lasted` days ago."""
    week, tiny = _WEEK * steps_per_day, 1e-3 * float(load.mean()) + 1e-12
    first, last = max(len(load) - (lasted + 1) * steps_per_day, week), len(load) - (lasted - 1) * steps_per_day
    change = np.log(load[first:last] + tiny) - np.log(load[first - week : last - week] + tiny)
    excess = np.clip(change / step, -1.0, 2.0) - 0.5
    return first + int(np.argmin(np.concatenate([[0.0], np.cumsum(excess)])))
