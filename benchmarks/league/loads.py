"""The loads of the league, named by `benchmarks/traces.toml`."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.league.policy import Problem
from forecasting.backtest import BacktestSettings
from forecasting.backtest.recommend import csv_fleet
from forecasting.backtest.run import origin_times, window
from forecasting.backtest.walk import Origin
from forecasting.errors import InputError
from forecasting.history import Verdict
from forecasting.sources.files import read_csv

ROOT = Path(__file__).resolve().parents[2]
TRACES = ROOT / "benchmarks" / "traces.toml"
PEAK_INSTANCES = 40
"""Each load is sized so that its highest sample needs this many instances."""
STARTUP_MINUTES = (5.0, 15.0, 30.0)


@dataclass(frozen=True)
class Load:
    """A load file.

    Attributes:
        name: Its name without `.csv`.
        source: What the intervals draw: loads of one source are alike.
        path: The file.
        digest: SHA-256 of the file.
        quick: Member of the quick run.
    """

    name: str
    source: str
    path: Path
    digest: str
    quick: bool


def default_folder() -> Path:
    """What `python -m benchmarks.traces` built, else the folder beside the checkout."""
    built = ROOT / "out" / "traces"
    return built if built.is_dir() else ROOT.parent / "shared" / "data"


def read_loads(folder: Path, table: Path = TRACES) -> list[Load]:
    """The loads of the table that are in the folder.

    Args:
        folder: Holds `NAME.csv`, or `wide/NAME.csv`.
        table: The TOML file.

    Raises:
        InputError: no load is in the folder, or a file differs from its digest.
    """
    document = tomllib.loads(table.read_text(encoding="utf-8"))
    found: list[Load] = []
    for name, entry in document["loads"].items():
        path = next((path for path in candidates(folder, name) if path.is_file()), None)
        if path is None:
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        expected = entry.get("sha256", digest)
        if digest != expected:
            raise InputError(f"{path}: SHA-256 is {digest}; expected {expected} ({table.name})")
        source = entry.get("family", entry["source"])
        found.append(Load(name, source, path, digest, bool(entry.get("quick", False))))
    if not found:
        raise InputError(f"{folder}: no load of {table.name} is here; build them with `python -m benchmarks.traces`")
    return found


def candidates(folder: Path, name: str) -> tuple[Path, Path]:
    """The places where a load may be."""
    return folder / f"{name}.csv", folder / "wide" / f"{name}.csv"


def problem_of(load: Load, days: int) -> Problem:
    """The newest `days` days of a load, without forecasts yet."""
    reading = read_csv(load.path)
    peak = float(reading.load.max())
    fleet = csv_fleet(load.path.name, peak / PEAK_INSTANCES, peak)
    fine = reading.sample_seconds < 900
    settings = BacktestSettings(boot_minutes=STARTUP_MINUTES if fine else STARTUP_MINUTES[1:], days=days)
    times, how = origin_times(reading, fleet, settings)
    settings = BacktestSettings(boot_minutes=settings.boot_minutes, days=days, walk=how)
    empty = np.empty(0)
    first = Origin(times[0], Verdict.GOOD, times[0], empty, (), empty, empty)
    return Problem(load.name, reading, fleet, settings, tuple(times), window(reading, [first]))
