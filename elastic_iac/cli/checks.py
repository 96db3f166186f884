"""The doctor's checks. Each reads, none writes, and each says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from elastic_iac.cli.check import Check
from elastic_iac.cli.words import WORDS
from forecasting.errors import CredentialsError, ElasticIacError, Hold, TargetNotFoundError
from forecasting.history import History, Verdict, build_history
from forecasting.job import FILE_LOOKBACK_DAYS
from forecasting.launching import failing_launches
from forecasting.run import Run, open_ledger
from forecasting.schedule.actions import GroupState, split_actions
from forecasting.schedule.aws_limits import MAX_ACTIONS, RESERVED_ACTIONS
from forecasting.schedule.gcp_limits import MAX_WINDOWS, RESERVED_WINDOWS
from forecasting.schedule.owners import find_other_owner
from forecasting.settings import CloudMonitoringSource, CloudWatchSource, Fleet, LocalStore
from forecasting.sources import open_source
from forecasting.targets import Target, open_target

_SHORT_LEAD_SECONDS = 60
_SILENT = timedelta(days=1)


@dataclass(frozen=True)
class _Cloud:
    """What the checks of a group say on one cloud.

    Attributes:
        title: Its name.
        account: What a job runs as there.
        endpoint: Where its calls go.
        where: The settings that name the group.
        scales_in: What a sound group has.
        room: How many of our actions fit where nobody else has any.
        full: How many a full plan takes: 48 h on the finest grid, and what restores the baseline.
        store: Records for a job that is deployed.
    """

    title: str
    account: str
    endpoint: str
    where: str
    scales_in: str
    room: int
    full: int
    store: str


_CLOUDS = {
    "aws": _Cloud(
        title="AWS",
        account="role",
        endpoint="AWS_ENDPOINT_URL",
        where="target.group_name or target.region",
        scales_in="an enabled policy scales in; no needed process is suspended",
        room=MAX_ACTIONS - RESERVED_ACTIONS,
        full=97,
        store="s3",
    ),
    "gcp": _Cloud(
        title="Google Cloud",
        account="service account",
        endpoint="CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
        where="target.autoscaler, target.location or target.project",
        scales_in="its mode is ON, and a signal beside the schedules scales in",
        room=MAX_WINDOWS - RESERVED_WINDOWS,
        full=96,
        store="gcs",
    ),
}


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
        stores = dict.fromkeys(_CLOUDS[fleet.cloud].store for fleet in job.fleets)
        yield Check(
            "job",
            "store",
            "warn",
            f"records are kept in {job.store.path} on this machine",
            f"use kind: {' or '.join(stores)} where the job runs in a function or on several machines",
        )


def check_fleet(run: Run, fleet: Fleet) -> Iterator[Check]:
    """Everything that one fleet needs; the checks behind a failed one are left out."""
    if not fleet.enabled or fleet.dry_run:
        what = "enabled is false" if not fleet.enabled else "dry_run is true"
        yield Check(fleet.name, "switches", "warn", f"{what}: nothing is written for it", "change it in the settings")
    target = open_target(fleet, run.session)
    yield from _group(run, fleet, target)
    yield from _load(run, fleet)
    yield from _records(run, fleet)
    yield _lead_time(fleet)


def _group(run: Run, fleet: Fleet, target: Target) -> Iterator[Check]:
    cloud = _CLOUDS[fleet.cloud]
    try:
        group = target.inspect()
    except CredentialsError as error:
        yield Check(
            fleet.name,
            "credentials",
            "fail",
            str(error),
            f"sign in again, or allow the job's {cloud.account} this call",
        )
        return
    except TargetNotFoundError as error:
        yield Check(fleet.name, "group", "fail", str(error), f"correct {cloud.where}")
        return
    except ElasticIacError as error:
        yield Check(fleet.name, "group", "fail", str(error), f"try again; then check network and {cloud.endpoint}")
        return
    yield Check(fleet.name, "credentials", "ok", f"{cloud.title} answers; the right to write is not tried here")
    yield _sizes(fleet, target, group)
    yield from _other_owners(fleet, group)
    yield from _other_jobs(run, fleet, group)
    try:
        target.read()
        yield Check(fleet.name, "scale-in path", "ok", cloud.scales_in)
    except Hold as error:
        if all(owner.kind != error.code for owner in group.other_owners):
            yield Check(
                fleet.name, "scale-in path", "fail", error.reason, "until then the fleet is held: nothing is written"
            )
    yield _room(run, fleet, group)
    yield _launches(run, fleet, target, group)


def _launches(run: Run, fleet: Fleet, target: Target, group: GroupState) -> Check:
    try:
        failing = failing_launches(target, group.desired_capacity, run.now)
    except CredentialsError as error:
        advice = f"allow the job's {_CLOUDS[fleet.cloud].account} this call: without it, failing launches go unnoticed"
        return Check(fleet.name, "launches", "warn", str(error), advice)
    except ElasticIacError as error:
        return Check(fleet.name, "launches", "warn", str(error), "try again")
    if failing:
        advice = "until then a higher minimum adds no instance: correct the launch template, its rights or the quota"
        return Check(fleet.name, "launches", "fail", str(failing), advice)
    return Check(fleet.name, "launches", "ok", "none fails")


def _other_owners(fleet: Fleet, group: GroupState) -> Iterator[Check]:
    """Other controllers of the group's capacity; `docs/other-owners.md` has the combinations."""
    for owner in group.other_owners:
        outcome = "fail" if owner.holds else "warn"
        held = "the fleet is held; " if owner.holds else ""
        yield Check(fleet.name, "other owners", outcome, f"{owner.name}: {owner.effect}", f"{held}{owner.advice}")


def _other_jobs(run: Run, fleet: Fleet, group: GroupState) -> Iterator[Check]:
    """Another elastic-iac job with actions on the group: the one with fewer of them holds."""
    other = find_other_owner(group, run.job.owner, run.owners, run.now)
    if other is not None and other.leads:
        yield Check(fleet.name, "other owners", "fail", other.reason(), "the fleet is held until then")
    elif other is not None:
        yield Check(fleet.name, "other owners", "warn", other.warning())


def _sizes(fleet: Fleet, target: Target, group: GroupState) -> Check:
    words = WORDS[fleet.cloud]
    found = f"{target.subject}: {words.minimum} {group.min_size}, {words.maximum} {group.max_size}"
    opening = [each.name for each in group.actions if each.max_size is not None and each.max_size >= fleet.floor]
    if group.max_size < fleet.floor and opening:
        closed = f"{found}: closed now, below the floor of {fleet.floor}; external action {opening[0]!r} opens it"
        return Check(fleet.name, "group", "warn", closed, "these hours are left to it")
    if group.max_size < fleet.floor:
        return Check(
            fleet.name, "group", "fail", f"{found}, below the floor of {fleet.floor}", f"raise {words.maximum}"
        )
    if group.max_size < fleet.ceiling:
        return Check(
            fleet.name,
            "group",
            "warn",
            f"{found}, below the ceiling of {fleet.ceiling}",
            f"raise {words.maximum} or lower ceiling",
        )
    return Check(fleet.name, "group", "ok", found)


def _room(run: Run, fleet: Fleet, group: GroupState) -> Check:
    cloud, words = _CLOUDS[fleet.cloud], WORDS[fleet.cloud]
    _owned, foreign = split_actions(group.actions, run.owners)
    room = cloud.room - len(foreign)
    found = f"{len(foreign)} of other people's {words.action}s; room for {max(room, 0)} of ours"
    if room < cloud.full:
        coarser = "the plan is coarser than it could be" if room > 4 else "the plan does not fit"
        return Check(
            fleet.name, "actions", "warn" if room > 4 else "fail", f"{found}: {coarser}", "delete some of theirs"
        )
    return Check(fleet.name, "actions", "ok", f"{found}, {cloud.full} of which a full plan takes")


def _load(run: Run, fleet: Fleet) -> Iterator[Check]:
    source = fleet.source
    measured = isinstance(source, CloudWatchSource | CloudMonitoringSource)
    days = source.lookback_days if measured else FILE_LOOKBACK_DAYS
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
        yield Check(fleet.name, "records", "fail", str(error), "correct `store`, or the access to it")
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
