"""What a full run goes by for its next slots and leaves for the short ones (`forecasting.store.basis`): once a day with what can be learnt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.errors import ElasticIacError
from forecasting.history import Verdict, build_history
from forecasting.models.base import Forecast
from forecasting.needed import needed_instances
from forecasting.planning.base import Plan
from forecasting.planning.objective import TARGET_SHARE
from forecasting.settings import FileSource, Fleet
from forecasting.shortlead import STEP, Fit, Terms, is_due, learn
from forecasting.shortlead.choice import MOST_DAYS
from forecasting.shortlead.need import window_steps
from forecasting.sources import Reading
from forecasting.store.basis import Basis, Quantiles, Series, StoredFit, joined, week_of
from forecasting.store.ledger import Ledger

SHORTEST_LEAD_SECONDS = 600.0
"""A fleet that boots faster is not re-levelled where its settings do not say otherwise: at 5 min it costs what the plan alone costs."""

LOOKED_BACK_HOURS = 2.0
"""A tick looks an hour back at how wrong the forecast was, and a need is held for an hour."""

MAX_FORECASTS = 4 * MOST_DAYS
"""Most forecasts that a day's learning reads: one in six hours. Each is an object to fetch."""


@dataclass(frozen=True, eq=False)
class Fresh:
    """What a full run knows beside its plan, as it is stored: its own next slots and the short runs after it go by the same.

    Attributes:
        fleet: With the lead time that is planned by.
        quantiles: The forecast, with the last hours before it.
        samples: The newest days in samples of 5 min; None where the fleet is not re-levelled.
        largest: The largest load seen.
        fit: What was learnt.
        remark: Why nothing could be learnt.
    """

    fleet: Fleet
    quantiles: Quantiles
    samples: Series | None = None
    largest: float = 0.0
    fit: StoredFit | None = None
    remark: str | None = None

    def needed(self, now: datetime) -> int | None:
        """Instances needed within the lead time; None where nothing can be said, or need not."""
        window = window_of(self.fleet)
        if window is None or self.samples is None:
            return None
        fit = self.fit.fit() if self.fit else None
        load, quantiles = self.samples.series(), self.quantiles.frame()
        return needed_instances(self.fleet, load, quantiles, fit=fit, window=window, largest=self.largest, now=now)


def window_of(fleet: Fleet) -> int | None:
    """Samples from a tick on that a short run of this fleet provides for; None where it does not re-level."""
    coarse = not isinstance(fleet.source, FileSource) and fleet.source.period_seconds > STEP.total_seconds()
    shorter = fleet.short_lead is None and fleet.lead_time_seconds < SHORTEST_LEAD_SECONDS
    if fleet.short_lead is False or coarse or shorter:
        return None
    return window_steps(fleet.lead_time_seconds)


def look_closely(ledger: Ledger, fleet: Fleet, reading: Reading, forecast: Forecast, now: datetime) -> Fresh:
    """The newest samples, and, once a day, what can be learnt; what could not be learnt is said, and is no reason to know nothing.

    Args:
        ledger: Holds what the full run before left, and earlier forecasts.
        fleet: With the lead time that is planned by.
        reading: The load as it was read.
        forecast: Of this run.
        now: When it started (aware).
    """
    try:
        before = ledger.basis()
    except ElasticIacError:  # of another release, or damaged: begun anew
        before = None
    quantiles = joined(before.quantiles if before else None, Quantiles.of(forecast.quantiles), LOOKED_BACK_HOURS)
    window = window_of(fleet)
    load = _fine(fleet, reading, now) if window else None
    if window is None or load is None:
        return Fresh(fleet, quantiles)
    fit = before.fit.fit() if before and before.fit else None
    if fit and window == fit.window - 1:
        # A lead time that is measured hovers around an edge: the longer of two windows is kept, and with it the days by which the knob is chosen.
        window = fit.window
    remark: str | None = None
    try:
        if is_due(fit, window, _terms(fleet), now):
            fit = _learn(ledger, fleet, fit, load, window, now)
    except (ElasticIacError, ValueError, np.linalg.LinAlgError) as error:
        remark = f"the short runs' coefficients stay as they were: {error}"
    samples, largest = Series.of(week_of(load)), float(np.nanmax(load))
    return Fresh(fleet, quantiles, samples, largest, StoredFit.of(fit) if fit else None, remark)


def basis_of(fresh: Fresh, plan: Plan, generation: int, made_at: datetime, *, raise_only: bool) -> Basis:
    """The basis of the short runs that follow."""
    return Basis(
        generation=generation,
        made_at=made_at,
        floors=Series.of(plan.floor.astype(float)),
        baseline=plan.baseline,
        lead_time_seconds=fresh.fleet.lead_time_seconds,
        limits=plan.limits,
        raise_only=raise_only,
        quantiles=fresh.quantiles,
        samples=fresh.samples,
        largest=fresh.largest,
        fit=fresh.fit,
    )


def _fine(fleet: Fleet, reading: Reading, now: datetime) -> pd.Series[float] | None:
    """The load in samples of 5 min; None where the source's are longer, or there is too little of it."""
    if reading.sample_seconds > STEP.total_seconds():
        return None
    history = build_history(reading, now=now, step_minutes=5, max_load=fleet.max_load, time_zone=fleet.time_zone)
    return None if history.verdict is Verdict.HOLD else history.load


def _learn(ledger: Ledger, fleet: Fleet, before: Fit | None, load: pd.Series[float], window: int, now: datetime) -> Fit:
    made = ledger.forecasts(now - timedelta(days=MOST_DAYS), at_most=MAX_FORECASTS)
    return learn(
        before,
        load,
        [(each.made_at, each.quantiles) for each in made],
        window=window,
        terms=_terms(fleet),
        boot_steps=math.ceil(fleet.lead_time_seconds / STEP.total_seconds()),
        target_share=fleet.uncovered_share or TARGET_SHARE,
    )


def _terms(fleet: Fleet) -> Terms:
    return Terms(fleet.load_per_instance, fleet.floor, fleet.ceiling, fleet.reactive_target)
