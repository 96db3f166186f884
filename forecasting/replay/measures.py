"""What a replay is judged by. Pure functions of the days' totals."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from forecasting.replay.base import MINUTES_PER_DAY, DayTotals, FloatArray


@dataclass(frozen=True)
class Measures:
    """One case over a whole replay.

    Attributes:
        instance_hours: Paid for, booting instances included.
        cost_ratio: Instance-hours over those of the clairvoyant policy with the same boot time.
        under_provisioned_percent: Share of the load above capacity.
        under_provisioned_minutes: Minutes with any.
        mean_utilisation_percent: Load carried over the load that the instances in service could have carried.
        capacity_changes_per_day: How often the desired size changed.
        lead_time_violation_minutes: Under-provisioned minutes in which the floor in force would have covered more, had its instances been up in time.
    """

    instance_hours: float
    cost_ratio: float
    under_provisioned_percent: float
    under_provisioned_minutes: float
    mean_utilisation_percent: float
    capacity_changes_per_day: float
    lead_time_violation_minutes: float

    def to_json(self) -> dict[str, float]:
        """Plain numbers by name."""
        return asdict(self)


def measures(days: DayTotals, column: int, clairvoyant_minutes: float) -> Measures:
    """Measures of the case in `column`; `clairvoyant_minutes` are the instance-minutes of the clairvoyant policy on the same load."""
    paid, load = float(days.instance_minutes[:, column].sum()), float(days.load.sum())
    uncovered, capacity = float(days.uncovered[:, column].sum()), float(days.capacity[:, column].sum())
    return Measures(
        instance_hours=paid / 60,
        cost_ratio=_ratio(paid, clairvoyant_minutes),
        under_provisioned_percent=100 * _ratio(uncovered, load),
        under_provisioned_minutes=float(days.uncovered_minutes[:, column].sum()),
        mean_utilisation_percent=100 * _ratio(load - uncovered, capacity),
        capacity_changes_per_day=_ratio(
            float(days.changes[:, column].sum()), float(days.minutes.sum()) / MINUTES_PER_DAY
        ),
        lead_time_violation_minutes=float(days.late_minutes[:, column].sum()),
    )


def clairvoyant_minutes(load: FloatArray, load_per_instance: float, boot_minutes: int) -> FloatArray:
    """Instances that a policy that knows the load pays for in each minute.

    Each is launched its boot time before it is needed, and kept where it is needed again before a new one could be up. Nothing is uncovered. Minutes
    without a known load need nothing.
    """
    need = np.ceil(np.nan_to_num(load) / load_per_instance - 1e-9)
    # The greatest need of the next `boot_minutes`, by doubling windows.
    paid, window = need.copy(), 1
    while window < boot_minutes + 1:
        shift = min(window, boot_minutes + 1 - window)
        paid[:-shift] = np.maximum(paid[:-shift], paid[shift:])
        window += shift
    return np.where(np.isfinite(load), paid, 0.0)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
