"""The doctor's checks. Each reads, none writes, and each says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pandas as pd

from elastic_iac.cli.check import Check
from forecasting.errors import CredentialsError, ElasticIacError, Hold, TargetNotFoundError
from forecasting.history import History, Verdict, build_history
from forecasting.job import FILE_LOOKBACK_DAYS
from forecasting.run import Run, open_ledger
from forecasting.schedule.actions import GroupState, split_actions
from forecasting.schedule.aws_limits import MAX_ACTIONS, RESERVED_ACTIONS
from forecasting.settings import CloudWatchSource, Fleet, LocalStore
from forecasting.sources import open_source
from forecasting.targets.aws import AutoScalingTarget

_FULL_GRID_SLOTS = 97
"""48 h on the finest grid and the baseline slot."""
_SHORT_LEAD_SECONDS = 60
_SILENT = timedelta(days=1)


def check_job(run: Run, config: str) -> Iterator[Check]:
    """What all fleets share."""
    job = run.job
    yield Check(
        "job", "settings", "ok", f"{config}: job {job.name!r} of owner {job.owner!r}, fleets: {len(job.fleets)}"
    )
    if not job.enabled:
        yield Check("job", "kill switch", "warn", "enabled is false: nothing is written", "set enabled: true to go on")
    if job.dry_run:
        yield Check(
            "job", "dry run", "warn", "dry_run is true: plans are made, nothing is written", "set dry_run: false"
        )
    if isinstance(job.store, LocalStore):
        yield Check(
            "job",
            "store",
            "warn",
            f"records are kept in {job.store.path} on this machine",
            "use kind: s3 where the job runs in a function or on several machines",
        )


def check_fleet(run: Run, fleet: Fleet) -> Iterator[Check]:
    """Everything that one fleet needs; the checks behind a failed one are left out."""
    if not fleet.enabled or fleet.dry_run:
        what = "enabled is false" if not fleet.enabled else "dry_run is true"
        yield Check(fleet.name, "switches", "warn", f"{what}: nothing is written for it", "change it in the settings")
    target = AutoScalingTarget(fleet, run.session)
    yield from _group(run, fleet, target)
    yield from _load(run, fleet)
    yield from _records(run, fleet)
    yield _lead_time(fleet)


def _group(run: Run, fleet: Fleet, target: AutoScalingTarget) -> Iterator[Check]:
    try:
        group = target.inspect()
    except CredentialsError as error:
        yield Check(fleet.name, "credentials", "fail", str(error), "sign in again, or allow the job's role this call")
        return
    except TargetNotFoundError as error:
        yield Check(fleet.name, "group", "fail", str(error), "correct target.group_name or target.region")
        return
    except ElasticIacError as error:
        yield Check(fleet.name, "group", "fail", str(error), "try again; then check network and AWS_ENDPOINT_URL")
        return
    yield Check(fleet.name, "credentials", "ok", "AWS answers; the right to write is not tried here")
    yield _sizes(fleet, target, group)
    try:
        target.read()
        yield Check(fleet.name, "scale-in path", "ok", "an enabled policy scales in; no needed process is suspended")
    except Hold as error:
        yield Check(
            fleet.name, "scale-in path", "fail", error.reason, "until then the fleet is held: nothing is written"
        )
    yield _room(run, fleet, group)


def _sizes(fleet: Fleet, target: AutoScalingTarget, group: GroupState) -> Check:
    found = f"{target.subject}: MinSize {group.min_size}, MaxSize {group.max_size}"
    if group.max_size < fleet.floor:
        return Check(fleet.name, "group", "fail", f"{found}, below the floor of {fleet.floor}", "raise MaxSize")
    if group.max_size < fleet.ceiling:
        return Check(
            fleet.name,
            "group",
            "warn",
            f"{found}, below the ceiling of {fleet.ceiling}",
            "raise MaxSize or lower ceiling",
        )
    return Check(fleet.name, "group", "ok", found)


def _room(run: Run, fleet: Fleet, group: GroupState) -> Check:
    _owned, foreign = split_actions(group.actions, run.owners)
    room = MAX_ACTIONS - RESERVED_ACTIONS - len(foreign)
    found = f"{len(foreign)} of other people's scheduled actions; room for {max(room, 0)} of ours"
    if room < _FULL_GRID_SLOTS:
        coarser = "the plan is coarser than it could be" if room > 4 else "the plan does not fit"
        return Check(
            fleet.name, "actions", "warn" if room > 4 else "fail", f"{found}: {coarser}", "delete some of theirs"
        )
    return Check(fleet.name, "actions", "ok", f"{found}, {_FULL_GRID_SLOTS} of which a full plan takes")


def _load(run: Run, fleet: Fleet) -> Iterator[Check]:
    source = fleet.source
    days = source.lookback_days if isinstance(source, CloudWatchSource) else FILE_LOOKBACK_DAYS
    try:
        reading = open_source(source, target=fleet.target, session=run.session).read(
            run.now - timedelta(days=days), run.now
        )
        history = build_history(
            reading, now=run.now, step_minutes=fleet.step_minutes, max_load=fleet.max_load, time_zone=fleet.time_zone
        )
    except ElasticIacError as error:
        yield Check(fleet.name, "load", "fail", str(error), "correct `source` in the settings, or the file")
        return
    for warning in reading.warnings:
        yield Check(fleet.name, "load", "warn", warning)
    yield _quality(fleet, history)
    if len(history.load):
        yield _scale(fleet, history)


def _quality(fleet: Fleet, history: History) -> Check:
    found = f"{int(history.load.notna().sum())} steps of {fleet.step_minutes} min"
    if len(history.load):
        found += f", the last at {pd.DatetimeIndex(history.load.index)[-1]:%Y-%m-%d %H:%M} UTC"
    findings = "; ".join(finding.text for finding in history.findings if finding.verdict is not Verdict.GOOD)
    match history.verdict:
        case Verdict.HOLD:
            return Check(fleet.name, "load", "fail", f"{found}: {findings}", "until then the fleet is held")
        case Verdict.RAISE_ONLY:
            return Check(
                fleet.name, "load", "warn", f"{found}: {findings}", "until then a plan may only raise the old one"
            )
        case Verdict.GOOD:
            return Check(fleet.name, "load", "ok", f"{found}; quality: good")


def _scale(fleet: Fleet, history: History) -> Check:
    """A wrong unit shows here: the largest load in instances."""
    peak = float(history.load.max())
    instances = peak / fleet.load_per_instance
    found = f"the largest load, {peak:g}, is {instances:.1f} instances of {fleet.load_per_instance:g}; floor {fleet.floor}, ceiling {fleet.ceiling}"
    if instances > fleet.ceiling:
        return Check(fleet.name, "scale", "warn", found, "check load_per_instance and its unit, or raise ceiling")
    if instances <= fleet.floor:
        return Check(
            fleet.name, "scale", "warn", found, "the floor alone serves it: check load_per_instance and its unit"
        )
    return Check(fleet.name, "scale", "ok", found)


def _records(run: Run, fleet: Fleet) -> Iterator[Check]:
    try:
        runs = open_ledger(run, fleet).runs(1)
    except ElasticIacError as error:
        yield Check(fleet.name, "records", "fail", str(error), "correct `store`, or the role's access to it")
        return
    if not runs:
        yield Check(fleet.name, "records", "ok", "readable; no run yet")
        return
    last = runs[0]
    found = f"the last run, {last.time:%Y-%m-%d %H:%M} UTC: {last.outcome}{f' ({last.reason})' if last.reason else ''}"
    if last.outcome in {"held", "failed"}:
        yield Check(
            fleet.name, "records", "warn", found, "see the reason; `elastic-iac plan` shows whether it still holds"
        )
    elif run.now - last.time > _SILENT:
        yield Check(
            fleet.name, "records", "warn", found, f"the job is silent: check its scheduler ({run.job.schedule})"
        )
    else:
        yield Check(fleet.name, "records", "ok", found)


def _lead_time(fleet: Fleet) -> Check:
    found = f"lead_time_seconds is {fleet.lead_time_seconds:g}, to which two minutes of scheduling jitter are added"
    if fleet.lead_time_seconds < _SHORT_LEAD_SECONDS:
        return Check(fleet.name, "lead time", "warn", found, "measure launch to first healthy answer, and give its p90")
    return Check(fleet.name, "lead time", "ok", found)
