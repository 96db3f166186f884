"""Loads with a daily shape, as sources give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.history import History, Verdict, build_history
from forecasting.sources import Reading

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def daily(days: float = 14, *, minutes: int = 5, end: datetime = NOW, noise: float = 0.05) -> pd.Series[float]:
    """A load around 100 that is four times as high in the afternoon as at night, up to `end`."""
    index = pd.date_range(end=end, periods=round(days * 1440 / minutes) + 1, freq=f"{minutes}min")[:-1]
    hours = index.hour + index.minute / 60
    shape = 100 - 60 * np.cos(2 * np.pi * (hours - 3) / 24)
    random = np.random.default_rng(20260315)
    return pd.Series(shape * (1 + noise * random.standard_normal(len(index))), index=index)


def reading(load: pd.Series[float], **changes: object) -> Reading:
    """A reading of samples with the series' own step."""
    seconds = int(pd.Series(load.index).diff().mode().iloc[0].total_seconds())
    options: dict[str, object] = {"sample_seconds": seconds, **changes}
    return Reading(load=load, **options)  # pyright: ignore[reportArgumentType] - the test's own words


def history(load: pd.Series[float], *, step_minutes: int = 15, now: datetime = NOW, **changes: object) -> History:
    """The history of these samples."""
    return build_history(reading(load), now=now, step_minutes=step_minutes, **changes)  # pyright: ignore[reportArgumentType]


def verdicts(of: History) -> dict[str, Verdict]:
    """What was found, by code."""
    return {finding.code: finding.verdict for finding in of.findings}


def text(of: History, code: str) -> str:
    """The words of one finding."""
    return next(finding.text for finding in of.findings if finding.code == code)


def ago(*, now: datetime = NOW, **delta: float) -> pd.Timestamp:
    """A time before now."""
    return pd.Timestamp(now - timedelta(**delta))


def stamps(load: pd.Series[float]) -> pd.DatetimeIndex:
    """The series' index, as what it is."""
    assert isinstance(load.index, pd.DatetimeIndex)
    return load.index
