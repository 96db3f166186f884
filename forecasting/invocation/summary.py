"""What an invocation did, small enough to keep for every fleet: no history, no forecast, no plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from forecasting.models.base import Forecast
from forecasting.run import FleetResult, Kind, Status
from forecasting.schedule.actions import split_actions
from forecasting.schedule.people import last_people_event

DENIED = frozenset({"CredentialsError", "TargetError", "limit-exceeded", "out-of-bounds"})
"""Codes of fleets whose calls the cloud refused: no permission, no room, not valid."""

SKIPPED = frozenset({"disabled", "paused"})
"""Codes of fleets that a person has stopped."""

DUPLICATE = "duplicate-run"

OUTDATED = "package-outdated"
"""Code of fleets whose settings are of a newer release than the function's package."""


@dataclass(frozen=True)
class FleetLine:
    """One fleet of an invocation. What the run did not come to is None.

    Attributes:
        fleet: Its name.
        status: What became of it; it, `code`, `reason` and `written` are as in `FleetResult`.
        at: When it was done (aware).
        seconds: How long it took.
        load: The newest load, in the fleet's unit.
        forecast_low, forecast_median, forecast_high: The load forecast for the present step: the lower edge of the band, the median, and the quantile
            that is provisioned for.
        floor: The minimum in force.
        capacity: Its desired instances.
        weighted_quantile_loss: Of the forecasts for the last day; see `forecasting.store.scores.DayScore`.
        naive_weighted_quantile_loss: Of the seasonal naive forecast for it.
        worse_than_naive: The former is above the latter.
        uncovered: The newest load is above what the desired instances serve, or it is a lower bound (saturated, refusing).
        pinned: A person's raise of the minimum stands, beside what their own recurring actions set.
        refused: The cloud refused a read or a write.
        needed: What the newest samples say is needed within the lead time, in instances.
        capacity_limited: The plan is held down by what the cloud has no more of, by the group's own maximum, or by external actions.
        shortfall_instance_hours: Plan above the minimum that will be in force, external actions included, over the horizon.
        launches_failing: Its launches fail now, whatever the cause.
        lead_time_seconds: What the plan asks ahead, where it is learnt.
        plan_until: Where the plan that stands, or would, ends.
        desired_before: Desired instances that the last run left, if they are others now.
        needed_by: When what stands first falls short of the plan, where the plan could not be written.
    """

    fleet: str
    status: Status
    at: datetime
    code: str = ""
    reason: str = ""
    written: int = 0
    seconds: float = 0.0
    load: float | None = None
    forecast_low: float | None = None
    forecast_median: float | None = None
    forecast_high: float | None = None
    floor: int | None = None
    capacity: int | None = None
    weighted_quantile_loss: float | None = None
    naive_weighted_quantile_loss: float | None = None
    worse_than_naive: bool = False
    uncovered: bool = False
    pinned: bool = False
    refused: bool = False
    needed: int | None = None
    capacity_limited: bool = False
    shortfall_instance_hours: float | None = None
    launches_failing: bool = False
    lead_time_seconds: float | None = None
    plan_until: datetime | None = None
    needed_by: datetime | None = None
    desired_before: int | None = None

    @property
    def served(self) -> bool:
        """Whether the fleet's actions are as planned, or would be."""
        return self.status in {"written", "unchanged", "planned"}

    @property
    def ok(self) -> bool:
        """Whether the fleet is served and the minimum in force is at least the plan."""
        return self.served and not self.shortfall_instance_hours

    @property
    def duplicate(self) -> bool:
        """Whether this run had served the fleet before: the scheduler delivered it twice."""
        return self.code == DUPLICATE


def line_of(result: FleetResult, owners: frozenset[str], now: datetime, seconds: float) -> FleetLine:
    """The line of a fleet's result.

    Args:
        result: What the run did.
        owners: Ids whose actions are ours.
        now: The present time (aware).
        seconds: How long it took.
    """
    load, censored = _newest(result)
    group, day = result.group, result.scores.day if result.scores else None
    return FleetLine(
        fleet=result.fleet.name,
        status=result.status,
        at=now,
        code=result.code,
        reason=result.reason,
        written=result.written,
        seconds=round(seconds, 3),
        load=load,
        **_forecast_now(result.forecast, result.plan_quantile, now),
        floor=_floor(result),
        capacity=group.desired_capacity if group else None,
        weighted_quantile_loss=day.weighted_quantile_loss if day else None,
        naive_weighted_quantile_loss=day.naive_weighted_quantile_loss if day else None,
        worse_than_naive=day.worse_than_naive if day else False,
        uncovered=censored
        or bool(group and load is not None and load > group.desired_capacity * result.fleet.load_per_instance),
        pinned=_pinned(result, owners, now),
        refused=result.code in DENIED,
        needed=result.needed,
        capacity_limited=bool(
            result.launching.shortage or (result.schedule and result.schedule.clamped) or result.is_short
        ),
        shortfall_instance_hours=round(result.minimum.shortfall_instance_hours, 3) if result.minimum else None,
        launches_failing=result.launching.failing is not None,
        lead_time_seconds=result.launching.lead_time_seconds,
        plan_until=_plan_until(result),
        needed_by=_falls_short(result),
        desired_before=result.desired_before.capacity if result.desired_before else None,
    )


def _newest(result: FleetResult) -> tuple[float | None, bool]:
    """The load of the newest whole step as it was measured, and whether it is a lower bound.

    Not the cleaned history's: there a step that does not fit what came before is left out, and the alarm of uncovered load would stand on the last
    one that did.
    """
    if result.reading is None or result.history is None or len(result.history.load) < 2:
        return None, False
    steps = pd.DatetimeIndex(result.history.load.index)
    stamps, step = pd.DatetimeIndex(result.reading.load.index), steps[-1] - steps[-2]
    newest = result.reading.load[(stamps >= steps[-1]) & (stamps < steps[-1] + step)].mean()
    censored = bool(result.history.censored.iloc[-1])
    return (None if pd.isna(newest) else float(newest)), censored


def _forecast_now(forecast: Forecast | None, high: float, now: datetime) -> dict[str, float]:
    if forecast is None:
        return {}
    quantiles = forecast.quantiles
    begun = np.count_nonzero(pd.DatetimeIndex(quantiles.index) <= pd.Timestamp(now))
    row = quantiles.iloc[max(0, int(begun) - 1)]
    return {
        "forecast_low": float(row.iloc[0]),
        "forecast_median": float(row[0.5]),
        "forecast_high": float(row[high]),
    }


def _floor(result: FleetResult) -> int | None:
    """The minimum in force, or, where it did not come to a plan, the live one."""
    if result.floor_in_force is not None:
        return result.floor_in_force
    return result.group.min_size if result.group else None


def _pinned(result: FleetResult, owners: frozenset[str], now: datetime) -> bool:
    if result.observation is None or result.group is None or result.fleet.cloud != "aws":  # elsewhere nobody can pin
        return False
    _owned, foreign = split_actions(result.group.actions, owners)
    return result.observation.people_floor > max(result.fleet.floor, last_people_event(foreign, now) or 0)


def _plan_until(result: FleetResult) -> datetime | None:
    if result.plan is None:
        return None
    starts = pd.DatetimeIndex(result.plan.floor.index)
    return (starts[-1] + (starts[1] - starts[0])).to_pydatetime().astimezone(UTC)


def _falls_short(result: FleetResult) -> datetime | None:
    """The earliest slot still to be written that asks for more than stands under its name, or, for a new one, than the live minimum."""
    if result.diff is None or result.group is None or result.served:
        return None
    live = _floor(result) or 0
    short = [
        put.slot.start for put in result.diff.puts if put.slot.floor > (live if put.before is None else put.before)
    ]
    return min(short, default=None)


@dataclass(frozen=True)
class Summary:
    """What an invocation did.

    Attributes:
        job: Name of the job.
        kind: Of the run.
        run_id: Of the run.
        started: When it started (aware).
        seconds: How long it took.
        lines: One for each fleet, in the order in which they were done.
        oldest_plan_age_minutes: Age of the oldest last confirmed plan among the fleets that nobody has stopped; a fleet that never had one
            counts from when the job first saw it. None where all are stopped.
    """

    job: str
    kind: Kind
    run_id: str
    started: datetime
    seconds: float
    lines: tuple[FleetLine, ...]
    oldest_plan_age_minutes: float | None

    @property
    def counts(self) -> Mapping[str, int]:
        """Fleets by what became of them, and the mutating calls; a fleet that this run had served before counts as `duplicates` alone."""
        lines = [line for line in self.lines if not line.duplicate]
        return {
            "served": sum(line.served for line in lines),
            "held": sum(line.status == "held" for line in lines),
            "deferred": sum(line.status == "deferred" for line in lines),
            "failed": sum(line.status == "failed" for line in lines),
            "duplicates": len(self.lines) - len(lines),
            "pinned": sum(line.pinned for line in lines),
            "worse_than_naive": sum(line.worse_than_naive for line in lines),
            "uncovered": sum(line.uncovered for line in lines),
            "refused": sum(line.refused for line in lines),
            "capacity_limited": sum(line.capacity_limited for line in lines),
            "launches_failing": sum(line.launches_failing for line in lines),
            "writes": sum(line.written for line in lines),
        }

    @property
    def failure(self) -> str | None:
        """Why the invocation as a whole failed: a defect of ours, or no fleet could be served for want of permission. None for all else."""
        failed = sorted(line.fleet for line in self.lines if line.status == "failed")
        if failed:
            return f"defects: {len(failed)} fleets failed, the first {failed[0]!r}"
        if self.lines and all(line.code == "CredentialsError" for line in self.lines):
            return f"all {len(self.lines)} fleets were refused: {self.lines[0].reason}"
        return None

    def document(self) -> dict[str, Any]:
        """As JSON; times in ISO 8601."""
        return {
            "job": self.job,
            "kind": self.kind,
            "run_id": self.run_id,
            "started": self.started.isoformat(),
            "seconds": self.seconds,
            "oldest_plan_age_minutes": self.oldest_plan_age_minutes,
            **self.counts,
            "fleets": [
                {
                    name: value.isoformat() if isinstance(value, datetime) else value
                    for name, value in asdict(line).items()
                }
                for line in self.lines
            ],
        }
