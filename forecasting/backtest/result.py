"""What a backtest gives: plain values that a table, a report or a JSON document is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasting.backtest.accuracy import Accuracy
from forecasting.backtest.objective_check import ObjectiveCheck
from forecasting.backtest.verdict import Verdict
from forecasting.replay import Capacity, Measures
from forecasting.replay.base import FloatArray, IntArray


@dataclass(frozen=True)
class Row:
    """One policy of the table.

    Attributes:
        policy: `static`, `constant`, `reactive`, `seasonal-naive`, `peer`, `predictive`, `short-lead` or `clairvoyant`.
        label: What a person reads.
        target: Of its reactive scaling, as a share of the load per instance; None where nothing reacts.
        quantile: Of the forecast (`predictive`), or of the highest load within the boot time (`short-lead`).
        floor: The constant floor (`static`, `constant` only).
        measures: On the days that the setting was not chosen on.
    """

    policy: str
    label: str
    target: float | None
    quantile: float | None
    floor: int | None
    measures: Measures

    def to_json(self) -> dict[str, Any]:
        """Plain values by name, the measures beside the setting."""
        plain = asdict(self)
        return {**{key: value for key, value in plain.items() if key != "measures"}, **self.measures.to_json()}


@dataclass(frozen=True)
class Point:
    """One setting on the frontier of its policy."""

    cost_ratio: float
    under_provisioned_percent: float
    target: float | None
    quantile: float | None
    floor: int | None


@dataclass(frozen=True)
class AtEqualHours:
    """Uncovered load of other policies at the instance-hours of ours, on the same days.

    Attributes:
        predictive_percent: Ours, with short runs or without, whichever the past would have chosen.
        reactive_percent: Reactive scaling alone, its target lowered until the hours match.
        constant_percent: The best constant floor under reactive scaling at those hours.
    """

    predictive_percent: float
    reactive_percent: float
    constant_percent: float


@dataclass(frozen=True, eq=False)
class BootResult:
    """One boot time.

    Attributes:
        boot_minutes: Launch to first healthy answer.
        rows: The table; settings were chosen on the days before, measures are of the days after.
        equal_hours: The comparison at equal instance-hours.
        frontier: Cost against uncovered load over all days, per policy.
        recommended: The setting of ours to use from now on, with short runs or without: quantile and target, chosen on all days.
        verdict: Whether it pays, compared with reactive scaling alone.
        against: The same compared with a constant minimum (`constant`) and last week's load (`seasonal-naive`), both
            under reactive scaling and at any of their settings.
        objective: Whether the objective was kept on days that the settings were not chosen on.
        capacity: Minute by minute, per policy (`reactive`, `predictive`), for pictures: over all days, with the recommended settings.
        clairvoyant: Instances of the clairvoyant policy, minute by minute.
    """

    boot_minutes: float
    rows: tuple[Row, ...]
    equal_hours: AtEqualHours
    frontier: dict[str, tuple[Point, ...]]
    recommended: Row
    verdict: Verdict
    against: dict[str, Verdict]
    objective: ObjectiveCheck
    capacity: dict[str, Capacity]
    clairvoyant: IntArray

    def to_json(self) -> dict[str, Any]:
        """Plain values by name; without the minutes."""
        return {
            "boot_minutes": self.boot_minutes,
            "verdict": self.verdict.to_json(),
            "against": {policy: found.to_json() for policy, found in self.against.items()},
            "objective": self.objective.to_json(),
            "recommended": {
                "policy": self.recommended.policy,
                "quantile": self.recommended.quantile,
                "target": self.recommended.target,
            },
            "policies": [row.to_json() for row in self.rows],
            "equal_hours": asdict(self.equal_hours),
            "frontier": {policy: [asdict(point) for point in points] for policy, points in self.frontier.items()},
        }


@dataclass(frozen=True, eq=False)
class Backtest:
    """A whole backtest.

    Attributes:
        start: First minute of the replay (UTC).
        measured_from: First minute of the days that the table is measured on; the settings of the table were chosen on those before.
        load: Load of each minute.
        history: Mean load per step, from the first sample on (UTC).
        load_per_instance: Of the fleet.
        goal_percent: Share of the load that may stay uncovered.
        band: The newest forecast of each step: one column per quantile (UTC start of the step).
        accuracy: Of the forecasts; None where none could be compared.
        boots: One result per boot time.
        history_days: Length of the data.
        forecasts: Origins that gave a forecast, of how many.
    """

    start: pd.Timestamp
    measured_from: pd.Timestamp
    load: FloatArray
    history: pd.Series[float]
    load_per_instance: float
    goal_percent: float
    band: pd.DataFrame
    accuracy: Accuracy | None
    boots: tuple[BootResult, ...]
    history_days: float
    forecasts: tuple[int, int]

    @property
    def end(self) -> pd.Timestamp:
        """End of the replay (UTC)."""
        return self.start + pd.Timedelta(minutes=len(self.load))

    @property
    def need(self) -> IntArray:
        """Instances that the load of each minute needs."""
        return np.ceil(np.nan_to_num(self.load) / self.load_per_instance - 1e-9).astype(np.int32)

    def to_json(self) -> dict[str, Any]:
        """One JSON document; times in ISO 8601, UTC."""
        return {
            "start": self.start.isoformat(),
            "measured_from": self.measured_from.isoformat(),
            "end": self.end.isoformat(),
            "history_days": self.history_days,
            "load_per_instance": self.load_per_instance,
            "goal_percent": self.goal_percent,
            "origins": {"forecast": self.forecasts[0], "all": self.forecasts[1]},
            "accuracy": self.accuracy.to_json() if self.accuracy else None,
            "boots": [boot.to_json() for boot in self.boots],
        }
