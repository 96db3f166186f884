"""Gives a group back as it was found, or its schedule back as it was before the last run that wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from forecasting.errors import Hold
from forecasting.run import PEOPLE_DAYS, Run, open_ledger, write_lease
from forecasting.schedule.actions import GroupState
from forecasting.schedule.aws_limits import START_AHEAD
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.memory import Memory, Observation, with_value_before
from forecasting.schedule.slots import Restoring
from forecasting.settings import Fleet
from forecasting.store.ledger import Claim, Ledger
from forecasting.targets import open_target
from forecasting.targets.base import Target
from forecasting.targets.interruption import counted_writes
from forecasting.targets.reconcile import reconcile


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


@dataclass(frozen=True)
class RolledBack:
    """Result of `roll_back_fleet`.

    Attributes:
        written: Mutating calls that were made.
        state: The group as it was read back.
        in_force: The minimum in force when the command came.
        first: The first restored slot.
        left: Slots of the replaced plan that run all the same, since nothing can stop them.
    """

    written: int
    state: GroupState
    in_force: int
    first: Slot | None
    left: tuple[Slot, ...]


def release_fleet(run: Run, fleet: Fleet) -> Released:
    """Remove our actions from a fleet's group, restore MinSize and forget the group. Other people's actions are not touched.

    Works whatever state the group is in, also with the kill switch on.

    Raises:
        ElasticIacError: the group or the store cannot be read or written; calling again goes on where it stopped.
        InterruptedWriteError: likewise.
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
        planned = len(ours) + (group.min_size != wanted)
        with counted_writes(fleet.name, "release", planned, lambda: ledger.fence(claim)) as fence:
            target.give_back(ours, wanted, fence)
        after = target.inspect()
        left = rules.ours(after, run.owners)
        if left or after.min_size != wanted:
            raise Hold(
                "read-back",
                f"the minimum is {after.min_size} and {len(left)} of our actions are left: somebody else is writing; release again",
            )
        ledger.commit(claim, {})
    return Released(tuple(slot.name for slot in ours), group.min_size, wanted)


def roll_back_fleet(run: Run, fleet: Fleet) -> RolledBack:
    """Restore a fleet's schedule from before the last run that wrote. A second rollback undoes the first.

    The minimum stays at least at the lower of the two schedules' at every minute. A slot of the replaced schedule that is about to run is deleted or
    rewritten first; `RolledBack.left` has those that nothing can stop. No slot is restored below the external minimum. The next run plans anew:
    pause the fleet first to keep the restored schedule.

    Raises:
        Hold: there is no schedule before the last one, or it ends too soon.
        ElasticIacError: as for any run; every slot then holds its old or its new value, and calling again goes on.
        InterruptedWriteError: likewise.
    """
    target = open_target(fleet, run.session)
    ledger = open_ledger(run, fleet)
    claim = ledger.claim(run.run_id)
    with write_lease(run, ledger, claim) as memory:
        group = target.read()
        if memory is None or not any(start > run.clock() + START_AHEAD for start, _ in memory.previous):
            raise Hold(
                "nothing-to-roll-back",
                "no earlier schedule reaches beyond now; `release` gives the group back as it was found",
            )
        return _roll_back(run, fleet, target, group, memory, ledger, claim)


def _roll_back(
    run: Run, fleet: Fleet, target: Target, group: GroupState, memory: Memory, ledger: Ledger, claim: Claim
) -> RolledBack:
    rules, owners, now = target.rules, run.owners, run.clock()
    in_force = rules.floor_in_force(group, owners, now)
    seen = rules.observe(memory, group, fleet.floor, owners, now)
    schedule = rules.restore(
        Restoring(
            previous=memory.previous,
            before=in_force,
            now=now,
            owner=run.job.owner,
            owners=owners,
            lower=fleet.floor,
            upper=min(fleet.ceiling, group.max_size),
            group=group,
            people_floor=seen.people_floor,
        )
    )
    diff = rules.diff(group, schedule, owners, now)
    intent = _intent(target, group, schedule, seen, memory, run)
    ledger.remember(claim, intent.to_json())
    with counted_writes(fleet.name, "rollback", diff.writes, lambda: ledger.fence(claim)) as fence:
        outcome = reconcile(target, group, schedule, owners=owners, fence=fence, clock=run.clock)
    late = [slot for slot in rules.ours(group, owners) if slot.start in schedule.urgent and slot.start <= run.clock()]
    sets = rules.floor_in_force(outcome.state, owners, run.clock())
    raced = tuple(slot for slot in late if sets == slot.floor != in_force)  # it ran before it was deleted
    undo = with_value_before(rules.timeline(rules.ours(group, owners)), in_force, now)
    ledger.commit(claim, replace(intent, slots=intent.intended, intended=(), previous=undo).to_json())
    first = next((slot for slot in schedule.slots if slot.start not in schedule.urgent), None)
    return RolledBack(outcome.written, outcome.state, in_force, first, (*raced, *schedule.left))


def _intent(
    target: Target, group: GroupState, schedule: Schedule, seen: Observation, memory: Memory, run: Run
) -> Memory:
    """What a successor needs, should the rollback end among its writes: `previous` stays, so that a second try restores the same."""
    rules, owners, now = target.rules, run.owners, run.clock()
    imminent = rules.diff(group, schedule, owners, now).imminent
    return replace(
        memory,
        as_of=now,
        min_size=group.min_size,
        people_floor=seen.people_floor,
        people_events=rules.people_events(group, owners, now, now + timedelta(days=PEOPLE_DAYS)),
        slots=rules.timeline(rules.ours(group, owners)),
        intended=rules.timeline((*imminent, *schedule.slots)),
    )
