"""Lead time from earlier boots: order statistics of the newest ones, and the settings' prior until enough were seen.

Of n boots the k-th fastest, k = ceil(q (n + 1)), holds the next one with a probability of at least q, whatever the distribution, where boots are
exchangeable (the rank argument of split conformal prediction: Vovk, Gammerman and Shafer 2005; Lei et al. 2018). Where n is too small for that rank
to exist, no boot that was seen is long enough to promise it: the prior stands, raised to the slowest that was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from forecasting.errors import SettingsError

StartKind = Literal["cold", "warm", "waiting"]
"""`cold`: a new instance. `warm`: a stopped one of a warm pool. `waiting`: the cloud had no capacity at first."""

ENOUGH = 9
"""Boots from which on the p90 is measured: the least n with ceil(.9 (n + 1)) <= n."""

RECENT_DAYS = 28
"""Older boots were of other images and models."""
NEWEST = 100
"""So many of the newest count: a slower image is learnt after 10 of them. It takes 99 to measure a p99."""


@dataclass(frozen=True)
class Boot:
    """One launch.

    Attributes:
        instance_type: Type of the instance, as the cloud names it.
        kind: How it started.
        started: When it was asked for (aware).
        seconds: From then to its first healthy answer, finite and >= 0.
    """

    instance_type: str
    kind: StartKind
    started: datetime
    seconds: float

    def __post_init__(self) -> None:
        _check_time("started", self.started)
        _check_seconds("seconds", self.seconds)

    @property
    def over(self) -> datetime:
        """When it gave its first healthy answer (aware); the latest time there is, where that is beyond the calendar."""
        try:
            return self.started + timedelta(seconds=self.seconds)
        except OverflowError:
            return datetime.max.replace(tzinfo=self.started.tzinfo)


@dataclass(frozen=True)
class LeadTime:
    """How long the next boot may take: p50_seconds <= p90_seconds <= p99_seconds.

    Attributes:
        p50_seconds: Half of the boots are over by then.
        p90_seconds: What a plan asks ahead.
        p99_seconds: The prior or the slowest boot seen, whichever is longer, until 99 boots were seen.
        count: Boots that it was learnt from.
        source: Of the p90: `prior` until `ENOUGH` boots were seen, then `measured`.
    """

    p50_seconds: float
    p90_seconds: float
    p99_seconds: float
    count: int
    source: Literal["prior", "measured"]


def estimate(boots: Iterable[Boot], prior_seconds: float, *, kind: StartKind = "cold", now: datetime) -> LeadTime:
    """The lead time of the next boot of a kind, from those that are over by `now`.

    Boots of several instance types are taken together: the group's next instance is of any of them. `estimates` tells them apart. The order of the
    boots does not matter, and a boot that took longer never lowers the estimate.

    Args:
        boots: Boots of all kinds; those of the last `RECENT_DAYS`, at most the `NEWEST`, count.
        prior_seconds: The settings' lead time (a p90), finite and >= 0.
        kind: The kind of start that is planned for.
        now: Only boots that are over by then are known (aware).

    Raises:
        SettingsError: a time is naive, or seconds are negative or not finite.
    """
    _check_seconds("prior_seconds", prior_seconds)
    _check_time("now", now)
    # By the start, so that a long boot is as old as a short one: else a slower boot could push another one out.
    since = now - timedelta(days=RECENT_DAYS)
    known = [boot for boot in boots if boot.kind == kind and boot.started >= since and boot.over <= now]
    newest = sorted(known, key=lambda boot: (boot.started, boot.seconds))[-NEWEST:]
    seconds = sorted(float(boot.seconds) for boot in newest)
    p50, p90, p99 = (_within(seconds, percent, float(prior_seconds)) for percent in (50, 90, 99))
    return LeadTime(p50, p90, p99, len(seconds), "measured" if len(seconds) >= ENOUGH else "prior")


def estimates(boots: Iterable[Boot], prior_seconds: float, *, now: datetime) -> dict[tuple[str, StartKind], LeadTime]:
    """The lead time of each instance type and kind of start that was seen, for people to read; raises as `estimate` does."""
    groups: dict[tuple[str, StartKind], list[Boot]] = {}
    for boot in boots:
        groups.setdefault((boot.instance_type, boot.kind), []).append(boot)
    return {
        (name, kind): estimate(members, prior_seconds, kind=kind, now=now)
        for (name, kind), members in sorted(groups.items())
    }


def _within(seconds: list[float], percent: int, prior: float) -> float:
    """What the next boot stays within, in `percent` of cases; `seconds` is sorted."""
    rank = -(-percent * (len(seconds) + 1) // 100)
    if rank <= len(seconds):
        return seconds[rank - 1]
    return max([prior, *seconds[-1:]])


def _check_time(field: str, time: datetime) -> None:
    if time.utcoffset() is None:
        raise SettingsError(field, time.isoformat(), "a time with its UTC offset")


def _check_seconds(field: str, seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(field, seconds, "seconds, finite and >= 0")
