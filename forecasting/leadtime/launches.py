"""What a group's launches tell: how long they took, what the cloud refused, what the group has got. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from forecasting.leadtime.estimate import ENOUGH, RECENT_DAYS, Boot, LeadTime, StartKind, estimate, estimates

Meaning = Literal["stockout", "quota"]
"""`stockout`: the cloud has no more of it there, or the reservation is full. `quota`: the account may have no more of it."""

MOST_BOOTS = 300
"""So many are kept of a group: three times what an estimate looks at, for several kinds."""

UNNAMED = "launch-failed"
"""Code of a failure whose message has none."""

FAILING_WITHIN = timedelta(hours=1)
"""A failure this recent counts although nothing is lacking any more: the group may have given up the attempt."""

LONGEST_SECONDS = 21_600.0
"""As much as the settings may say: a boot that a hook has held for a day must not raise the floor a day ahead."""

MOST_FOLLOWED = 2000
"""So many instances are followed, as many as a managed instance group may have (Compute Engine, regional groups)."""


@dataclass(frozen=True)
class Followed:
    """An instance of a cloud that does not say when it answered first: it is looked at until it does.

    Attributes:
        instance_type: Its type.
        kind: How it started.
        started: When it was asked for (aware).
        unready_at: When it was last seen without an answer (aware).
        answered: It has answered; it is known as long as it is there.
        id: The cloud's, which one that is made anew under the same name has not; empty where it is not known.
    """

    instance_type: str
    kind: StartKind
    started: datetime
    unready_at: datetime
    answered: bool = False
    id: str = ""


@dataclass(frozen=True)
class Watch:
    """What is known of a group's launches, from one look to the next.

    Attributes:
        boots: Finished and killed ones, by the cloud's name of the launch.
        followed: The group's instances, by name; where the cloud itself does not say when they answered.
        seen_until: When was looked last (aware).
    """

    boots: Mapping[str, Boot] = field(default_factory=dict[str, Boot])
    followed: Mapping[str, Followed] = field(default_factory=dict[str, Followed])
    seen_until: datetime | None = None

    def with_boots(self, new: Mapping[str, Boot], now: datetime) -> Mapping[str, Boot]:
        """These and the known ones, the newest `MOST_BOOTS` of the last weeks; one that is known stays as it was first seen."""
        oldest = now - timedelta(days=RECENT_DAYS)
        merged = {name: boot for name, boot in {**new, **self.boots}.items() if boot.started >= oldest}
        newest = sorted(merged, key=lambda name: (merged[name].started, name))[-MOST_BOOTS:]
        return {name: merged[name] for name in newest}


@dataclass(frozen=True)
class Refusal:
    """A launch that the cloud refused for want of capacity or of quota.

    Attributes:
        at: When (aware).
        code: The cloud's word.
        meaning: What it means.
        text: What the cloud said, shortened.
    """

    at: datetime
    code: str
    meaning: Meaning
    text: str


@dataclass(frozen=True)
class LaunchFailure:
    """A launch that failed, for any cause: no capacity, no quota, an image that is gone, a key without a grant.

    Attributes:
        at: When (aware).
        code: The cloud's error code, or `launch-failed` if its message has none.
        text: The cloud's message, shortened.
    """

    at: datetime
    code: str
    text: str


@dataclass(frozen=True)
class FailingLaunches:
    """Launches that fail now, so that a higher minimum adds no instance.

    Attributes:
        count: Failed launches of the last day.
        since: Start of the first of them (aware).
        last: The newest of them.
        units: Capacity that the group has, in the fleet's units.
        desired: Capacity that the group wants.
    """

    count: int
    since: datetime
    last: LaunchFailure
    units: int
    desired: int

    def __str__(self) -> str:
        times = f"{self.count} launch{'es' * (self.count > 1)} failed since {self.since:%Y-%m-%d %H:%M}Z"
        why = (
            self.last.text
            if self.last.code in {*self.last.text.split(": "), UNNAMED}
            else f"{self.last.code}: {self.last.text}"
        )
        last = f"the last at {self.last.at:%Y-%m-%d %H:%M}Z: {why}"
        return f"launches fail: the group has {self.units} of {self.desired}; {times}, {last}"


@dataclass(frozen=True)
class Launches:
    """What one look at a group's launches found.

    Attributes:
        watch: What is known now.
        refusals: Launches refused lately, ascending.
        launched_at: When the newest launch began that the cloud did not refuse (aware).
        units: What the group has got, booting ones included, in the fleet's units.
        to_answer: A boot ends with the instance's first healthy answer; else already when it is in service or runs.
        remarks: What could not be told, and why.
        failures: Launches that failed lately, whatever the code, ascending.
    """

    watch: Watch
    refusals: tuple[Refusal, ...]
    launched_at: datetime | None
    units: int
    to_answer: bool
    remarks: tuple[str, ...] = ()
    failures: tuple[LaunchFailure, ...] = ()

    def failing(self, desired: int, now: datetime) -> FailingLaunches | None:
        """Return the failures if launches fail now; None if they succeed again or the group lacks nothing.

        Failures count if no later launch succeeded, or, while the group lacks capacity, if one is of the last
        hour: with several instance types or zones some launches fail and others succeed.

        Args:
            desired: Capacity that the group wants.
            now: The present (aware).
        """
        if not self.failures:
            return None
        last, lacking = self.failures[-1], desired > self.units
        recent = last.at >= now - FAILING_WITHIN
        unresolved = self.launched_at is None or last.at >= self.launched_at
        if (lacking and (unresolved or recent)) or (unresolved and recent):
            return FailingLaunches(len(self.failures), self.failures[0].at, last, self.units, desired)
        return None


@dataclass(frozen=True)
class Learnt:
    """The lead time that a plan goes by.

    Attributes:
        seconds: What it asks ahead, the scheduling jitter not included.
        lead_time: What was measured, or the prior.
        kind: The kind of start that is planned for.
        by_type: The same of each instance type and kind that was seen.
        to_answer: See `Launches`; where a boot ends before the answer, the plan asks at least the settings' lead time ahead.
    """

    seconds: float
    lead_time: LeadTime
    kind: StartKind
    by_type: Mapping[tuple[str, StartKind], LeadTime]
    to_answer: bool

    def __str__(self) -> str:
        lead = self.lead_time
        killed = f"; {lead.killed} more were killed before they answered" if lead.killed else ""
        if lead.source == "prior" and lead.count >= ENOUGH:
            seen = f"{lead.count} {self.kind} boots do not tell the p90{killed}"
            return f"{self.seconds:.0f} s of lead time, the settings' or the longest boot: {seen}"
        if lead.source == "prior":
            return f"{self.seconds:.0f} s of lead time, the settings': {lead.count} of {ENOUGH} {self.kind} boots are seen{killed}"
        said = f"{self.seconds:.0f} s of lead time"
        measured = f"the p90 of {lead.count} {self.kind} boots (p50 {lead.p50_seconds:.0f} s, p99 {lead.p99_seconds:.0f} s{killed})"
        if self.to_answer:
            return f"{said}, {measured}"
        return f"{said}: at least the settings', since {measured} ends before the first answer"


def learn(watch: Watch, prior_seconds: float, *, to_answer: bool, now: datetime) -> Learnt:
    """The lead time of the next boot: of a warm one where no other kind was seen lately, else of a cold one.

    Args:
        watch: What is known.
        prior_seconds: The settings' lead time.
        to_answer: See `Launches`.
        now: Boots that are over by then count (aware).
    """
    boots = list(watch.boots.values())
    cold, warm = (estimate(boots, prior_seconds, kind=kind, now=now) for kind in ("cold", "warm"))
    kind: StartKind = "warm" if warm.source == "measured" and not cold.count + cold.killed else "cold"
    lead = warm if kind == "warm" else cold
    seconds = lead.p90_seconds if to_answer else max(lead.p90_seconds, prior_seconds)
    return Learnt(min(seconds, LONGEST_SECONDS), lead, kind, estimates(boots, prior_seconds, now=now), to_answer)
