"""What the demo does, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from elastic_iac.cli import result as results
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.rise import look
from elastic_iac.cli.demo.scene import Ending, Needs, Part, Scene, agreement
from elastic_iac.cli.demo.telling import agreement_line, document, rise_document, tell
from elastic_iac.cli.demo.trace import METRICS_DELAY, UNSEEN_HOURS, Trace, file_trace, synthetic_trace
from elastic_iac.cli.output import Output
from forecasting.backtest.compare import Comparison, compare
from forecasting.errors import SettingsError
from forecasting.job import run_job
from forecasting.run import Run
from forecasting.schedule.base import Slot
from forecasting.schedule.people import value_at
from forecasting.settings import Fleet, Job, parse_job
from forecasting.targets import open_target

_UNSEEN = timedelta(hours=UNSEEN_HOURS)

DEFAULT_OUT = Path("out") / "demo"
"""Where the report is kept if no folder is named."""


def run(
    csv: Path | None, names: Sequence[cloud.CloudName], out: Path | None, engine: cloud.Engine, output: Output
) -> dict[str, Any]:
    """Play the demo on these clouds and tell it; returns its JSON document."""
    present = datetime.now(UTC)
    trace = file_trace(csv, present) if csv else synthetic_trace(present)
    with _folder(out) as folder:
        output.progress("starting the local clouds ..." if len(names) > 1 else "starting the local cloud ...")
        with cloud.local_clouds(names, trace.now) as clouds:
            scene = _set_up(clouds, trace, engine, folder, output)
            if scene.held:
                for part in scene.held:
                    output.show(results.page(part.result, frozenset({scene.job.owner}), scene.job))
                return document(scene, (), None, None)
            output.progress("letting 48 hours pass ...")
            rise = look(clouds, scene)
            endings = _pass_time(clouds, scene)
    output.progress("replaying the 48 hours under other policies ...")
    replay = _replay(scene)
    report = _report(scene, endings, replay, (out or DEFAULT_OUT) / "report.html")
    tell(output, scene, endings, replay, report, rise)
    return {**document(scene, endings, replay, report), "short_run": rise_document(rise)}


def _set_up(clouds: cloud.Clouds, trace: Trace, engine: cloud.Engine, folder: Path, output: Output) -> Scene:
    """Groups, their load in each cloud's metrics, and one run of the job."""
    output.progress("provisioning the stack ...")
    stack = cloud.provision(clouds, trace, engine, folder)
    output.progress("publishing the load as metric data ...")
    published = [side.publish(trace, fleet) for side, fleet in zip(clouds.sides, stack.fleets, strict=True)]
    job = _settings(stack.fleets, folder)
    output.progress("forecasting, planning and writing the schedule ...")
    found = run_job(Run(job, clouds.clock.now(), clock=clouds.clock.now))
    parts = map(Part, clouds.sides, stack.fleets, published, found)
    return Scene(trace, stack, job, tuple(parts))


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


def _settings(fleets: Sequence[Fleet], folder: Path) -> Job:
    """The job for the stack's fleets; its settings are also left in the folder for a person to read."""
    # Records of an earlier demo belong to a group that is gone: each demo keeps its own.
    store = {"kind": "local", "path": str(folder / f"records-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")}
    # Short runs are shown, too; at the boot of the stack's groups they are off by default.
    plain = [{**fleet.model_dump(mode="json", exclude_none=True), "short_lead": True} for fleet in fleets]
    data = {"name": "demo", "owner": cloud.STACK, "store": store, "fleets": plain}
    (folder / "settings.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return parse_job(data)


def _pass_time(clouds: cloud.Clouds, scene: Scene) -> tuple[Ending, ...]:
    """Let the clock run for 48 hours; each cloud does what it was asked for when it is due."""
    start, end = scene.trace.now, scene.trace.now + _UNSEEN
    clouds.clock.advance_to(end)
    return tuple(
        Ending(
            floors=part.side.floors(part.fleet, start, end), planned=_planned(part, start), needs=_needs(scene, part)
        )
        for part in scene.parts
    )


def _needs(scene: Scene, part: Part) -> Needs:
    """Instances that the load needed at each minute from the job's run on; the last minutes are not in the trace."""
    trace = scene.trace
    samples = np.ceil(trace.unseen.to_numpy(dtype=float) / part.fleet.load_per_instance - 1e-9)
    late = METRICS_DELAY // timedelta(minutes=1)
    return np.append(np.repeat(samples, trace.sample_seconds // 60)[late:], np.full(late, np.nan))


def _planned(part: Part, start: datetime) -> list[int]:
    """What the schedule ought to be at each minute: the plan's highest floor within each slot, as the cloud puts slots together."""
    timeline = open_target(part.fleet).rules.timeline(_slot_maxima(part))
    floor = part.fleet.floor
    minutes = (start + timedelta(minutes=minute) for minute in range(UNSEEN_HOURS * 60))
    return [max(value_at(timeline, minute, floor), floor) for minute in minutes]


def _slot_maxima(part: Part) -> list[Slot]:
    """The written slots with the highest floor that the plan has within each; after the plan, its baseline."""
    plan, slots = part.result.plan, part.slots
    if plan is None:
        return []
    starts: list[datetime] = pd.DatetimeIndex(plan.floor.index).to_pydatetime().tolist()
    steps = list(zip(starts, [*starts[1:], starts[-1] + (starts[1] - starts[0])], plan.floor.tolist(), strict=True))
    ends = [*(slot.start for slot in slots[1:]), slots[-1].end or slots[-1].start + _UNSEEN]
    return [
        replace(
            slot,
            floor=max(
                (floor for begin, until, floor in steps if until > slot.start and begin < end), default=plan.baseline
            ),
        )
        for slot, end in zip(slots, ends, strict=True)
    ]


def _replay(scene: Scene) -> Comparison:
    """The schedule that was written, beside what other policies would have done in the same 48 hours. One of the clouds' is both's."""
    trace, part = scene.trace, scene.parts[0]
    last = part.slots[-1]
    restored = (
        [Slot(last.end, part.fleet.floor, "")] if last.end else []
    )  # where slots end by themselves, nothing says so
    return compare(trace.history, trace.unseen, trace.sample_seconds, part.fleet, [*part.slots, *restored])


def _report(scene: Scene, endings: Sequence[Ending], replay: Comparison, path: Path) -> Path | None:
    """The same in pictures."""
    from elastic_iac.report import comparison_report, write_report  # noqa: PLC0415 - plotly takes a second

    result = scene.parts[0].result
    if result.history is None or result.forecast is None:
        return None
    found = agreement(scene.parts, endings, scene.trace.now)
    source = f"{scene.trace.label}. {agreement_line(found) if found else ''}".strip()
    chosen = str(result.choice) if result.choice else ""
    page = comparison_report(
        replay, result.history.load, result.forecast, name="elastic-iac demo", source=source, choice=chosen
    )
    return write_report(path, page)
