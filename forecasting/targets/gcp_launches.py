"""What a managed instance group tells of its launches. Pure: of what Compute's REST API answers.

A group recreates an instance under its name, when it is unhealthy, was preempted or is replaced: the id tells them apart. One that was recreated
before it answered was killed: it had not answered when it was last looked at.

The API says when an instance was created and whether it is healthy now, not since when (API, ManagedInstance, Instance). So the time to the first
healthy answer is known between two looks only: the later one counts, if it comes soon enough after the earlier. Without a health check a boot ends
where the API says that the instance started, before anything answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from forecasting.leadtime import Boot
from forecasting.leadtime.launches import (
    MOST_FOLLOWED,
    UNNAMED,
    Followed,
    Launches,
    LaunchFailure,
    Meaning,
    Refusal,
    Watch,
)

REFUSED_WITHIN = timedelta(hours=24)
"""Refusals are told that far back."""

CLOSE_LOOKS = timedelta(minutes=10)
"""A boot counts if it is known to within this time: it is taken for longer than it was by at most as much."""

CODES: Mapping[str, Meaning] = {
    # Compute Engine, "Troubleshoot resource availability errors" and the API's error catalogue.
    "ZONE_RESOURCE_POOL_EXHAUSTED": "stockout",
    "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS": "stockout",
    "REGION_RESOURCE_POOL_EXHAUSTED": "stockout",
    "RESOURCE_POOL_EXHAUSTED": "stockout",
    "RESERVATION_CAPACITY_EXCEEDED": "stockout",
    "stockout": "stockout",
    "QUOTA_EXCEEDED": "quota",
    "quotaExceeded": "quota",
    # API, AutoscalerStatusDetails.type.
    "ZONE_RESOURCE_STOCKOUT": "stockout",
    "REGION_RESOURCE_STOCKOUT": "stockout",
    "NOT_ENOUGH_QUOTA_AVAILABLE": "quota",
}
"""What a refused launch means for the plan; any other code is a fault of the group's, such as a missing image, and is reported alone."""

_UP = frozenset({"PROVISIONING", "STAGING", "RUNNING", "REPAIRING"})
_LAUNCHING = frozenset({"CREATING", "CREATING_WITHOUT_RETRIES", "RECREATING", "RESUMING", "STARTING"})
"""API, ManagedInstance.currentAction and InstanceManagedByIgmErrorInstanceActionDetails.action."""

_LEAVING = frozenset({"DELETING", "ABANDONING"})


def capacity_alone(autoscaler: Mapping[str, Any]) -> bool:
    """Whether all that ails an autoscaler is want of capacity or quota: its schedules are acted on once there is some."""
    details: Sequence[Mapping[str, Any]] = autoscaler.get("statusDetails", [])
    errors = [each.get("type") for each in details if each.get("type") not in _WARNINGS]
    return bool(errors) and all(code in CODES for code in errors)


_WARNINGS = frozenset(
    {
        "ALL_INSTANCES_UNHEALTHY",
        "CAPPED_AT_MAX_NUM_REPLICAS",
        "CUSTOM_METRIC_DATA_POINTS_TOO_SPARSE",
        "MIN_EQUALS_MAX",
        "MISSING_CUSTOM_METRIC_DATA_POINTS",
        "MISSING_LOAD_BALANCING_DATA_POINTS",
        "MODE_OFF",
        "MODE_ONLY_UP",
        "MODE_ONLY_SCALE_OUT",
        "SCHEDULED_INSTANCES_GREATER_THAN_AUTOSCALER_MAX",
        "SCHEDULED_INSTANCES_LESS_THAN_AUTOSCALER_MIN",
    }
)
"""API, AutoscalerStatusDetails.type: warnings and notices."""


def standing(members: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The instances that are up or coming up (API, ManagedInstance.instanceStatus: empty where there is none yet)."""
    return [each for each in members if each.get("instanceStatus") in _UP and each.get("currentAction") not in _LEAVING]


def _known(member: Mapping[str, Any], watch: Watch) -> Followed | None:
    """What is followed of this very instance: one that was recreated has the name, and another id (API, ManagedInstance.id)."""
    seen = watch.followed.get(_name(member))
    return None if seen is None or (seen.id and member.get("id") and seen.id != str(member["id"])) else seen


def unknown(members: Sequence[Mapping[str, Any]], watch: Watch) -> list[Mapping[str, Any]]:
    """Those that have to be asked for one by one: not followed yet, and, in a group without a health check, running."""
    checked = _checked(members)
    return [
        each
        for each in standing(members)
        if _known(each, watch) is None and (checked or each["instanceStatus"] == "RUNNING")
    ]


def read_launches(
    members: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    autoscaler: Mapping[str, Any],
    instances: Mapping[str, Mapping[str, Any]],
    *,
    watch: Watch,
    now: datetime,
) -> Launches:
    """What these answers tell.

    Args:
        members: The group's managed instances, as listManagedInstances gives them.
        errors: As listErrors gives them.
        autoscaler: As autoscalers.get gives it.
        instances: As instances.get gives them, by name; of those that are `unknown`.
        watch: What is known.
        now: The present (aware).
    """
    checked, refused_since = _checked(members), _refused_since(errors, watch)
    followed, late = _recreated(members, watch), 0
    boots = _killed(followed, members, watch) if checked else {}
    for member in standing(members):
        name = _name(member)
        seen = _known(member, watch) or (
            _followed(instances[name], refused_since.get(name)) if name in instances else None
        )
        if seen is None:
            continue
        seen = replace(seen, id=str(member.get("id", "")))
        if seen.answered:
            followed[name] = seen
        elif not checked:
            started = _time(instances[name]["lastStartTimestamp"]) if name in instances else now
            boots[_key(name, seen)] = _boot(seen, started)
            followed[name] = replace(seen, answered=True)
        elif not _answers(member):
            followed[name] = replace(seen, unready_at=now)
        else:
            if now - seen.unready_at <= CLOSE_LOOKS:
                boots[_key(name, seen)] = _boot(seen, now)
            else:
                late += 1
            followed[name] = replace(seen, answered=True)
    kept = sorted(followed, key=lambda name: followed[name].started)[-MOST_FOLLOWED:]
    # Of one that waited, no more is kept than since when.
    created = [_time(each["creationTimestamp"]) for each in instances.values()]
    created += [each.started for each in followed.values() if each.kind != "waiting"]
    minutes = CLOSE_LOOKS.seconds // 60
    remark = f"{late} boots are not measured: they answered more than {minutes} min after the look before; shorter intervals between runs tell them"
    return Launches(
        watch=Watch(watch.with_boots(boots, now), {name: followed[name] for name in kept}, now),
        refusals=_refusals(members, errors, autoscaler, now),
        launched_at=max(created, default=None),
        units=len(standing(members)),
        to_answer=checked,
        remarks=(remark,) if late else (),
        failures=_failures(members, errors, autoscaler, now),
    )


def _checked(members: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the group has a health check: it shows an instance's health, once there is one (API, ManagedInstance.instanceHealth)."""
    return any(each.get("instanceHealth") for each in members)


def _answers(member: Mapping[str, Any]) -> bool:
    health: Sequence[Mapping[str, Any]] = member.get("instanceHealth", [])
    return bool(health) and all(each.get("detailedHealthState") == "HEALTHY" for each in health)


def _followed(instance: Mapping[str, Any], refused: datetime | None) -> Followed:
    """One that is seen for the first time. A stopped one that was started again is warm; one that was refused at first has waited since then."""
    machine = str(instance.get("machineType", "")).rsplit("/", 1)[-1] or "unknown"
    created = _time(instance["creationTimestamp"])
    stops = [_time(instance[field]) for field in ("lastStopTimestamp", "lastSuspendedTimestamp") if instance.get(field)]
    started = _time(instance["lastStartTimestamp"]) if instance.get("lastStartTimestamp") else created
    if stops and started > max(stops):
        return Followed(machine, "warm", started, started)
    if refused is not None and refused < created:
        return Followed(machine, "waiting", refused, created)
    return Followed(machine, "cold", created, created)


def _boot(seen: Followed, over: datetime) -> Boot:
    return Boot(seen.instance_type, seen.kind, seen.started, max(0.0, (over - seen.started).total_seconds()))


def _key(name: str, seen: Followed) -> str:
    return f"{name}/{seen.started:%Y%m%dT%H%M%SZ}"


def _recreated(members: Sequence[Mapping[str, Any]], watch: Watch) -> dict[str, Followed]:
    """What is known of those before the ones that are made anew now, or that have not been asked for yet."""
    return {
        _name(each): watch.followed[_name(each)]
        for each in members
        if _name(each) in watch.followed
        and (not each.get("instanceStatus") or each.get("currentAction") == "RECREATING" or _known(each, watch) is None)
    }


def _killed(before: Mapping[str, Followed], members: Sequence[Mapping[str, Any]], watch: Watch) -> dict[str, Boot]:
    """Those that stand anew and had not answered before. One that had waited for capacity tells nothing of a boot."""
    anew = {_name(each) for each in standing(members) if _known(each, watch) is None}
    return {
        _key(name, seen): replace(_boot(seen, seen.unready_at), answered=False)
        for name, seen in before.items()
        if name in anew and not seen.answered and seen.kind != "waiting"
    }


def _refused_since(errors: Sequence[Mapping[str, Any]], watch: Watch) -> dict[str, datetime]:
    """When each instance was refused first: the group tries the same name again until it succeeds (API, currentAction CREATING).

    What was refused before an earlier instance of that name stood is not counted.
    """
    since: dict[str, datetime] = {}
    for each in errors:
        name = str(each.get("instanceActionDetails", {}).get("instance", "")).rsplit("/", 1)[-1]
        if name and each.get("error", {}).get("code") in CODES:
            at, before = _time(each["timestamp"]), watch.followed.get(name)
            if before is not None and at <= before.unready_at:
                continue
            since[name] = min(since.get(name, at), at)
    return since


def _refusals(
    members: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    autoscaler: Mapping[str, Any],
    now: datetime,
) -> tuple[Refusal, ...]:
    """What was refused lately, and what is refused now: an attempt's own errors and the autoscaler's have no time, and stand until they pass."""
    said = [(_time(each["timestamp"]), each.get("error", {})) for each in errors]
    attempts: list[Mapping[str, Any]] = [each.get("lastAttempt", {}).get("errors", {}) for each in members]
    said += [(now, error) for attempt in attempts for error in attempt.get("errors", [])]
    details: Sequence[Mapping[str, Any]] = autoscaler.get("statusDetails", [])
    said += [(now, {"code": each.get("type"), "message": each.get("message")}) for each in details]
    found = [
        Refusal(at, str(error["code"]), CODES[error["code"]], str(error.get("message") or "")[:300])
        for at, error in said
        if error.get("code") in CODES and at >= now - REFUSED_WITHIN
    ]
    return tuple(sorted(found, key=lambda refusal: (refusal.at, refusal.code)))


def _failures(
    members: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    autoscaler: Mapping[str, Any],
    now: datetime,
) -> tuple[LaunchFailure, ...]:
    """Launches that failed lately, of instances that the group still wants and that do not run.

    The group tries the same name again until the launch succeeds, and gives the name up if it wants fewer.
    """
    down = {_name(each) for each in members if each.get("instanceStatus") != "RUNNING"}
    found: dict[tuple[str, str, datetime], Mapping[str, Any]] = {}
    for each in errors:
        details: Mapping[str, Any] = each.get("instanceActionDetails", {})
        name, at = str(details.get("instance", "")).rsplit("/", 1)[-1], _time(each["timestamp"])
        if details.get("action", "CREATING") in _LAUNCHING and name in down and at >= now - REFUSED_WITHIN:
            found[name, _code(each.get("error", {})), at] = each.get("error", {})
    listed = {(name, code) for name, code, _ in found}
    for member in members:
        if member.get("currentAction") not in _LAUNCHING:
            continue
        attempts: Sequence[Mapping[str, Any]] = member.get("lastAttempt", {}).get("errors", {}).get("errors", [])
        for error in attempts:
            if (_name(member), _code(error)) not in listed:
                found[_name(member), _code(error), now] = error
    details_of: Sequence[Mapping[str, Any]] = autoscaler.get("statusDetails", [])
    if not found:  # these repeat what the instances' errors say
        found |= {
            ("", str(each["type"]), now): {"message": each.get("message")}
            for each in details_of
            if each.get("type") in CODES
        }
    return tuple(
        LaunchFailure(at, code, str(error.get("message") or "")[:300])
        for (_, code, at), error in sorted(found.items(), key=lambda item: (item[0][2], item[0][:2]))
    )


def _code(error: Mapping[str, Any]) -> str:
    return str(error.get("code") or UNNAMED)


def _name(member: Mapping[str, Any]) -> str:
    return str(member.get("name") or str(member.get("instance", "")).rsplit("/", 1)[-1])


def _time(text: str) -> datetime:
    """RFC 3339, with Google's own offset, as UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
