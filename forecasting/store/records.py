"""What is kept per target: its state and the record of each run. JSON with sorted keys and a version."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from forecasting.errors import StoreError
from forecasting.store.holder import Lease

Memory = dict[str, JsonValue]
"""What the target stage remembers between runs; opaque to the store."""

Outcome = Literal["written", "unchanged", "held", "deferred", "failed", "dry-run"]


class Record(BaseModel):
    """One JSON document. Its keys are sorted, so equal records are equal bytes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1

    @classmethod
    def from_bytes(cls, key: str, body: bytes) -> Self:
        """Parse the item under `key`.

        Raises:
            StoreError: the item is corrupt, half-written, or of a newer release; it names the key.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise StoreError(
                f"{key}: not a {cls.__name__} that this release can read ({error.error_count()} errors)"
            ) from error

    def to_bytes(self) -> bytes:
        """The document as UTF-8 JSON."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":")
        ).encode()


class TargetState(Record):
    """What all runs of one target agree on.

    Attributes:
        generation: The highest claimed so far; 0 before the first claim.
        run_id: Run of the newest claim.
        token: Random, of the newest claim: two claims never write equal bytes, so a retried write can be told from a twin's.
        started: When the latest of the runs that have claimed had started; None where no release of today's has claimed yet.
        full_generation: The highest claimed by anything but a short run.
        full_until: Until when the run of that claim may be under way; None where it was a person's command: then a full run comes first.
        short_runs: The latest short runs that have claimed, oldest first.
        lease: Who may write to the target now.
        claimed_runs: The latest claimed runs, oldest first: a run claims once.
        completed_runs: The latest runs that committed, oldest first.
        memory: What the target stage remembers between runs.
    """

    generation: int = Field(default=0, ge=0)
    run_id: str = ""
    token: str = ""
    started: AwareDatetime | None = None
    full_generation: int = Field(default=0, ge=0)
    full_until: AwareDatetime | None = None
    short_runs: tuple[str, ...] = ()
    lease: Lease | None = None
    claimed_runs: tuple[str, ...] = ()
    completed_runs: tuple[str, ...] = ()
    memory: Memory = Field(default_factory=dict)


class RecordedFinding(BaseModel):
    """A finding on the quality of the history, as `forecasting.history.base.Finding` has it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    code: str
    verdict: str
    text: str


class RecordedChoice(BaseModel):
    """The quantile that was planned for, as `forecasting.choosing.Choice` has it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    quantile: float
    source: str
    reason: str
    reactive_target: float | None = None


class RecordedDay(BaseModel):
    """A past day as each candidate would have had it: instances paid for and load left uncovered, by target, then by quantile."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    paid: tuple[float, ...]
    uncovered: tuple[float, ...]
    load: float


class PastDays(Record):
    """What a fleet's quantile is chosen by, kept so that each day is replayed once.

    Attributes:
        settings_sha256: Of the settings that the days were replayed with.
        looked: The newest day that was looked at, whether or not it could be replayed; None before the first.
        days: By ISO date.
    """

    settings_sha256: str = ""
    looked: date | None = None
    days: dict[str, RecordedDay] = Field(default_factory=dict)


class RecordedLeadTime(BaseModel):
    """The lead time that was planned with, as `forecasting.leadtime.launches.Learnt` has it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seconds: float
    kind: str
    source: str
    count: int
    p50_seconds: float
    p90_seconds: float
    p99_seconds: float
    to_answer: bool
    text: str


class RecordedShortage(BaseModel):
    """What the cloud did not give, as `forecasting.planning.base.Shortage` has it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    units: int
    until: AwareDatetime
    code: str
    text: str


class RunRecord(Record):
    """What a later reader needs to understand a run.

    Attributes:
        generation: The run's claim; 0 where it ended before it had one.
        time: When the run started (aware).
        target: Identity of what is scaled (`Fleet.target_key`).
        input_sha256: Digest of the load that was read (`digest`).
        model: What was chosen and why, in one line.
        weights: Weight of each model in the forecast.
        findings: Quality of the history.
        floors: The plan: UTC start of the step (ISO 8601) to instances.
        minimum_in_force: The minimum with external actions: UTC moment (ISO 8601) to instances from then on.
        shortfall_instance_hours: Plan above the minimum in force, over the horizon.
        diff: Counts by kind of change, e.g. `{"put": 3, "delete": 1, "unchanged": 93}`.
        reason: Why it was held or failed; empty otherwise.
        choice: The quantile that was planned for, and why.
        lead_time: What was asked ahead, where it is learnt.
        shortage: What the cloud did not give.
        on_demand_base: Units that are advised as an on-demand base.
    """

    run_id: str = Field(min_length=1)
    generation: int = Field(ge=0)
    time: AwareDatetime
    fleet: str
    target: str
    outcome: Outcome
    reason: str = ""
    input_sha256: str | None = None
    model: str | None = None
    weights: dict[str, float] = Field(default_factory=dict)
    findings: tuple[RecordedFinding, ...] = ()
    floors: dict[str, int] = Field(default_factory=dict)
    minimum_in_force: dict[str, int] = Field(default_factory=dict)
    shortfall_instance_hours: float | None = None
    diff: dict[str, int] = Field(default_factory=dict)
    choice: RecordedChoice | None = None
    lead_time: RecordedLeadTime | None = None
    shortage: RecordedShortage | None = None
    on_demand_base: int | None = None


def digest(load: pd.Series[float]) -> str:
    """SHA-256 of a load series (DatetimeIndex): of its sorted stamps and values, whatever their order and resolution."""
    ordered = load.sort_index(kind="stable")
    stamps = pd.DatetimeIndex(ordered.index).as_unit("ns").asi8.astype("<i8")
    values = ordered.to_numpy(dtype=np.float64).astype("<f8")
    return hashlib.sha256(stamps.tobytes() + values.tobytes()).hexdigest()
