"""A rise that the forecast did not know, and what a short run makes of it: looked at, not written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from elastic_iac.cli.demo.cloud import Clouds
from elastic_iac.cli.demo.scene import Scene
from forecasting.run import Run
from forecasting.shortrun import run_short

FACTOR = 1.6
SINCE = timedelta(minutes=15)


@dataclass(frozen=True)
class Rise:
    """What a short run would write after it.

    Attributes:
        at: When the short run looks (UTC).
        planned: The most that the schedule asks for in the next quarter of an hour.
        needed: What the newest samples say is needed then.
        starts: When the first slot at that level begins (UTC).
    """

    at: datetime
    planned: int
    needed: int
    starts: datetime


def look(clouds: Clouds, scene: Scene) -> Rise | None:
    """Let a quarter of an hour pass with more load than there was, and ask for a short run on the first cloud.

    None where it takes no part (samples longer than five minutes), or the plan suffices.
    """
    part, trace, clock = scene.parts[0], scene.trace, clouds.clock
    plan = part.result.plan
    clock.advance(SINCE)
    until = trace.seen_until + SINCE
    rising = FACTOR * trace.unseen[trace.unseen.index < pd.Timestamp(until)]
    if plan is None or rising.empty:
        return None
    part.side.publish(replace(trace, load=rising, seen_until=until), part.fleet)
    now = clock.now()
    (result,) = run_short(Run(scene.job, now, clock=clock.now, write=False), [part.fleet.name])
    if result.schedule is None or result.needed is None:
        return None
    planned = max([int(plan.floor[:now].iloc[-1]), *plan.floor[now : now + SINCE].astype(int)])
    starts = next((slot.start for slot in result.schedule.slots if slot.floor >= result.needed), None)
    return Rise(now, planned, result.needed, starts) if starts and result.needed > planned else None
