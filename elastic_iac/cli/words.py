"""What each cloud calls what we show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from forecasting.schedule.actions import GroupState


@dataclass(frozen=True)
class Words:
    """A cloud's own words.

    Attributes:
        floor: What our actions set.
        minimum: The group's live minimum; likewise `maximum`.
        desired: How many it is to have now.
        action: What stands on the schedule.
    """

    floor: str
    minimum: str
    maximum: str
    desired: str
    action: str

    def sizes(self, group: GroupState) -> str:
        """The sizes of a group."""
        return (
            f"{self.minimum} {group.min_size}, {self.desired} {group.desired_capacity}, {self.maximum} {group.max_size}"
        )

    def actions(self, count: int) -> str:
        """So many of them."""
        return f"{count} {self.action}{'s' * (count != 1)}"


WORDS: dict[Literal["aws", "gcp"], Words] = {
    "aws": Words("MinSize", "MinSize", "MaxSize", "desired", "scheduled action"),
    "gcp": Words("minRequiredReplicas", "minNumReplicas", "maxNumReplicas", "recommended", "scaling schedule"),
}
