"""The arguments of the forecast job, checked before anything is registered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.forecast_job import Shard, check_job, own_settings, settle_shards
from elastic_iac.common.validation import (
    TEXT,
    boolean,
    checked,
    checked_list,
    is_literal,
    matching,
    plain_list,
    refuse_unknown,
    text_map,
    whole,
)
from elastic_iac.gcp import job_function as functions
from elastic_iac.gcp import job_schedule as schedules
from elastic_iac.gcp.job_args import GcpForecastJobArgs
from forecasting.errors import SettingsError

NAME = matching(
    r"[a-z]([a-z0-9-]{0,26}[a-z0-9])?",
    "1 to 28 lower-case letters, digits and inner hyphens, a letter first: with a function's number it becomes part of names in the cloud",
)
_OWNER = matching(
    r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
    "1 to 40 lower-case letters, digits and inner hyphens: it is part of the schedules' names",
)
_EMAIL = matching(r"[^\s@]+@[^\s@]+\.[^\s@]+", "an address such as 'oncall@example.com'")
_CHANNEL = matching(
    r"projects/[^/\s]+/notificationChannels/[^/\s]+", "a channel, 'projects/PROJECT/notificationChannels/ID'"
)
_KMS_KEY = matching(
    r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+",
    "a key, 'projects/.../locations/.../keyRings/.../cryptoKeys/NAME'",
)
_REGION = matching(r"[a-z]+-[a-z]+\d+", "a region such as 'europe-west1'")


@dataclass(frozen=True)
class Settled:
    """All arguments, checked; `settings` are the job's own but for its name, store and fleets."""

    shards: list[Shard]
    region: pulumi.Output[str] | None
    schedule: schedules.Schedule
    function: functions.Function
    settings: Mapping[str, Any]
    enabled: pulumi.Output[bool]
    alarm_channels: list[pulumi.Output[str]]
    alarm_emails: list[str]
    store_retention_days: pulumi.Output[int]
    kms_key: pulumi.Output[str] | None
    force_destroy: bool
    labels: pulumi.Output[Mapping[str, str]]
    code: functions.Code


def settle(name: str, args: GcpForecastJobArgs) -> Settled:
    """Check all arguments, and find the function's code.

    Raises:
        SettingsError: the first wrong literal.
    """
    NAME("name", name)
    refuse_unknown("", args, GcpForecastJobArgs)
    shards = settle_shards(name, args["fleets"], args.get("fleet_count"), cloud="gcp")
    schedule, function = schedules.settle_schedule(args), functions.settle_function(args)
    settings = own_settings(name, args, schedule, owner=_OWNER, time_budget_seconds=function.time_budget_seconds)
    _check_settings(name, args)
    region, key, package = args.get("region"), args.get("kms_key"), args.get("package_path")
    return Settled(
        shards=shards,
        region=None if region is None else checked("region", region, _REGION),
        schedule=schedule,
        function=function,
        settings=settings,
        enabled=settings["enabled"],
        alarm_channels=checked_list("alarm_channels", args.get("alarm_channels", []), _CHANNEL),
        alarm_emails=_emails(args),
        store_retention_days=checked("store_retention_days", args.get("store_retention_days", 90), whole(61, 3650)),
        kms_key=None if key is None else checked("kms_key", key, _KMS_KEY),
        force_destroy=boolean("force_destroy", args.get("force_destroy", False)),
        labels=checked("labels", args.get("labels", {}), text_map),
        code=functions.find_code(None if package is None else TEXT("package_path", package)),
    )


def _check_settings(name: str, args: GcpForecastJobArgs) -> None:
    """The literals that only the job's own contract can judge: the schedule, its zone, the owners together."""
    owner, owners = args.get("owner", name), args.get("former_owners", [])
    known = [former for former in owners if is_literal(former)] if isinstance(owners, list) else []
    own = {"owner": owner} if is_literal(owner) else {"owner": name}
    check_job({"name": name, "former_owners": known, **own, **schedules.given_schedule(args)})


def _emails(args: GcpForecastJobArgs) -> list[str]:
    emails = [
        _EMAIL(f"alarm_emails[{index}]", item)
        for index, item in enumerate(plain_list("alarm_emails", args.get("alarm_emails", [])))
    ]
    if len(set(emails)) < len(emails):
        raise SettingsError("alarm_emails", ", ".join(emails), "each address once")
    return emails
