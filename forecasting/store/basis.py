"""What a full run leaves for the short ones: its plan, its forecast, the newest week of samples, and what was learnt. One item per target.

A short run needs no other: it reads this, the group and the newest samples.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from forecasting.shortlead.choice import DayTotals
from forecasting.shortlead.features import LEVELS, NAMES, STEP
from forecasting.shortlead.fit import Fit, Terms
from forecasting.shortlead.need import TAUS
from forecasting.store.records import Record

_DIGITS = 5
"""Significant digits: far below what a load's noise leaves of them."""

_NO_TERMS = Terms(0.0, 0, 0)
"""Of a fit that an older release left: no fleet's, so that it is learnt anew."""

Row = tuple[float, ...]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Series(_Part):
    """A regular series: its start (aware), its step, its values; None for a gap."""

    start: AwareDatetime
    step_minutes: int = Field(ge=1)
    values: tuple[float | None, ...]

    @classmethod
    def of(cls, series: pd.Series[float]) -> Self:
        """From a regular series (UTC) of at least two values."""
        index = pd.DatetimeIndex(series.index)
        step = (index[1] - index[0]) // pd.Timedelta(minutes=1)
        return cls(
            start=index[0].to_pydatetime(),
            step_minutes=int(step),
            values=_rounded(np.asarray(series, dtype=np.float64)),
        )

    @property
    def index(self) -> pd.DatetimeIndex:
        """The start of each step."""
        return pd.date_range(self.start, periods=len(self.values), freq=timedelta(minutes=self.step_minutes))

    def series(self) -> pd.Series[float]:
        """As it was given."""
        return pd.Series(np.array(self.values, dtype=np.float64), index=self.index)


class Quantiles(_Part):
    """A forecast at `LEVELS`: the start (aware) of its first step, the length of one, and a row of each level."""

    start: AwareDatetime
    step_minutes: int = Field(ge=1)
    levels: tuple[Row, ...] = Field(min_length=len(LEVELS), max_length=len(LEVELS))

    @classmethod
    def of(cls, quantiles: pd.DataFrame) -> Self:
        """From `Forecast.quantiles`, which has these columns among others."""
        index = pd.DatetimeIndex(quantiles.index)
        step = (index[1] - index[0]) // pd.Timedelta(minutes=1)
        rows = tuple(_finite(np.asarray(quantiles[level], dtype=np.float64)) for level in LEVELS)
        return cls(start=index[0].to_pydatetime(), step_minutes=int(step), levels=rows)

    def frame(self) -> pd.DataFrame:
        """One row per step, one column per level."""
        index = pd.date_range(self.start, periods=len(self.levels[0]), freq=timedelta(minutes=self.step_minutes))
        return pd.DataFrame(dict(zip(LEVELS, self.levels, strict=True)), index=index)


class StoredDay(_Part):
    """As `DayTotals`."""

    paid: Row
    uncovered: Row
    load: float


class StoredFit(_Part):
    """As `forecasting.shortlead.Fit`."""

    until: AwareDatetime
    window: int = Field(ge=1)
    tau: float
    coefficients: tuple[Row, ...] = Field(min_length=len(TAUS), max_length=len(TAUS))
    terms: Terms = _NO_TERMS
    days: tuple[StoredDay, ...] = ()

    @model_validator(mode="after")
    def _as_this_release_has_it(self) -> Self:
        """Of a release with other features or values of the knob it serves nobody: it is learnt anew."""
        rows = {len(row) for row in self.coefficients}
        knobs = {len(row) for day in self.days for row in (day.paid, day.uncovered)}
        if rows != {len(NAMES)} or self.tau not in TAUS or knobs - {len(TAUS)}:
            raise ValueError("of a release with other features or another knob")
        return self

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """From a fit."""
        return cls(
            until=fit.until,
            window=fit.window,
            tau=fit.tau,
            coefficients=tuple(_finite(row) for row in fit.coefficients),
            terms=fit.terms,
            days=tuple(
                StoredDay(paid=_finite(day.paid), uncovered=_finite(day.uncovered), load=day.load) for day in fit.days
            ),
        )

    def fit(self) -> Fit:
        """As it was given."""
        days = tuple(DayTotals(np.array(day.paid), np.array(day.uncovered), day.load) for day in self.days)
        return Fit(self.until, self.window, np.array(self.coefficients), self.tau, self.terms, days)


class Basis(Record):
    """What the last full run leaves.

    Attributes:
        generation: The run's claim; 0 of one that may not write to the group.
        made_at: When the run started (aware).
        floors: The plan.
        baseline: The fleet's floor, which returns after it.
        lead_time_seconds: What the plan asks ahead; None where an older release left it.
        limits: The most that may be asked for, as `Plan.limits`.
        raise_only: The data was in doubt.
        quantiles: The forecast, with what the one before it said of the last hours, where there was one.
        samples: The load of the last eight days in samples of 5 min.
        largest: The largest load seen.
        fit: What was learnt; None where no short run may re-level (`Fleet.short_lead`), or nothing was learnt yet.
    """

    generation: int = Field(ge=0)
    made_at: AwareDatetime
    floors: Series
    baseline: int = Field(ge=0)
    lead_time_seconds: float | None = Field(default=None, ge=0)
    limits: tuple[tuple[AwareDatetime, int], ...] = ()
    raise_only: bool
    quantiles: Quantiles
    samples: Series | None = None
    largest: float = Field(default=0.0, ge=0)
    fit: StoredFit | None = None


def joined(before: Quantiles | None, now: Quantiles, hours: float) -> Quantiles:
    """A forecast with the last hours before it, as the forecast before it had them: a tick looks back at how wrong it was."""
    step = timedelta(minutes=now.step_minutes)
    if before is None or before.step_minutes != now.step_minutes:
        return now
    first = (now.start - before.start) // step
    past = slice(max(first - int(timedelta(hours=hours) / step), 0), first)
    if (now.start - before.start) % step or not 0 < first <= len(before.levels[0]):
        return now
    levels = tuple((*old[past], *new) for old, new in zip(before.levels, now.levels, strict=True))
    return now.model_copy(update={"start": before.start + past.start * step, "levels": levels})


def week_of(load: pd.Series[float], days: float = 8) -> pd.Series[float]:
    """The newest days of samples of 5 min, regular."""
    index = pd.DatetimeIndex(load.index)
    return load[index >= index[-1] + STEP - timedelta(days=days)]


def _rounded(values: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist())


def _finite(values: npt.NDArray[np.float64]) -> Row:
    return tuple(float(f"{value:.{_DIGITS + 1}g}") for value in np.nan_to_num(values).tolist())
