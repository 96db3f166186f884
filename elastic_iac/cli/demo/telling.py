"""How the demo tells what happened: to a person, and to a program."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from elastic_iac.cli import result as results
from elastic_iac.cli.chart import ASCII, BLOCKS, Glyphs, floor_chart
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.scene import Ending, Scene
from elastic_iac.cli.demo.trace import UNSEEN_HOURS
from elastic_iac.cli.output import Output
from forecasting.backtest.compare import Comparison

POLICIES = {
    "static": "static: the history's peak",
    "reactive": "target tracking alone",
    "reactive_at_equal_hours": "target tracking, at our hours",
    "seasonal_naive": "last week's load + tracking",
    "predictive": "elastic-iac + target tracking",
    "oracle": "clairvoyant, as a yardstick",
}


def tell(output: Output, scene: Scene, ending: Ending, replay: Comparison, report: Path | None) -> None:
    """Tell a person: what was made, what happened, what it is worth, what comes next."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(max_width=output.width - 10)
    for label, text in _facts(scene):
        facts.add_row(label, text)
    start = scene.trace.now
    glyphs = ASCII if output.plain else BLOCKS
    output.show(Text(scene.trace.label, style="bold"), "", facts, "")
    output.show(
        Text(f"The 48 h that the job had not seen, in instances, from {results.moment(start, 'UTC')}", style="bold")
    )
    needs = list(ending.needs)
    output.show(
        floor_chart(ending.floors, needs, start, UNSEEN_HOURS, columns=output.width, glyphs=glyphs), *_legend(glyphs)
    )
    output.show(
        "",
        Text(
            "The same 48 h under other policies, replayed (cost 1.00: the least that covers all the load)", style="bold"
        ),
    )
    output.show(_policies(replay), "", *_conclusions(scene, ending))
    if report:
        output.show(f"In pictures: {report}")


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
    trace, fleet, result = scene.trace, scene.stack.fleet, scene.result
    days = len(trace.history) * trace.sample_seconds / 86_400
    moved = "" if trace.synthetic else f"; its stamps are moved by {_duration(trace.moved_by)}, to end now"
    made = scene.stack.deployment.resources
    yield "stack", f"{cloud.STACK}: {len(made)} resources, made in a local cloud that keeps AWS's rules (no account)"
    yield "group", f"{scene.stack.group_name}: MinSize {fleet.floor}, MaxSize {fleet.ceiling}, target tracking on"
    if unproven := scene.stack.deployment.unproven:
        listed = ", ".join(f"{declared.resource} {declared.input}" for declared in unproven)
        yield "", f"declared, but not given back by the local cloud, so unproven here: {listed}"
    yield (
        "load",
        f"{scene.published:,} samples of {trace.sample_seconds // 60} min ({days:.1f} days) published as its load balancer's metric{moved}",
    )
    yield (
        "",
        f"an instance serves {fleet.load_per_instance:g}: chosen so that the largest sample needs {cloud.PEAK_INSTANCES}",
    )
    yield "model", str(result.forecast.model if result.forecast else "")
    yield "plan", f"{len(scene.slots)} scheduled actions that set MinSize: {result.written} calls, read back, equal"
    for number, note in enumerate(result.notes):
        yield ("notes" if number == 0 else ""), f"- {note}"


def _duration(moved: timedelta) -> str:
    return f"{moved.days} days {moved.seconds // 3600} h"


def _legend(glyphs: Glyphs) -> Iterator[Text]:
    for glyph, style, meaning in (
        (glyphs.floor, "bold green", "MinSize: raised by the schedule before the load came"),
        (glyphs.covered, "blue", "instances that the load needed, and MinSize gave"),
        (glyphs.beyond, "bold yellow", "instances that it needed beyond MinSize: left to target tracking"),
    ):
        yield Text.assemble("      ", (glyph, style), " ", (meaning, "dim"))


def _conclusions(scene: Scene, ending: Ending) -> Iterator[RenderableType]:
    minutes, last = len(ending.floors), scene.slots[-1]
    if ending.differing_minutes:
        text = f"The group's MinSize was NOT the plan's at {ending.differing_minutes} of {minutes} minutes."
        yield Text(text, style="bold red")
    else:
        yield Text(f"The group's MinSize was the plan's at each of the {minutes} minutes.", style="green")
    if ending.covered_percent is not None:
        yield (
            f"MinSize alone gave {ending.covered_percent:.1f} % of the instances that the load needed. "
            f"It was too low at {ending.beyond_minutes} minutes: there, target tracking adds."
        )
    yield (
        f"The job plans anew on its schedule ({scene.job.schedule}); here it ran once. Were it to die, "
        f"MinSize {last.floor} comes back at {results.moment(last.start, 'UTC')}."
    )


def document(scene: Scene, ending: Ending | None, replay: Comparison | None, report: Path | None) -> dict[str, Any]:
    """The same for a program."""
    trace, deployment, result = scene.trace, scene.stack.deployment, scene.result
    fleet: dict[str, Any] = {**results.document(result), "replay": replay.to_json() if replay else {}}
    if ending:
        fleet["minutes"] = {
            "total": len(ending.floors),
            "min_size_differs_from_plan": ending.differing_minutes,
            "load_needs_more_than_min_size": ending.beyond_minutes,
        }
        fleet["covered_by_floor_percent"] = ending.covered_percent
    return {
        "ok": result.ok and result.read_back and ending is not None and not ending.differing_minutes,
        "engine": scene.stack.engine,
        "stack": deployment.stack,
        "resources": [{"type": made.type, "name": made.name, "id": made.id} for made in deployment.resources],
        "unproven": [f"{declared.resource}: {declared.input}" for declared in deployment.unproven],
        "load": {
            "label": trace.label,
            "synthetic": trace.synthetic,
            "points_published": scene.published,
            "sample_seconds": trace.sample_seconds,
            "moved_by_seconds": int(trace.moved_by.total_seconds()),
            "now": results.stamp(trace.now),
        },
        "fleets": [fleet],
        "report": str(report) if report else None,
    }
