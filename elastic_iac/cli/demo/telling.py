"""How the demo tells what happened: to a person, and to a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from elastic_iac.cli import result as results
from elastic_iac.cli.chart import ASCII, BLOCKS, Glyphs, floor_chart
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.rise import FACTOR, SINCE, Rise
from elastic_iac.cli.demo.scene import Agreement, Ending, Part, Reason, Scene, agreement
from elastic_iac.cli.demo.side import PEAK_INSTANCES
from elastic_iac.cli.demo.trace import UNSEEN_HOURS
from elastic_iac.cli.output import Output
from elastic_iac.cli.words import WORDS
from forecasting.backtest.compare import Comparison

POLICIES = {
    "static": "static: the history's peak",
    "reactive": "target tracking alone",
    "reactive_at_equal_hours": "target tracking, at our hours",
    "seasonal_naive": "last week's load + tracking",
    "predictive": "elastic-iac + target tracking",
    "oracle": "clairvoyant, as a yardstick",
}
REASONS: dict[Reason, str] = {
    "window": "a scaling schedule of Google Cloud lasts 5 min at least, so the higher of two holds a little longer",
    "plan": "the clouds' metrics gave different histories, so the plans differ",
    "unexplained": "no reason is known",
}


def tell(
    output: Output,
    scene: Scene,
    endings: Sequence[Ending],
    replay: Comparison,
    report: Path | None,
    rise: Rise | None = None,
) -> None:
    """Tell a person: what was made, what happened, what it is worth, what comes next."""
    start = scene.trace.now
    glyphs = ASCII if output.plain else BLOCKS
    output.show(Text(scene.trace.label, style="bold"), "", _labelled(_facts(scene), output.width), "")
    output.show(_side_by_side(scene), "")
    output.show(
        Text(f"The 48 h that the job had not seen, in instances, from {results.moment(start, 'UTC')}", style="bold")
    )
    chart = floor_chart(
        endings[0].floors, list(endings[0].needs), start, UNSEEN_HOURS, columns=output.width, glyphs=glyphs
    )
    output.show(chart, *_legend(scene, glyphs))
    output.show(
        "",
        Text(
            "The same 48 h under other policies, replayed (cost 1.00: the least that covers all the load)", style="bold"
        ),
    )
    output.show(_policies(replay), "", *_conclusions(scene, endings))
    if rise:
        output.show(_rise_line(scene, rise))
    if report:
        output.show(f"In pictures: {report}")


def _labelled(facts: Iterable[tuple[str, str]], width: int) -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(max_width=width - 10)
    for label, text in facts:
        rows.add_row(label, text)
    return rows


def _policies(replay: Comparison) -> Table:
    """One row a policy, ours among them."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for title in ("instance-hours", "cost", "uncovered", "minutes"):
        table.add_column(title, justify="right")
    for policy, found in replay.measures.items():
        table.add_row(
            POLICIES[policy],
            f"{found.instance_hours:,.0f}",
            f"{found.cost_ratio:.2f}",
            f"{found.under_provisioned_percent:.2f} %",
            f"{found.under_provisioned_minutes:.0f}",
            style="bold green" if policy == "predictive" else "",
        )
    return table


def _facts(scene: Scene) -> Iterator[tuple[str, str]]:
    """What both clouds share."""
    trace, deployment = scene.trace, scene.stack.deployment
    titles = [part.side.title for part in scene.parts]
    made_in = f"a local {titles[0]}" if len(titles) == 1 else f"local stand-ins of {' and '.join(titles)}"
    yield "stack", f"{cloud.STACK}: {len(deployment.resources)} resources, made in {made_in} (no account)"
    if unproven := deployment.unproven:
        listed = ", ".join(f"{declared.resource} {declared.input}" for declared in unproven)
        yield "", f"declared, but not given back there, so unproven here: {listed}"
    days = len(trace.history) * trace.sample_seconds / 86_400
    moved = "" if trace.synthetic else f"; its stamps are moved by {_duration(trace.moved_by)}, to end now"
    length = f"samples of {trace.sample_seconds // 60} min, {days:.1f} days"
    yield "load", f"{length}: published as the load balancers' own metrics{moved}"
    if trace.missing:
        yield "", f"{trace.missing} samples are missing: taken as unknown, not as zero"
    serves = scene.parts[0].fleet.load_per_instance
    yield "", f"an instance serves {serves:g}: chosen so that the largest sample needs {PEAK_INSTANCES}"
    yield "model", str(scene.parts[0].result.forecast.model if scene.parts[0].result.forecast else "")
    notes = dict.fromkeys(note for part in scene.parts for note in part.result.notes)
    for number, note in enumerate(notes):
        yield ("notes" if number == 0 else ""), f"- {note}"


def _side_by_side(scene: Scene) -> Table:
    """One column a cloud: the same plan in each one's words."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", style="dim", no_wrap=True)
    for part in scene.parts:
        table.add_column(part.side.title)
    for label, *cells in zip(("group", "", "load", "plan", "", "plan ends"), *map(_column, scene.parts), strict=True):
        table.add_row(label, *cells)
    return table


def _column(part: Part) -> list[str]:
    words, fleet, result, last = WORDS[part.fleet.cloud], part.fleet, part.result, part.slots[-1]
    when = results.moment(last.end or last.start, "UTC")
    return [
        str(fleet.target),
        f"{words.minimum} {fleet.floor}, {words.maximum} {fleet.ceiling}; scales on load too",
        f"{part.published:,} samples in {part.side.metrics}",
        f"{words.actions(len(part.slots))} that set {words.floor}",
        f"{result.written} call{'s' * (result.written != 1)}, read back, {'equal' if result.read_back else 'NOT confirmed'}",
        f"{when}: its last window closes" if last.end else f"{when}: {words.floor} {last.floor} is back",
    ]


def _duration(moved: timedelta) -> str:
    return f"{moved.days} days {moved.seconds // 3600} h"


def _legend(scene: Scene, glyphs: Glyphs) -> Iterator[Text]:
    floor = " / ".join(WORDS[part.fleet.cloud].floor for part in scene.parts)
    for glyph, style, meaning in (
        (glyphs.floor, "bold green", f"{floor}: raised ahead of the load"),
        (glyphs.covered, "blue", "instances that the load needed, and that minimum gave"),
        (glyphs.beyond, "bold yellow", "instances that it needed beyond it: left to reactive scaling"),
    ):
        yield Text.assemble("      ", (glyph, style), " ", (meaning, "dim"))


def _conclusions(scene: Scene, endings: Sequence[Ending]) -> Iterator[RenderableType]:
    for part, ending in zip(scene.parts, endings, strict=True):
        yield _kept_to_plan(part, ending)
    if (found := agreement(scene.parts, endings, scene.trace.now)) is not None:
        yield Text(agreement_line(found), style="green" if found.agrees else "bold red")
    if (covered := endings[0].covered_percent) is not None:
        yield (
            f"That minimum alone gave {covered:.1f} % of the instances that the load needed. "
            f"It was too low at {endings[0].beyond_minutes} minutes: there, reactive scaling adds."
        )
    minutes = scene.parts[0].fleet.lead_time_seconds / 60
    yield (
        f"A boot takes {minutes:g} min here. The slower it is, the more prediction is worth: `elastic-iac backtest` says whether it pays for "
        "a load of yours."
    )
    yield (
        "Here the job ran once; deployed, it plans anew every six hours and, where a boot takes ten minutes or more, sets the next slots by the "
        "newest samples every five minutes. Were it to die, the plan above runs on to its end."
    )


def _rise_line(scene: Scene, rise: Rise) -> str:
    floor = WORDS[scene.parts[0].fleet.cloud].floor
    minutes = SINCE // timedelta(minutes=1)
    return (
        f"Had the load been {FACTOR:g} times as high in the first {minutes} minutes, a short run at {rise.at:%H:%M} UTC would have set "
        f"{floor} {rise.needed} from {rise.starts:%H:%M} on, in place of {rise.planned}."
    )


def rise_document(rise: Rise | None) -> dict[str, Any] | None:
    """The same for a program; None where the load's samples are too long for short runs."""
    if rise is None:
        return None
    return {
        "factor": FACTOR,
        "at": results.stamp(rise.at),
        "planned": rise.planned,
        "needed": rise.needed,
        "starts": results.stamp(rise.starts),
    }


def _kept_to_plan(part: Part, ending: Ending) -> Text:
    floor, minutes = WORDS[part.fleet.cloud].floor, len(ending.floors)
    if ending.differing_minutes:
        text = f"{part.side.title}: {floor} was NOT the plan's at {ending.differing_minutes} of {minutes:,} minutes."
        return Text(text, style="bold red")
    return Text(f"{part.side.title}: {floor} was the plan's at each of the {minutes:,} minutes.", style="green")


def agreement_line(found: Agreement) -> str:
    """How far two clouds' floors agree, in a sentence."""
    if not found.differing and found.same_plan:
        return f"One plan, two schedules: both floors were the same at each of the {found.minutes:,} minutes."
    differing = sum(found.differing.values())
    why = "; ".join(f"{count} min: {REASONS[reason]}" for reason, count in found.differing.items())
    begin = "One plan, two schedules" if found.same_plan else "The two plans are NOT the same"
    return f"{begin}: the floors were the same at {found.minutes - differing:,} of {found.minutes:,} minutes. {why}."


def document(scene: Scene, endings: Sequence[Ending], replay: Comparison | None, report: Path | None) -> dict[str, Any]:
    """The same for a program. What both clouds share stands once; the replay, of the first one's schedule, with that."""
    trace, deployment = scene.trace, scene.stack.deployment
    fleets = [_fleet(part, endings[number] if endings else None) for number, part in enumerate(scene.parts)]
    fleets[0]["replay"] = replay.to_json() if replay else {}
    found = agreement(scene.parts, endings, trace.now) if endings else None
    kept = bool(endings) and not any(ending.differing_minutes for ending in endings)
    stand = all(part.result.ok and part.result.read_back for part in scene.parts)
    return {
        "ok": stand and kept and (found is None or found.agrees),
        "engine": scene.stack.engine,
        "clouds": [part.side.name for part in scene.parts],
        "stack": deployment.stack,
        "resources": [{"type": made.type, "name": made.name, "id": made.id} for made in deployment.resources],
        "unproven": [f"{declared.resource}: {declared.input}" for declared in deployment.unproven],
        "load": {
            "label": trace.label,
            "synthetic": trace.synthetic,
            "points_published": scene.parts[0].published,
            "sample_seconds": trace.sample_seconds,
            "moved_by_seconds": int(trace.moved_by.total_seconds()),
            "now": results.stamp(trace.now),
        },
        "fleets": fleets,
        "agreement": _agreement(found) if found else None,
        "report": str(report) if report else None,
    }


def _fleet(part: Part, ending: Ending | None) -> dict[str, Any]:
    fleet = {**results.document(part.result), "points_published": part.published}
    if ending:
        fleet["minutes"] = {
            "total": len(ending.floors),
            "min_size_differs_from_plan": ending.differing_minutes,
            "load_needs_more_than_min_size": ending.beyond_minutes,
        }
        fleet["covered_by_floor_percent"] = ending.covered_percent
    return fleet


def _agreement(found: Agreement) -> dict[str, Any]:
    return {
        "minutes": found.minutes,
        "same_plan": found.same_plan,
        "minutes_differing": {reason: found.differing.get(reason, 0) for reason in REASONS},
    }
