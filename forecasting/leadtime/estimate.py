"""Lead time from earlier boots: order statistics of the newest ones, and the settings' prior until enough were seen.

Of n boots the k-th fastest, k = ceil(q (n + 1)), holds the next one with a probability of at least q, whatever the distribution, where boots are
exchangeable (the rank argument of split conformal prediction: Vovk, Gammerman and Shafer 2005; Lei et al. 2018). Where n is too small for that rank
to exist, no boot that was seen is long enough to promise it: the prior stands, raised to the slowest that was seen.

A boot that was killed before it answered says only that it would have taken longer. Those that answered are weighed for it by the product-limit
estimator (Kaplan and Meier 1958), in which the next boot stands as one that outlasts them all: without killed boots that is the same rank.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
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
        answered: False where it was killed before: it would have taken longer than `seconds`.
    """

    instance_type: str
    kind: StartKind
    started: datetime
    seconds: float
    answered: bool = True

    def __post_init__(self) -> None:
        _check_time("started", self.started)
        _check_seconds("seconds", self.seconds)

    @property
    def over(self) -> datetime:
        """When it gave its first healthy answer or was killed (aware); the latest time there is, where that is beyond the calendar."""
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
        count: Boots that it was learnt from, those that were killed not included.
        source: Of the p90: `prior` until `ENOUGH` boots were seen, or where too many were killed, then `measured`.
        killed: Boots that were killed before they answered.
    """

    p50_seconds: float
    p90_seconds: float
    p99_seconds: float
    count: int
    source: Literal["prior", "measured"]
    killed: int = 0


def estimate(boots: Iterable[Boot], prior_seconds: float, *, kind: StartKind = "cold", now: datetime) -> LeadTime:
    """The lead time of the next boot of a kind, from those that are over by `now`.

    Boots of several instance types are taken together: the group's next instance is of any of them. `estimates` tells them apart. The order of the
    boots does not matter, those that were killed never lower the estimate, and where there are none a boot that took longer never lowers it.

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
    answered = sorted(float(boot.seconds) for boot in newest if boot.answered)
    killed = sorted(float(boot.seconds) for boot in newest if not boot.answered)
    levels = [_within(answered, killed, percent) for percent in (50, 90, 99)]
    longest = max([float(prior_seconds), *answered[-1:], *killed[-1:]])
    p50, p90, p99 = (longest if level is None else level for level in levels)
    return LeadTime(p50, p90, p99, len(answered), "prior" if levels[1] is None else "measured", len(killed))


def estimates(boots: Iterable[Boot], prior_seconds: float, *, now: datetime) -> dict[tuple[str, StartKind], LeadTime]:
    """The lead time of each instance type and kind of start that was seen, for people to read; raises as `estimate` does."""
    groups: dict[tuple[str, StartKind], list[Boot]] = {}
    for boot in boots:
        groups.setdefault((boot.instance_type, boot.kind), []).append(boot)
    return {
        (name, kind): estimate(members, prior_seconds, kind=kind, now=now)
        for (name, kind), members in sorted(groups.items())
    }


def _within(answered: list[float], killed: list[float], percent: int) -> float | None:
    """What the next boot stays within, in `percent` of cases; None where no boot promises that. Both are sorted."""
    longer = Fraction(1)
    for place, seconds in enumerate(answered):
        # Of those that took at least as long, the next boot among them, this one was over then.
        at_least = len(answered) - place + len(killed) - bisect_left(killed, seconds) + 1
        longer *= Fraction(at_least - 1, at_least)
        if 100 * (1 - longer) >= percent:
            return seconds
    return None


def _check_time(field: str, time: datetime) -> None:
    if time.utcoffset() is None:
        raise SettingsError(field, time.isoformat(), "a time with its UTC offset")


def _check_seconds(field: str, seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(field, seconds, "seconds, finite and >= 0")
