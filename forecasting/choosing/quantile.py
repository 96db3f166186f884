"""The plan's quantile, chosen daily from what each candidate would have cost on the days before."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from forecasting.choosing.base import CANDIDATES, DEFAULT_QUANTILE, REACTIVE_TARGETS, Choice
from forecasting.choosing.past import DAY, replay_days
from forecasting.errors import ElasticIacError
from forecasting.history import History
from forecasting.models.base import FloatArray
from forecasting.planning.headroom import Headroom
from forecasting.planning.objective import CHOICE_DAYS, TARGET_SHARE, best_setting
from forecasting.settings import Fleet
from forecasting.shortlead import DayTotals
from forecasting.store.ledger import Ledger
from forecasting.store.records import PastDays, RecordedChoice, RecordedDay

log = logging.getLogger(__name__)

WARM_DAYS = 3
"""Fewer days say too little."""

DAYS_AT_ONCE = 7
"""What is older is not replayed: new settings choose by the last week at once, and by more as it comes."""

FORECASTS_A_DAY = 4
"""A job that runs more often is judged by its forecasts of every six hours."""

REACH = timedelta(hours=6)
"""The plan of a day's first hours was made so long before."""

_LEAD_SECONDS = 300.0
_HOVER_SECONDS = 60.0
"""A lead time that is learnt hovers: so little below what the days were replayed with, they are kept."""


def settled_choice(fleet: Fleet, ledger: Ledger, history: History, now: datetime, *, keep: bool = True) -> Choice:
    """`choose_quantile`, never a condition: where it fails, the default serves and the reason says why."""
    try:
        return choose_quantile(fleet, ledger, history, now, keep=keep)
    except ElasticIacError as error:
        why = str(error)
    except Exception as error:  # a defect of the choice must not hold a fleet
        log.exception("fleet %s: the quantile could not be chosen", fleet.name)
        why = f"{type(error).__name__}: {error}"
    return Choice(DEFAULT_QUANTILE, "default", f"the default: the past could not be read: {why}")


def choose_quantile(fleet: Fleet, ledger: Ledger, history: History, now: datetime, *, keep: bool = True) -> Choice:
    """The quantile to plan for, by the settings or by the fleet's own past.

    Args:
        fleet: The fleet.
        ledger: Its ledger, where the earlier forecasts and the days that were replayed are.
        history: The clean history.
        now: The time of the run (aware).
        keep: Keep what was replayed, so that no run does it again.

    Raises:
        StoreError: the ledger cannot be read, or a record of it is damaged.
    """
    if fleet.quantile is not None:
        return Choice(fleet.quantile, "given", "given by the settings")
    if fleet.prices is not None:
        return Choice(fleet.prices.quantile, "prices", f"by prices: {_prices(fleet)}")
    past = ledger.past_days()
    grown = _grown(past, fleet, ledger, history, now)
    if keep and grown != past:
        ledger.keep_past_days(grown)
    days = [_totals(day) for _name, day in sorted(grown.days.items())]
    return choose(days, fleet.uncovered_share or TARGET_SHARE, fleet.reactive_target)


def choose(days: Sequence[DayTotals], target_share: float, reactive_target: float = 1.0) -> Choice:
    """Choose by days that were replayed.

    Args:
        days: The oldest first, with knobs target by target of `targets_of(reactive_target)`, within each the candidates.
        target_share: Share of the load that may stay uncovered.
        reactive_target: What reactive scaling aims at, as a share of the load per instance.
    """
    latest = days[-CHOICE_DAYS:]
    if len(latest) < WARM_DAYS:
        reason = (
            f"the default: {len(latest)} days with earlier forecasts are too few to choose by, {WARM_DAYS} are needed"
        )
        return Choice(DEFAULT_QUANTILE, "default", reason, days=len(latest), target_share=target_share)
    past = _Past.of(latest)
    targets = targets_of(reactive_target)
    first = targets.index(reactive_target) * len(CANDIDATES)
    columns = slice(first, first + len(CANDIDATES))
    place = best_setting(past.paid[:, columns], past.uncovered[:, columns], past.load, target_share)
    best = best_setting(past.paid, past.uncovered, past.load, target_share)
    cost = past.cost(first + place) / past.cost(first + CANDIDATES.index(DEFAULT_QUANTILE))
    share = past.share(first + place)
    advised, with_quantile = targets[best // len(CANDIDATES)], CANDIDATES[best % len(CANDIDATES)]
    reason = (
        f"by the last {len(latest)} days, on which it would have left {share:.2%} of the load uncovered (goal {target_share:.2%}) for "
        f"{cost:.0%} of the instance-hours of {DEFAULT_QUANTILE:g}"
    )
    if advised != reactive_target:
        saved = past.cost(best) / past.cost(first + place)
        reason += (
            f"; with reactive scaling at {advised:.0%} of load_per_instance, {with_quantile:g} would have left {past.share(best):.2%} for "
            f"{saved:.0%} of that"
        )
    return Choice(
        CANDIDATES[place],
        "past",
        reason,
        reactive_target=advised,
        days=len(latest),
        target_share=target_share,
        uncovered_share=share,
        cost_ratio=cost,
    )


def recorded_choice(choice: Choice) -> RecordedChoice:
    """As the run's record has it."""
    return RecordedChoice(
        quantile=choice.quantile,
        source=choice.source,
        reason=choice.reason,
        reactive_target=choice.reactive_target,
    )


def targets_of(reactive_target: float) -> tuple[float, ...]:
    """The targets of reactive scaling that are replayed, ascending."""
    return tuple(sorted({*REACTIVE_TARGETS, reactive_target}))


@dataclass(frozen=True, eq=False)
class _Past:
    """Days side by side: `paid` and `uncovered` of shape (days, knobs), `load` of shape (days,)."""

    paid: FloatArray
    uncovered: FloatArray
    load: FloatArray

    @classmethod
    def of(cls, days: Sequence[DayTotals]) -> _Past:
        return cls(
            np.stack([day.paid for day in days]),
            np.stack([day.uncovered for day in days]),
            np.array([day.load for day in days]),
        )

    def cost(self, knob: int) -> float:
        return max(float(self.paid[:, knob].sum()), 1e-12)

    def share(self, knob: int) -> float:
        return float(self.uncovered[:, knob].sum()) / max(float(self.load.sum()), 1e-300)


def _grown(past: PastDays, fleet: Fleet, ledger: Ledger, history: History, now: datetime) -> PastDays:
    """With the days that are complete and have not been looked at; those that are too old are gone."""
    longer = fleet.model_copy(update={"lead_time_seconds": fleet.lead_time_seconds + _HOVER_SECONDS})
    settings = _settings_sha256(fleet)
    if settings != past.settings_sha256 == _settings_sha256(longer):
        fleet, settings = longer, past.settings_sha256
    if past.settings_sha256 != settings:
        past = PastDays(settings_sha256=settings)
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    if past.looked is not None and past.looked >= (today - DAY).date():
        return past
    oldest = today - CHOICE_DAYS * DAY
    kept = {name: day for name, day in past.days.items() if date.fromisoformat(name) >= oldest.date()}
    begun = history.fine.index[0].to_pydatetime() if len(history.fine) > 1 else today
    missing = [
        midnight
        for midnight in (today - back * DAY for back in range(DAYS_AT_ONCE, 0, -1))
        if midnight >= begun and midnight.date().isoformat() not in kept
    ]
    found: Mapping[date, DayTotals] = {}
    if missing:
        span = (today - missing[0]) // DAY
        since, at_most = missing[0] - REACH, FORECASTS_A_DAY * span + 1
        stored = [(each.made_at, each.quantiles) for each in ledger.forecasts(since, until=today, at_most=at_most)]
        if stored:
            headroom = {level: Headroom.of(history, level, fleet.time_zone) for level in CANDIDATES}
            found = replay_days(stored, history.fine, fleet, headroom, missing, targets_of(fleet.reactive_target))
    new = {day.isoformat(): _recorded(totals) for day, totals in found.items()}
    return PastDays(settings_sha256=settings, looked=(today - DAY).date(), days={**kept, **new})


def _settings_sha256(fleet: Fleet) -> str:
    """Of what the replay depends on. A lead time that is learnt moves by seconds from run to run, and the replay's grid is coarser than that."""
    said = [
        fleet.load_per_instance,
        fleet.floor,
        fleet.ceiling,
        math.ceil(fleet.lead_time_seconds / _LEAD_SECONDS),
        fleet.step_minutes,
        fleet.max_increase_per_slot,
        fleet.max_decrease_per_slot,
        fleet.reactive_target,
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _recorded(totals: DayTotals) -> RecordedDay:
    paid, uncovered = ([float(f"{value:.9g}") for value in values] for values in (totals.paid, totals.uncovered))
    return RecordedDay(paid=tuple(paid), uncovered=tuple(uncovered), load=totals.load)


def _totals(day: RecordedDay) -> DayTotals:
    return DayTotals(np.array(day.paid, np.float64), np.array(day.uncovered, np.float64), day.load)


def _prices(fleet: Fleet) -> str:
    assert fleet.prices is not None  # noqa: S101 - the caller looked
    return f"an unmet instance-hour costs {fleet.prices.unmet_instance_hour / fleet.prices.instance_hour:.3g} times an instance-hour"
