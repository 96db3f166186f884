"""What is chosen, and among what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CANDIDATES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Quantiles of the load among which is chosen; every stored forecast has them."""

DEFAULT_QUANTILE = 0.9
"""Serves until the past says enough."""

REACTIVE_TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Targets of reactive scaling among which is advised, as shares of the load per instance; the last is what the settings say."""

Source = Literal["given", "prices", "past", "default"]


@dataclass(frozen=True)
class Choice:
    """The quantile of the load that the plan provides for, and why.

    Attributes:
        quantile: Within [.5, .999].
        source: `given` by the settings, from `prices`, from the fleet's `past`, or the `default` until the past says enough.
        reason: Why, in a sentence.
        reactive_target: What reactive scaling should aim at beside this floor, as a share of the load per instance; None where the past does not say.
        days: Days of the past behind it.
        target_share: Share of the load that may stay uncovered; None where nothing was chosen by it.
        uncovered_share: What stayed uncovered on those days in the replay with this quantile.
        cost_ratio: Instance-hours on those days over those with the default quantile.
    """

    quantile: float
    source: Source
    reason: str
    reactive_target: float | None = None
    days: int = 0
    target_share: float | None = None
    uncovered_share: float | None = None
    cost_ratio: float | None = None

    def __str__(self) -> str:
        """One line, e.g. `0.8: by the last 21 days, ...`."""
        return f"{self.quantile:g}: {self.reason}"
