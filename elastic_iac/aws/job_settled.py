"""The arguments of the forecast job, checked before anything is registered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.aws import job_function as functions
from elastic_iac.aws import job_schedule as schedules
from elastic_iac.aws.job_args import AwsForecastJobArgs
from elastic_iac.common.forecast_job import Shard, check_job, own_settings, settle_shards
from elastic_iac.common.validation import (
    ARN,
    TEXT,
    boolean,
    checked,
    is_literal,
    matching,
    plain_list,
    refuse_unknown,
    text_map,
    whole,
    without_none,
)
from forecasting.errors import SettingsError

_SLUG = r"[a-z0-9]([a-z0-9-]{0,%d}[a-z0-9])?"
NAME = matching(
    _SLUG % 35,
    "1 to 37 lower-case letters, digits and inner hyphens: with a function's number it becomes part of names in the cloud",
)
_OWNER = matching(_SLUG % 38, "1 to 40 lower-case letters, digits and inner hyphens: it is part of the actions' names")
_EMAIL = matching(r"[^\s@]+@[^\s@]+\.[^\s@]+", "an address such as 'oncall@example.com'")


@dataclass(frozen=True)
class Settled:
    """All arguments, checked; `settings` are the job's own but for its name, store and fleets."""

    shards: list[Shard]
    schedule: schedules.Schedule
    function: functions.Function
    settings: Mapping[str, Any]
    enabled: pulumi.Output[bool]
    alarm_topic_arn: pulumi.Output[str] | None
    alarm_emails: list[str]
    store_retention_days: pulumi.Output[int]
    kms_key_arn: pulumi.Output[str] | None
    force_destroy: bool
    tags: pulumi.Output[Mapping[str, str]]
    code: functions.Code


def settle(name: str, args: AwsForecastJobArgs) -> Settled:
    """Check all arguments, and find the function's code.

    Raises:
        SettingsError: the first wrong literal.
    """
    NAME("name", name)
    refuse_unknown("", args, AwsForecastJobArgs)
    shards = settle_shards(name, args["fleets"], args.get("fleet_count"), cloud="aws")
    schedule, function = schedules.settle_schedule(args), functions.settle_function(args)
    settings = own_settings(name, args, schedule, owner=_OWNER, time_budget_seconds=function.time_budget_seconds)
    _check_settings(name, args)
    topic, key = args.get("alarm_topic_arn"), args.get("kms_key_arn")
    return Settled(
        shards=shards,
        schedule=schedule,
        function=function,
        settings=settings,
        enabled=settings["enabled"],
        alarm_topic_arn=None if topic is None else checked("alarm_topic_arn", topic, ARN),
        alarm_emails=_emails(args),
        store_retention_days=checked("store_retention_days", args.get("store_retention_days", 90), whole(61, 3650)),
        kms_key_arn=None if key is None else checked("kms_key_arn", key, ARN),
        force_destroy=boolean("force_destroy", args.get("force_destroy", False)),
        tags=checked("tags", args.get("tags", {}), text_map).apply(lambda tags: {"Name": name, **tags}),
        code=functions.find_code(_package_path(args), function.architecture),
    )


def _check_settings(name: str, args: AwsForecastJobArgs) -> None:
    """The literals that only the job's own contract can judge: the schedule, its zone, the owners together."""
    given = {
        "owner": args.get("owner", name),
        "schedule": args.get("schedule"),
        "schedule_time_zone": args.get("time_zone"),
    }
    owners = args.get("former_owners", [])
    known = [owner for owner in owners if is_literal(owner)] if isinstance(owners, list) else []
    check_job({"name": name, "former_owners": known, **without_none(given)})


def _emails(args: AwsForecastJobArgs) -> list[str]:
    emails = [
        _EMAIL(f"alarm_emails[{index}]", item)
        for index, item in enumerate(plain_list("alarm_emails", args.get("alarm_emails", [])))
    ]
    if emails and "alarm_topic_arn" in args:
        raise SettingsError(
            "alarm_emails", emails[0], "nothing beside alarm_topic_arn: subscribe to that topic where it is declared"
        )
    if len(set(emails)) < len(emails):
        raise SettingsError("alarm_emails", ", ".join(emails), "each address once")
    return emails


def _package_path(args: AwsForecastJobArgs) -> str | None:
    path = args.get("package_path")
    return None if path is None else TEXT("package_path", path)
