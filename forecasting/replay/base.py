"""What is replayed: a group at its provider, a policy's case, and the totals of each day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from forecasting.errors import SettingsError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]

MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class WarmPool:
    """Stopped instances that start faster than new ones; while stopped they cost nothing here (their disks are not counted).

    Attributes:
        size: Instances kept ready. What is taken is prepared again, and paid for while it boots.
        start_seconds: From taking one to its first healthy answer.
    """

    size: int
    start_seconds: float


@dataclass(frozen=True)
class Provider:
    """How an Auto Scaling group behaves; the defaults are those of AWS with metrics at one minute.

    Attributes:
        boot_seconds: Launch to first healthy answer, paid for: one number, or measured launches, from which each minute's launch draws.
        warmup_seconds: No policy scales in until so long after the last boot (EC2 Auto Scaling User Guide, "Target tracking scaling policies":
            scale-in is blocked until new instances have warmed up; they count as capacity when a scale-out is computed).
        scale_out_datapoints: Minutes in a row above the target before target tracking adds instances (the alarms it creates: 3).
        scale_in_datapoints: Minutes in a row below before it removes any (15).
        scale_in_below: It removes only below this share of the target (its low alarm: 90 %).
        action_jitter_minutes: A scheduled action may run this many minutes late (EC2 Auto Scaling User Guide, "Scheduled scaling": up to two).
        warm_pool: Stopped instances kept ready.
        spot_losses_per_day: Mean number of times a day that the provider takes `spot_share` of the instances in service without notice.
        spot_share: Share of the instances in service that is lost each time.
    """

    boot_seconds: float | tuple[float, ...]
    warmup_seconds: float = 60.0
    scale_out_datapoints: int = 3
    scale_in_datapoints: int = 15
    scale_in_below: float = 0.9
    action_jitter_minutes: int = 2
    warm_pool: WarmPool | None = None
    spot_losses_per_day: float = 0.0
    spot_share: float = 0.0

    def __post_init__(self) -> None:
        boots = self.boots
        if not boots or min(boots) < 0 or not all(math.isfinite(boot) for boot in boots):
            raise SettingsError("boot_seconds", self.boot_seconds, "seconds >= 0, or a non-empty sequence of them")
        if not 0 <= self.spot_share <= 1:
            raise SettingsError("spot_share", self.spot_share, "a share from 0 to 1")

    @property
    def boots(self) -> tuple[float, ...]:
        """The boot times to draw from, in seconds."""
        return self.boot_seconds if isinstance(self.boot_seconds, tuple) else (float(self.boot_seconds),)


@dataclass(frozen=True, eq=False)
class Case:
    """One policy on one group.

    Attributes:
        name: What reports call it; unique within a replay.
        provider: The group's behaviour.
        floor: MinSize asked for in each minute, as planned (the replay adds the jitter), shape (minutes,); or one number that never changes.
        target: Target tracking holds load / (instances in service x load per instance) at this share; None where nothing reacts: the group then has
            what its floor asks for.
        ceiling: MaxSize.
    """

    name: str
    provider: Provider
    floor: IntArray | int = 0
    target: float | None = None
    ceiling: int = 100_000

    def __post_init__(self) -> None:
        if self.target is not None and not self.target > 0:
            raise SettingsError("target", self.target, "a share above 0 of the load per instance, or None")


@dataclass(frozen=True)
class DayTotals:
    """Sums over each day of a replay; the last day may be short. Load is in load x minutes. Minutes without a known load count nowhere.

    Attributes:
        minutes: Minutes with a known load, shape (days,).
        load: Their load, shape (days,).
        instance_minutes: Instances paid for, booting ones included, shape (days, cases), as are all that follow.
        capacity: Load that the instances in service could have carried.
        uncovered: Load above that.
        uncovered_minutes: Minutes with any such load.
        late_minutes: Lead-time violations: uncovered minutes in which the floor in force would have covered more, had its instances been up in time.
        changes: Times the desired size changed.
    """

    minutes: FloatArray
    load: FloatArray
    instance_minutes: FloatArray
    capacity: FloatArray
    uncovered: FloatArray
    uncovered_minutes: FloatArray
    late_minutes: FloatArray
    changes: FloatArray

    def since(self, day: int) -> DayTotals:
        """The days from `day` on."""
        return DayTotals(*(getattr(self, name)[day:] for name in DayTotals.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Capacity:
    """One case, minute by minute, each of shape (minutes,).

    Attributes:
        floor: MinSize in force, jitter included.
        desired: Instances asked for: in service and booting.
        in_service: Instances that answer.
        boots: Minutes until what was launched in that minute serves; 0 where nothing was, or all of it came from a warm pool.
    """

    floor: IntArray
    desired: IntArray
    in_service: IntArray
    boots: IntArray


def boots_around(median_seconds: float, spread: float, count: int = 200) -> tuple[float, ...]:
    """Boot times to draw from: the quantiles of a log-normal distribution, in seconds, ascending.

    Args:
        median_seconds: Half of the boots are faster, >= 0.
        spread: The 90 % quantile over the median, >= 1.
        count: How many.

    Raises:
        SettingsError: the spread is below 1 or not finite.
    """
    if not (math.isfinite(spread) and spread >= 1):
        raise SettingsError("spread", spread, "the p90 over the median of the boots, a number >= 1")
    normal = NormalDist()
    scale = math.log(spread) / normal.inv_cdf(0.9)
    return tuple(median_seconds * math.exp(scale * normal.inv_cdf((number + 0.5) / count)) for number in range(count))
