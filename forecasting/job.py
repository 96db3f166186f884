"""The pipeline: source -> history -> forecast -> plan -> schedule -> target, for each fleet of a job.

One fleet's failure never touches another's. A doubt means no write: whatever goes wrong, the fleet is held with its reason and its old plan runs on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd

from forecasting.basis import Fresh, basis_of, look_closely
from forecasting.calendar import Calendar
from forecasting.choosing import CANDIDATES, recorded_choice, settled_choice
from forecasting.deadline import time_limit
from forecasting.errors import ElasticIacError
from forecasting.external_changes import compare_with_last_run, keep_external
from forecasting.history import History, Verdict, build_history
from forecasting.launching import recorded_launching, watch_launches
from forecasting.models.base import DEFAULT_QUANTILES, Forecast
from forecasting.models.tournament import forecast
from forecasting.planning.base import Plan
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import Headroom
from forecasting.planning.pool import planned_quantiles
from forecasting.run import FleetResult, Run
from forecasting.schedule.memory import Memory
from forecasting.settings import FileSource, Fleet
from forecasting.shortlead import relevel
from forecasting.similar import with_similar
from forecasting.sources import Reading
from forecasting.store.ledger import Claim
from forecasting.store.records import RecordedFinding, RunRecord, digest
from forecasting.store.scores import score_forecasts
from forecasting.targets.base import Diff
from forecasting.turn import Planner, Turn, each_fleet

log = logging.getLogger(__name__)

FILE_LOOKBACK_DAYS = 28.0
"""How much of a file is read: what four weekly seasons need. (Other sources state their own.)"""

LEARNING_LOOKBACK_DAYS = 455.0
"""How much of it where holidays or events are learnt from: a year, and the weeks around its day."""

LOW_QUANTILE = 0.1
"""The lower edge of the band that a dashboard shows; nothing is planned by it."""

FORECAST_SECONDS = 20.0
"""Longest that a fleet's models may take; slower ones are left out of the blend."""

SCORE_DAYS = 7
"""Forecasts made within this time are scored against what came."""


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
    return each_fleet(run, fleets, run_fleet, on_result)


def run_fleet(run: Run, fleet: Fleet, agreed: Diff | None = None) -> FleetResult:
    """Run the pipeline for one fleet. What a fleet can do wrong is never raised: the result says it.

    Args:
        run: The run.
        fleet: The fleet.
        agreed: The writes that a person has agreed to; where others turn out to be needed, nothing is written.
    """
    pipeline = Pipeline(run, fleet, agreed)
    result = pipeline.guarded()
    with time_limit(run.remaining_seconds):
        pipeline.record(result)
    return result


class Pipeline(Turn):
    """A full run: the forecast and the plan anew."""

    fresh: Fresh | None = None

    def go(self) -> FleetResult:
        """The stages, in order."""
        self._refuse_stopped()
        if self._writes:
            self.claim = self.ledger.claim(self.run.run_id, self.run.now, self._deadline())
        group = self.target.read()
        self._note(group=group, launching=watch_launches(self.run, self.fleet, self.target, group.desired_capacity))
        found = compare_with_last_run(self.run, self.fleet, group)
        self._note(remarks=(*self.result.remarks, *found.warnings), desired_before=found.desired)
        reading = self._read()
        own = self._history(reading)
        history = self._trusted(own)
        self._choose(own)
        load = self._forecast(history)
        self._score(own)
        planner = self._planner(history, load, self._needed(reading, load))
        if self.claim is None:
            self._schedule(planner, group, Memory.from_json(self.ledger.state().memory))
            if self.run.write:
                self._leave_basis()
            return self._note(status="planned")
        return self._write(self.claim, planner)

    def _read(self) -> Reading:
        source = self.fleet.source
        of_file = LEARNING_LOOKBACK_DAYS if self.fleet.learns_occasions else FILE_LOOKBACK_DAYS
        days = of_file if isinstance(source, FileSource) else source.lookback_days
        reading = self._read_since(self.run.now - timedelta(days=days))
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
        return history

    def _trusted(self, own: History) -> History:
        """What is planned by: the fleet's own history, after a similar fleet's where it has little."""
        history = with_similar(self.run, self.fleet, own)
        self._note(history=replace(own, findings=history.findings))
        self._refuse_unsound(history.findings)
        self.raise_only = history.verdict is Verdict.RAISE_ONLY
        return history

    def _choose(self, history: History) -> None:
        """From here on the fleet has the quantile that was chosen."""
        found = settled_choice(self._as_measured(), self.ledger, history, self.run.now, keep=self.run.write)
        self.fleet = self.fleet.model_copy(update={"quantile": found.quantile, "prices": None})
        self._note(choice=found)

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
                tuple(sorted({LOW_QUANTILE, *DEFAULT_QUANTILES, *CANDIDATES, *planned_quantiles(self.fleet)})),
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
            self._note(remarks=(*self.result.remarks, f"earlier forecasts could not be scored: {error}"))

    def _needed(self, reading: Reading, load: Forecast) -> int | None:
        """What a short run would find to be needed now; None where nothing can be said, or need not."""
        self.fresh = look_closely(self.ledger, self._as_measured(), reading, load, self.run.now)
        if self.fresh.remark:
            self._note(remarks=(*self.result.remarks, self.fresh.remark))
        return self._note(needed=self.fresh.needed(self.run.now)).needed

    def _planner(self, history: History, load: Forecast, needed: int | None) -> Planner:
        headroom = Headroom.of(history, self.fleet.plan_quantile, self.fleet.time_zone)
        known = self.result.launching

        def planned(in_force: int) -> Plan:
            plan = plan_capacity(
                load,
                self.fleet,
                headroom=headroom,
                current_floor=in_force,
                lead_time_seconds=known.lead_time_seconds,
                shortage=known.shortage,
            )
            if needed is None:
                return plan
            # What the last short run has raised stays: the newest samples know more of the next minutes than the forecast.
            return relevel(plan, needed, now=self._moment, ceiling=self.fleet.ceiling, raise_only=True)

        return planned

    def _leave_basis(self) -> None:
        plan, generation = self.result.plan, self.claim.generation if self.claim else 0
        if plan is not None and self.fresh is not None:
            self.ledger.leave_basis(basis_of(self.fresh, plan, generation, self.run.now, raise_only=self.raise_only))

    def _as_measured(self) -> Fleet:
        """The fleet with the lead time that was measured, where one was."""
        lead = self.result.launching.lead_time_seconds or self.fleet.lead_time_seconds
        return self.fleet.model_copy(update={"lead_time_seconds": float(lead)})

    def record(self, result: FleetResult) -> None:
        """Keep the run and its forecast. What was written stands, whether or not that can be kept."""
        if not self.run.write or result.code in {"duplicate-run", "disabled"}:
            return
        try:
            first_of_day = self.claim.first_of_day if self.claim else self.ledger.first_of_day()
            self.ledger.record_run(_record(self.run, result, self.claim))
            if result.forecast is not None:
                self.ledger.save_forecast(self.run.run_id, self.run.now, result.forecast.quantiles)
            if result.group is not None:
                keep_external(self.run, self.fleet, result.group)
            if first_of_day:
                self.ledger.prune()
        except ElasticIacError as error:
            log.warning("fleet %s: the run could not be recorded: %s", self.fleet.name, error)


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
        **_minimum_in_force(result),
        diff={"put": len(diff.puts), "delete": len(diff.deletes), "unchanged": len(diff.kept)} if diff else {},
        **recorded_launching(result),
        choice=recorded_choice(result.choice) if result.choice else None,
    )


def _minimum_in_force(result: FleetResult) -> dict[str, Any]:
    if result.minimum is None:
        return {}
    return {
        "minimum_in_force": {start.isoformat(): minimum for start, minimum in result.minimum.timeline},
        "shortfall_instance_hours": round(result.minimum.shortfall_instance_hours, 3),
    }


def _floors(plan: Plan) -> dict[str, int]:
    starts = pd.DatetimeIndex(plan.floor.index)
    return {start.isoformat(): int(floor) for start, floor in zip(starts, plan.floor, strict=True)}
