"""One fleet's turn in a run: what every kind of run does in the same way, above all writing under the lease.

    claim -> (what is to stand, by the kind of run) -> lease -> read, schedule, intent, write, read back -> commit

A doubt means no write: whatever goes wrong, the fleet is held with its reason and its old plan runs on.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

from forecasting.deadline import time_limit
from forecasting.errors import Deferred, ElasticIacError, Hold, SettingsError, StandsBack
from forecasting.history import Finding, Verdict
from forecasting.pacing import Writing
from forecasting.planning.base import Plan
from forecasting.run import PEOPLE_DAYS, FleetResult, Run, Status, open_ledger, write_lease
from forecasting.safe_text import redacted
from forecasting.schedule.actions import GroupState
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.memory import Memory, Observation, with_value_before
from forecasting.schedule.owners import find_other_owner
from forecasting.schedule.slots import Request
from forecasting.settings import Fleet, Job
from forecasting.sources import Reading, open_source
from forecasting.store.ledger import Claim, Ledger
from forecasting.store.pause import paused
from forecasting.targets import open_target
from forecasting.targets.base import Diff
from forecasting.targets.interruption import counted_writes
from forecasting.targets.reconcile import reconcile

log = logging.getLogger(__name__)

ROUNDS = 12
"""Most rounds of schedule and write for a fleet: where external actions fill the group, the first ones only make room."""

Planner = Callable[[int], Plan]
"""The plan, given the floor in force."""


def each_fleet(
    run: Run,
    names: Iterable[str] | None,
    serve: Callable[[Run, Fleet], FleetResult],
    on_result: Callable[[FleetResult], None] | None = None,
) -> list[FleetResult]:
    """Serve every fleet of the job, or the named ones, one after the other; `on_result` is called after each.

    Raises:
        SettingsError: a name is not a fleet of the job.
    """
    results: list[FleetResult] = []
    for fleet in select_fleets(run.job, names):
        results.append(serve(run, fleet))
        if on_result:
            on_result(results[-1])
    return results


def select_fleets(job: Job, names: Iterable[str] | None) -> list[Fleet]:
    """The named fleets in the job's order; all of them for None.

    Raises:
        SettingsError: a name is not a fleet of the job.
    """
    wanted, known = set(names or ()), {fleet.name for fleet in job.fleets}
    if unknown := sorted(wanted - known):
        raise SettingsError("fleet", unknown[0], f"one of: {', '.join(sorted(known))}")
    return [fleet for fleet in job.fleets if names is None or fleet.name in wanted]


class Turn(ABC):
    """One fleet's way through a run. `result` grows as it goes, so that a held fleet shows what was known of it.

    Attributes:
        raise_only: The data is in doubt: no slot goes below what stands.
        reach: How far ahead slots are planned anew; None: all of them.
    """

    raise_only = False
    reach: timedelta | None = None

    def __init__(self, run: Run, fleet: Fleet, agreed: Diff | None = None) -> None:
        """Nothing is opened or read yet."""
        self.run = run
        self.fleet = fleet
        self.agreed = agreed
        self.result = FleetResult(fleet)
        self.claim: Claim | None = None
        self.target = open_target(fleet, run.session)

    @cached_property
    def ledger(self) -> Ledger:
        """The target's ledger."""
        return open_ledger(self.run, self.fleet)

    def guarded(self) -> FleetResult:
        """`go`, with every failure turned into a held or failed result."""
        try:
            with time_limit(self.run.remaining_seconds):
                return self.go()
        except Hold as error:
            return self._note(status=self._status_of(error), code=error.code, reason=error.reason)
        except ElasticIacError as error:
            return self._note(status="held", code=type(error).__name__, reason=str(error))
        except MemoryError:
            return self._note(
                status="held", code="out-of-memory", reason="the run ran out of memory: give the function more"
            )
        except Exception as error:
            log.exception("fleet %s: unexpected error", self.fleet.name)
            return self._note(status="failed", code="unexpected", reason=redacted(f"{type(error).__name__}: {error}"))

    def _status_of(self, stop: Hold) -> Status:
        if isinstance(stop, StandsBack):
            return "unchanged"
        # Where a first round has made room already, something was written.
        return "deferred" if isinstance(stop, Deferred) and not self.result.written else "held"

    @abstractmethod
    def go(self) -> FleetResult:
        """The stages, in order."""

    @abstractmethod
    def record(self, result: FleetResult) -> None:
        """Keep what a later run must know. What was written stands, whether or not that can be kept."""

    def _refuse_stopped(self) -> None:
        """Before anything is read: the kill switch, the time, a person's pause."""
        if not (self.run.job.enabled and self.fleet.enabled):
            raise Hold(
                "disabled",
                "the kill switch is on: nothing is written; the standing plan runs out and the baseline returns",
            )
        self._refuse_late()
        self._refuse_paused()

    @property
    def _writes(self) -> bool:
        """Whether the group may be written to."""
        return self.run.write and not (self.run.job.dry_run or self.fleet.dry_run)

    @property
    def _moment(self) -> datetime:
        """What a plan is made for.

        A write: the moment the group was read, not the run's start: other fleets, the forecast and the wait for the lease lie between, and what has
        run meanwhile is no person's hand. What a person is shown, and agrees to, is planned for one moment.
        """
        return self.run.clock() if self.claim and self.agreed is None else self.run.now

    def _schedule(
        self, planner: Planner, group: GroupState, memory: Memory | None
    ) -> tuple[Schedule, Diff, Observation]:
        rules, owners = self.target.rules, self.run.owners
        in_force = rules.floor_in_force(group, owners, self.run.clock())
        self._refuse_other_owner(group, memory)
        plan = planner(in_force)
        now = self._moment
        seen = rules.observe(memory, group, self.fleet.floor, owners, self.run.clock())
        schedule = rules.build(
            Request(
                plan=plan,
                now=now,
                owner=self.run.job.owner,
                former_owners=self.run.job.former_owners,
                ceiling=self.fleet.ceiling,
                max_increase_per_slot=self.fleet.max_increase_per_slot,
                max_decrease_per_slot=self.fleet.max_decrease_per_slot,
                group=group,
                people_floor=seen.people_floor,
                raise_only=self.raise_only,
                until=None if self.reach is None else now + self.reach,
            )
        )
        diff = rules.diff(group, schedule, owners, self.run.clock())
        self._note(plan=plan, observation=seen, schedule=schedule, diff=diff, group=group, floor_in_force=in_force)
        self._note_minimum(group, (*diff.imminent, *schedule.slots), plan, now)
        return schedule, diff, seen

    def _refuse_other_owner(self, group: GroupState, memory: Memory | None) -> None:
        """Two jobs must not write to one group; see `forecasting.schedule.owners`."""
        known = (*memory.slots, *memory.intended) if memory else ()
        other = find_other_owner(group, self.run.job.owner, self.run.owners, self.run.clock(), known)
        if other is None:
            return
        if other.leads:
            self._note(group=group)
            raise Hold("other-owner", other.reason())
        if other.warning() not in self.result.remarks:
            self._note(remarks=(*self.result.remarks, other.warning()))

    def _note_minimum(self, group: GroupState, slots: Sequence[Slot], plan: Plan, now: datetime) -> None:
        """Compare what will be in force with the plan: external actions may set less."""
        limits = (self.fleet.max_increase_per_slot, self.fleet.max_decrease_per_slot)
        ramped = limits != (None, None)
        minimum = self.target.rules.minimum_in_force(group, slots, self.run.owners, plan, now, ramp_limited=ramped)
        self._note(minimum=minimum)

    def _write(self, claim: Claim, planner: Planner) -> FleetResult:
        """Under the lease the group is read again, since an older run may have written meanwhile."""
        here = place(self.fleet)
        with self.run.pacing.writer(here), write_lease(self.run, self.ledger, claim) as remembered:
            memory = remembered
            group = self.target.read()
            for _ in range(ROUNDS):
                schedule, diff, seen = self._schedule(planner, group, memory)
                self._refuse_unagreed(diff)
                self._refuse_paused()
                self._leave_basis()
                memory = self._intent(group, diff, schedule, seen, memory)
                with self.run.pacing.writing(here, diff.writes, self.run.remaining_seconds()) as writing:
                    if diff.writes:
                        # A successor must know what this run wanted, should it die among its writes.
                        self.ledger.remember(claim, memory.to_json())
                    group = self._reconcile(claim, group, schedule, writing)
                # Not what was read back: a slot that ran among the writes is gone from there, and MinSize is as it was before.
                memory = replace(memory, slots=memory.intended, intended=())
                self._note(observation=seen.after_writing(group, self.run.owners, self.run.clock()))
                if schedule.complete or not diff.writes:
                    self.ledger.commit(claim, memory.to_json())
                    if self.result.plan is not None:
                        live = self.target.rules.ours(group, self.run.owners)
                        self._note_minimum(group, live, self.result.plan, self.run.clock())
                    return self._note(status="written" if self.result.written else "unchanged", read_back=True)
        raise Hold("no-room", "people's actions fill the group, and one run could not make room; the next one goes on")

    def _leave_basis(self) -> None:  # noqa: B027 - a short run leaves none
        """Before the first write: what a short run after this one goes by, also if this one dies among its writes."""

    def _reconcile(self, claim: Claim, group: GroupState, schedule: Schedule, writing: Writing) -> GroupState:
        def fence() -> None:
            writing.wait()  # before the fence is asked: what it says must be fresh at the call
            self.ledger.fence(claim)

        planned = self.result.written + (self.result.diff.writes if self.result.diff else 0)
        with counted_writes(self.fleet.name, "apply", planned, fence) as counted:
            outcome = reconcile(
                self.target,
                group,
                schedule,
                owners=self.run.owners,
                fence=counted,
                clock=self.run.clock,
            )
        self._note(group=outcome.state, written=self.result.written + outcome.written)
        return outcome.state

    def _refuse_unagreed(self, diff: Diff) -> None:
        if (
            self.agreed is not None
            and self.result.written == 0
            and (diff.puts, diff.deletes) != (self.agreed.puts, self.agreed.deletes)
        ):
            raise Hold("changed", "the group or its load has changed since the plan was shown: look again")

    def _intent(
        self, group: GroupState, diff: Diff, schedule: Schedule, seen: Observation, before: Memory | None
    ) -> Memory:
        rules, owners, now = self.target.rules, self.run.owners, self.run.clock()
        standing = rules.timeline(rules.ours(group, owners))
        return Memory(
            as_of=now,
            min_size=group.min_size,
            baseline=seen.baseline,
            people_floor=seen.people_floor,
            people_events=rules.people_events(group, owners, now, now + timedelta(days=PEOPLE_DAYS)),
            slots=standing,
            intended=rules.timeline((*diff.imminent, *schedule.slots)),
            # A first plan has nothing before it; a run that writes nothing leaves what a rollback restores.
            previous=with_value_before(standing, rules.floor_in_force(group, owners, now), now)
            if diff.writes
            else (before.previous if before else ()),
        )

    def _note(self, **changes: object) -> FleetResult:
        self.result = replace(self.result, **changes)  # pyright: ignore[reportArgumentType] - fields by name, each from its typed stage
        return self.result

    def _deadline(self) -> datetime:
        """When the run must have ended."""
        return self.run.clock() + timedelta(seconds=max(self.run.remaining_seconds(), 1.0))

    def _read_since(self, since: datetime) -> Reading:
        opened = open_source(self.fleet.source, target=self.fleet.target, session=self.run.session)
        return opened.read(since, self.run.now)

    @staticmethod
    def _refuse_unsound(findings: Iterable[Finding]) -> None:
        """By a load that is wrong nothing is planned."""
        worst = next((each for each in findings if each.verdict is Verdict.HOLD), None)
        if worst:
            raise Hold(worst.code, worst.text)

    def _refuse_late(self) -> None:
        if self.run.remaining_seconds() <= 0:
            raise Deferred("out-of-time", "the run's time is spent; this fleet goes first in the next one")

    def _refuse_paused(self) -> None:
        if not (found := paused(self.run.store, self.run.job, self.fleet.name, self.run.clock())):
            return
        if self.run.write:
            raise Hold("paused", str(found))
        self._note(remarks=(*self.result.remarks, f"{found}: until then nothing is written"))


def place(fleet: Fleet) -> str:
    """Where the fleet's mutating calls are counted by the cloud: its cloud and its region or project."""
    return "/".join(fleet.target_key.split("/")[:2])
