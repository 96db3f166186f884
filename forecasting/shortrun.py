"""A short run: the last full run's plan, its next slots at what the newest samples say is needed. Milliseconds beside its calls.

    basis -> group, newest samples -> need -> relevel -> schedule -> (only where something differs) claim, write

See `designs/short-lead.md`. In doubt it only raises, or does nothing; it stands back while a full run is under way. It keeps no record of its own:
what the job's last short run did is one item (`forecasting.store.progress`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasting.basis import window_of
from forecasting.errors import ElasticIacError, Hold, InputError, SourceError, StandsBack
from forecasting.external_changes import compare_with_last_run, keep_external
from forecasting.history import History, Verdict, build_history
from forecasting.launching import watch_launches
from forecasting.needed import needed_instances
from forecasting.planning.base import Limits, Plan
from forecasting.planning.pool import pool_limits
from forecasting.run import FleetResult, Run
from forecasting.schedule.actions import GroupState
from forecasting.schedule.memory import Memory
from forecasting.schedule.people import value_at
from forecasting.settings import Fleet
from forecasting.shortlead import STEP, relevel
from forecasting.shortlead.need import HOLD_STEPS
from forecasting.shortlead.relevel import REACH
from forecasting.sources import Reading
from forecasting.store.basis import Basis, Series
from forecasting.store.ledger import refuse_under_way
from forecasting.targets.base import Diff
from forecasting.turn import Planner, Turn, each_fleet

FRESH = timedelta(hours=12)
"""By an older plan it only raises: two full runs, six hours apart, did not get through."""

STALE = timedelta(hours=24)
"""By an older one it does nothing."""

OVERLAP = timedelta(hours=2)
"""Samples are read again from so long before those that are kept: some come late, and the newest are complete or not beside the last hour's."""

FINEST = timedelta(minutes=15)
"""A plan of longer steps is cut into these, so that no more is re-levelled than the next slots."""


def run_short(
    run: Run, fleets: Iterable[str] | None = None, on_result: Callable[[FleetResult], None] | None = None
) -> list[FleetResult]:
    """A short run for every fleet of the job, or for the named ones; as `forecasting.job.run_job`."""
    return each_fleet(run, fleets, run_fleet_short, on_result)


def run_fleet_short(run: Run, fleet: Fleet, agreed: Diff | None = None) -> FleetResult:
    """A short run for one fleet; as `forecasting.job.run_fleet`."""
    return ShortRun(run, fleet, agreed).guarded()


class ShortRun(Turn):
    """The standing plan, re-levelled."""

    reach = REACH

    def go(self) -> FleetResult:
        """The stages, in order."""
        self._refuse_stopped()
        state = self.ledger.state()  # before the basis: `claim_short` refuses one that has become old since
        basis = self._basis()
        refuse_under_way(state, basis.generation, self.run.clock())
        memory = Memory.from_json(state.memory)
        if self._writes and memory is None:
            raise StandsBack(
                "no-plan",
                "nothing has been written to this group yet: a full run comes first (`elastic-iac apply` makes one)",
            )
        # The last full run was held or died: what it saw is not known here.
        self.raise_only |= basis.generation < state.full_generation
        group = self.target.read()
        self._note(group=group)
        self._note(launching=watch_launches(self.run, self.fleet, self.target, group.desired_capacity))
        self._compare(group)
        planner = self._planner(basis, self._needed(basis))
        _schedule, diff, seen = self._schedule(planner, group, memory)
        if not self._writes:
            return self._note(status="planned")
        told = memory is not None and memory.people_floor == seen.people_floor and not memory.intended
        if told and not diff.writes:
            return self._note(status="unchanged")
        lease_seconds = max(self.run.remaining_seconds(), 1.0)
        self.claim = self.ledger.claim_short(self.run.run_id, basis.generation, state, lease_seconds=lease_seconds)
        return self._write(self.claim, planner)

    def _compare(self, group: GroupState) -> None:
        """Report differences since the last run; those of actions are kept, so that each is warned of once."""
        found = compare_with_last_run(self.run, self.fleet, group)
        self._note(remarks=(*self.result.remarks, *found.warnings), desired_before=found.desired)
        if found.warnings and self.run.write:
            with suppress(ElasticIacError):  # then the next run warns again
                keep_external(self.run, self.fleet, group)

    def record(self, result: FleetResult) -> None:
        """Nothing: see the module."""

    def _basis(self) -> Basis:
        basis = self.ledger.basis()
        if basis is None:
            raise StandsBack(
                "no-plan", "no full run has left a plan yet: it comes first (`elastic-iac apply` makes one)"
            )
        age = self.run.now - basis.made_at
        if age > STALE:
            text = (
                f"the last plan is of {basis.made_at:%Y-%m-%d %H:%M} UTC, more than {STALE // timedelta(hours=1)} h ago"
            )
            raise Hold("plan-old", f"{text}: find out why no full run gets through; the schedule runs on to its end")
        end = basis.floors.index[-1] + timedelta(minutes=basis.floors.step_minutes)
        if self.run.now >= end:
            raise Hold(
                "plan-old", f"the last plan ended at {end:%Y-%m-%d %H:%M} UTC: find out why no full run gets through"
            )
        self.raise_only = basis.raise_only or age > FRESH
        if self.fleet.learn_lead_time and basis.lead_time_seconds is not None:  # the one that was measured
            self.fleet = self.fleet.model_copy(update={"lead_time_seconds": basis.lead_time_seconds})
        return basis

    def _needed(self, basis: Basis) -> int | None:
        """Instances needed within the lead time; None where nothing can be said, or need not."""
        window = window_of(self.fleet)
        if window is None or basis.samples is None:
            self._watch()
            return None
        reading = self._read(basis.samples)
        if reading.sample_seconds > STEP.total_seconds():
            self._watch()
            return None
        history = self._history(basis.samples, reading)
        # A fleet that refuses requests looks less busy than it is: what it served lowers nothing.
        self.raise_only |= bool(history.censored.iloc[-HOLD_STEPS:].any())
        needed = needed_instances(
            self.fleet,
            history.load,
            basis.quantiles.frame(),
            fit=basis.fit.fit() if basis.fit else None,
            window=window,
            largest=basis.largest,
            now=self.run.now,
        )
        # Without a sample in the last quarter of an hour, what an earlier run has raised stays.
        self.raise_only |= needed is None
        self._note(needed=needed)
        return needed

    def _read(self, samples: Series) -> Reading:
        self._refuse_late()
        end: datetime = samples.index[-1].to_pydatetime() + STEP
        reading = self._read_since(end - OVERLAP)
        self._note(reading=reading)
        return reading

    def _watch(self) -> None:
        """What the load is, where nothing is levelled by it: every run says whether it is covered."""
        since = self.run.now - OVERLAP - timedelta(minutes=self.fleet.step_minutes)
        try:
            reading = self._read_since(since)
            history = build_history(
                reading, now=self.run.now, step_minutes=self.fleet.step_minutes, time_zone=self.fleet.time_zone
            )
        except (InputError, SourceError) as error:
            self._note(remarks=(*self.result.remarks, f"whether the load is covered could not be seen: {error}"))
        else:
            # It is short by design: what is found in it is no finding.
            self._note(reading=replace(reading, warnings=()), history=replace(history, findings=()))

    def _history(self, samples: Series, reading: Reading) -> History:
        """The newest samples behind the last week's, cleaned and judged together: a spike or a trough is one beside other days."""
        fleet, now = self.fleet, self.run.now
        newest = build_history(reading, now=now, step_minutes=5, max_load=fleet.max_load, time_zone=fleet.time_zone)
        known = samples.series()
        stamps, read = pd.DatetimeIndex(known.index), pd.DatetimeIndex(newest.load.index)
        before = known.loc[stamps < read[0]] if len(read) else known
        index = pd.DatetimeIndex(before.index).append(read)
        censored = np.concatenate([np.zeros(len(before), dtype=bool), newest.censored])
        together = Reading(
            load=pd.Series(np.concatenate([before, newest.load]), index=index),
            sample_seconds=int(STEP.total_seconds()),
            censored=pd.Series(censored, index=index).astype(bool),
        )
        history = build_history(together, now=now, step_minutes=5, time_zone=fleet.time_zone)
        # Of the newest alone, only what it refused says something: it is short by design.
        findings = (*(each for each in newest.findings if each.code == "too-high"), *history.findings)
        history = replace(history, findings=findings)
        self._note(history=history)
        self._refuse_unsound(findings)
        self.raise_only |= history.verdict is Verdict.RAISE_ONLY
        return history

    def _planner(self, basis: Basis, needed: int | None) -> Planner:
        floor = basis.floors.series()
        if basis.floors.step_minutes * 60 > FINEST.total_seconds():
            step = timedelta(minutes=basis.floors.step_minutes)
            index = pd.date_range(floor.index[0], floor.index[-1] + step, freq=FINEST, inclusive="left")
            floor = floor.reindex(index, method="ffill")
        floor = floor.astype(int)
        plan = Plan(
            floor=floor, need=floor, load=floor.astype(float), baseline=basis.baseline, limits=self._limits(basis)
        )
        if needed is None:
            return lambda _in_force: plan
        raise_only = self.raise_only or self._knows_better()

        def levelled(_in_force: int) -> Plan:
            return relevel(plan, needed, now=self._moment, ceiling=self.fleet.ceiling, raise_only=raise_only)

        return levelled

    def _limits(self, basis: Basis) -> Limits:
        """Those of the full run, and what the cloud has refused since."""
        shortage, most = self.result.launching.shortage, self.fleet.ceiling
        if shortage is None:
            return basis.limits
        now = self.run.now
        since = pool_limits(self.fleet, shortage, now, shortage.until + timedelta(minutes=1))
        moments = sorted({moment for moment, _ in (*basis.limits, *since)})
        return tuple((at, min(value_at(basis.limits, at, most), value_at(since, at, most))) for at in moments)

    def _knows_better(self) -> bool:
        """Whether the plan knows what the newest samples do not: a pool's windows, or an event that a person has announced, begun or near."""
        begin, end = self.run.now, self.run.now + timedelta(seconds=self.fleet.lead_time_seconds) + timedelta(hours=1)
        if self.fleet.pool and self.fleet.pool.windows:
            return True
        return any(event.spans(begin, end, self.fleet.time_zone) for event in self.fleet.events)
