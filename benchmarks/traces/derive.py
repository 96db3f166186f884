"""From a public file to a load: one function a format. Each returns rates with UTC time stamps."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray

Options = dict[str, Any]
Derivation = Callable[[Sequence[Path], Options], "pd.Series[float]"]

LEAST_SHARE = 2 / 3
"""A step is known if this share of its finer samples is."""


def table(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """A CSV with a time and a value column, or columns of year, month, day and hour.

    Options: `time` (a column, or a list of columns), `value`, `unit` (of numeric times), `zone`
    (of local times), `seconds` (what the values are divided by), `step` (the file's own, to which
    times are cut), `start` (for files without times), `where` (column = value).
    """
    frame = pd.read_csv(paths[0])
    if "where" in options:
        column, value = options["where"]
        frame = frame.loc[np.asarray(frame[column] == value, dtype=bool)]
    values = np.asarray(frame[options["value"]], dtype=np.float64) / options.get("seconds", 1)
    load = pd.Series(values, index=_stamps(frame, options))
    load = load[load.index.notna()]
    if options.get("sum", False):
        return load.groupby(level=0).sum()
    return load[~load.index.duplicated(keep=options.get("keep", "first"))]


def _stamps(frame: pd.DataFrame, options: Options) -> pd.DatetimeIndex:
    time: Any = options.get("time")
    step: str = options.get("step", "1min")
    if time is None:
        return pd.date_range(options["start"], periods=len(frame), freq=step, tz="UTC")
    if isinstance(time, list):
        parts: pd.DataFrame = frame[[str(each) for each in cast("list[object]", time)]]
        return pd.DatetimeIndex(pd.to_datetime(parts)).tz_localize("UTC")
    column: pd.Series[Any] = frame[str(time)]
    if "unit" in options:
        origin = pd.Timestamp(options.get("start", 0), tz="UTC")
        return pd.DatetimeIndex(origin + pd.to_timedelta(column, unit=options["unit"]))
    stamps = pd.DatetimeIndex(pd.to_datetime(column))
    if stamps.tz is None:
        zone = options.get("zone", "UTC")
        stamps = stamps.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return stamps.tz_convert("UTC").floor(step)


def plain_numbers(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """A value a line, without times. Options: `start`, `step`, `seconds`."""
    values = np.loadtxt(paths[0], dtype=np.float64) / options["seconds"]
    index = pd.date_range(options["start"], periods=len(values), freq=options["step"], tz="UTC")
    return pd.Series(values, index=index)


def closed_at_night(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """As `table`; steps that are absent are hours at which the place is closed: zero."""
    load = table(paths, options)
    first, last = load.index[0].floor("1D"), load.index[-1].ceil("1D")
    grid = pd.date_range(first, last, freq=options["step"], inclusive="left")
    return load.reindex(grid).fillna(0.0)


def standardised(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """As `table`, of a value that was published standardised: its .05 % quantile becomes zero."""
    load = table(paths, options)
    return (load - float(load.quantile(0.0005))).clip(lower=0.0)


def invoice_lines(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """Lines of invoices an hour, cancellations (invoices `C...`) left out."""
    frame = pd.read_csv(paths[0], usecols=["Invoice", "InvoiceDate"], dtype=str)
    frame = frame[~frame["Invoice"].str.startswith("C")]
    stamps = pd.to_datetime(frame["InvoiceDate"], format="%m/%d/%Y %H:%M").dt.tz_localize("UTC")
    return pd.Series(1.0, index=pd.DatetimeIndex(stamps)).resample("1h").sum() / 3600


def pool_samples(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """CPU of a resource pool every 30 s, in files without a header: pool, start, end, cpu, memory."""
    frame = pd.concat([pd.read_csv(path, header=None) for path in paths])
    stamps = pd.to_datetime(frame[1], errors="coerce", utc=True)
    values = np.asarray(pd.to_numeric(frame[3], errors="coerce"), dtype=np.float64)
    load = pd.Series(values, index=pd.DatetimeIndex(stamps))
    return load[load.index.notna()].sort_index().resample("30s").mean()


def job_log(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """Processors in use in each minute, from a log in the Standard Workload Format in a zip file.

    A job occupies its processors from the minute in which it starts to that in which it ends.
    """
    with zipfile.ZipFile(paths[0]) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    lines = [line.split() for line in text.splitlines() if line and not line.startswith(";")]
    rows = np.array(lines, dtype=np.float64)
    rows = rows[rows[:, 3] >= 0]
    begin = rows[:, 1] + np.maximum(rows[:, 2], 0)
    end = begin + rows[:, 3]
    processors = np.where(rows[:, 4] > 0, rows[:, 4], rows[:, 7])
    minutes = int(end.max() // 60) + 2
    change = np.zeros(minutes)
    np.add.at(change, (begin // 60).astype(np.int64), processors)
    np.add.at(change, (end // 60).astype(np.int64) + 1, -processors)
    index = pd.date_range(options["start"], periods=minutes, freq="1min", tz="UTC")
    return pd.Series(np.cumsum(change), index=index)


def llm_clients(paths: Sequence[Path], options: Options) -> pd.Series[float]:
    """Requests/s of all clients or of one, from ServeGen's `chunk-N-trace.csv`: a rate every 10 min.

    Each rate is held for two steps of 5 min. Where all clients together are below 1/s the collection
    has a hole. Options: `start` (invented), `client` (its number), `tokens` (times the mean tokens of
    a request), `without` (clients without a table of lengths).
    """
    rates = {_client(path): _rates(path) for path in paths if path.name.endswith("-trace.csv")}
    hole = np.round(sum(rates.values()), 6) < 1.0
    if options.get("tokens", False):
        lengths = {_client(path): path for path in paths if path.name.endswith("-dataset.json")}
        used = sorted(set(lengths) - set(options.get("without", [])))
        total = sum(rates[client] * _tokens(lengths[client], len(hole)) for client in used)
    elif "client" in options:
        total = rates[options["client"]]
    else:
        total = np.round(sum(rates[client] for client in sorted(rates)), 6)
    values = np.repeat(np.where(hole, np.nan, total), 2)
    index = pd.date_range(options["start"], periods=len(values), freq="5min", tz="UTC")
    # The last rate of a single client is held for one step only.
    return pd.Series(values, index=index)[: -1 if "client" in options else None]


def _client(path: Path) -> int:
    return int(path.name.split("-")[1])


def _rates(path: Path) -> FloatArray:
    return np.asarray(pd.read_csv(path, header=None)[1], dtype=np.float64)


def _tokens(path: Path, steps: int) -> FloatArray:
    """Mean prompt and completion tokens of a request, for each rate."""
    document = json.loads(path.read_text(encoding="utf-8"))
    starts = np.array(sorted(int(start) for start in document))
    means = np.array(
        [sum(_mean(document[str(start)][side]) for side in ("input_tokens", "output_tokens")) for start in starts]
    )
    return means[np.searchsorted(starts, np.arange(steps) * 600, side="right") - 1]


def _mean(histogram: str) -> float:
    counts: dict[int, float] = ast.literal_eval(histogram)
    return sum(size * share for size, share in counts.items()) / max(sum(counts.values()), 1e-12)


DERIVATIONS: dict[str, Derivation] = {
    function.__name__: function
    for function in (
        table,
        plain_numbers,
        closed_at_night,
        standardised,
        invoice_lines,
        pool_samples,
        job_log,
        llm_clients,
    )
}


def load_file(load: pd.Series[float], first: str, step: str, samples: int, how: str) -> str:
    """The text of a load file: `samples` steps from `first` on, six significant digits.

    Args:
        load: Rates at the file's own step or finer.
        first: First step (UTC).
        step: Of the load file.
        samples: Number of steps.
        how: `mean` of the finer samples, `sum` (of rates that are shares of the step), or `known`:
            the mean, missing if less than two thirds of them are known.
    """
    grid = pd.date_range(first, periods=samples, freq=step, tz="UTC")
    steps = load.resample(step)
    values = steps.sum(min_count=1) if how == "sum" else steps.mean()
    if how == "known":
        # The shortest distance, in nanoseconds: samples may be missing.
        finest = int(np.diff(pd.DatetimeIndex(load.index).as_unit("ns").asi8).min())
        full = pd.Timedelta(step).value / finest
        values = values.where(steps.count() >= LEAST_SHARE * full - 1e-9)
    lines = ["timestamp,value"]
    for stamp, value in zip(grid, values.reindex(grid), strict=True):
        text = f"{value:.6g}" if np.isfinite(value) else ""
        lines.append(f"{stamp:%Y-%m-%dT%H:%M:%SZ},{text}")
    return "\n".join(lines) + "\n"
