"""What a pool of accelerators has beyond a group of like instances."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from forecasting.settings.base import Float, Int, Settings, Time, refused


class CapacityWindow(Settings):
    """A time in which a pool has capacity at all, such as an EC2 Capacity Block, less what the cloud takes back before its end."""

    start: Time = Field(description="When instances can be asked for, with its UTC offset.")
    end: Time = Field(description="When the pool is empty again, with its UTC offset; after `start`.")
    floor: Int = Field(default=1, ge=0, le=100_000, description="At least this many units while it is open.")
    units: Int = Field(ge=1, le=100_000, description="The most that it holds, in the units of the fleet's ceiling.")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise refused("end", self.end.isoformat(), f"a time after start {self.start.isoformat()}")
        if self.floor > self.units:
            raise refused("floor", self.floor, f"at most the window's units, {self.units}")
        return self


class Pool(Settings):
    """A pool whose capacity is counted in units (GPUs or replicas), bought in several ways, and perhaps only there at times."""

    units_per_instance: Int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Units that one instance brings, the smallest type's; a floor is of whole instances.",
    )
    warm_headroom: Int = Field(
        default=0, ge=0, le=100_000, description="Units kept ready above what the load needs, up to the ceiling."
    )
    on_demand_quantile: Float | None = Field(
        default=None,
        ge=0.01,
        le=0.95,
        description="The on-demand base is advised for this quantile of the load, spot above it. The job writes a minimum only: it is advice.",
    )
    windows: tuple[CapacityWindow, ...] = Field(
        default=(), description="The pool has capacity in these times only: nothing is asked for outside of them."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        ordered = sorted(self.windows, key=lambda window: window.start)
        for before, after in pairwise(ordered):
            if after.start < before.end:
                expected = f"a time after the end of the window before it, {before.end.isoformat()}"
                raise refused("windows", after.start.isoformat(), expected)
        return self
