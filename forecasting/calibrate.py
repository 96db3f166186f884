"""How much load one instance carries, estimated from a fleet's own past.

Utilisation is regressed on the load per instance: u = a + b x load / instances. What an instance carries at the target utilisation is
(target - a) / b. With latency in place of utilisation, the load per instance is the highest at which latency still stays within its limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.errors import InputError, SettingsError
from forecasting.models.base import FloatArray

SAMPLES = 300
MIN_SAMPLES = 48
MIN_RANGE = 1.2
"""Load per instance must vary at least so much (95th over 5th percentile), else its effect cannot be told."""
NEAR_SATURATION = 0.8
"""A fleet that never reached this share of its target says little about what happens there: the line is drawn beyond the data."""
LATENCY_BINS = 12


Estimate = Callable[[FloatArray, FloatArray, float], float | None]


@dataclass(frozen=True)
class Calibration:
    """Load per instance with its uncertainty.

    Attributes:
        load_per_instance: At the target.
        low: Lower end of the 90 % interval (block bootstrap over days); `high` is the upper end.
        method: `utilisation` or `latency`.
        samples: Samples used.
        highest: The highest load per instance that was seen (99th percentile).
        warnings: What a person should know before using it.
    """

    load_per_instance: float
    low: float
    high: float
    method: str
    samples: int
    highest: float
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values by name; an end of the interval that cannot be told is null."""
        return {**asdict(self), "high": self.high if np.isfinite(self.high) else None}


def calibrate(
    load: pd.Series[float],
    in_service: pd.Series[float],
    *,
    utilisation: pd.Series[float] | None = None,
    target_utilisation: float = 60.0,
    latency: pd.Series[float] | None = None,
    latency_limit: float | None = None,
    seed: int = 0,
) -> Calibration:
    """Estimate the load per instance.

    Args:
        load: Load of the fleet (UTC index); the other series are matched to it by their stamps.
        in_service: Instances in service.
        utilisation: Mean utilisation of the instances, in the unit of `target_utilisation`.
        target_utilisation: Where target tracking holds it.
        latency: Instead of `utilisation`: latency of the requests.
        latency_limit: Highest latency that is fine, in the unit of `latency`.
        seed: Of the resampling.

    Raises:
        SettingsError: not exactly one of utilisation and latency is given, or a limit is not above 0.
        InputError: too few samples have all values, or load and utilisation do not rise together.
    """
    if (utilisation is None) == (latency is None):
        raise SettingsError("utilisation, latency", "both or neither", "exactly one of them")
    limit = target_utilisation if utilisation is not None else latency_limit
    if limit is None or not limit > 0:
        raise SettingsError(
            "target_utilisation" if utilisation is not None else "latency_limit", limit, "a number above 0"
        )
    signal = utilisation if utilisation is not None else latency
    each, values, days = _matched(load, in_service, signal)
    estimate = _at_utilisation if utilisation is not None else _at_latency
    found = estimate(each, values, limit)
    if found is None:
        name = "utilisation" if utilisation is not None else "latency"
        raise InputError(f"{name} does not rise with the load per instance: nothing can be told from these samples")
    low, high = _interval(each, values, days, limit, estimate, seed)
    return Calibration(
        load_per_instance=found,
        low=min(low, found),
        high=max(high, found),
        method="utilisation" if utilisation is not None else "latency",
        samples=len(each),
        highest=float(np.quantile(each, 0.99)),
        warnings=_warnings(each, values, limit, found),
    )


def calibrate_frame(
    frame: pd.DataFrame, *, target_utilisation: float = 60.0, latency_limit: float | None = None
) -> Calibration:
    """As `calibrate`, from a table with a UTC index and the columns `load`, `in_service` and `utilisation` or `latency`.

    Raises:
        InputError: a column is absent.
    """
    missing = [name for name in ("load", "in_service") if name not in frame.columns]
    if missing or not {"utilisation", "latency"} & set(frame.columns):
        wanted = ", ".join(missing) or "utilisation or latency"
        raise InputError(f"column {wanted} is absent; found: {', '.join(map(str, frame.columns)) or 'none'}")
    if latency_limit is not None:
        if "latency" not in frame.columns:
            raise InputError("column latency is absent, and a latency limit was given")
        return calibrate(frame["load"], frame["in_service"], latency=frame["latency"], latency_limit=latency_limit)
    if "utilisation" not in frame.columns:
        raise SettingsError(
            "latency_limit", None, "the highest latency that is fine: the table holds latency, not utilisation"
        )
    return calibrate(
        frame["load"], frame["in_service"], utilisation=frame["utilisation"], target_utilisation=target_utilisation
    )


def _matched(
    load: pd.Series[float], in_service: pd.Series[float], signal: pd.Series[float] | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Load per instance, signal and day number of the samples that have all three."""
    table = pd.DataFrame({"load": load, "in_service": in_service, "signal": signal}).astype(float)
    values = table.to_numpy(dtype=float)
    whole = np.isfinite(values).all(axis=1) & (values[:, 1] > 0) & (values[:, 0] >= 0)
    if whole.sum() < MIN_SAMPLES:
        raise InputError(
            f"{int(whole.sum())} samples have load, instances in service and the signal at once; expected at least {MIN_SAMPLES}"
        )
    stamps = pd.DatetimeIndex(table.index[whole])
    days = (stamps.as_unit("s").asi8 // 86_400).astype(float)
    return values[whole, 0] / values[whole, 1], values[whole, 2], days


def _at_utilisation(each: FloatArray, values: FloatArray, target: float) -> float | None:
    """By least squares; samples at the very top of the scale are saturated, bend the line and are left out."""
    free = values < 0.98 * values.max() if values.max() >= 98 and target <= 100 else np.ones(len(values), dtype=bool)
    x, y = each[free], values[free]
    spread = float(((x - x.mean()) ** 2).sum()) if len(x) else 0.0
    if spread <= 0:
        return None
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    base = float(y.mean()) - slope * float(x.mean())
    if slope <= 0 or target <= base:
        return None
    return (target - base) / slope


def _at_latency(each: FloatArray, values: FloatArray, limit: float) -> float | None:
    """Where the median latency, made monotone over bins of equal size, crosses the limit; the highest bin where it does not."""
    bins = np.array_split(np.argsort(each, kind="stable"), LATENCY_BINS)
    x = np.array([float(np.median(each[part])) for part in bins])
    y = np.maximum.accumulate([float(np.median(values[part])) for part in bins])
    if y[0] > limit or y[-1] <= y[0]:
        return None
    return float(np.interp(limit, y, x)) if y[-1] >= limit else float(x[-1])


def _interval(
    each: FloatArray, values: FloatArray, days: FloatArray, limit: float, estimate: Estimate, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    numbers = np.unique(days, return_inverse=True)[1]
    if numbers.max() < 2:  # too few days to resample: pieces of them stand in
        numbers = np.arange(len(each)) * MIN_SAMPLES // (2 * len(each))
    groups: list[npt.NDArray[np.intp]] = [np.flatnonzero(numbers == number) for number in range(int(numbers.max()) + 1)]
    found: list[float] = []
    for _ in range(SAMPLES):
        picks: list[int] = rng.integers(0, len(groups), len(groups)).tolist()
        drawn: npt.NDArray[np.intp] = np.concatenate([groups[pick] for pick in picks])
        value = estimate(each[drawn], values[drawn], limit)
        found.append(np.inf if value is None else value)
    # A sample in which nothing can be told could mean anything: it counts as the widest.
    low, high = np.quantile(found, [0.05, 0.95], method="nearest")
    return float(low), float(high)


def _warnings(each: FloatArray, values: FloatArray, limit: float, found: float) -> tuple[str, ...]:
    warnings: list[str] = []
    top = float(np.quantile(values, 0.99))
    if top < NEAR_SATURATION * limit:
        warnings.append(
            f"the fleet never came near its target: 99 % of the samples are below {top:.3g}, the target is {limit:g}; beyond the data this is a guess"
        )
    quiet, busy = np.quantile(each, [0.05, 0.95])
    if busy < MIN_RANGE * quiet:
        warnings.append("the load per instance hardly varies: its effect on the signal is uncertain")
    if found > 1.25 * float(each.max()):
        warnings.append(f"the estimate is beyond the highest load per instance that was seen ({float(each.max()):.3g})")
    return tuple(warnings)
