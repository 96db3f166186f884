"""What stands of a fleet: its group, its actions, its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from elastic_iac.cli import result as results
from elastic_iac.cli.boots import seen_boots
from elastic_iac.cli.chart import sparkline
from elastic_iac.cli.launches import failing_document, launch_document, launch_lines, recorded
from elastic_iac.cli.safe_console import one_line
from elastic_iac.cli.words import WORDS, Words
from forecasting.errors import ElasticIacError
from forecasting.history import build_history
from forecasting.job import SCORE_DAYS
from forecasting.launching import failing_launches
from forecasting.leadtime.launches import FailingLaunches
from forecasting.models.base import DEFAULT_QUANTILES
from forecasting.planning.pool import recorded_plan
from forecasting.run import Run, open_ledger
from forecasting.schedule.actions import GroupState, ScheduledAction, split_actions
from forecasting.schedule.in_force import MinimumInForce
from forecasting.schedule.memory import Memory, Observation
from forecasting.schedule.people import Timeline, value_at
from forecasting.settings import Fleet
from forecasting.sources import open_source
from forecasting.store.commands import Command, read_commands
from forecasting.store.ledger import Ledger
from forecasting.store.pause import Pause, paused
from forecasting.store.records import RunRecord
from forecasting.store.scores import Scores, score_forecasts
from forecasting.store.shortruns import ShortResult, last_short_result
from forecasting.targets import open_target
from forecasting.targets.base import Target

SHOWN_RUNS = 5
SHOWN_COMMANDS = 5
_RUN_STYLES = results.STYLES | {"dry-run": "cyan"}


@dataclass(frozen=True)
class Standing:
    """What stands of a fleet now. What could not be read is None, and `error` or `remarks` say why.

    Attributes:
        fleet: Its settings.
        now: When it was looked at (aware).
        group: The live group.
        owned: Our actions, ascending by start.
        foreign: Other people's.
        timeline: Our floors as a step function.
        people: What people want of the group.
        runs: The last runs, newest first.
        short: What the job's last short run did for it, and when (aware).
        scores: Forecasts of the last days against the load that came.
        boots: Lead times that were seen, by instance type and kind of start.
        minimum: The minimum that will be in force, external actions included, beside the last recorded plan.
        pause: What holds the fleet; None where nobody has paused it.
        error: Why the group could not be read.
        failing: Launches that fail now; None if they do not.
        remarks: What else could not be read.
        commands: Commands that people gave for it, or for all fleets of the job, newest first.
    """

    fleet: Fleet
    now: datetime
    group: GroupState | None = None
    owned: tuple[ScheduledAction, ...] = ()
    foreign: tuple[ScheduledAction, ...] = ()
    timeline: Timeline = ()
    people: Observation | None = None
    runs: tuple[RunRecord, ...] = ()
    short: tuple[datetime, ShortResult] | None = None
    scores: Scores | None = None
    boots: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    minimum: MinimumInForce | None = None
    pause: Pause | None = None
    error: str = ""
    remarks: tuple[str, ...] = field(default=())
    commands: tuple[Command, ...] = ()
    failing: FailingLaunches | None = None

    @property
    def coming(self) -> tuple[ScheduledAction, ...]:
        """Everybody's actions that have a start, ascending; without windows that are over."""
        known = [
            action
            for action in (*self.owned, *self.foreign)
            if action.start is not None and (action.recurrence or action.end is None or action.end > self.now)
        ]
        return tuple(sorted(known, key=lambda action: action.start or self.now))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.fleet.name,
            "cloud": self.fleet.cloud,
            "target": self.fleet.target_key,
            "group": results.group_document(self.group) if self.group else None,
            "people_floor": self.people.people_floor if self.people else None,
            "people_note": self.people.note if self.people else None,
            "minimum_in_force": results.minimum_document(self.minimum) if self.minimum else None,
            "actions": [_action_document(action) for action in self.owned],
            "foreign_actions": [_action_document(action) for action in self.foreign],
            "next": _action_document(self.coming[0]) if self.coming else None,
            "runs": [_run_document(run) for run in self.runs],
            **launch_document(recorded(self.runs), self.fleet.cloud),
            "boots": self.boots,
            "launches_failing": failing_document(self.failing),
            "short_run": {"time": results.stamp(self.short[0]), **self.short[1].model_dump()} if self.short else None,
            "scores": _scores_document(self.scores) if self.scores else None,
            "pause": self.pause.model_dump(mode="json", exclude={"version"}) if self.pause else None,
            "commands": [
                each.model_dump(exclude={"time"}) | {"time": results.stamp(each.time)} for each in self.commands
            ],
            "error": self.error or None,
            "remarks": list(self.remarks),
        }

    def page(self) -> RenderableType:
        """For a person."""
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column(ratio=1)
        for label, text in self._facts():
            facts.add_row(label, one_line(text))
        title = Text.assemble(
            (self.fleet.name, "bold"), (f"  at {results.moment(self.now, self.fleet.time_zone)}", "dim")
        )
        return Group(title, facts)

    def _facts(self) -> Iterator[tuple[str, RenderableType]]:
        where = str(self.fleet.target)
        if self.pause:
            yield "paused", Text(str(self.pause), style="bold yellow")
        if self.group is None:
            yield "group", Text(f"{where}: {self.error}", style="bold red")
        else:
            group = self.group
            yield (
                "group",
                f"{where}: {WORDS[self.fleet.cloud].sizes(group)}",
            )
            if self.minimum:
                yield from results.minimum_lines(self.minimum, WORDS[self.fleet.cloud])
            if self.failing:
                yield "launches", Text(str(self.failing), style="bold red")
            yield from self._coming(group.min_size)
        if self.people:
            yield "people", results.people_line(self.people, self.fleet.floor)
        yield from self._ran()
        if chosen := next((run.choice for run in self.runs if run.choice), None):
            yield "quantile", f"{chosen.quantile:g}: {chosen.reason}"
        yield from launch_lines(recorded(self.runs), self.fleet.cloud)
        for label, lead in self.boots.items():
            measured = ", ".join(f"{name} {lead[f'{name}_seconds']:.0f} s" for name in ("p50", "p90", "p99"))
            yield "", f"{label}: {lead['count']} boots seen, {measured} (p90: {lead['source']})"
        if self.runs:
            yield (
                "scores",
                _scores_line(self.scores) if self.scores else "none yet: the time that was forecast has not come",
            )
        for remark in self.remarks:
            yield "note", Text(remark, style="yellow")

    def _ran(self) -> Iterator[tuple[str, RenderableType]]:
        for number, run in enumerate(self.runs):
            yield "runs" if number == 0 else "", _run_line(run)
        if not self.runs:
            yield "runs", "none recorded"
        if self.short:
            yield "short run", _short_line(*self.short)
        for number, command in enumerate(self.commands[:SHOWN_COMMANDS]):
            yield "commands" if number == 0 else "", _command_line(command)

    def _coming(self, min_size: int) -> Iterator[tuple[str, RenderableType]]:
        zone, words = self.fleet.time_zone, WORDS[self.fleet.cloud]
        if not self.coming:
            yield "next", Text(f"no {words.action} stands: the group keeps its {words.minimum}", style="yellow")
            return
        first = self.coming[0]
        yield (
            "next",
            f"{_sizes(first, words)} at {results.moment(first.start or self.now, zone)}, by {self._whose(first)}",
        )
        if self.owned:
            last = self.owned[-1]
            until = last.end or last.start or self.now
            after = "" if last.end else f", when {words.floor} {last.min_size} comes back"
            yield "plan", f"{words.actions(len(self.owned))} of ours, to {results.moment(until, zone)}{after}"
            yield "", Text(sparkline(self._half_hourly(min_size), 48), style="green")
        for number, action in enumerate(self.foreign):
            yield "others" if number == 0 else "", f"{action.name}: {_sizes(action, words)} {_when(action, zone)}"

    def _whose(self, action: ScheduledAction) -> str:
        return "us" if action in self.owned else f"other people's action {action.name!r}"

    def _half_hourly(self, min_size: int) -> list[int]:
        """Our floor every half hour from now to the last action, the live one before the first."""
        values: list[int] = []
        moment = self.now
        while moment <= self.timeline[-1][0]:
            values.append(value_at(self.timeline, moment, min_size))
            moment += timedelta(minutes=30)
        return values


def look(run: Run, fleet: Fleet) -> Standing:
    """Read what stands of a fleet. Nothing is raised for what the cloud or the store refuses: the standing says it."""
    ledger = open_ledger(run, fleet)
    runs, memory, remarks = _records(ledger)
    pause: Pause | None = None
    short: tuple[datetime, ShortResult] | None = None
    commands: tuple[Command, ...] = ()
    try:
        commands = tuple(read_commands(run.store, run.job, fleet.name))
    except ElasticIacError as error:
        remarks = (*remarks, f"the commands could not be read: {error}")
    try:
        short = last_short_result(run.store, run.job.name, fleet.name)
    except ElasticIacError as error:
        remarks = (*remarks, f"the last short run could not be read: {error}")
    try:
        pause = paused(run.store, run.job, fleet.name, run.now)
    except ElasticIacError as error:
        remarks = (*remarks, f"whether it is paused could not be read, so the job holds it: {error}")
    try:
        target = open_target(fleet, run.session)
        group = target.inspect()
    except ElasticIacError as error:
        return Standing(
            fleet, run.now, runs=runs, short=short, pause=pause, error=str(error), remarks=remarks, commands=commands
        )
    failing: FailingLaunches | None = None
    try:
        failing = failing_launches(target, group.desired_capacity, run.now)
    except ElasticIacError as error:
        remarks = (*remarks, f"the group's launches could not be read: {error}")
    owned, foreign = split_actions(group.actions, run.owners)
    people: Observation | None = None
    scores: Scores | None = None
    minimum: MinimumInForce | None = None
    try:
        minimum = _minimum(run, fleet, target, group, runs)
    except ElasticIacError as error:
        remarks = (*remarks, f"the minimum in force is unknown: {error}")
    try:
        people = target.rules.observe(memory, group, fleet.floor, run.owners, run.now)
        scores = _scores(run, fleet, ledger) if runs else None
    except ElasticIacError as error:
        remarks = (*remarks, f"earlier forecasts could not be scored: {error}")
    return Standing(
        fleet,
        run.now,
        group,
        tuple(action for _start, action in sorted(owned.items())),
        tuple(foreign),
        target.rules.timeline(target.rules.ours(group, run.owners)),
        people,
        runs,
        short,
        scores,
        {label: vars(lead) for label, lead in seen_boots(run.store, fleet, run.now).items()},
        minimum,
        pause,
        remarks=remarks,
        commands=commands,
        failing=failing,
    )


def _records(ledger: Ledger) -> tuple[tuple[RunRecord, ...], Memory | None, tuple[str, ...]]:
    try:
        return tuple(ledger.runs(SHOWN_RUNS)), Memory.from_json(ledger.state().memory), ()
    except ElasticIacError as error:
        return (), None, (f"the records could not be read: {error}",)


def _minimum(
    run: Run, fleet: Fleet, target: Target, group: GroupState, runs: tuple[RunRecord, ...]
) -> MinimumInForce | None:
    """The minimum in force beside the plan of the newest record that has one; None if there is none."""
    record = next((each for each in runs if each.floors), None)
    if record is None:
        return None
    plan = recorded_plan(record.floors, fleet)
    slots = target.rules.ours(group, run.owners)
    ramped = (fleet.max_increase_per_slot, fleet.max_decrease_per_slot) != (None, None)
    return target.rules.minimum_in_force(group, slots, run.owners, plan, run.now, ramp_limited=ramped)


def _scores(run: Run, fleet: Fleet, ledger: Ledger) -> Scores | None:
    since = run.now - timedelta(days=SCORE_DAYS)
    reading = open_source(fleet.source, target=fleet.target, session=run.session).read(since, run.now)
    history = build_history(
        reading, now=run.now, step_minutes=fleet.step_minutes, max_load=fleet.max_load, time_zone=fleet.time_zone
    )
    return score_forecasts(ledger, history.load.mask(history.censored), since=since)


def _action_document(action: ScheduledAction) -> dict[str, Any]:
    return {
        "name": action.name,
        "start": results.stamp(action.start) if action.start else None,
        "min_size": action.min_size,
        "max_size": action.max_size,
        "desired_capacity": action.desired_capacity,
        "recurrence": action.recurrence,
        "time_zone": action.time_zone if action.recurrence else None,
    }


def _run_document(run: RunRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "time": results.stamp(run.time),
        "outcome": run.outcome,
        "reason": run.reason,
        "model": run.model,
        "choice": results.choice_document(run.choice) if run.choice else None,
        "diff": run.diff,
    }


def _scores_document(scores: Scores) -> dict[str, Any]:
    return {
        "forecasts": scores.forecasts,
        "points": scores.points,
        "weighted_quantile_loss": scores.weighted_quantile_loss,
        "coverage": {f"{level:g}": share for level, share in scores.coverage.items()},
        "mean_absolute_error": scores.mean_absolute_error,
        "skill": scores.day.skill if scores.day else None,
    }


def _run_line(run: RunRecord) -> Text:
    text = Text(f"{pd.Timestamp(run.time).tz_convert('UTC'):%a %d %b %H:%M} UTC  ")
    text.append(run.outcome, style=_RUN_STYLES[run.outcome])
    wrote = ", ".join(f"{count} {kind}" for kind, count in run.diff.items() if count)
    text.append(f"  {run.reason or wrote}")
    return text


def _command_line(command: Command) -> Text:
    scope = "" if command.fleet else " of all fleets"
    text = Text(f"{pd.Timestamp(command.time).tz_convert('UTC'):%a %d %b %H:%M} UTC  ")
    text.append(f"{command.command}{scope}", style="bold")
    text.append(f" by {command.by}{f': {command.outcome}' * bool(command.outcome)}")
    return text


def _short_line(at: datetime, short: ShortResult) -> Text:
    text = Text(f"{pd.Timestamp(at).tz_convert('UTC'):%a %d %b %H:%M} UTC  ")
    text.append(short.status, style=_RUN_STYLES[short.status])
    needed = "" if short.needed is None else f"  {short.needed} instances needed within the lead time"
    text.append(f"{f'  {short.code}' * bool(short.code)}{needed}{f', {short.written} calls' * bool(short.written)}")
    return text


def _scores_line(scores: Scores) -> str:
    loss = (
        "" if scores.weighted_quantile_loss is None else f"; weighted quantile loss {scores.weighted_quantile_loss:.3f}"
    )
    told = {level: share for level, share in scores.coverage.items() if level in DEFAULT_QUANTILES}
    coverage = ", ".join(f"{share:.0%} at or below the {level:g} quantile" for level, share in told.items())
    skill = ""
    if scores.day:
        better = "less than" if scores.day.skill >= 0 else "MORE than"
        skill = f"; on the last day {abs(scores.day.skill):.0%} {better} repeating the last season would have lost"
    return f"{scores.forecasts} forecasts of the last {SCORE_DAYS} days, {scores.points} steps: {coverage}{loss}{skill}"


def _sizes(action: ScheduledAction, words: Words) -> str:
    sizes = {words.floor: action.min_size, words.maximum: action.max_size, words.desired: action.desired_capacity}
    return ", ".join(f"{name} {size}" for name, size in sizes.items() if size is not None)


def _when(action: ScheduledAction, zone: str) -> str:
    if action.recurrence:
        return f"on '{action.recurrence}' {action.time_zone}"
    return f"at {results.moment(action.start, zone)}" if action.start else ""
