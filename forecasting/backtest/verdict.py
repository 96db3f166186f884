"""Does prediction pay here? One sentence, with an interval for the days to come."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from forecasting.backtest.choice import Days, savings
from forecasting.planning.objective import CHOICE_DAYS
from forecasting.planning.resample import resampled_twice
from forecasting.replay.base import FloatArray

SAMPLES = 1000
AHEAD_DAYS = 14
"""The interval is for the mean saving of so many days to come."""
MIN_DAYS = 4
"""A shorter replay gives no verdict."""
SURE = 2 / 3
"""Below this probability of either sign there is no verdict. See `designs/verdict.md` for what was measured."""
WIDENING = 1.25
"""Days to come differ from the past by more than resampling shows; measured on later data, as is `UNLIKE`."""
UNLIKE = 0.5
"""A load whose days differ has not shown all of itself: standard deviation of the saving per mean change of the daily load, for one day of past."""

LITTLE_PERCENT = 2.0
"""A saving below this is said to be little, and why."""
SHORT_BOOT_MINUTES = 10.0
SURE_WHERE_SHORT = 0.95
"""With a shorter boot reactive scaling catches up by itself: that prediction pays there takes more to say."""
FLAT_RATIO = 1.5
FEW_DAYS = 10


class Outcome(StrEnum):
    """What the replay says."""

    PAYS = "pays"
    DOES_NOT_PAY = "does-not-pay"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Traits:
    """What explains a verdict.

    Attributes:
        boot_minutes: Boot time of the group.
        days: Days that were replayed.
        busy_to_quiet: Load of busy hours (95th percentile) over that of quiet ones (5th).
        mase: Error of the forecast's median over that of the seasonal naive forecast; None where it is not known.
    """

    boot_minutes: float
    days: int
    busy_to_quiet: float
    mase: float | None


@dataclass(frozen=True)
class Verdict:
    """Whether prediction pays.

    Attributes:
        outcome: What the replay says.
        saving_percent: Instance-hours saved against reactive scaling alone, at equal uncovered load (median; None where there is no replay to tell).
        low_percent: Lower end of the 90 % interval for the days to come; `high_percent` is the upper end.
        probability: Share of resampled futures in which prediction saves.
        reason: Why it does not pay or pays little, or why that cannot be told; empty where it pays.
        sentence: All of it, for a person.
    """

    outcome: Outcome
    saving_percent: float | None
    low_percent: float | None
    high_percent: float | None
    probability: float | None
    reason: str
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {**asdict(self), "outcome": self.outcome.value}


def judge(
    ours: Days, reactive: Days, traits: Traits, goal: float, *, ahead_days: int = AHEAD_DAYS, seed: int = 0
) -> Verdict:
    """The verdict on one setting of ours against reactive scaling at any target.

    Args:
        ours: The recommended setting's days.
        reactive: Days of reactive scaling alone, all targets.
        traits: What explains it.
        goal: Share of the load that may stay uncovered.
        ahead_days: Length of the time to come that the interval is for.
        seed: Of the resampling.
    """
    if len(ours) < MIN_DAYS:
        reason = f"only {len(ours)} days could be replayed, and {MIN_DAYS} are the least"
        return Verdict(
            Outcome.UNDECIDED, None, None, None, None, reason, f"Whether prediction pays cannot be told: {reason}."
        )
    first = max(len(ours) - CHOICE_DAYS, 0)
    ours, reactive = ours.between(first, len(ours)), reactive.between(first, len(reactive))
    rng = np.random.default_rng(seed)
    weights = resampled_twice(len(ours), ahead_days, SAMPLES, rng)
    found = 100 * savings(ours, reactive, weights, goal)
    median = float(np.median(found))
    unseen = 100 * UNLIKE * _daily_change(ours.load) / math.sqrt(len(ours))
    spread = median + WIDENING * (found - median) + unseen * rng.standard_normal(SAMPLES)
    low, high = (float(value) for value in np.quantile(spread, [0.05, 0.95]))
    chance = float((spread > 0).mean())
    outcome = Outcome.UNDECIDED
    if chance >= (SURE_WHERE_SHORT if traits.boot_minutes < SHORT_BOOT_MINUTES else SURE) and median > 0:
        outcome = Outcome.PAYS
    elif chance <= 1 - SURE and median < 0:
        outcome = Outcome.DOES_NOT_PAY
    reason = "" if outcome is Outcome.PAYS and median >= LITTLE_PERCENT else _reason(traits)
    found = Verdict(outcome, median, low, high, chance, reason, "")
    return replace(found, sentence=_sentence(found, traits))


def _daily_change(load: FloatArray) -> float:
    """Mean change of the load from day to day, in logs; the last day may be short and is left out."""
    whole = load[:-1]
    return float(np.abs(np.diff(np.log(np.maximum(whole, 1e-12 * whole.max() + 1e-300)))).mean())


def _reason(traits: Traits) -> str:
    if traits.days < FEW_DAYS:
        return f"the history is short: {traits.days} days could be replayed"
    if traits.busy_to_quiet < FLAT_RATIO:
        return f"the load is flat: busy hours carry {traits.busy_to_quiet:.2f} times that of quiet ones"
    if traits.boot_minutes < SHORT_BOOT_MINUTES:
        return f"a boot of {traits.boot_minutes:g} min is short: reactive scaling catches up by itself"
    if traits.mase is not None and traits.mase >= 1:
        return f"the load is noisy: the forecast errs {traits.mase:.2f} times as much as repeating the last season"
    return "reactive scaling alone does about as well on this load"


def in_brief(verdict: Verdict) -> str:
    """The probability to save, the expected saving and its interval, such as `72 % likely to save; expected 6.8 %, ...`."""
    if verdict.probability is None or verdict.saving_percent is None:
        return verdict.reason
    return (
        f"{100 * verdict.probability:.0f} % likely to save; expected {verdict.saving_percent:.1f} %, "
        f"{verdict.low_percent:.1f} to {verdict.high_percent:.1f} %"
    )


def _sentence(verdict: Verdict, traits: Traits) -> str:
    outcome, median, reason = verdict.outcome, verdict.saving_percent or 0.0, verdict.reason
    interval = (
        f"{100 * (verdict.probability or 0.0):.0f} % likely to save; "
        f"90 % interval {verdict.low_percent:.1f} to {verdict.high_percent:.1f} %"
    )
    boot = f"With a boot of {traits.boot_minutes:g} min"
    if outcome is Outcome.PAYS:
        little = f"; that is little: {reason}" if reason else ""
        return (
            f"{boot}, prediction saves {median:.1f} % of instance-hours at equal uncovered load ({interval}){little}."
        )
    if outcome is Outcome.DOES_NOT_PAY:
        return f"{boot}, prediction does not pay: {median:.1f} % saved at equal uncovered load ({interval}); {reason}."
    return f"{boot}, it is not clear whether prediction pays: {median:.1f} % saved at equal uncovered load ({interval}); {reason}."
