"""What the demo does, in order, and how it tells it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich.table import Table
from rich.text import Text

from elastic_iac.cli import result as results
from elastic_iac.cli.chart import ASCII, BLOCKS, floor_chart
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.trace import UNSEEN_HOURS, Trace, file_trace, synthetic_trace
from elastic_iac.cli.output import Output
from elastic_iac.local.aws import LocalAws, local_aws
from forecasting.errors import SettingsError
from forecasting.job import run_job
from forecasting.run import FleetResult, Run
from forecasting.schedule.people import value_at
from forecasting.settings import Job, parse_job

_UNSEEN = timedelta(hours=UNSEEN_HOURS)
_TABLE_ROWS = 12


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
    needs: np.ndarray

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
        """Share of the needed instance-minutes that MinSize alone gave."""
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
            output.progress("making the group ...")
            deployment = cloud.provision(aws)
            output.progress("publishing the load as metric data ...")
            published = cloud.publish(aws, trace, deployment.group_name)
            store = str(folder / f"records-{present:%Y%m%dT%H%M%S}")
            job = _settings(cloud.settings(aws, trace, deployment.group_name, store), folder)
            output.progress("forecasting, planning and writing the schedule ...")
            result = run_job(Run(job, aws.clock.now(), clock=aws.clock.now))[0]
            if not result.ok:
                output.show(results.page(result, frozenset({job.owner}), job.schedule))
                return _document(trace, deployment, published, result, None)
            output.progress("letting 48 hours pass ...")
            ending = _pass_time(aws, deployment.group_name, trace, job, result)
            _tell(output, trace, deployment, published, job, result, ending)
            return _document(trace, deployment, published, result, ending)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
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


def _settings(data: dict[str, Any], folder: Path) -> Job:
    """The job, from settings that are also left in the folder for a person to read."""
    (folder / "settings.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return parse_job(data)


def _pass_time(aws: LocalAws, group_name: str, trace: Trace, job: Job, result: FleetResult) -> Ending:
    """Let the local cloud's clock run for 48 hours; each action runs when it is due."""
    assert result.schedule is not None
    start, end = trace.now, trace.now + _UNSEEN
    aws.clock.advance_to(end)
    minutes = [start + timedelta(minutes=minute) for minute in range(UNSEEN_HOURS * 60)]
    slots = [(slot.start, slot.floor) for slot in result.schedule.slots]
    needs = np.ceil(trace.unseen.to_numpy(dtype=float) / job.fleets[0].load_per_instance - 1e-9)
    return Ending(
        floors=aws.min_size_by_minute(group_name, start, end),
        planned=[value_at(slots, minute, cloud.FLOOR) for minute in minutes],
        needs=np.repeat(needs, trace.sample_seconds // 60),
    )


# The telling


def _tell(
    output: Output,
    trace: Trace,
    deployment: cloud.Deployment,
    published: int,
    job: Job,
    result: FleetResult,
    ending: Ending,
) -> None:
    width = min(output.width, 102)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(max_width=width - 12)
    for label, text in _facts(trace, deployment, published, job, result):
        facts.add_row(label, text)
    title = f"The 48 hours that the job had not seen: instances, from {results.moment(trace.now, 'UTC')}"
    glyphs = ASCII if output.plain else BLOCKS
    output.show(Text(trace.label, style="bold"), "", facts, "", Text(title, style="bold"))
    output.show(floor_chart(ending.floors, list(ending.needs), trace.now, UNSEEN_HOURS, columns=width, glyphs=glyphs))
    output.show(_legend(glyphs), "", *_conclusions(job, result, ending))


def _facts(
    trace: Trace, deployment: cloud.Deployment, published: int, job: Job, result: FleetResult
) -> Iterator[tuple[str, str]]:
    assert result.forecast is not None and result.schedule is not None
    fleet = job.fleets[0]
    days = len(trace.history) * trace.sample_seconds / 86_400
    moved = "" if trace.synthetic else f", its stamps moved by {_duration(trace.moved_by)} to end now"
    yield (
        "group",
        f"{deployment.group_name}: an Auto Scaling group with a target tracking policy, in a local cloud that keeps AWS's rules",
    )
    yield (
        "load",
        f"{published} samples of {trace.sample_seconds // 60} min ({days:.1f} days) published as metric data{moved}",
    )
    yield (
        "",
        f"one instance serves {fleet.load_per_instance:g}, so chosen that the largest sample needs {cloud.PEAK_INSTANCES}",
    )
    yield "model", str(result.forecast.model)
    yield (
        "plan",
        f"{len(result.schedule.slots)} scheduled actions that set MinSize, written in {result.written} calls and read back",
    )
    for number, note in enumerate(result.notes):
        yield ("notes" if number == 0 else ""), f"- {note}"


def _duration(moved: timedelta) -> str:
    return f"{moved.days} days {moved.seconds // 3600} h"


def _legend(glyphs: Any) -> Text:
    text = Text("     ")
    text.append(glyphs.floor, style="bold green")
    text.append(" MinSize, set ahead of time   ", style="dim")
    text.append(glyphs.covered, style="blue")
    text.append(" needed, and there   ", style="dim")
    text.append(glyphs.beyond, style="bold yellow")
    text.append(" needed beyond it: reactive scaling adds", style="dim")
    return text


def _conclusions(job: Job, result: FleetResult, ending: Ending) -> Iterator[str]:
    assert result.schedule is not None
    minutes, last = len(ending.floors), result.schedule.slots[-1]
    if ending.differing_minutes:
        yield f"[bold red]MinSize was NOT the plan's at {ending.differing_minutes} of {minutes} minutes.[/]"
    else:
        yield f"[green]MinSize was the plan's at each of the {minutes} minutes.[/]"
    if ending.covered_percent is not None:
        yield (
            f"The floor alone gave {ending.covered_percent:.1f} % of the instances that the load needed; at {ending.beyond_minutes} of {minutes} minutes "
            "it needed more, which the target tracking policy adds (not simulated here)."
        )
    yield (
        f"Had the job never run again, MinSize {last.floor} would have come back at {results.moment(last.start, 'UTC')}; "
        f"normally it plans anew on its schedule ({job.schedule})."
    )


def _document(
    trace: Trace,
    deployment: cloud.Deployment,
    published: int,
    result: FleetResult,
    ending: Ending | None,
) -> dict[str, Any]:
    fleet = results.document(result) | {"replay": {}}
    if ending:
        fleet["minutes"] = {
            "total": len(ending.floors),
            "min_size_differs_from_plan": ending.differing_minutes,
            "load_needs_more_than_min_size": ending.beyond_minutes,
        }
        fleet["covered_by_floor_percent"] = ending.covered_percent
    return {
        "ok": result.ok and ending is not None and not ending.differing_minutes and result.read_back,
        "engine": deployment.engine,
        "resources": list(deployment.resources),
        "unproven": list(deployment.unproven),
        "load": {
            "label": trace.label,
            "synthetic": trace.synthetic,
            "points_published": published,
            "sample_seconds": trace.sample_seconds,
            "moved_by_seconds": int(trace.moved_by.total_seconds()),
            "now": results.stamp(trace.now),
        },
        "fleets": [fleet],
        "report": None,
    }
