"""Announcement of a missed objective: by how much, and the cheapest setting that would have kept it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MISSED = 1.5
"""The objective is missed above this multiple of the unserved share that it allows."""


@dataclass(frozen=True)
class Candidate:
    """A setting of any policy on the days that settings were not chosen on.

    Attributes:
        label: Policy and setting, for a person.
        instance_hours: Its cost.
        unserved_percent: Share of the load above the capacity in service.
    """

    label: str
    instance_hours: float
    unserved_percent: float


@dataclass(frozen=True)
class ObjectiveCheck:
    """Whether our settings kept the objective on days that they were not chosen on.

    Attributes:
        goal_percent: Share of the load that may be unserved.
        unserved_percent: Unserved share of our settings.
        kept: False above MISSED times the goal.
        instead: The cheapest setting that kept it; None if ours did, or if none did.
        sentence: The miss, for a person; empty if the objective was kept.
    """

    goal_percent: float
    unserved_percent: float
    kept: bool
    instead: Candidate | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


def check_objective(ours: Candidate, others: Sequence[Candidate], goal_percent: float) -> ObjectiveCheck:
    """Compare our unserved share with the objective.

    Args:
        ours: Our setting, chosen on earlier days.
        others: All settings of all policies, on the same days.
        goal_percent: Share of the load that may be unserved.
    """
    if ours.unserved_percent <= MISSED * goal_percent:
        return ObjectiveCheck(goal_percent, ours.unserved_percent, kept=True, instead=None, sentence="")
    able = [each for each in others if each.unserved_percent <= goal_percent]
    best = min(able, key=lambda each: each.instance_hours, default=None)
    what = (
        f"the cheapest setting that keeps it is {best.label}: {best.instance_hours:,.0f} instance-hours beside "
        f"{ours.instance_hours:,.0f}"
        if best
        else "no setting that was replayed keeps it: the load needs a shorter startup time"
    )
    times = f", {ours.unserved_percent / goal_percent:.1f} times" if goal_percent > 0 else ", more than"
    sentence = (
        f"The objective is missed: settings chosen on the days before left {ours.unserved_percent:.2f} % of the load "
        f"unserved{times} the {goal_percent:g} % allowed; on these days {what}."
    )
    return ObjectiveCheck(goal_percent, ours.unserved_percent, kept=False, instead=best, sentence=sentence)
