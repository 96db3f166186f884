"""What a calendar is worth: the taxi trace with and without New York's holidays, the World Cup's with and without the day that everyone knew.

    python -m benchmarks.forecast_calendar --data DIR

The calendar's factors are learnt from all of the trace before each origin; the models read 28 days, as always. The opening of the World Cup is an
event with a factor that a person guesses beforehand: 1 is no calendar at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecast_protocol import Score, read, score, tasks
from forecasting.calendar import Calendar, holiday_occasions
from forecasting.models.base import FloatArray
from forecasting.models.tournament import forecast

OPENING = pd.Timestamp("1998-06-08T00:00Z")
"""Two days before the first match; the trace ends on the day before it."""

Forecaster = Callable[["pd.Series[float]", "pd.Series[float]", "pd.Series[float]"], FloatArray]
"""(history of 28 days, all before the origin, truth) -> quantiles, shape (horizon, 3)."""


def evaluate(load: pd.Series[float], found: Forecaster) -> Score:
    """Score of a forecaster on a trace."""
    quantiles: list[FloatArray] = []
    truths: list[FloatArray] = []
    for history, truth in tasks(load):
        quantiles.append(found(history, load[: history.index[-1]], truth))
        truths.append(np.asarray(truth, np.float64))
    return score(np.stack(quantiles), np.stack(truths))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the traces")
    print("\n".join(calendar_table(parser.parse_args().data)))


def calendar_table(data: Path) -> list[str]:
    """WQL and coverage of the two traces with and without a calendar."""
    taxi, cup = read(data / "nyc_taxi_1h.csv"), read(data / "wc98_5min.csv")
    zone = "America/New_York"
    begin, end = taxi.index[0].to_pydatetime(), (taxi.index[-1] + pd.Timedelta(days=3)).to_pydatetime()
    holidays = Calendar(tuple(holiday_occasions("US-NY", begin, end, zone)), (), zone)

    def plain(history: pd.Series[float], before: pd.Series[float], truth: pd.Series[float]) -> FloatArray:
        return forecast(history, len(truth)).quantiles.to_numpy(float)

    def with_holidays(history: pd.Series[float], before: pd.Series[float], truth: pd.Series[float]) -> FloatArray:
        return forecast(before, len(truth), time_zone=zone, calendar=holidays).quantiles.to_numpy(float)

    def with_opening(factor: float) -> Forecaster:
        def found(history: pd.Series[float], before: pd.Series[float], truth: pd.Series[float]) -> FloatArray:
            quantiles = plain(history, before, truth)
            return np.where((truth.index >= OPENING).reshape(-1, 1), quantiles * factor, quantiles)

        return found

    lines = ["| trace | calendar | WQL | coverage of .95 |", "|---|---|---|---|"]
    rows: list[tuple[str, str, pd.Series[float], Forecaster]] = [
        ("nyc_taxi", "none", taxi, plain),
        ("nyc_taxi", "holidays of US-NY, learnt", taxi, with_holidays),
        *(
            ("wc98", f"opening x {factor:g}" if factor > 1 else "none", cup, with_opening(factor))
            for factor in (1.0, 1.5, 2.0, 3.0)
        ),
    ]
    for name, calendar, load, forecaster in rows:
        found = evaluate(load, forecaster)
        lines.append(f"| {name} | {calendar} | {found.wql:.4f} | {found.coverage:.3f} |")
    return lines


if __name__ == "__main__":
    main()
