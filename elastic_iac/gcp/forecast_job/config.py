"""The arguments of a forecast job as one frozen configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.forecast_job import Shard, check_job, own_settings, settle_shards
from elastic_iac.common.parsing import Problems, lift, parse_component
from elastic_iac.common.schema.gcp_forecast_job import GcpForecastJobArgs
from elastic_iac.common.validation import OWNER, is_literal, matching
from elastic_iac.gcp.forecast_job.function import Code, find_code
from elastic_iac.gcp.forecast_job.schedule import Schedule, configure_schedule

_MARGIN_SECONDS = 30
"""Of a run's time, for writing the records and the metrics once the work is held."""
NAME = matching(
    r"[a-z]([a-z0-9-]{0,26}[a-z0-9])?",
    "1 to 28 lower-case letters, digits and inner hyphens, a letter first: with a function's number it becomes part of names in the cloud",
)


@dataclass(frozen=True)
class JobConfig:
    """All arguments of a job, checked; `settings` are the job's own but for its name, store and fleets."""

    name: str
    args: GcpForecastJobArgs
    shards: list[Shard]
    schedule: Schedule
    settings: Mapping[str, pulumi.Input[Any]]
    code: Code


def configure(name: str, raw: object) -> JobConfig:
    """Check all arguments, and find the function's code.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args, problems = parse_component(GcpForecastJobArgs, name, raw, NAME), Problems()
    shards: list[Shard] = []
    with problems.collect():
        shards = settle_shards(name, args.fleets, args.fleet_count, cloud="gcp")
    schedule = configure_schedule(args, problems)
    emails = args.alarm_emails
    if len(set(emails)) < len(emails):
        problems.refuse("alarm_emails", ", ".join(emails), "each address once")
    with problems.collect():
        _check_settings(name, args)
    problems.report()
    budget = lift(lambda seconds: float(seconds - _MARGIN_SECONDS), args.timeout_seconds)
    given = args.given("owner", "former_owners", "dry_run", "enabled")
    return JobConfig(
        name=name,
        args=args,
        shards=shards,
        schedule=schedule,
        settings=own_settings(name, given, schedule, owner=OWNER, time_budget_seconds=budget),
        code=find_code(args.package_path),
    )


def _check_settings(name: str, args: GcpForecastJobArgs) -> None:
    """The literals that only the job's own contract can judge: the schedule, its zone, the owners together."""
    given = {
        "owner": name if args.owner is None else args.owner,
        "schedule": args.schedule,
        "schedule_time_zone": args.time_zone,
    }
    owners = args.former_owners if isinstance(args.former_owners, list) else []
    known = {field: value for field, value in given.items() if value is not None}
    check_job({"name": name, "former_owners": [owner for owner in owners if is_literal(owner)], **known})
