"""What the demo does, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from elastic_iac.cli import result as results
from elastic_iac.cli.demo import cloud
from elastic_iac.cli.demo.scene import Ending, Scene
from elastic_iac.cli.demo.telling import document, tell
from elastic_iac.cli.demo.trace import UNSEEN_HOURS, Trace, file_trace, synthetic_trace
from elastic_iac.cli.output import Output
from elastic_iac.local.aws import LocalAws, local_aws
from forecasting.backtest.compare import Comparison, compare
from forecasting.errors import SettingsError
from forecasting.job import run_job
from forecasting.run import Run
from forecasting.schedule.people import value_at
from forecasting.settings import Fleet, Job, parse_job

_UNSEEN = timedelta(hours=UNSEEN_HOURS)

DEFAULT_OUT = Path("out") / "demo"
"""Where the report is kept if no folder is named."""


def run(csv: Path | None, out: Path | None, engine: cloud.Engine, output: Output) -> dict[str, Any]:
    """Play the demo and tell it; returns its JSON document."""
    present = datetime.now(UTC)
    trace = file_trace(csv, present) if csv else synthetic_trace(present)
    with _folder(out) as folder:
        output.progress("starting the local cloud ...")
        with local_aws(now=trace.now) as aws, cloud.only_local(aws):
            scene = _set_up(aws, trace, engine, folder, output)
            if not scene.result.ok:
                output.show(results.page(scene.result, frozenset({scene.job.owner}), scene.job.schedule))
                return document(scene, None, None, None)
            output.progress("letting 48 hours pass ...")
            ending = _pass_time(aws, scene)
    output.progress("replaying the 48 hours under other policies ...")
    replay = _replay(scene)
    report = _report(scene, replay, (out or DEFAULT_OUT) / "report.html")
    tell(output, scene, ending, replay, report)
    return document(scene, ending, replay, report)


def _set_up(aws: LocalAws, trace: Trace, engine: cloud.Engine, folder: Path, output: Output) -> Scene:
    """A group, its load as metric data, and one run of the job."""
    output.progress("provisioning the stack ...")
    stack = cloud.provision(aws, trace, engine, folder)
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
    timeline = _slot_maxima(scene)
    needs = np.ceil(scene.trace.unseen.to_numpy(dtype=float) / scene.stack.fleet.load_per_instance - 1e-9)
    return Ending(
        floors=aws.min_size_by_minute(scene.stack.group_name, start, end),
        planned=[value_at(timeline, minute, scene.stack.fleet.floor) for minute in minutes],
        needs=np.repeat(needs, scene.trace.sample_seconds // 60),
    )


def _slot_maxima(scene: Scene) -> list[tuple[datetime, int]]:
    """The highest floor that the plan has within each slot, and the baseline after the plan: what the schedule ought to be."""
    if scene.result.plan is None:
        return []
    plan = scene.result.plan
    starts: list[datetime] = pd.DatetimeIndex(plan.floor.index).to_pydatetime().tolist()
    steps = list(zip(starts, [*starts[1:], starts[-1] + (starts[1] - starts[0])], plan.floor.tolist(), strict=True))
    ends = [*(slot.start for slot in scene.slots[1:]), scene.slots[-1].start + _UNSEEN]
    return [
        (
            slot.start,
            max((floor for begin, until, floor in steps if until > slot.start and begin < end), default=plan.baseline),
        )
        for slot, end in zip(scene.slots, ends, strict=True)
    ]


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
