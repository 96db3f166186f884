"""What a fleet's launches change in its plan: the lead time that was measured, and what the cloud has no more of.

Neither holds a plan: what cannot be read is a remark, and the last known or the settings' lead time counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from forecasting.errors import ElasticIacError
from forecasting.leadtime.launches import FailingLaunches, Launches, Learnt, Meaning, Refusal, Watch, learn
from forecasting.planning.base import Shortage
from forecasting.run import FleetResult, Launching, Run
from forecasting.schedule.grid import round_up
from forecasting.settings import Fleet
from forecasting.store.boots import keep_boots, read_boots
from forecasting.store.records import RecordedLeadTime, RecordedShortage
from forecasting.targets.base import Target

COOL_OFF: dict[Meaning, timedelta] = {"stockout": timedelta(hours=1), "quota": timedelta(hours=6)}
"""So long after the last refusal no more is asked for. Capacity comes back by itself, a quota by a person's request."""

_REMEDY: dict[Meaning, str] = {
    "stockout": "the cloud has no more of this type there: allow further instance types or zones, or reserve capacity",
    "quota": "the account's quota is used up: ask for a higher one, or lower the ceiling",
}


def watch_launches(run: Run, fleet: Fleet, target: Target, desired: int) -> Launching:
    """Look at a fleet's launches: whether they fail and, if it learns from them, how long they take. What goes wrong is a remark.

    Args:
        run: The run; where it writes nothing, nothing is kept.
        fleet: The fleet.
        target: Its group.
        desired: The instances that the group is asked for now, in the fleet's units.
    """
    if not fleet.plans_by_launches:
        return _watch_failures(run, target, desired)
    now, watch, shortage, to_answer, remarks = run.clock(), Watch(), None, True, list[str]()
    found: Launches | None = None
    try:
        watch = read_boots(run.store, fleet.target_key)
        found = target.launches(watch, now)
        shortage = shortage_of(found, fleet, desired, now)
        watch, to_answer = found.watch, found.to_answer
        remarks += found.remarks
        if run.write:
            keep_boots(run.store, fleet.target_key, watch)
    except ElasticIacError as error:
        remarks.append(f"the group's launches could not be read: {error}")
    failing = found.failing(desired, now) if found else None
    if failing and not shortage:  # what a shortage says already
        remarks.append(str(failing))
    learnt = None
    if fleet.learn_lead_time:
        learnt = learn(watch, fleet.lead_time_seconds, to_answer=to_answer, now=now)
        remarks.insert(0, str(learnt))
    return Launching(learnt, shortage, tuple(remarks), failing)


def _watch_failures(run: Run, target: Target, desired: int) -> Launching:
    """Whether launches fail, for a fleet whose plan does not depend on them: nothing is kept."""
    try:
        failing = failing_launches(target, desired, run.clock())
    except ElasticIacError as error:
        return Launching(remarks=(f"the group's launches could not be read: {error}",))
    return Launching(remarks=(str(failing),) if failing else (), failing=failing)


def failing_launches(target: Target, desired: int, now: datetime) -> FailingLaunches | None:
    """Read whether a group's launches fail now.

    Args:
        target: The group.
        desired: Capacity that it wants.
        now: The present (aware).

    Raises:
        TargetError, Hold: they cannot be read.
    """
    return target.launches(None, now).failing(desired, now)


def shortage_of(found: Launches, fleet: Fleet, desired: int, now: datetime) -> Shortage | None:
    """What the cloud does not give: from a refused launch until its cool-off is over, or until a later launch is not refused.

    Args:
        found: What the launches tell.
        fleet: The fleet.
        desired: What the group is asked for now.
        now: The present (aware).
    """
    lasting = [refusal for refusal in found.refusals if now < _until(refusal)]
    if not lasting:
        return None
    last = max(lasting, key=_until)
    newest = found.refusals[-1]
    if found.launched_at is not None and found.launched_at > newest.at:
        return None
    units, until = max(found.units, fleet.floor), _until(last)
    text = (
        f"capacity: {last.code} at {last.at:%Y-%m-%d %H:%M}Z: no more than the {found.units} of {desired} that the group has got are asked for until"
        f" {until:%Y-%m-%d %H:%M}Z; {_REMEDY[last.meaning]}"
    )
    return Shortage(units, until, last.code, text)


def recorded_launching(result: FleetResult) -> dict[str, Any]:
    """What a run's record says of it."""
    known, plan = result.launching, result.plan
    return {
        "lead_time": recorded_lead_time(known.lead_time) if known.lead_time else None,
        "shortage": RecordedShortage(**vars(known.shortage)) if known.shortage else None,
        "on_demand_base": plan.on_demand_base if plan else None,
    }


def recorded_lead_time(learnt: Learnt) -> RecordedLeadTime:
    """A lead time as a record has it."""
    lead = learnt.lead_time
    return RecordedLeadTime(
        seconds=learnt.seconds,
        kind=learnt.kind,
        source=lead.source,
        count=lead.count,
        p50_seconds=lead.p50_seconds,
        p90_seconds=lead.p90_seconds,
        p99_seconds=lead.p99_seconds,
        to_answer=learnt.to_answer,
        text=str(learnt),
    )


def _until(refusal: Refusal) -> datetime:
    return round_up(refusal.at + COOL_OFF[refusal.meaning], 15)
