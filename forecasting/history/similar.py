"""A history that begins with another fleet's, brought to this one's level: the shape of a week before a week has been seen."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from forecasting.history.base import Finding, History, Verdict

ENOUGH_DAYS = 8.0
"""With so much of its own a fleet borrows nothing: a week, and the day whose level is compared with it."""

LEAST_DAYS = 7.0
"""Who has less than a week has no weekly shape to lend."""

TRUSTED_DAYS = 1.0
"""With less of its own, the level is a guess: the plan may only raise what stands."""

PRIOR_HOURS = 6.0
"""An expected load counts as so many hours that were seen."""

LEAST_HOURS = 1.0
"""Without an expected load, so much must have been seen to know the level."""

LIFTED = {"empty", "short-history"}
"""What holds a fleet without a history of its own."""

_DAY, _HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)


def needs_similar(own: History, step: pd.Timedelta) -> bool:
    """Whether a fleet has too little of its own."""
    return own.load.notna().sum() * step < ENOUGH_DAYS * _DAY


def begin_with(own: History, other: History, step: pd.Timedelta, *, name: str, expected_load: float | None) -> History:
    """The fleet's history with the other's before it, times the ratio of their levels.

    The ratio is that of the loads in the steps which both know, an expected load counting as `PRIOR_HOURS` of them. Once a fleet has enough of its
    own there is nothing to do: ask `needs_similar`.

    Args:
        own: The fleet's history; `load` may be empty.
        other: The similar fleet's, at the same step.
        step: The step of both.
        name: What the other is called.
        expected_load: Mean load that is expected of the fleet; None where nobody says.

    Returns:
        A history with the finding `borrowed` (only raising, while less than a day is the fleet's own) in place of what held it; `own` with the
        finding `not-borrowed` where the other cannot lend or the level is not known.
    """
    known = other.load.notna()
    if other.verdict is Verdict.HOLD or known.sum() * step < LEAST_DAYS * _DAY:
        return _refused(own, f"{name} has itself less than a week of good history")
    level = float(other.load.iloc[-int(LEAST_DAYS * _DAY / step) :].mean())
    beside_own = other.load.reindex(own.load.index)
    both = own.load.notna() & beside_own.notna()
    steps = int(both.sum())
    prior = 0.0 if expected_load is None else PRIOR_HOURS * _HOUR / step
    if steps * step < LEAST_HOURS * _HOUR and not prior:
        return _refused(own, f"less than {LEAST_HOURS:g} h is known beside {name}: give an expected_load, or wait")
    total = float(beside_own[both].sum()) + prior * level
    if not total > 0:
        return _refused(own, f"{name} has no load")
    factor = (float(own.load[both].sum()) + prior * (expected_load or 0.0)) / total
    return _joined(own, other, factor, step, name)


def _joined(own: History, other: History, factor: float, step: pd.Timedelta, name: str) -> History:
    begin = own.load.index[0] if len(own.load) else other.load.index[-1] + step
    earlier = other.load.index < begin
    end = own.load.index[-1] if len(own.load) else other.load.index[-1]
    index = pd.date_range(other.load.index[0], end, freq=step)
    lent = index < begin
    load = own.load.reindex(index).where(~lent, other.load.reindex(index) * factor)
    bound = own.censored.reindex(index, fill_value=False).where(~lent, other.censored.reindex(index, fill_value=False))
    days = len(own.load) * step / _DAY
    text = f"{earlier.sum() * step / _DAY:.3g} days of history are those of {name} times {factor:.3g}; {days:.2g} days are the fleet's own"
    verdict = Verdict.GOOD
    if own.load.notna().sum() * step < TRUSTED_DAYS * _DAY:
        verdict, text = Verdict.RAISE_ONLY, text + ": the plan only raises what stands"
    kept = tuple(finding for finding in own.findings if finding.code not in LIFTED)
    fine = own.fine if len(own.fine) and days >= TRUSTED_DAYS else other.fine * factor
    return History(
        load=load.rename("load"),
        censored=bound.astype(bool).rename("censored"),
        fine=fine,
        findings=(*kept, Finding("borrowed", verdict, text)),
    )


def _refused(own: History, why: str) -> History:
    return replace(own, findings=(*own.findings, Finding("not-borrowed", Verdict.GOOD, f"nothing is borrowed: {why}")))
