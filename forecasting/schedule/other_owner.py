"""Other controllers of a group's capacity, as far as a group's description shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OtherOwner:
    """A controller beside the job that sets a group's minimum, desired capacity or maximum, or replaces the group.

    Attributes:
        kind: Stable kebab-case word; the code of the hold if `holds`.
        name: The controller and the mark by which it is recognised.
        effect: Its effect on the group's sizes.
        advice: The next step for the operator of the fleet.
        holds: The job must not write beside it.
    """

    kind: str
    name: str
    effect: str
    advice: str
    holds: bool = False

    def __str__(self) -> str:
        """One sentence for a person."""
        return f"other owner: {self.name}: {self.effect}; {self.advice}"
