"""What a full run leaves for the short ones (`forecasting.store.basis`): made of its own result, and, once a day, of what can be learnt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.errors import ElasticIacError
from forecasting.history import Verdict, build_history
from forecasting.models.base import Forecast
from forecasting.planning.base import Plan
from forecasting.planning.objective import TARGET_SHARE
from forecasting.run import FleetResult
from forecasting.settings import FileSource, Fleet
from forecasting.shortlead import STEP, Fit, Terms, is_due, learn
from forecasting.shortlead.choice import MOST_DAYS
from forecasting.shortlead.need import window_steps
from forecasting.store.basis import Basis, Quantiles, Series, StoredFit, joined, week_of
from forecasting.store.ledger import Ledger

SHORTEST_LEAD_SECONDS = 600.0
"""A fleet that boots faster is not re-levelled where its settings do not say otherwise: at 5 min it costs what the plan alone costs."""

LOOKED_BACK_HOURS = 2.0
"""A tick looks an hour back at how wrong the forecast was, and a need is held for an hour."""

MAX_FORECASTS = 4 * MOST_DAYS
"""Most forecasts that a day's learning reads: one in six hours. Each is an object to fetch."""


@dataclass(frozen=True, eq=False)
class Made:
    """What a full run has when its plan is made."""

    result: FleetResult
    plan: Plan
    forecast: Forecast
    generation: int
    now: datetime
    raise_only: bool


def window_of(fleet: Fleet) -> int | None:
    """Samples from a tick on that a short run of this fleet provides for; None where it does not re-level."""
    coarse = not isinstance(fleet.source, FileSource) and fleet.source.period_seconds > STEP.total_seconds()
    shorter = fleet.short_lead is None and fleet.lead_time_seconds < SHORTEST_LEAD_SECONDS
    if fleet.short_lead is False or coarse or shorter:
        return None
    return window_steps(fleet.lead_time_seconds)


def leave_basis(ledger: Ledger, fleet: Fleet, made: Made) -> str | None:
    """Keep the basis of the short runs that follow; what could not be learnt is said, and is no reason to leave none.

    Raises:
        StoreError, CredentialsError: it cannot be written.
    """
    try:
        before = ledger.basis()
    except ElasticIacError:  # of another release, or damaged: begun anew
        before = None
    basis = Basis(
        generation=made.generation,
        made_at=made.now,
        floors=Series.of(made.plan.floor.astype(float)),
        baseline=made.plan.baseline,
        lead_time_seconds=fleet.lead_time_seconds,
        limits=made.plan.limits,
        raise_only=made.raise_only,
        quantiles=joined(
            before.quantiles if before else None, Quantiles.of(made.forecast.quantiles), LOOKED_BACK_HOURS
        ),
    )
    remark: str | None = None
    window = window_of(fleet)
    load = _fine(fleet, made) if window else None
    if window and load is not None:
        fit = before.fit.fit() if before and before.fit else None
        if fit and window == fit.window - 1:
            # A lead time that is measured hovers around an edge: the longer of two windows is kept, and with it the days by which the knob is chosen.
            window = fit.window
        try:
            if is_due(fit, window, _terms(fleet), made.now):
                fit = _learn(ledger, fleet, fit, load, window, made.now)
        except (ElasticIacError, ValueError, np.linalg.LinAlgError) as error:
            remark = f"the short runs' coefficients stay as they were: {error}"
        basis = basis.model_copy(
            update={
                "samples": Series.of(week_of(load)),
                "largest": float(np.nanmax(load)),
                "fit": StoredFit.of(fit) if fit else None,
            }
        )
    ledger.leave_basis(basis)
    return remark


def _fine(fleet: Fleet, made: Made) -> pd.Series[float] | None:
    """The load in samples of 5 min; None where the source's are longer, or there is too little of it."""
    reading = made.result.reading
    if reading is None or reading.sample_seconds > STEP.total_seconds():
        return None
    history = build_history(reading, now=made.now, step_minutes=5, max_load=fleet.max_load, time_zone=fleet.time_zone)
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
