"""One fleet's run, measured in a process of its own: `python -m benchmarks.fleet_run stages|job` in a folder that `benchmarks.job` has prepared.

It imports nothing that the function would not.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import forecasting
from benchmarks.scheduling import plain_request
from forecasting.history import build_history
from forecasting.job import run_job
from forecasting.planning.headroom import Headroom
from forecasting.run import Run
from forecasting.schedule.actions import GroupState
from forecasting.schedule.aws import build_schedule
from forecasting.settings import load_job
from forecasting.sources import open_source

DAYS = 28
STEP_MINUTES = 15


def stages() -> None:
    """The job without a cloud: a file's load in, slots out."""
    (fleet,) = load_job(Path("file.yaml")).fleets
    now = _now()
    reading = open_source(fleet.source, target=fleet.target).read(now - timedelta(days=DAYS), now)
    history = build_history(reading, now=now, step_minutes=fleet.step_minutes)
    load = forecasting.forecast(history.load, 48 * 60 // STEP_MINUTES, censored=history.censored)
    headroom = Headroom.of(history, fleet.plan_quantile)
    plan = forecasting.plan_capacity(load, fleet, headroom=headroom, current_floor=fleet.floor)
    group = GroupState(min_size=fleet.floor, max_size=fleet.ceiling, desired_capacity=fleet.floor, actions=())
    assert len(build_schedule(plain_request(fleet, plan, group, now)).slots) > 50


def job() -> None:
    """The whole job against the local cloud; the first run writes every slot, the next one none."""
    now = _now()
    (result,) = run_job(Run(load_job(Path("cloud.yaml")), now, clock=lambda: now))
    assert result.ok, result.reason
    assert result.history is not None
    assert len(result.history.load) > (DAYS - 1) * 24 * 60 // STEP_MINUTES


def _now() -> datetime:
    """The end of the load."""
    return datetime.fromisoformat(Path("now.txt").read_text(encoding="utf-8"))


def _measure(run: Callable[[], None]) -> dict[str, float]:
    """Processor seconds and peak memory (MB) of this process."""
    started = time.process_time()
    run()
    first = time.process_time()
    run()
    return {
        "imports": started,
        "first": first - started,
        "next": time.process_time() - first,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    if sys.platform == "win32":
        return float("nan")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    print(json.dumps(_measure({"stages": stages, "job": job}[sys.argv[1]])))
