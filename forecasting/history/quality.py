"""What is wrong with a history, in words that a person understands at 3 a.m., and what it allows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from forecasting.history.base import Finding, Verdict
from forecasting.history.cleaning import DAY, HOUR, TROUGH_SECONDS, Run
from forecasting.history.series import FloatArray, Samples

SHORT_HISTORY_SECONDS = DAY
"""Less shows no daily pattern at all."""

STALE_SECONDS = 2 * HOUR
"""Newest samples are normally minutes old; two hours is a fault of the source, not its delay."""

DEAD_SECONDS = DAY
"""After a day without samples a forecast would be a guess."""

LONG_GAP_SECONDS = 6 * HOUR
"""Models bridge a shorter gap from other days; a longer one hides a whole peak."""

RECENT_SECONDS = 7 * DAY
"""A long gap matters while it is among the days that weigh most in a forecast."""

MISSING_SHARE = 0.2
"""With more of the steps missing, the profile of a day or week is uncertain."""

FROZEN_SECONDS = 6 * HOUR
"""Measured load never repeats itself for this long; the longest on the real traces is 2 h, of zeros."""

FROZEN_SAMPLES = 3
"""And not for fewer samples: two days of daily rows that are equal are no fault."""

DOUBLE_SHARE = 0.5
"""With more of the stamps in conflict the file has a row for each instance, not one for the fleet."""

COUNTER_SECONDS = DAY
"""A load falls within a day; what does not is a running total."""

COUNTER_RISES = 0.05
"""Share of the samples in which a total rises, at least: an idle fleet is none."""

UNREAD_SECONDS = 2 * HOUR
"""A history that ends so long before its newest sample leaves out a part that could not be read."""

ISOLATED_SAMPLES = 3
"""Up to this many samples a day above `max_load` are single faults and are left out; more mean a wrong unit."""


def moment(seconds: float) -> str:
    """A time for people, e.g. `2026-03-01 14:05 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float) -> str:
    """A length of time for people, e.g. `45 min`, `7.5 h` or `3 days`."""
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.3g} h"
    return f"{seconds / DAY:.3g} days"


def refused(samples: Samples, *, now: float, max_load: float | None) -> Iterable[Finding]:
    """Samples that were refused or merged on the way in (rows 6, 9, 10 and 13 of the fault list)."""
    if samples.misdated:
        text = f"{_count(samples.misdated, 'time stamp')} after {moment(now)} or years before it; rejected"
        yield Finding("misdated", Verdict.GOOD, text)
    present = int((~np.isnan(samples.values)).sum())
    if samples.conflicts > DOUBLE_SHARE * max(present, 1):
        text = f"{samples.conflicts} of {present} time stamps came with different values: a row for each instance?"
        yield Finding("several-series", Verdict.HOLD, f"{text} Give one row a stamp, the sum over the fleet")
    elif samples.conflicts:
        text = f"{_count(samples.conflicts, 'time stamp')} came with different values; the largest of each is used"
        yield Finding("duplicate", Verdict.GOOD, text)
    if samples.impossible:
        text = f"{_listed(samples.impossible)} negative, infinite or absurd; rejected"
        yield Finding("impossible", Verdict.GOOD, text)
    if samples.too_high:
        yield _too_high(samples.too_high, max_load, now)


def _too_high(times: tuple[int, ...], max_load: float | None, now: float) -> Finding:
    text = f"{_listed(times)} above max_load {max_load:g}; rejected"
    recent = sum(time > now - DAY for time in times)
    if recent > ISOLATED_SAMPLES:
        text += f", {recent} of them in the last day: a wrong unit or a broken exporter; correct it, or raise max_load"
        return Finding("too-high", Verdict.HOLD, text)
    return Finding("too-high", Verdict.RAISE_ONLY if recent else Verdict.GOOD, text)


def late_tail(samples: Samples, count: int) -> Iterable[Finding]:
    """The newest `count` samples, which are left out until they are complete (row 2)."""
    if count:
        since = moment(samples.start + samples.seconds * (len(samples.values) - count))
        text = f"{_count(count, 'sample')} since {since} too low to be complete; left out until they are older"
        yield Finding("late-tail", Verdict.GOOD, text)


def freshness(samples: Samples, *, now: float) -> Iterable[Finding]:
    """How old the newest sample is."""
    present = np.flatnonzero(~np.isnan(samples.values))
    if not len(present):
        yield Finding("empty", Verdict.HOLD, "the source gave no usable sample: check the metric's name and dimensions")
        return
    newest = samples.start + samples.seconds * (int(present[-1]) + 1)
    age = now - newest
    text = f"the newest sample ends at {moment(newest)}, {duration(age)} ago"
    if age > max(DEAD_SECONDS, 2 * samples.seconds):
        yield Finding("stale", Verdict.HOLD, text)
    elif age > max(STALE_SECONDS, 2 * samples.seconds):
        yield Finding("stale", Verdict.RAISE_ONLY, text)


def completeness(start: int, load: FloatArray, step_seconds: int) -> Iterable[Finding]:
    """Length and gaps of the regular series, before spikes and troughs are taken out (rows 1 and 14)."""
    missing = np.isnan(load)
    seconds = int((~missing).sum()) * step_seconds
    if seconds < SHORT_HISTORY_SECONDS:
        text = f"{duration(seconds)} of history; a forecast needs at least a day: the floor stays"
        yield Finding("short-history", Verdict.HOLD, text)
    gaps = [(first, last) for first, last in _gaps(missing) if first > 0 and last < len(load)]  # an edge is not a gap
    if not gaps:
        return
    first, last = max(gaps, key=lambda gap: gap[1] - gap[0])
    share = missing.mean()
    longest = f"the longest from {moment(start + first * step_seconds)} for {duration((last - first) * step_seconds)}"
    text = f"{_count(len(gaps), 'gap')}, {share:.1%} of the history; {longest}"
    edge = len(load) - RECENT_SECONDS // step_seconds
    recent = max((end - max(begin, edge) for begin, end in gaps), default=0)
    if share > MISSING_SHARE:
        text += "; if no sample means no traffic, write zeros there (`absent_is_zero` of a source that has it)"
    if share > MISSING_SHARE or recent * step_seconds > LONG_GAP_SECONDS:
        yield Finding("long-gap", Verdict.RAISE_ONLY, text)
    else:
        yield Finding("gap", Verdict.GOOD, text)


def frozen(samples: Samples) -> Iterable[Finding]:
    """A value that does not change any more (row 15). Zero is left to the troughs: an idle fleet is idle."""
    values = samples.values[~np.isnan(samples.values)]
    if not len(values):
        return
    changes = np.flatnonzero(values != values[-1])
    same = len(values) - (int(changes[-1]) + 1 if len(changes) else 0)
    wholly = same == len(values)
    long = same * samples.seconds >= FROZEN_SECONDS and same >= FROZEN_SAMPLES
    if long and (values[-1] > 0 or wholly):
        text = f"the load has been exactly {values[-1]:g} for {duration(same * samples.seconds)}"
        text += ", all of the history" if wholly else ": a frozen exporter"
        yield Finding("frozen", Verdict.RAISE_ONLY, text)


def counter(samples: Samples) -> Iterable[Finding]:
    """A running total in place of a load: it never falls, but to the beginning."""
    values = samples.values[~np.isnan(samples.values)]
    changes = np.diff(values)
    resets = (changes < 0) & (values[1:] < 0.1 * values[:-1])
    days = len(samples.values) * samples.seconds / DAY
    if days * DAY < COUNTER_SECONDS or len(changes) < 2 or ((changes < 0) & ~resets).any():
        return
    if resets.sum() <= max(days, 1) and (changes > 0).mean() >= COUNTER_RISES and _is_total(values, resets):
        text = "the load never falls: a cumulative counter, such as ..._total. Give its rate per second instead"
        yield Finding(
            "counter",
            Verdict.HOLD,
            f"{text}: rate() in Prometheus, RATE() in CloudWatch, ALIGN_RATE in Cloud Monitoring",
        )


def _is_total(values: FloatArray, resets: np.ndarray) -> bool:
    """Whether rises go on over all of the series: a load that rises by a step or two and stays is none."""
    rises = np.flatnonzero((np.diff(values) > 0) & ~resets)
    return len(rises) >= 12 and rises[-1] - rises[0] > len(values) / 2


def unread(newest: float, end: float) -> Iterable[Finding]:
    """A history that ends before its newest sample (both seconds since 1970)."""
    if newest - end > UNREAD_SECONDS:
        text = f"the samples go on to {moment(newest)}, but those after {moment(end)} are too few for a step"
        yield Finding("unread", Verdict.HOLD, f"{text}: give samples of one period")


def cleaned(samples: Samples, spikes: tuple[Run, ...], troughs: tuple[Run, ...]) -> Iterable[Finding]:
    """What was taken out as not being demand (rows 11 and 12), and outages that are not over."""
    if spikes:
        text = f"{_runs(samples, spikes)} far above anything near it or at that time on other days; not learned"
        yield Finding("spike", Verdict.RAISE_ONLY if spikes[-1].open else Verdict.GOOD, text)
    over = tuple(run for run in troughs if not run.open)
    if over:
        yield Finding("trough", Verdict.GOOD, f"{_runs(samples, over)} of outage; not learned as low demand")
    for run in troughs:
        if run.open:
            learned = "" if (run.last - run.first) * samples.seconds <= TROUGH_SECONDS else "; learned as demand by now"
            text = f"the load fell to near zero at {moment(samples.start + run.first * samples.seconds)} and has not returned"
            yield Finding("trough-now", Verdict.RAISE_ONLY, text + learned)


def _gaps(missing: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], missing.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _runs(samples: Samples, runs: tuple[Run, ...]) -> str:
    total = sum(run.last - run.first for run in runs)
    longest = max(runs, key=lambda run: run.last - run.first)
    start = samples.start + longest.first * samples.seconds
    length = duration((longest.last - longest.first) * samples.seconds)
    return f"{_count(total, 'sample')} in {_count(len(runs), 'run')} (the longest from {moment(start)} for {length})"


def _listed(times: tuple[int, ...]) -> str:
    if len(times) == 1:
        return f"1 sample at {moment(times[0])}"
    return f"{len(times)} samples between {moment(times[0])} and {moment(times[-1])}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
