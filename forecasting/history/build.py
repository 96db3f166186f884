"""From a reading to a history."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.history import cleaning, periods, quality, zones
from forecasting.history.base import Finding, History, Verdict
from forecasting.history.series import BoolArray, FloatArray, Samples, regularise, resample
from forecasting.sources.base import Reading


def build_history(
    reading: Reading, *, now: datetime, step_minutes: int, max_load: float | None = None, time_zone: str = "UTC"
) -> History:
    """Make one regular series of a reading, without what is not demand, and judge it.

    Args:
        reading: Samples in any order; shuffled or repeated samples give the same history.
        now: The time of the run (aware). Samples after it are rejected, the sample and the step that contain it are not complete and are left out.
        step_minutes: Step of the history, in minutes. Coarser samples are interpolated between their middles.
        max_load: A sample above it is rejected; more than a few hold the plan.
        time_zone: IANA zone whose days the load follows: spikes and troughs are compared with the same wall-clock time on other days.

    Returns:
        The history. It ends with the newest step that has a value, so that it never ends in a gap; how old that is, is a finding. `load` may be empty
        (then the verdict is HOLD).

    Raises:
        InputError: `now` or the reading's stamps have no time zone.
    """
    step_seconds = step_minutes * 60
    until = now.timestamp()
    reading, mixed = periods.one_period(reading, until)
    samples = regularise(reading, now=now, max_load=max_load)
    findings = [Finding("periods", Verdict.GOOD, text) for text in mixed]
    findings += [*quality.refused(samples, now=until, max_load=max_load), *quality.freshness(samples, now=until)]

    late = cleaning.late_tail(samples, until)
    findings += quality.late_tail(samples, late)
    samples = _cut(samples, len(samples.values) - late)
    if samples.seconds > step_seconds:
        text = f"samples of {quality.duration(samples.seconds)} are interpolated to steps of {step_minutes} min: peaks inside a sample are unseen"
        findings.append(Finding("coarse-samples", Verdict.GOOD, text))

    start, whole, _ = resample(samples, step_seconds, until=int(until))
    findings += [*quality.completeness(start, whole, step_seconds), *quality.frozen(samples)]
    findings += quality.counter(samples)
    spikes = cleaning.spikes(samples, time_zone)
    clean = _without(samples, spikes)
    troughs = cleaning.troughs(clean, time_zone)
    findings += quality.cleaned(samples, spikes, troughs)
    clean = _without(clean, tuple(run for run in troughs if _is_short(run, samples)))

    start, load, censored = resample(clean, step_seconds, until=int(until))
    present = np.flatnonzero(~np.isnan(samples.values))
    known = np.flatnonzero(~np.isnan(load))
    if len(present) and len(known):
        newest = samples.start + samples.seconds * (int(present[-1]) + 1)
        findings += quality.unread(newest, start + step_seconds * (int(known[-1]) + 1))
    findings += zones.suggested(start, load, step_seconds, time_zone)
    return _history(clean, start, load, censored, step_seconds, tuple(findings))


def _is_short(run: cleaning.Run, samples: Samples) -> bool:
    return (run.last - run.first) * samples.seconds <= cleaning.TROUGH_SECONDS


def _cut(samples: Samples, length: int) -> Samples:
    return replace(samples, values=samples.values[:length], censored=samples.censored[:length])


def _without(samples: Samples, runs: tuple[cleaning.Run, ...]) -> Samples:
    values = samples.values.copy()
    for run in runs:
        values[run.first : run.last] = np.nan
    return replace(samples, values=values)


def _history(
    samples: Samples,
    start: int,
    load: FloatArray,
    censored: BoolArray,
    step_seconds: int,
    findings: tuple[Finding, ...],
) -> History:
    if censored.any():
        text = (
            f"{int(censored.sum())} of {len(load)} steps are lower bounds: the fleet was saturated or refused requests"
        )
        findings += (Finding("censored", Verdict.GOOD, text),)
    present = np.flatnonzero(~np.isnan(load))
    first, last = (int(present[0]), int(present[-1]) + 1) if len(present) else (0, 0)
    steps = _grid(start + first * step_seconds, last - first, step_seconds)
    fine = pd.Series(samples.values, index=_grid(samples.start, len(samples.values), samples.seconds), name="load")
    end = pd.Timestamp(start + last * step_seconds, unit="s", tz="UTC")
    return History(
        load=pd.Series(load[first:last], index=steps, name="load"),
        censored=pd.Series(censored[first:last], index=steps, name="censored"),
        fine=fine[fine.index < end],
        findings=findings,
    )


def _grid(start: int, length: int, seconds: int) -> pd.DatetimeIndex:
    return pd.date_range(pd.Timestamp(start, unit="s", tz="UTC"), periods=length, freq=pd.Timedelta(seconds=seconds))
