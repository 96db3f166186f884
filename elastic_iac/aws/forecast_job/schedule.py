"""When the job runs."""

import json
import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.common.forecast_job import Schedule, settle_short_runs
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.aws_forecast_job import AwsForecastJobArgs
from elastic_iac.common.schema.base import Value
from elastic_iac.common.validation import whole
from forecasting.errors import SettingsError

_LONGEST_MINUTES = 1440
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
EVENT: dict[str, str] = {"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>"}
"""The job tells a repeated delivery by the planned time."""
_SIX_HOURS, _A_QUARTER = "rate(6 hours)", "rate(15 minutes)"


@dataclass(frozen=True)
class AwsSchedule(Schedule):
    """The same with the time by which runs may start late."""

    flexible_window_minutes: Value[int]


def configure_schedule(args: AwsForecastJobArgs, problems: Problems) -> AwsSchedule:
    """When the job runs, and how long apart."""
    short = args.short_run_minutes
    expression = args.schedule
    if expression is None:
        expression = _SIX_HOURS if short is None or short else _A_QUARTER
    interval: Value[int] = 0
    window = args.flexible_window_minutes
    short_runs = short or 0
    with problems.collect():
        interval = lift(_interval, expression, args.interval_minutes)
        window = lift(_window, interval, window)
        short_runs = settle_short_runs(short, interval)
    return AwsSchedule(expression, args.time_zone, interval, short_runs, window)


def _interval(expression: str, given: int | None) -> int:
    """Minutes between two runs."""
    rate = _RATE.fullmatch(expression)
    if rate is None:
        if given is None:
            expected = "the longest time between two runs of the cron schedule"
            raise SettingsError("interval_minutes", None, expected)
        return given
    if given is not None:
        raise SettingsError("interval_minutes", given, f"nothing beside {expression!r}, which determines it")
    between = int(rate[1]) * _MINUTES[rate[2]]
    if between > _LONGEST_MINUTES:
        raise SettingsError("schedule", expression, "a rate of at most a day")
    return between


def _window(interval: int, window: int) -> int:
    """Minutes by which a run may start late."""
    return whole(0, interval - 1)("flexible_window_minutes", window)


def schedule_args(
    job: str,
    schedule: AwsSchedule,
    *,
    function_arn: pulumi.Input[str],
    role_arn: pulumi.Input[str],
    queue_arn: pulumi.Input[str],
) -> aws.scheduler.ScheduleArgs:
    """The schedule of one function. It stays on with the kill switch: the job itself says that it is off."""
    window = schedule.flexible_window_minutes
    return aws.scheduler.ScheduleArgs(
        description=f"Runs the forecast job {job}",
        schedule_expression=schedule.expression,
        schedule_expression_timezone=schedule.time_zone,
        flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(
            mode=lift(lambda minutes: "FLEXIBLE" if minutes else "OFF", window),
            maximum_window_in_minutes=lift(_none_for_zero, window),
        ),
        target=aws.scheduler.ScheduleTargetArgs(
            arn=function_arn,
            role_arn=role_arn,
            input=json.dumps(EVENT),
            dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=queue_arn),
            retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=lift(lambda minutes: minutes * 60, schedule.interval_minutes),
                maximum_retry_attempts=3,
            ),
        ),
    )


def short_schedule_args(
    job: str,
    minutes: int,
    *,
    function_arn: pulumi.Input[str],
    role_arn: pulumi.Input[str],
    queue_arn: pulumi.Input[str],
) -> aws.scheduler.ScheduleArgs:
    """The schedule of the short runs. What cannot be delivered before the next one is due goes to the queue."""
    return aws.scheduler.ScheduleArgs(
        description=f"Short runs of the forecast job {job}",
        schedule_expression=f"rate({minutes} minute{'s' * (minutes > 1)})",
        flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
        target=aws.scheduler.ScheduleTargetArgs(
            arn=function_arn,
            role_arn=role_arn,
            input=json.dumps({**EVENT, "kind": "short"}),
            dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=queue_arn),
            retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=60 * minutes, maximum_retry_attempts=1
            ),
        ),
    )


def _none_for_zero(minutes: int) -> int | None:
    return minutes or None
