"""Other elastic-iac jobs on the same group.

Two jobs cannot share a group: each takes the actions of the other for external ones, and on AWS the
last writer of MinSize wins. The job with fewer actions ahead holds; with as many, the one whose id
comes later. Both see the same list, so they agree on which one goes on. A single action is no plan:
it is what is left of one, and merged like any external action.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from forecasting.schedule.actions import GroupState, owner_of
from forecasting.schedule.people import Timeline

_LEAST_PLAN = 2
"""Actions of the shortest plan: one, and one that restores the baseline."""

_SAME_PLAN_SHARE = 0.5
"""Share of another owner's actions that our saved state has to contain to be taken for ours."""


@dataclass(frozen=True)
class OtherOwner:
    """Another elastic-iac job with actions ahead on the group.

    Attributes:
        owner: Its id.
        count: Its actions that are still to run or open.
        leads: It has more of them than this job, so this job holds.
        renamed: Its actions are in this job's saved state: it is this job under an earlier id.
    """

    owner: str
    count: int
    leads: bool
    renamed: bool

    def reason(self) -> str:
        """Why this job holds, and the next action."""
        if self.renamed:
            return (
                f"the group has {self.count} actions of owner {self.owner!r}, and they are this job's"
                f" own under an earlier owner: add {self.owner!r} to former_owners"
            )
        return (
            f"another elastic-iac job serves this group: owner {self.owner!r} has {self.count}"
            " actions ahead; take the fleet out of one of the two jobs (and `release` it there),"
            f" or, if this job had that owner before, add {self.owner!r} to former_owners"
        )

    def warning(self) -> str:
        """A remark for the job that goes on."""
        return (
            f"another elastic-iac job, owner {self.owner!r}, has actions ahead on this group: {self.count};"
            " this job goes on and merges them as external; `release` the fleet there"
        )


def find_other_owner(
    group: GroupState, owner: str, owners: Collection[str], now: datetime, known: Timeline = ()
) -> OtherOwner | None:
    """The other elastic-iac owner with most actions ahead; None if there is none.

    Args:
        group: The group with all its actions.
        owner: Id of this job.
        owners: All ids whose actions are managed by it.
        now: Aware datetime.
        known: Actions in this job's saved state, as start and value.
    """
    ahead = [action for action in group.actions if (action.end or action.start or now) > now]
    counts = Counter(name for action in ahead if (name := owner_of(action)) is not None)
    others = [(-count, name) for name, count in counts.items() if name not in owners]
    if not others:
        return None
    ours = -sum(counts[name] for name in owners), owner
    first = min(others)
    theirs = {(each.start, each.min_size) for each in ahead if owner_of(each) == first[1]}
    shared = len(theirs & set(known))
    leads = first < ours and -first[0] >= _LEAST_PLAN
    return OtherOwner(first[1], -first[0], leads, shared >= _SAME_PLAN_SHARE * len(theirs))
