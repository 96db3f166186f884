"""The arguments of a forecast job as one frozen configuration."""

import re
from dataclasses import dataclass
from typing import Any

from elastic_iac.aws.fleet import Place, fleet_settings
from elastic_iac.common import forecast_job as jobs
from elastic_iac.common.capacity import Sizes
from elastic_iac.common.parsing import Problems, lift, parse_component
from elastic_iac.common.schema.aws_forecast_job import AwsExistingGroup, AwsForecastJobArgs
from elastic_iac.common.schema.base import Value
from elastic_iac.common.validation import matching, whole
from forecasting.errors import SettingsError

RUNTIME = "python3.13"
NAME = matching(
    r"[a-z0-9]([a-z0-9-]{0,35}[a-z0-9])?",
    "1 to 37 lower-case letters, digits and inner hyphens: with a function's number it becomes part of names in the cloud",
)
_LONGEST_MINUTES = 1440
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_SIX_HOURS, _A_QUARTER = "rate(6 hours)", "rate(15 minutes)"


@dataclass(frozen=True)
class AwsSchedule(jobs.Schedule):
    """The same with the time by which runs may start late."""

    flexible_window_minutes: Value[int]


JobConfig = jobs.JobConfig[AwsForecastJobArgs, AwsSchedule]


def configure(name: str, raw: object) -> JobConfig:
    """Check all arguments, and find the function's code.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args, problems = parse_component(AwsForecastJobArgs, name, raw, NAME), Problems()
    existing = jobs.existing_fleets(args.existing_groups, _existing, "load_balancer", problems)
    if args.alarm_emails and args.alarm_topic_arn is not None:
        expected = "nothing beside alarm_topic_arn: subscribe to that topic where it is declared"
        problems.refuse("alarm_emails", args.alarm_emails[0], expected)
    if (args.vpc_subnet_ids is None) == bool(args.vpc_security_group_ids):
        field = "vpc_subnet_ids" if args.vpc_subnet_ids is None else "vpc_security_group_ids"
        problems.refuse(field, None, "both vpc_subnet_ids and vpc_security_group_ids, or neither")
    return jobs.configure_job(
        name,
        args,
        problems,
        cloud="aws",
        schedule=_schedule(args, problems),
        existing=existing,
        package=jobs.Package("aws-lambda", args.architecture, RUNTIME.removeprefix("python")),
    )


def _existing(group: AwsExistingGroup) -> dict[str, Any]:
    place, forecast = Place(group.region, group.group_name, group.load_balancer or ""), group.forecast
    sizes = Sizes(group.min_size, group.max_size)
    return fleet_settings(group.name, forecast, place, sizes, forecast.load_per_instance, forecast.load)


def _schedule(args: AwsForecastJobArgs, problems: Problems) -> AwsSchedule:
    """When the job runs, and how long apart."""
    short, expression, window = args.short_run_minutes, args.schedule, args.flexible_window_minutes
    if expression is None:
        expression = _SIX_HOURS if short is None or short else _A_QUARTER
    interval: Value[int] = 0
    short_runs = short or 0
    with problems.collect():
        interval = lift(_interval, expression, args.interval_minutes)
        window = lift(lambda minutes, late: whole(0, minutes - 1)("flexible_window_minutes", late), interval, window)
        short_runs = jobs.settle_short_runs(short, interval)
    return AwsSchedule(expression, args.time_zone, interval, short_runs, window)


def _interval(expression: str, given: int | None) -> int:
    """Minutes between two runs."""
    rate = _RATE.fullmatch(expression)
    if rate is None:
        if given is None:
            raise SettingsError("interval_minutes", None, "the longest time between two runs of the cron schedule")
        return given
    if given is not None:
        raise SettingsError("interval_minutes", given, f"nothing beside {expression!r}, which determines it")
    between = int(rate[1]) * _MINUTES[rate[2]]
    if between > _LONGEST_MINUTES:
        raise SettingsError("schedule", expression, "a rate of at most a day")
    return between
