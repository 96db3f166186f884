"""The arguments of a forecast job as one frozen configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.forecast_job import Shard, own_settings, settle_shards
from elastic_iac.common.parsing import Problems, parse_component
from elastic_iac.common.schema.gcp_forecast_job import GcpForecastJobArgs
from elastic_iac.common.validation import matching
from elastic_iac.gcp.forecast_job.existing_groups import check_existing_groups, existing_fleets
from elastic_iac.gcp.forecast_job.function import Code, built_code, given_code
from elastic_iac.gcp.forecast_job.schedule import Schedule, configure_schedule

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
    check_existing_groups(args.existing_groups, problems)
    with problems.collect():
        more = existing_fleets(args.existing_groups) if not problems else []
        fleets = [] if args.fleets is None and args.existing_groups else args.fleets
        shards = settle_shards(name, fleets, args.fleet_count, cloud="gcp", more=more)
    schedule = configure_schedule(args, problems)
    emails = args.alarm_emails
    if len(set(emails)) < len(emails):
        problems.refuse("alarm_emails", ", ".join(emails), "each address once")
    settings = own_settings(name, args, schedule, problems, timeout_seconds=args.timeout_seconds)
    code: Code | None = None
    with problems.collect():
        code = None if args.package_path is None else given_code(args.package_path)
    problems.report()
    return JobConfig(
        name=name,
        args=args,
        shards=shards,
        schedule=schedule,
        settings=settings,
        code=code or built_code(),
    )
