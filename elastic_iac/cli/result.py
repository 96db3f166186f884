"""A fleet's result, as a document and as a page that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from elastic_iac.cli.chart import sparkline
from elastic_iac.cli.launches import failing_document, launch_document, launch_lines
from elastic_iac.cli.safe_console import one_line
from elastic_iac.cli.words import WORDS, Words
from forecasting import errors
from forecasting.choosing.base import Choice
from forecasting.history import History
from forecasting.launching import recorded_launching
from forecasting.run import DesiredBefore, FleetResult
from forecasting.schedule.actions import GroupState, split_actions
from forecasting.schedule.in_force import MinimumInForce
from forecasting.schedule.memory import Observation
from forecasting.settings import Job
from forecasting.store.records import RecordedChoice
from forecasting.targets.base import Diff

STYLES = {
    "written": "green",
    "unchanged": "green",
    "planned": "cyan",
    "held": "bold yellow",
    "deferred": "bold yellow",
    "failed": "bold red",
}


def exit_code(results: Sequence[FleetResult]) -> int:
    """0 where every fleet's plan stands or would, 2 where only the user's input is wrong, else 1."""
    # A short run before the first full one changes nothing, but no plan stands either.
    codes = {_exit_code(result) for result in results if not result.ok or result.code == "no-plan"}
    if not codes:
        return 0
    return 2 if codes == {2} else 1


def _exit_code(result: FleetResult) -> int:
    # A fleet is held under the name of the error that stopped it.
    kind: object = getattr(errors, result.code, None)
    return kind.exit_code if isinstance(kind, type) and issubclass(kind, errors.ElasticIacError) else 1


# Documents


def document(result: FleetResult) -> dict[str, Any]:
    """The result as JSON."""
    return {
        "name": result.fleet.name,
        "cloud": result.fleet.cloud,
        "target": result.fleet.target_key,
        "status": result.status,
        "ok": result.ok,
        "code": result.code,
        "reason": result.reason,
        "model": str(result.forecast.model) if result.forecast else None,
        "choice": choice_document(result.choice) if result.choice else None,
        "history_points": int(result.history.load.notna().sum()) if result.history else 0,
        "people_floor": result.observation.people_floor if result.observation else None,
        "needed": result.needed,
        "group": group_document(result.group) if result.group else None,
        "desired_before": _desired_document(result.desired_before) if result.desired_before else None,
        "minimum_in_force": minimum_document(result.minimum) if result.minimum else None,
        "actions": [
            {"name": slot.name, "start": stamp(slot.start), "min_size": slot.floor}
            for slot in (result.schedule.slots if result.schedule else ())
        ],
        "diff": diff_document(result.diff) if result.diff else None,
        **launch_document(recorded_launching(result), result.fleet.cloud),
        "launches_failing": failing_document(result.launching.failing),
        "written": result.written,
        "read_back": result.read_back,
        "notes": list(result.notes),
    }


def choice_document(choice: Choice | RecordedChoice) -> dict[str, Any]:
    """The quantile that is planned for, and why, as JSON."""
    return {
        "quantile": choice.quantile,
        "source": choice.source,
        "reason": choice.reason,
        "reactive_target": choice.reactive_target,
    }


def minimum_document(minimum: MinimumInForce) -> dict[str, Any]:
    """The minimum in force, external actions included, as JSON."""
    low, high = minimum.range
    return {
        "lowest": low,
        "highest": high,
        "steps": [{"start": stamp(start), "minimum": value} for start, value in minimum.timeline],
        "planned_instance_hours": round(minimum.planned_instance_hours, 3),
        "shortfall_instance_hours": round(minimum.shortfall_instance_hours, 3),
        "short_from": stamp(minimum.short_from) if minimum.short_from else None,
        "external_actions": list(minimum.actions),
        "closed": [
            {
                "start": stamp(closure.start),
                "end": stamp(closure.end) if closure.end else None,
                "action": closure.action or None,
                "maximum": closure.maximum,
            }
            for closure in minimum.closures
        ],
    }


def _desired_document(before: DesiredBefore) -> dict[str, Any]:
    return {"desired_capacity": before.capacity, "at": stamp(before.at)}


def group_document(group: GroupState) -> dict[str, int]:
    """The sizes of a group as JSON."""
    return {"min_size": group.min_size, "max_size": group.max_size, "desired_capacity": group.desired_capacity}


def diff_document(diff: Diff) -> dict[str, Any]:
    """A diff as JSON, in the order in which it is written."""
    return {
        "put": [
            {"name": put.slot.name, "start": stamp(put.slot.start), "before": put.before, "after": put.slot.floor}
            for put in diff.puts
        ],
        "delete": [
            {"name": slot.name, "start": stamp(slot.start), "before": slot.floor, "after": None}
            for slot in diff.deletes
        ],
        "unchanged": len(diff.kept),
    }


def stamp(moment: datetime) -> str:
    """UTC, as every document writes it."""
    return pd.Timestamp(moment).tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


# Pages


def page(result: FleetResult, owners: frozenset[str], job: Job) -> RenderableType:
    """Everything a person should know of a fleet's result, the most urgent first.

    Args:
        result: The result.
        owners: Ids whose actions are ours.
        job: The job whose fleet it is.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(ratio=1)
    for label, text in _facts(result, owners):
        facts.add_row(label, one_line(text))
    parts: list[RenderableType] = [headline(result), facts]
    if result.diff and result.diff.writes:
        parts += [Text(""), diff_table(result.diff, result.fleet.time_zone, WORDS[result.fleet.cloud])]
    parts += [Text(""), Text(closing(result, job))]
    return Group(*parts)


def headline(result: FleetResult) -> Text:
    """Fleet, status and, where it is held, why."""
    text = Text(f"{result.fleet.name}: ", style="bold")
    if result.code == "no-plan":  # a short run has nothing to go by
        text.append("no plan yet", style=STYLES["held"])
        return text
    text.append(result.status if result.served else result.status.upper(), style=STYLES[result.status])
    if result.is_short:
        text.append(", BELOW THE PLAN", style=STYLES["held"])
    if result.code:
        text.append(f" ({result.code})", style=STYLES[result.status])
    return text


def _desired_facts(result: FleetResult) -> Iterator[tuple[str, RenderableType]]:
    if result.desired_before and result.group:
        before = result.desired_before
        when = f"when the run of {before.at:%Y-%m-%d %H:%M} UTC ended"
        yield "desired", f"capacity {result.group.desired_capacity} now, {before.capacity} {when}"


def _facts(result: FleetResult, owners: frozenset[str]) -> Iterator[tuple[str, RenderableType]]:
    fleet = result.fleet
    if result.reason:
        yield "why", Text(result.reason, style=STYLES[result.status])
    yield "group", f"{fleet.target}{_live(result.group, owners, WORDS[fleet.cloud])}"
    yield from _desired_facts(result)
    if result.observation:
        yield "people", people_line(result.observation, fleet.floor)
    if result.history and len(result.history.load):
        yield "load", _load_line(result.history, fleet.step_minutes)
    if result.forecast:
        yield "model", str(result.forecast.model)
    if result.needed is not None:
        yield "need", f"{result.needed} instances within the lead time, by the newest samples"
    if result.plan:
        floors = [int(value) for value in result.plan.floor]
        span = f"minimum {min(floors)} to {max(floors)} in the next {fleet.horizon_hours} h"
        yield "plan", f"{span}, for the {result.plan_quantile:g} quantile of the load"
        yield "", Text(sparkline(floors, 48), style="green")
    if result.minimum:
        yield from minimum_lines(result.minimum, WORDS[fleet.cloud])
    if result.choice:
        yield "quantile", str(result.choice)
    lines = list(launch_lines(recorded_launching(result), fleet.cloud))
    yield from lines
    seen = result.observation.note if result.observation else None
    told = {seen, *(str(text) for _, text in lines)}
    for number, note in enumerate(note for note in result.notes if note not in told):
        yield ("notes" if number == 0 else ""), f"- {note}"


def minimum_lines(minimum: MinimumInForce, words: Words) -> Iterator[tuple[str, RenderableType]]:
    """The minimum in force for a person, and its shortfall."""
    low, high = minimum.range
    yield "in force", f"{words.floor} {low} to {high}, external actions included"
    if shortfall := minimum.shortfall():
        yield "", Text(shortfall, style=STYLES["held"])


def people_line(seen: Observation, fleet_floor: int) -> RenderableType:
    """What people want of the group's minimum."""
    if seen.note:
        return Text(seen.note, style="yellow")
    if seen.people_floor > fleet_floor:
        return f"want at least {seen.people_floor}, by hand or by their own actions: nothing lower is scheduled"
    return f"ask for no more than the fleet's floor of {fleet_floor} now"


def _live(group: GroupState | None, owners: frozenset[str], words: Words) -> str:
    if group is None:
        return ""
    owned, foreign = split_actions(group.actions, owners)
    others = f", {len(foreign)} of other people's" if foreign else ""
    return f": {words.sizes(group)}; {words.actions(len(owned))} of ours{others}"


def _load_line(history: History, step_minutes: int) -> str:
    step = pd.Timedelta(minutes=step_minutes)
    end = pd.DatetimeIndex(history.load.index)[-1] + step
    days = len(history.load) * step / pd.Timedelta(days=1)
    missing = int(history.load.isna().sum())
    gaps = f", {missing} of them missing" if missing else ""
    return f"{days:.1f} days in steps of {step_minutes} min{gaps}, to {end:%Y-%m-%d %H:%M} UTC; quality: {history.verdict.value}"


def closing(result: FleetResult, job: Job) -> str:
    """What was or would be written, and what comes next."""
    words = WORDS[result.fleet.cloud]
    lines: list[str] = []
    if result.diff:
        lines.append(_summary(result, result.diff))
    if result.schedule and result.schedule.slots:
        first, last = result.schedule.slots[0], result.schedule.slots[-1]
        zone = result.fleet.time_zone
        lines.append(f"Next: {words.floor} {first.floor} at {moment(first.start, zone)}.")
        after = (
            f"its last window closes at {moment(last.end, zone)}"
            if last.end
            else f"{words.floor} {last.floor} comes back at {moment(last.start, zone)}"
        )
        lines.append(f"Should the job die, this plan runs on, and {after}.")
    if not result.served:
        lines.append(f"Nothing more is written; the {words.action}s that stand run on.")
    if result.status != "planned":
        lines.append(next_run(job))
    return "\n".join(lines)


def next_run(job: Job) -> str:
    """When the job plans next. One whose records lie in a folder is not deployed: a person is its schedule."""
    if job.store.kind == "local":
        return "Nothing runs this by itself: run `elastic-iac apply` again, or deploy the job."
    return f"The job plans again on its schedule ({job.schedule}, {job.schedule_time_zone})."


def _summary(result: FleetResult, diff: Diff) -> str:
    if result.status == "written":
        calls = f"{result.written} call{'s' * (result.written != 1)} made"
        return f"{calls}; read back: {'equal to the plan' if result.read_back else 'NOT confirmed'}."
    if not diff.writes:
        return f"Nothing to write: all {WORDS[result.fleet.cloud].actions(len(diff.kept))} stand as they should."
    new = sum(put.before is None for put in diff.puts)
    text = f"{new} to add, {len(diff.puts) - new} to change, {len(diff.deletes)} to delete, {len(diff.kept)} unchanged"
    return f"{text}; nothing is written yet." if result.status == "planned" else f"{text}."


def moment(when: datetime, zone: str) -> str:
    """A time in UTC and, where it differs, in the fleet's zone."""
    text = f"{pd.Timestamp(when).tz_convert('UTC'):%a %d %b %H:%M} UTC"
    return text if zone == "UTC" else f"{text} ({when.astimezone(ZoneInfo(zone)):%a %H:%M} {zone})"


@dataclass(frozen=True)
class _Row:
    """Neighbouring actions that change in the same way."""

    sign: str
    first: datetime
    last: datetime
    before: int | None
    after: int | None
    count: int = 1


_SIGN_STYLES = {"+": "green", "~": "yellow", "-": "red"}


def diff_table(diff: Diff, zone: str, words: Words) -> Table:
    """The diff, ascending in time; neighbours that change in the same way share a row."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("starts (UTC)", no_wrap=True)
    if zone != "UTC":
        table.add_column(zone, no_wrap=True)
    table.add_column(words.floor, justify="right", no_wrap=True)
    table.add_column("actions", justify="right")
    for row in _rows(diff):
        cells = [
            row.sign,
            _span(row, "UTC"),
            *([_span(row, zone)] if zone != "UTC" else []),
            _sizes(row),
            str(row.count),
        ]
        table.add_row(*cells, style=_SIGN_STYLES[row.sign])
    return table


def _rows(diff: Diff) -> list[_Row]:
    changes = [
        *(
            _Row("+" if put.before is None else "~", put.slot.start, put.slot.start, put.before, put.slot.floor)
            for put in diff.puts
        ),
        *(_Row("-", slot.start, slot.start, slot.floor, None) for slot in diff.deletes),
    ]
    kept = {slot.start for slot in diff.kept}
    rows: list[_Row] = []
    for change in sorted(changes, key=lambda row: row.first):
        last = rows[-1] if rows else None
        alike = last and (last.sign, last.before, last.after) == (change.sign, change.before, change.after)
        if last and alike and not any(last.last < start < change.first for start in kept):
            rows[-1] = replace(last, last=change.last, count=last.count + 1)
        else:
            rows.append(change)
    return rows


def _span(row: _Row, zone: str) -> str:
    place = ZoneInfo(zone)
    first, last = row.first.astimezone(place), row.last.astimezone(place)
    if row.count == 1:
        return f"{first:%a %d %b %H:%M}"
    return (
        f"{first:%a %d %b %H:%M} - {last:%H:%M}"
        if last - first < timedelta(days=1)
        else f"{first:%a %d %b %H:%M} - {last:%a %H:%M}"
    )


def _sizes(row: _Row) -> str:
    before = "" if row.before is None else str(row.before)
    after = "none" if row.after is None else str(row.after)
    return f"{before:>4} -> {after:>4}" if before else f"{after:>4}"
