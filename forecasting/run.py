"""One run of a job and what it did for each fleet."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from forecasting.choosing.base import Choice
from forecasting.errors import SettingsError
from forecasting.history import History
from forecasting.leadtime.launches import FailingLaunches, Learnt
from forecasting.models.base import Forecast
from forecasting.pacing import Pacing
from forecasting.planning.base import Plan, Shortage
from forecasting.schedule.actions import GroupState
from forecasting.schedule.base import Schedule
from forecasting.schedule.in_force import MinimumInForce
from forecasting.schedule.memory import Memory, Observation
from forecasting.settings import Fleet, Job
from forecasting.sources import Reading
from forecasting.store import Store, open_store
from forecasting.store.ledger import Claim, Ledger
from forecasting.store.scores import Scores
from forecasting.targets.base import Diff

if TYPE_CHECKING:
    import boto3.session

PEOPLE_DAYS = 8
"""People's actions are remembered this far ahead, so that a job that was silent for a week can still tell a person's hand from their schedule."""

LEASE_WAIT_SECONDS = 60.0
"""Longest wait for an older run's lease. One that lives stops at its next write once it is overtaken; of one that died on
another machine the lease lasts to the end of its time."""

Kind = Literal["full", "short"]
"""A full run forecasts and plans anew; a short one re-levels the next slots of the plan that stands (`forecasting.shortrun`)."""

Status = Literal["written", "unchanged", "planned", "held", "deferred", "failed"]


def utc_now() -> datetime:
    """The present time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Run:
    """What is the same for all fleets of a run.

    Attributes:
        job: The settings.
        now: When the run started (aware): its data end here. What is written is planned for the moment of writing.
        run_id: Unique for each run; a scheduler's repeated invocation carries the same one and writes nothing.
        session: AWS credentials and endpoint; boto3's standard chain where it is None.
        clock: The present time, for leases and for what must start in the future.
        write: False plans only: no cloud and no store is written to.
        time_left: Seconds until the run must be done, where the process is told (a function's deadline); else the job's `time_budget_seconds` counts.
        pacing: How fast it writes, and what fits into its time.
        break_lease: A person knows that the run which holds a group's lease is dead: take it.
    """

    job: Job
    now: datetime
    run_id: str = field(default_factory=lambda: f"manual-{uuid.uuid4()}")
    session: boto3.session.Session | None = None
    clock: Callable[[], datetime] = utc_now
    write: bool = True
    time_left: Callable[[], float] | None = None
    pacing: Pacing = field(default_factory=Pacing)
    break_lease: bool = False

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise SettingsError("now", self.now.isoformat(), "a time with its UTC offset")

    @property
    def owners(self) -> frozenset[str]:
        """Ids whose actions are ours."""
        return frozenset({self.job.owner, *self.job.former_owners})

    @cached_property
    def store(self) -> Store:
        """The job's store.

        Raises:
            StoreError, CredentialsError: its settings cannot be opened.
        """
        return open_store(self.job.store, self.session)

    def remaining_seconds(self) -> float:
        """Time left; nothing is begun when it is spent."""
        if self.time_left is not None:
            return self.time_left()
        return (self.now + timedelta(seconds=self.job.time_budget_seconds) - self.clock()).total_seconds()


def open_ledger(run: Run, fleet: Fleet) -> Ledger:
    """The ledger of a fleet's group; nothing is read yet.

    Raises:
        StoreError, CredentialsError: the store's settings cannot be opened.
    """
    return Ledger(run.store, fleet.target_key, clock=run.clock)


@contextmanager
def write_lease(run: Run, ledger: Ledger, claim: Claim) -> Generator[Memory | None]:
    """The right to write to a group until the run's time is up, given back at the end; what was remembered of the group when it was taken.

    Raises:
        Hold: a newer run has claimed, or an older one still writes and could not be waited for.
        StoreError: the store cannot be read or written, or the memory is damaged.
    """
    remaining = max(run.remaining_seconds(), 1.0)
    wait = min(remaining / 2, LEASE_WAIT_SECONDS)
    state = (
        claim.state
        if claim.leased
        else ledger.acquire(claim, lease_seconds=remaining, wait_seconds=wait, break_lease=run.break_lease)
    )
    try:
        yield Memory.from_json(state.memory)
    finally:
        ledger.release(claim)


@dataclass(frozen=True)
class DesiredBefore:
    """The desired capacity that an earlier run left, and when."""

    capacity: int
    at: datetime


@dataclass(frozen=True)
class Launching:
    """What a run knows of a fleet's launches.

    Attributes:
        lead_time: What the plan asks ahead; None where the settings' own counts.
        shortage: What the cloud does not give for now.
        remarks: What a person should know of it, and what could not be read.
        failing: Launches that fail now, whatever the cause; None if they do not.
    """

    lead_time: Learnt | None = None
    shortage: Shortage | None = None
    remarks: tuple[str, ...] = ()
    failing: FailingLaunches | None = None

    @property
    def lead_time_seconds(self) -> float | None:
        """For the plan; None for the settings'."""
        return self.lead_time.seconds if self.lead_time else None


@dataclass(frozen=True)
class FleetResult:
    """What a run did for one fleet, and why. What the run did not come to is None.

    Attributes:
        fleet: The fleet's settings.
        status: `written`, `unchanged`, `planned` (nothing may be written), `held` (a doubt: the old plan stays), `deferred` (it did not fit into the
            time: nothing was written, it goes first next time), `failed` (a defect of ours).
        code: A stable word for why a fleet is held, else empty.
        reason: The same in a sentence, with what a person can do.
        reading: The load as it was read.
        launching: What its launches tell.
        history: The clean history.
        choice: The quantile that is planned for, and why.
        forecast: Quantiles of the load.
        scores: Earlier forecasts against what came.
        observation: What people want of the group.
        plan: The floor per step.
        schedule: The slots that should stand.
        diff: The writes that it takes.
        group: The group as it was read, or read back after writing.
        needed: What the newest samples say is needed within the lead time, in instances; None where nothing can be said.
        minimum: The minimum that will be in force, external actions included, beside the plan: as predicted, or as read back.
        floor_in_force: The minimum that held when the plan was made: the live one; on Google Cloud also that of our open windows.
        written: Mutating calls made.
        read_back: The standing actions were read back and are the schedule.
        desired_before: The desired capacity that the last run left, if it is another now.
        remarks: What else went amiss without being in the way.
    """

    fleet: Fleet
    status: Status = "planned"
    code: str = ""
    reason: str = ""
    launching: Launching = Launching()
    reading: Reading | None = None
    history: History | None = None
    choice: Choice | None = None
    forecast: Forecast | None = None
    scores: Scores | None = None
    observation: Observation | None = None
    plan: Plan | None = None
    schedule: Schedule | None = None
    diff: Diff | None = None
    group: GroupState | None = None
    needed: int | None = None
    minimum: MinimumInForce | None = None
    floor_in_force: int | None = None
    written: int = 0
    read_back: bool = False
    desired_before: DesiredBefore | None = None
    remarks: tuple[str, ...] = ()

    @property
    def served(self) -> bool:
        """Whether the fleet's actions are as planned, or would be."""
        return self.status in {"written", "unchanged", "planned"}

    @property
    def is_short(self) -> bool:
        """Whether the minimum in force is below the plan at any time."""
        return self.minimum is not None and self.minimum.short_from is not None

    @property
    def ok(self) -> bool:
        """Whether the fleet is served and the minimum in force is at least the plan."""
        return self.served and not self.is_short

    @property
    def plan_quantile(self) -> float:
        """The quantile of the load that was planned for; what the settings say where it did not come to a choice."""
        return self.choice.quantile if self.choice else self.fleet.plan_quantile

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know, in the order of the pipeline."""
        return (
            *(self.reading.warnings if self.reading else ()),
            *(finding.text for finding in (self.history.findings if self.history else ())),
            *(
                f"left out {name}: {why}"
                for name, why in (self.forecast.model.left_out if self.forecast else {}).items()
            ),
            *(self.forecast.model.notes if self.forecast else ()),
            *self.launching.remarks,
            *(self.plan.notes if self.plan else ()),
            *((self.observation.note,) if self.observation and self.observation.note else ()),
            *(self.schedule.notes if self.schedule else ()),
            *(str(closure) for closure in (self.minimum.closures if self.minimum else ())),
            *(str(owner) for owner in (self.group.other_owners if self.group else ())),
            *self.remarks,
        )
