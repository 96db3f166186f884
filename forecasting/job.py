"""The pipeline: source -> history -> forecast -> plan -> schedule -> target, for each fleet of a job.

One fleet's failure never touches another's. A doubt means no write: whatever goes wrong, the fleet is held with its reason and its old plan runs on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

import pandas as pd

from forecasting.calendar import Calendar
from forecasting.errors import Deferred, ElasticIacError, Hold, SettingsError
from forecasting.history import History, Verdict, build_history
from forecasting.models.base import DEFAULT_QUANTILES, Forecast
from forecasting.models.tournament import forecast
from forecasting.pacing import Writing
from forecasting.planning.base import Plan
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import learn_headroom
from forecasting.run import PEOPLE_DAYS, FleetResult, Run, open_ledger, write_lease
from forecasting.schedule.actions import GroupState
from forecasting.schedule.base import Schedule
from forecasting.schedule.memory import Memory, Observation
from forecasting.schedule.slots import Request
from forecasting.settings import FileSource, Fleet, Job
from forecasting.sources import Reading, open_source
from forecasting.store.ledger import Claim, Ledger
from forecasting.store.pause import paused
from forecasting.store.records import RecordedFinding, RunRecord, digest
from forecasting.store.scores import score_forecasts
from forecasting.targets import open_target
from forecasting.targets.base import Diff
from forecasting.targets.reconcile import reconcile

log = logging.getLogger(__name__)

FILE_LOOKBACK_DAYS = 28.0
"""How much of a file is read: what four weekly seasons need. (Other sources state their own.)"""

LOW_QUANTILE = 0.1
"""The lower edge of the band that a dashboard shows; nothing is planned by it."""

FORECAST_SECONDS = 20.0
"""Longest that a fleet's models may take; slower ones are left out of the blend."""

SCORE_DAYS = 7
"""Forecasts made within this time are scored against what came."""

PRUNE_EVERY = 100
"""Every so many runs the records that are too old go: about once a day for a job that runs every 15 min."""

ROUNDS = 3
"""Most rounds of schedule and write for a fleet: where people's actions fill the group, the first ones only make room."""


def run_job(
    run: Run, fleets: Iterable[str] | None = None, on_result: Callable[[FleetResult], None] | None = None
) -> list[FleetResult]:
    """Run the pipeline for every fleet of the job, or for the named ones.

    Args:
        run: The run.
        fleets: Names of fleets; None for all.
        on_result: Called after each fleet.

    Raises:
        SettingsError: a name is not a fleet of the job.
    """
    results: list[FleetResult] = []
    for fleet in select_fleets(run.job, fleets):
        results.append(run_fleet(run, fleet))
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


def run_fleet(run: Run, fleet: Fleet, agreed: Diff | None = None) -> FleetResult:
    """Run the pipeline for one fleet. What a fleet can do wrong is never raised: the result says it.

    Args:
        run: The run.
        fleet: The fleet.
        agreed: The writes that a person has agreed to; where others turn out to be needed, nothing is written.
    """
    pipeline = Pipeline(run, fleet, agreed)
    result = pipeline.guarded()
    pipeline.record(result)
    return result


class Pipeline:
    """One fleet's way through the stages. `result` grows as it goes, so that a held fleet shows what was known of it."""

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
            return self.go()
        except Deferred as error:
            # Where a first round has made room already, something was written.
            status = "held" if self.result.written else "deferred"
            return self._note(status=status, code=error.code, reason=error.reason)
        except Hold as error:
            return self._note(status="held", code=error.code, reason=error.reason)
        except ElasticIacError as error:
            return self._note(status="held", code=type(error).__name__, reason=str(error))
        except MemoryError:
            return self._note(
                status="held", code="out-of-memory", reason="the run ran out of memory: give the function more"
            )
        except Exception as error:
            log.exception("fleet %s: unexpected error", self.fleet.name)
            return self._note(status="failed", code="unexpected", reason=f"{type(error).__name__}: {error}")

    def go(self) -> FleetResult:
        """The stages, in order."""
        if not (self.run.job.enabled and self.fleet.enabled):
            raise Hold(
                "disabled",
                "the kill switch is on: nothing is written; the standing plan runs out and the baseline returns",
            )
        self._refuse_late()
        self._refuse_paused()
        writes = self.run.write and not (self.run.job.dry_run or self.fleet.dry_run)
        if writes:
            self.claim = self.ledger.claim(self.run.run_id, self.run.now)
        group = self.target.read()
        self._note(group=group)
        history = self._history(self._read())
        load = self._forecast(history)
        self._score(history)
        if self.claim is None:
            self._schedule(history, load, group, Memory.from_json(self.ledger.state().memory))
            return self._note(status="planned")
        return self._write(self.claim, history, load)

    def _read(self) -> Reading:
        source = self.fleet.source
        days = FILE_LOOKBACK_DAYS if isinstance(source, FileSource) else source.lookback_days
        opened = open_source(source, target=self.fleet.target, session=self.run.session)
        reading = opened.read(self.run.now - timedelta(days=days), self.run.now)
        self._note(reading=reading)
        return reading

    def _history(self, reading: Reading) -> History:
        history = build_history(
            reading,
            now=self.run.now,
            step_minutes=self.fleet.step_minutes,
            max_load=self.fleet.max_load,
            time_zone=self.fleet.time_zone,
        )
        self._note(history=history)
        worst = next((finding for finding in history.findings if finding.verdict is Verdict.HOLD), None)
        if worst:
            raise Hold(worst.code, worst.text)
        return history

    def _forecast(self, history: History) -> Forecast:
        self._refuse_late()
        step = timedelta(minutes=self.fleet.step_minutes)
        # The forecast begins where the history ends, which may be some steps ago.
        behind = max(0, (self.run.now - history.load.index[-1].to_pydatetime()) // step - 1)
        begin, end = history.load.index[0].to_pydatetime(), self.run.now + timedelta(hours=self.fleet.horizon_hours)
        with self.run.pacing.fitting:
            load = forecast(
                history.load,
                timedelta(hours=self.fleet.horizon_hours) // step + behind,
                tuple(sorted({LOW_QUANTILE, *DEFAULT_QUANTILES, self.fleet.plan_quantile})),
                self.fleet.model,
                censored=history.censored,
                time_zone=self.fleet.time_zone,
                budget_seconds=min(FORECAST_SECONDS, self.run.remaining_seconds() / 2),
                calendar=Calendar.of(self.fleet, begin, end),
            )
        self._note(forecast=load)
        self._refuse_late()
        return load

    def _score(self, history: History) -> None:
        """Scores are news, not a condition: a damaged old record does not hold today's plan."""
        try:
            happened = history.load.mask(history.censored)
            self._note(scores=score_forecasts(self.ledger, happened, since=self.run.now - timedelta(days=SCORE_DAYS)))
        except ElasticIacError as error:
            self._note(remarks=(f"earlier forecasts could not be scored: {error}",))

    def _schedule(
        self, history: History, load: Forecast, group: GroupState, memory: Memory | None
    ) -> tuple[Schedule, Diff, Observation]:
        headroom = learn_headroom(history, self.fleet.plan_quantile)
        rules, owners = self.target.rules, self.run.owners
        in_force = rules.floor_in_force(group, owners, self.run.clock())
        plan = plan_capacity(load, self.fleet, headroom=headroom, current_floor=in_force)
        # A write is planned for the moment the group was read, not for the run's start: other fleets, the forecast and the wait for the lease lie
        # between, and what has run meanwhile is no person's hand. What a person is shown, and agrees to, is planned for one moment.
        now = self.run.clock() if self.claim and self.agreed is None else self.run.now
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
                raise_only=history.verdict is Verdict.RAISE_ONLY,
            )
        )
        diff = rules.diff(group, schedule, owners, self.run.clock())
        self._note(plan=plan, observation=seen, schedule=schedule, diff=diff, group=group, floor_in_force=in_force)
        return schedule, diff, seen

    def _write(self, claim: Claim, history: History, load: Forecast) -> FleetResult:
        """Under the lease the group is read again, since an older run may have written meanwhile."""
        here = place(self.fleet)
        with self.run.pacing.writer(here), write_lease(self.run, self.ledger, claim) as remembered:
            memory = remembered
            group = self.target.read()
            for _ in range(ROUNDS):
                schedule, diff, seen = self._schedule(history, load, group, memory)
                self._refuse_unagreed(diff)
                self._refuse_paused()
                memory = self._intent(group, diff, schedule, seen, memory)
                with self.run.pacing.writing(here, diff.writes, self.run.remaining_seconds()) as writing:
                    if diff.writes:
                        # A successor must know what this run wanted, should it die among its writes.
                        self.ledger.remember(claim, memory.to_json())
                    group = self._reconcile(claim, group, schedule, writing)
                # Not what was read back: a slot that ran among the writes is gone from there, and MinSize is as it was before.
                memory = replace(memory, slots=memory.intended, intended=())
                if schedule.complete:
                    self.ledger.commit(claim, memory.to_json())
                    return self._note(status="written" if self.result.written else "unchanged", read_back=True)
        raise Hold("no-room", "people's actions fill the group, and one run could not make room; the next one goes on")

    def _reconcile(self, claim: Claim, group: GroupState, schedule: Schedule, writing: Writing) -> GroupState:
        def fence() -> None:
            writing.wait()  # before the fence is asked: what it says must be fresh at the call
            self.ledger.fence(claim)

        outcome = reconcile(
            self.target,
            group,
            schedule,
            owners=self.run.owners,
            fence=fence,
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
            previous=standing if diff.writes else (before.previous if before else ()),
        )

    def record(self, result: FleetResult) -> None:
        """Keep the run and its forecast. What was written stands, whether or not that can be kept."""
        if not self.run.write or result.code in {"duplicate-run", "disabled"}:
            return
        try:
            self.ledger.record_run(_record(self.run, result, self.claim))
            if result.forecast is not None:
                self.ledger.save_forecast(self.run.run_id, self.run.now, result.forecast.quantiles)
            if self.claim is not None and self.claim.generation % PRUNE_EVERY == 0:
                self.ledger.prune()
        except ElasticIacError as error:
            log.warning("fleet %s: the run could not be recorded: %s", self.fleet.name, error)

    def _note(self, **changes: object) -> FleetResult:
        self.result = replace(self.result, **changes)  # pyright: ignore[reportArgumentType] - fields by name, each from its typed stage
        return self.result

    def _refuse_late(self) -> None:
        if self.run.remaining_seconds() <= 0:
            raise Deferred("out-of-time", "the run's time is spent; this fleet goes first in the next one")

    def _refuse_paused(self) -> None:
        if self.run.write and (found := paused(self.run.store, self.run.job, self.fleet.name, self.run.clock())):
            raise Hold("paused", str(found))


def _record(run: Run, result: FleetResult, claim: Claim | None) -> RunRecord:
    findings = result.history.findings if result.history else ()
    diff = result.diff
    return RunRecord(
        run_id=run.run_id,
        generation=claim.generation if claim else 0,
        time=run.now,
        fleet=result.fleet.name,
        target=result.fleet.target_key,
        outcome="dry-run" if result.status == "planned" else result.status,
        reason=f"{result.code}: {result.reason}" if result.code else "",
        input_sha256=digest(result.reading.load) if result.reading else None,
        model=str(result.forecast.model) if result.forecast else None,
        weights=result.forecast.model.weights if result.forecast else {},
        findings=tuple(RecordedFinding(code=item.code, verdict=item.verdict, text=item.text) for item in findings),
        floors=_floors(result.plan) if result.plan else {},
        diff={"put": len(diff.puts), "delete": len(diff.deletes), "unchanged": len(diff.kept)} if diff else {},
    )


def place(fleet: Fleet) -> str:
    """Where the fleet's mutating calls are counted by the cloud: its cloud and its region or project."""
    return "/".join(fleet.target_key.split("/")[:2])


def _floors(plan: Plan) -> dict[str, int]:
    starts = pd.DatetimeIndex(plan.floor.index)
    return {start.isoformat(): int(floor) for start, floor in zip(starts, plan.floor, strict=True)}
