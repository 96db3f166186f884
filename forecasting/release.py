"""Gives a group back as it was found, or its schedule back as it was before the last run that wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from forecasting.errors import Hold
from forecasting.run import PEOPLE_DAYS, Run, open_ledger, write_lease
from forecasting.schedule.aws_limits import START_AHEAD
from forecasting.schedule.slots import Restoring
from forecasting.settings import Fleet
from forecasting.targets import open_target
from forecasting.targets.reconcile import Outcome, reconcile


@dataclass(frozen=True)
class Released:
    """What `release_fleet` did.

    Attributes:
        deleted: Names of the actions that were removed, by start.
        min_size_before: The live minimum before.
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
    target = open_target(fleet, run.session)
    rules = target.rules
    ledger = open_ledger(run, fleet)
    claim = ledger.claim(run.run_id)
    with write_lease(run, ledger, claim) as memory:
        group = target.inspect()
        ours = rules.ours(group, run.owners)
        seen = rules.observe(memory, group, fleet.floor, run.owners, run.clock())
        touched = memory is not None or bool(ours)
        wanted = rules.released_min(group, seen) if touched else group.min_size
        if memory is not None:
            # Should it end half-way: what is in force now is ours, also when our actions are gone that would have followed.
            now = run.clock()
            left_behind = replace(
                memory,
                as_of=now,
                min_size=group.min_size,
                people_floor=seen.people_floor,
                # As they were known: one that cannot be read today is no reason not to let go.
                people_events=tuple(event for event in memory.people_events if event[0] > now),
                slots=rules.timeline(ours),
                intended=((now, group.min_size),),
            )
            ledger.remember(claim, left_behind.to_json())
        target.give_back(ours, wanted, lambda: ledger.fence(claim))
        after = target.inspect()
        left = rules.ours(after, run.owners)
        if left or after.min_size != wanted:
            raise Hold(
                "read-back",
                f"the minimum is {after.min_size} and {len(left)} of our actions are left: somebody else is writing; release again",
            )
        ledger.commit(claim, {})
    return Released(tuple(slot.name for slot in ours), group.min_size, wanted)


def roll_back_fleet(run: Run, fleet: Fleet) -> Outcome:
    """Restore a fleet's schedule as it stood before the last run that wrote, from now on. Rolling back again undoes it.

    People come first as ever: no slot is restored below what they want now. The next run of the job plans anew, so set the kill switch first
    where the old plan is to stay.

    Raises:
        Hold: there is no schedule before the last one, or nothing of it lies ahead.
        ElasticIacError: as for any run; every slot then holds its old or its new value.
    """
    target = open_target(fleet, run.session)
    rules = target.rules
    ledger = open_ledger(run, fleet)
    claim = ledger.claim(run.run_id)
    with write_lease(run, ledger, claim) as memory:
        group = target.read()
        now = run.clock()
        seen = rules.observe(memory, group, fleet.floor, run.owners, now)
        if memory is None or not any(start > now + START_AHEAD for start, _ in memory.previous):
            raise Hold(
                "nothing-to-roll-back",
                "no earlier schedule reaches beyond now; `release` gives the group back as it was found",
            )
        schedule = rules.restore(
            Restoring(
                previous=memory.previous,
                before=memory.baseline,
                now=now,
                owner=run.job.owner,
                owners=run.owners,
                lower=fleet.floor,
                upper=min(fleet.ceiling, group.max_size),
                group=group,
                people_floor=seen.people_floor,
            )
        )
        ours = rules.ours(group, run.owners)
        before = rules.timeline(ours)
        # What starts before the first slot is about to run, or runs: nobody touches it.
        untouched = [slot for slot in ours if slot.start < schedule.slots[0].start] if schedule.slots else []
        intent = replace(
            memory,
            as_of=now,
            min_size=group.min_size,
            people_floor=seen.people_floor,
            people_events=rules.people_events(group, run.owners, now, now + timedelta(days=PEOPLE_DAYS)),
            slots=before,
            intended=rules.timeline((*untouched, *schedule.slots)),
            previous=before,
        )
        ledger.remember(claim, intent.to_json())
        outcome = reconcile(
            target, group, schedule, owners=run.owners, fence=lambda: ledger.fence(claim), clock=run.clock
        )
        after = replace(intent, slots=intent.intended, intended=())
        ledger.commit(claim, after.to_json())
    return outcome
