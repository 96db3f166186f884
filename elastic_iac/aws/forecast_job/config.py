"""The arguments of a forecast job as one frozen configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.aws import group as groups
from elastic_iac.aws.forecast_job.existing_groups import check_existing_groups, existing_fleets
from elastic_iac.aws.forecast_job.function import Code, built_code, given_code
from elastic_iac.aws.forecast_job.schedule import AwsSchedule, configure_schedule
from elastic_iac.common.forecast_job import Shard, own_settings, settle_shards
from elastic_iac.common.parsing import Problems, parse_component
from elastic_iac.common.schema.aws_forecast_job import AwsForecastJobArgs
from elastic_iac.common.schema.base import Tags
from elastic_iac.common.validation import matching

NAME = matching(
    r"[a-z0-9]([a-z0-9-]{0,35}[a-z0-9])?",
    "1 to 37 lower-case letters, digits and inner hyphens: with a function's number it becomes part of names in the cloud",
)


@dataclass(frozen=True)
class JobConfig:
    """All arguments of a job, checked; `settings` are the job's own but for its name, store and fleets."""

    name: str
    args: AwsForecastJobArgs
    shards: list[Shard]
    schedule: AwsSchedule
    settings: Mapping[str, pulumi.Input[Any]]
    tags: Tags
    code: Code


def configure(name: str, raw: object) -> JobConfig:
    """Check all arguments, and find the function's code.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args, problems = parse_component(AwsForecastJobArgs, name, raw, NAME), Problems()
    shards: list[Shard] = []
    check_existing_groups(args.existing_groups, problems)
    with problems.collect():
        more = existing_fleets(args.existing_groups) if not problems else []
        given = [] if args.fleets is None and args.existing_groups else args.fleets
        shards = settle_shards(name, given, args.fleet_count, cloud="aws", more=more)
    schedule = configure_schedule(args, problems)
    _check_emails(args, problems)
    if (args.vpc_subnet_ids is None) == bool(args.vpc_security_group_ids):
        field = "vpc_subnet_ids" if args.vpc_subnet_ids is None else "vpc_security_group_ids"
        problems.refuse(field, None, "both vpc_subnet_ids and vpc_security_group_ids, or neither")
    settings = own_settings(name, args, schedule, problems, timeout_seconds=args.timeout_seconds)
    code: Code | None = None
    with problems.collect():
        code = None if args.package_path is None else given_code(args.package_path, args.architecture)
    problems.report()
    return JobConfig(
        name=name,
        args=args,
        shards=shards,
        schedule=schedule,
        settings=settings,
        tags=groups.named_tags(name, args.tags),
        code=code or built_code(args.architecture),
    )


def _check_emails(args: AwsForecastJobArgs, problems: Problems) -> None:
    emails = args.alarm_emails
    if emails and args.alarm_topic_arn is not None:
        expected = "nothing beside alarm_topic_arn: subscribe to that topic where it is declared"
        problems.refuse("alarm_emails", emails[0], expected)
    if len(set(emails)) < len(emails):
        problems.refuse("alarm_emails", ", ".join(emails), "each address once")
