"""Gives a group back as it was found, or its schedule back as it was before the last run that wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from forecasting.errors import Hold
from forecasting.run import PEOPLE_DAYS, Run, open_ledger, write_lease
from forecasting.schedule.actions import slot_name, split_actions
from forecasting.schedule.aws import clear_starts, standing_timeline
from forecasting.schedule.aws_limits import START_AHEAD
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.grid import round_up
from forecasting.schedule.memory import observe
from forecasting.schedule.people import PeopleFloor, people_events
from forecasting.schedule.slots import highest
from forecasting.settings import Fleet
from forecasting.targets.aws import AutoScalingTarget
from forecasting.targets.reconcile import Outcome, reconcile


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
    ledger = open_ledger(run, fleet)
    claim = ledger.claim(run.run_id)
    with write_lease(run, ledger, claim) as memory:
        group = target.inspect()
        owned, _foreign = split_actions(group.actions, run.owners)
        seen = observe(memory, group, fleet.floor, run.owners, run.clock())
        touched = memory is not None or bool(owned)
        wanted = min(seen.people_floor or seen.baseline, group.max_size) if touched else group.min_size
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


def roll_back_fleet(run: Run, fleet: Fleet) -> Outcome:
    """Restore a fleet's schedule as it stood before the last run that wrote, from now on. Rolling back again undoes it.

    People come first as ever: no slot is restored below what they want now. The next run of the job plans anew, so set the kill switch first
    where the old plan is to stay.

    Raises:
        Hold: there is no schedule before the last one, or nothing of it lies ahead.
        ElasticIacError: as for any run; every slot then holds its old or its new value.
    """
    target = AutoScalingTarget(fleet, run.session)
    ledger = open_ledger(run, fleet)
    claim = ledger.claim(run.run_id)
    with write_lease(run, ledger, claim) as memory:
        group = target.read()
        now = run.clock()
        owned, foreign = split_actions(group.actions, run.owners)
        seen = observe(memory, group, fleet.floor, run.owners, now)
        people = PeopleFloor(seen.people_floor, people_events(foreign, now, now + timedelta(days=PEOPLE_DAYS)))
        first = round_up(now + START_AHEAD, 1)
        ahead = [(start, floor) for start, floor in (memory.previous if memory else ()) if start > first]
        if memory is None or not ahead:
            raise Hold(
                "nothing-to-roll-back",
                "no earlier schedule reaches beyond now; `release` gives the group back as it was found",
            )
        upper = min(fleet.ceiling, group.max_size)
        starts = clear_starts({first, *(start for start, _ in ahead)}, foreign, people.events, first)
        slots = tuple(
            Slot(
                start,
                min(max(highest(memory.previous, start, end, memory.baseline), people.at(start), fleet.floor), upper),
                owned[start].name if start in owned else slot_name(run.job.owner, start),
            )
            for start, end in zip(starts, [*starts[1:], None], strict=True)
            if people.at(start) <= upper
        )
        before = standing_timeline(group.actions, run.owners)
        intent = replace(
            memory,
            as_of=now,
            min_size=group.min_size,
            people_floor=seen.people_floor,
            people_events=people.events,
            slots=before,
            # What starts before the first slot is about to run: nobody touches it.
            intended=(*(slot for slot in before if slot[0] < first), *((slot.start, slot.floor) for slot in slots)),
            previous=before,
        )
        ledger.remember(claim, intent.to_json())
        outcome = reconcile(
            target, group, Schedule(slots), owners=run.owners, fence=lambda: ledger.fence(claim), clock=run.clock
        )
        after = replace(intent, slots=intent.intended, intended=())
        ledger.commit(claim, after.to_json())
    return outcome
