"""Gives a group back as it was found."""

from __future__ import annotations

from dataclasses import dataclass

from forecasting.errors import Hold
from forecasting.run import Run
from forecasting.schedule.actions import split_actions
from forecasting.schedule.memory import Memory, observe
from forecasting.settings import Fleet
from forecasting.store import open_store
from forecasting.store.ledger import Ledger
from forecasting.targets.aws import AutoScalingTarget


@dataclass(frozen=True)
class Released:
    """What `release_fleet` did.

    Attributes:
        deleted: Names of the actions that were removed, by start.
        min_size_before: The live MinSize before.
        min_size_after: And after: what people want, else what was found at first contact.
    """

    deleted: tuple[str, ...]
    min_size_before: int
    min_size_after: int


def release_fleet(run: Run, fleet: Fleet) -> Released:
    """Remove our actions from a fleet's group, restore MinSize and forget the group. Other people's actions are not touched.

    Works whatever state the group is in, also with the kill switch on.

    Raises:
        ElasticIacError: the group or the store cannot be read or written; calling again goes on where it stopped.
    """
    target = AutoScalingTarget(fleet, run.session)
    ledger = Ledger(open_store(run.job.store, run.session), fleet.target_key, clock=run.clock)
    claim = ledger.claim(run.run_id)
    remaining = max(run.remaining_seconds(), 1.0)
    state = ledger.acquire(claim, lease_seconds=remaining, wait_seconds=remaining / 2)
    try:
        memory = Memory.from_json(state.memory)
        group = target.inspect()
        owned, _foreign = split_actions(group.actions, run.owners)
        seen = observe(memory, group, fleet.floor, run.owners, run.clock())
        touched = memory is not None or bool(owned)
        wanted = (seen.people_floor or seen.baseline) if touched else group.min_size
        for _start, action in sorted(owned.items()):
            ledger.fence(claim)
            target.delete(action.name)
        if group.min_size != wanted:
            ledger.fence(claim)
            target.set_min_size(wanted)
        after = target.inspect()
        left, _foreign = split_actions(after.actions, run.owners)
        if left or after.min_size != wanted:
            raise Hold(
                "read-back",
                f"MinSize is {after.min_size} and {len(left)} of our actions are left: somebody else is writing; release again",
            )
        ledger.commit(claim, {})
        return Released(tuple(action.name for _start, action in sorted(owned.items())), group.min_size, wanted)
    finally:
        ledger.release(claim)
