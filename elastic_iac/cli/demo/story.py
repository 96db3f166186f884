"""What the demo does, in order, and how it tells it."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from elastic_iac.cli import result as results
from elastic_iac.cli.chart import ASCII, BLOCKS, Glyphs, floor_chart
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.trace import UNSEEN_HOURS, Trace, file_trace, synthetic_trace
from elastic_iac.cli.output import Output
from elastic_iac.local.aws import LocalAws, local_aws
from forecasting.backtest.compare import Comparison, compare
from forecasting.errors import SettingsError
from forecasting.job import run_job
from forecasting.run import FleetResult, Run
from forecasting.schedule.base import Slot
from forecasting.schedule.people import value_at
from forecasting.settings import Fleet, Job, parse_job

_UNSEEN = timedelta(hours=UNSEEN_HOURS)

DEFAULT_OUT = Path("out") / "demo"
"""Where the report is kept if no folder is named."""

POLICIES = {
    "static": "static: the history's peak",
    "reactive": "target tracking alone",
    "reactive_at_equal_hours": "target tracking, at our hours",
    "seasonal_naive": "last week's load + tracking",
    "predictive": "elastic-iac + target tracking",
    "oracle": "clairvoyant, as a yardstick",
}


@dataclass(frozen=True)
class Scene:
    """The demo after the job has run.

    Attributes:
        trace: The load.
        stack: What serves it.
        published: Samples that were published as metric data.
        job: The settings.
        result: What the job did.
        slots: The schedule it wrote; empty where it held.
    """

    trace: Trace
    stack: cloud.Stack
    published: int
    job: Job
    result: FleetResult
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Ending:
    """What the 48 hours were like, minute by minute.

    Attributes:
        floors: MinSize that the group had.
        planned: MinSize that the schedule said.
        needs: Instances that the load needed; NaN where the load is not known.
    """

    floors: list[int]
    planned: list[int]
    needs: np.ndarray[tuple[int], np.dtype[np.float64]]

    @property
    def differing_minutes(self) -> int:
        """Minutes at which the group's MinSize was not the schedule's."""
        return sum(is_ != should for is_, should in zip(self.floors, self.planned, strict=True))

    @property
    def beyond_minutes(self) -> int:
        """Minutes at which the load needed more than MinSize: reactive scaling had to add."""
        return int((self.needs > np.asarray(self.floors)).sum())

    @property
    def covered_percent(self) -> float | None:
        """Share of the needed instance-minutes that MinSize alone gave; None where nothing was needed."""
        known = np.isfinite(self.needs)
        needed = float(self.needs[known].sum())
        return 100 * float(np.minimum(self.needs, self.floors)[known].sum()) / needed if needed else None


def run(csv: Path | None, out: Path | None, output: Output) -> dict[str, Any]:
    """Play the demo and tell it; returns its JSON document."""
    present = datetime.now(UTC)
    trace = file_trace(csv, present) if csv else synthetic_trace(present)
    with _folder(out) as folder:
        output.progress("starting the local cloud ...")
        with local_aws(now=trace.now) as aws, cloud.only_local(aws):
            scene = _set_up(aws, trace, folder, output)
            if not scene.result.ok:
                output.show(results.page(scene.result, frozenset({scene.job.owner}), scene.job.schedule))
                return _document(scene, None, None, None)
            output.progress("letting 48 hours pass ...")
            ending = _pass_time(aws, scene)
    output.progress("replaying the 48 hours under other policies ...")
    replay = _replay(scene)
    report = _report(scene, replay, (out or DEFAULT_OUT) / "report.html")
    _tell(output, scene, ending, replay, report)
    return _document(scene, ending, replay, report)


def _set_up(aws: LocalAws, trace: Trace, folder: Path, output: Output) -> Scene:
    """A group, its load as metric data, and one run of the job."""
    output.progress("provisioning the stack ...")
    stack = cloud.provision(aws, trace)
    output.progress("publishing the load as metric data ...")
    published = cloud.publish(aws, trace, stack.metric)
    job = _settings(stack.fleet, folder)
    output.progress("forecasting, planning and writing the schedule ...")
    result = run_job(Run(job, aws.clock.now(), clock=aws.clock.now))[0]
    return Scene(trace, stack, published, job, result, result.schedule.slots if result.schedule else ())


@contextmanager
def _folder(out: Path | None) -> Generator[Path]:
    """The user's folder, or one that is gone afterwards."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="elastic-iac-demo-") as folder:
            yield Path(folder)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError("--out", str(out), f"a folder that can be made ({error.strerror})") from error
    yield out


def _settings(fleet: Fleet, folder: Path) -> Job:
    """The job for the stack's fleet; its settings are also left in the folder for a person to read."""
    # Records of an earlier demo belong to a group that is gone: each demo keeps its own.
    store = {"kind": "local", "path": str(folder / f"records-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")}
    plain = fleet.model_dump(mode="json", exclude_none=True)
    data = {"name": "demo", "owner": cloud.STACK, "store": store, "fleets": [plain]}
    (folder / "settings.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return parse_job(data)


def _pass_time(aws: LocalAws, scene: Scene) -> Ending:
    """Let the local cloud's clock run for 48 hours; each action runs when it is due."""
    start, end = scene.trace.now, scene.trace.now + _UNSEEN
    aws.clock.advance_to(end)
    minutes = [start + timedelta(minutes=minute) for minute in range(UNSEEN_HOURS * 60)]
    timeline = [(slot.start, slot.floor) for slot in scene.slots]
    needs = np.ceil(scene.trace.unseen.to_numpy(dtype=float) / scene.stack.fleet.load_per_instance - 1e-9)
    return Ending(
        floors=aws.min_size_by_minute(scene.stack.group_name, start, end),
        planned=[value_at(timeline, minute, scene.stack.fleet.floor) for minute in minutes],
        needs=np.repeat(needs, scene.trace.sample_seconds // 60),
    )


def _replay(scene: Scene) -> Comparison:
    """The schedule that was written, beside what other policies would have done in the same 48 hours."""
    return compare(scene.trace.history, scene.trace.unseen, scene.trace.sample_seconds, scene.stack.fleet, scene.slots)


def _report(scene: Scene, replay: Comparison, path: Path) -> Path | None:
    """The same in pictures."""
    from elastic_iac.report import comparison_report, write_report  # noqa: PLC0415 - plotly takes a second

    if scene.result.history is None or scene.result.forecast is None:
        return None
    page = comparison_report(
        replay, scene.result.history.load, scene.result.forecast, name="elastic-iac demo", source=scene.trace.label
    )
    return write_report(path, page)


# The telling


def _tell(output: Output, scene: Scene, ending: Ending, replay: Comparison, report: Path | None) -> None:
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


def _document(scene: Scene, ending: Ending | None, replay: Comparison | None, report: Path | None) -> dict[str, Any]:
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
        "engine": "embedded",
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
