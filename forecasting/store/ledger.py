"""The ledger of one target: who may write to it, what was written, and the record of every run.

A cloud's scheduled scaling has no conditional write, so order is made here, with the store's:

    claim -> (forecast, plan) -> acquire -> fence, write, fence, write, ... -> commit -> release

A short run's claim comes with the lease (`claim_short`), and stands back while another run is under way.

Each run claims a generation higher than all before it, unless one that started later has claimed already: what that one read, its settings above all,
is newer. Only the newest generation may acquire the write lease, and only when an older one's is
released or expired; a holder that a newer claim has overtaken finds out at its next `fence` and stops. So holders follow each other one at a time,
in ascending generations, and the highest one writes last.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from forecasting.errors import ConflictError, Hold, StandsBack, StoreError
from forecasting.store.base import Store
from forecasting.store.basis import Basis
from forecasting.store.frames import decode_frame, encode_frame
from forecasting.store.holder import Lease, is_near, this_process
from forecasting.store.keys import floor_second, key_time, slug, stamp
from forecasting.store.records import Memory, PastDays, RunRecord, TargetState

log = logging.getLogger(__name__)

_REMEMBERED_RUNS = (
    50  # duplicates of an at-least-once scheduler come within hours; a run every 5 min fills this in four
)
_REMEMBERED_SHORT_RUNS = 12  # an hour of those that wrote
_ATTEMPTS = 20
_POLL_SECONDS = 2.0
_PAST_DAYS = "past-days.json"


@dataclass(frozen=True)
class Claim:
    """A run's place in the order of all runs of a target.

    Attributes:
        state: What its claim wrote.
        first_of_day: No run has started on this day (UTC) before: what is to be done once a day is this one's.
        leased: It holds the lease already.
    """

    generation: int
    run_id: str
    state: TargetState
    first_of_day: bool = False
    leased: bool = False


@dataclass(frozen=True)
class StoredForecast:
    """An earlier forecast: when it was made (UTC) and its quantiles, as `Forecast.quantiles` has them."""

    made_at: datetime
    quantiles: pd.DataFrame


def utc_now() -> datetime:
    """The present time, aware."""
    return datetime.now(UTC)


class Ledger:
    """The ledger of the target `target_key` (`Fleet.target_key`) in `store`.

    `clock` and `sleep` are replaced in tests. Leases compare the clocks of the machines that run the job: keep `lease_seconds` well above their skew.
    Every method raises `StoreError` or `CredentialsError` where the store does.
    """

    def __init__(
        self,
        store: Store,
        target_key: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._root = f"targets/{slug(target_key)}"
        self._clock = clock
        self._sleep = sleep

    def state(self) -> TargetState:
        """What all runs agree on now."""
        return self._read()[0]

    def claim(self, run_id: str, started: datetime | None = None, until: datetime | None = None) -> Claim:
        """Take the next generation.

        Args:
            run_id: Unique for each run.
            started: When the run began to read its settings (aware). Among many targets it may come to this one long afterwards, when a run with
                newer settings has been here. None: now, for what a person does.
            until: When the run must have ended (aware): short runs stand back until then, or until it has left them its basis. None: they wait for
                the next full run, for what a person does.

        Raises:
            Hold: `duplicate-run`: a run of this id claimed before. Schedulers deliver at least once; the repeated invocation must not write.
                `superseded`: a run that started later has claimed.
        """
        token = secrets.token_hex(8)

        days: list[date | None] = []

        def change(state: TargetState) -> TargetState:
            days[:] = [state.started.astimezone(UTC).date() if state.started else None]
            now, latest = self._clock(), state.started
            if latest is not None and latest > now:  # of a machine whose clock is ahead: it must not keep everybody out
                latest = None
            if run_id in state.claimed_runs:
                done = "is complete" if run_id in state.completed_runs else "is under way or died; the next run goes on"
                raise Hold("duplicate-run", f"run {run_id!r} was invoked again: it {done}")
            if latest is not None and started is not None and started < latest:
                raise Hold(
                    "superseded",
                    f"this run started at {started.isoformat()}, and one that started later (run {state.run_id!r}) has been here already",
                )
            return state.model_copy(
                update={
                    "generation": state.generation + 1,
                    "run_id": run_id,
                    "token": token,
                    "started": max(started or now, latest or started or now),
                    "full_generation": state.generation + 1,
                    "full_until": until,
                    "claimed_runs": (*state.claimed_runs, run_id)[-_REMEMBERED_RUNS:],
                }
            )

        state = self._change(change)
        today = (started or self._clock()).astimezone(UTC).date()
        return Claim(state.generation, run_id, state, first_of_day=days != [today])

    def claim_short(self, run_id: str, basis_generation: int, seen: TargetState, *, lease_seconds: float) -> Claim:
        """Take the next generation and the lease in one step, for a run between two full ones: it waits for nobody and overtakes nobody.

        It does not count as started: a full run that began earlier may come to this target later.

        Args:
            run_id: Unique for each run.
            basis_generation: Of the full run whose plan it goes by.
            seen: The state before that plan was read: a full run that claimed since, and has got through, has left a newer one.
            lease_seconds: As for `acquire`.

        Raises:
            StandsBack: another run is under way or has left a newer plan, or a person's command came after that full run.
            Hold: `duplicate-run`, as in `claim`.
        """
        token = secrets.token_hex(8)

        def change(state: TargetState) -> TargetState:
            now = self._clock()
            if run_id in state.short_runs:
                raise Hold("duplicate-run", f"run {run_id!r} was invoked again")
            refuse_under_way(state, basis_generation, now)
            if state.full_generation > max(seen.full_generation, basis_generation):
                raise StandsBack("full-run", "a full run came meanwhile; the next tick goes by its plan")
            generation = state.generation + 1
            return state.model_copy(
                update={
                    "generation": generation,
                    "run_id": run_id,
                    "token": token,
                    "short_runs": (*state.short_runs, run_id)[-_REMEMBERED_SHORT_RUNS:],
                    "lease": Lease(generation=generation, until=now + timedelta(seconds=lease_seconds)),
                }
            )

        state = self._change(change)
        return Claim(state.generation, run_id, state, leased=True)

    def acquire(
        self, claim: Claim, *, lease_seconds: float, wait_seconds: float = 0.0, break_lease: bool = False
    ) -> TargetState:
        """Take the write lease, waiting at most `wait_seconds` for an older run to release it or for its lease to expire.

        The lease of a process of this machine that was killed is taken at once, as is one whose end no run can have set (`Lease.is_held`).

        Give `lease_seconds` that end when the process must have ended (the function's deadline); acquiring again renews it. Read the target and
        the memory after this, from the state returned: an older run may have written meanwhile.

        Args:
            claim: The run's.
            lease_seconds: How long the lease is.
            wait_seconds: How long an older run is waited for.
            break_lease: Take it from whoever has it: a person knows that run to be dead.

        Raises:
            Hold: `superseded`: a newer run has claimed; `busy`: an older run still writes.
        """
        broken: list[Lease] = []

        def change(state: TargetState) -> TargetState:
            _refuse_superseded(state, claim)
            now, lease = self._clock(), state.lease
            theirs = lease if lease and lease.generation != claim.generation else None
            if theirs and theirs.is_held(now) and not break_lease:
                return state
            broken[:] = [theirs] if theirs and theirs.until > now else []
            until, holder = now + timedelta(seconds=lease_seconds), this_process()
            run_id = claim.run_id if holder else ""
            ours = Lease(generation=claim.generation, until=until, run_id=run_id, holder=holder)
            return state.model_copy(update={"lease": ours})

        waited = 0.0
        while True:
            state = self._change(change)
            lease = state.lease
            if lease is None or lease.generation == claim.generation:
                for theirs in broken:
                    log.warning("took the write lease of %s, which was to end at %s", theirs, theirs.until.isoformat())
                return state
            if waited >= wait_seconds:
                raise Hold(
                    "busy",
                    f"{lease} may write until {lease.until.isoformat()}; the next run goes on (if you know that run to be dead: --break-lease)",
                )
            pause = min(_POLL_SECONDS, wait_seconds - waited)
            self._sleep(pause)
            waited += pause

    def fence(self, claim: Claim) -> None:
        """Call before every write to the target: may this run still write?

        Raises:
            Hold: `superseded`: a newer run has claimed; `lease-lost`: the lease was never taken, has expired or is another run's.
        """
        state = self.state()
        _refuse_superseded(state, claim)
        self._refuse_unless_holder(state, claim, live=True)

    def remember(self, claim: Claim, memory: Memory) -> None:
        """Store the memory before the run is through: what a successor needs if this run dies among its writes.

        Raises:
            Hold: `lease-lost`, as in `commit`.
        """
        self._change(lambda state: self._with_memory(state, claim, memory))

    def commit(self, claim: Claim, memory: Memory) -> None:
        """Store the memory and mark the run complete.

        Who holds the lease commits, even when a newer run has claimed meanwhile: what it wrote stands in the cloud, and the newer run reads the
        memory when it acquires. An expired lease that nobody took is still the holder's: the write is conditional.

        Raises:
            Hold: `lease-lost`: the lease was never taken or is another run's; nothing is stored.
        """

        def change(state: TargetState) -> TargetState:
            changed = self._with_memory(state, claim, memory)
            completed = (*(run for run in state.completed_runs if run != claim.run_id), claim.run_id)
            return changed.model_copy(update={"completed_runs": completed[-_REMEMBERED_RUNS:]})

        self._change(change)

    def release(self, claim: Claim) -> None:
        """Give the lease back, if it is this run's."""

        def change(state: TargetState) -> TargetState:
            ours = state.lease is not None and state.lease.generation == claim.generation
            return state.model_copy(update={"lease": None}) if ours else state

        self._change(change)

    def basis(self) -> Basis | None:
        """What the last full run left for the short ones; None before the first."""
        key = f"{self._root}/basis.json"
        item = self._store.get(key)
        return Basis.from_bytes(key, item.body) if item else None

    def leave_basis(self, basis: Basis) -> None:
        """Keep it in place of the one before.

        Raises:
            Hold: `superseded`: a newer run has left its own.
            ConflictError: another run did so just now.
        """
        key = f"{self._root}/basis.json"
        current = self._store.get(key)
        newest = _generation_of(key, current.body) if current else 0
        # One from beyond the state's own count is of a state that was lost: it keeps nobody out.
        if 0 < basis.generation < newest <= self.state().generation:
            raise Hold("superseded", f"generation {basis.generation} was overtaken by {newest}, whose plan stands")
        self._store.put(key, basis.to_bytes(), if_version=current.version if current else None)

    def record_run(self, record: RunRecord) -> None:
        """Keep the record of a run, under its time and generation; recorded again, it is replaced."""
        key = f"{self._root}/runs/{stamp(record.time)}-{record.generation:08d}.json"
        self._replace(key, record.to_bytes())

    def runs(self, limit: int) -> list[RunRecord]:
        """The latest `limit` records, newest first."""
        newest = self._store.keys(f"{self._root}/runs")[::-1][:limit]
        return [RunRecord.from_bytes(key, item.body) for key in newest if (item := self._store.get(key))]

    def save_forecast(self, run_id: str, made_at: datetime, quantiles: pd.DataFrame) -> None:
        """Keep a forecast (`Forecast.quantiles`) made at `made_at` (aware), as gzipped CSV."""
        key = f"{self._root}/forecasts/{stamp(made_at)}-{slug(run_id)}.csv.gz"
        self._replace(key, encode_frame(quantiles))

    def forecasts(
        self, since: datetime, *, until: datetime | None = None, at_most: int | None = None
    ) -> list[StoredForecast]:
        """The forecasts made at `since` (aware) or later, before `until`, oldest first; of more than `at_most`, that many spread over the time."""
        keys = [
            key
            for key in self._store.keys(f"{self._root}/forecasts")
            if key_time(key) >= floor_second(since) and (until is None or key_time(key) < until)
        ]
        if at_most is not None and len(keys) > at_most:
            keys = [keys[position * len(keys) // at_most] for position in range(at_most)]
        return [
            StoredForecast(key_time(key), decode_frame(key, item.body))
            for key in keys
            if (item := self._store.get(key))
        ]

    def past_days(self) -> PastDays:
        """What was kept of the days by which the quantile is chosen; empty before the first."""
        key = f"{self._root}/{_PAST_DAYS}"
        item = self._store.get(key)
        return PastDays.from_bytes(key, item.body) if item else PastDays()

    def keep_past_days(self, past: PastDays) -> None:
        """Keep them, in place of the ones before."""
        self._replace(f"{self._root}/{_PAST_DAYS}", past.to_bytes())

    def first_of_day(self) -> bool:
        """Whether no run has left a record on this day (UTC): where runs end before they claim, nothing else tells."""
        today = self._clock().astimezone(UTC).date()
        return all(key_time(key).date() != today for key in self._store.keys(f"{self._root}/runs"))

    def prune(self, keep_days: float = 60) -> int:
        """Delete records and forecasts older than `keep_days`; the state stays. Returns how many."""
        limit = self._clock() - timedelta(days=keep_days)
        old = [
            key
            for kind in ("runs", "forecasts")
            for key in self._store.keys(f"{self._root}/{kind}")
            if key_time(key) < limit
        ]
        for key in old:
            self._store.delete(key)
        return len(old)

    def _with_memory(self, state: TargetState, claim: Claim, memory: Memory) -> TargetState:
        self._refuse_unless_holder(state, claim, live=False)
        return state.model_copy(update={"memory": memory})

    def _refuse_unless_holder(self, state: TargetState, claim: Claim, *, live: bool) -> None:
        lease = state.lease
        if lease is None or lease.generation != claim.generation:
            raise Hold("lease-lost", f"generation {claim.generation} does not hold the write lease")
        if live and lease.until <= self._clock():
            raise Hold("lease-lost", f"the lease of generation {claim.generation} ran out at {lease.until.isoformat()}")

    def _read(self) -> tuple[TargetState, str | None]:
        key = f"{self._root}/state.json"
        item = self._store.get(key)
        return (TargetState.from_bytes(key, item.body), item.version) if item else (TargetState(), None)

    def _change(self, change: Callable[[TargetState], TargetState]) -> TargetState:
        """Apply `change` to the newest state, again and again until nobody else wrote in between."""
        for attempt in range(_ATTEMPTS):
            state, version = self._read()
            changed = change(state)
            if changed == state:
                return state
            try:
                self._store.put(f"{self._root}/state.json", changed.to_bytes(), if_version=version)
                return changed
            except ConflictError:
                self._sleep(random.uniform(0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311 - jitter
        raise ConflictError(f"{self._root}/state.json: others wrote first, {_ATTEMPTS} times in a row")

    def _replace(self, key: str, body: bytes) -> None:
        current = self._store.get(key)
        self._store.put(key, body, if_version=current.version if current else None)


def _generation_of(key: str, body: bytes) -> int:
    """Of a basis; 0 for one of another release, or a damaged one."""
    try:
        return Basis.from_bytes(key, body).generation
    except StoreError:
        return 0


def _refuse_superseded(state: TargetState, claim: Claim) -> None:
    if state.generation > claim.generation:
        raise Hold(
            "superseded",
            f"generation {claim.generation} was overtaken by {state.generation} (run {state.run_id!r}), which goes on",
        )


def refuse_under_way(state: TargetState, basis_generation: int, now: datetime) -> None:
    """A short run stands back while another run is under way, and from a person's command until a full run has followed it.

    Raises:
        StandsBack: so it is.
    """
    if state.lease is not None and state.lease.is_held(now):
        raise StandsBack("busy", f"generation {state.lease.generation} writes; the next tick goes on")
    if basis_generation >= state.full_generation:
        return
    if state.full_until is None:
        raise StandsBack(
            "after-command", f"a person's command ({state.run_id!r}) came after the last full run; the next one goes on"
        )
    if is_near(state.full_until, now):
        raise StandsBack("full-run", "a full run is under way; it plans what this one would")
