"""When the job runs."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.job_args import AwsForecastJobArgs
from elastic_iac.common.forecast_job import settle_short_runs
from elastic_iac.common.validation import TEXT, checked, is_literal, matching, whole
from forecasting.errors import SettingsError

_LONGEST_MINUTES = 1440
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_EXPRESSION = matching(
    r"rate\([1-9]\d* (minute|hour|day)s?\)|cron\(\S+( \S+){5}\)",
    "'rate(15 minutes)' or EventBridge's 'cron(minute hour day month weekday year)'",
)
EVENT: dict[str, str] = {"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>"}
"""The job tells a repeated delivery by the planned time."""
_SIX_HOURS, _A_QUARTER = "rate(6 hours)", "rate(15 minutes)"


@dataclass(frozen=True)
class Schedule:
    """The checked schedule."""

    expression: pulumi.Output[str]
    time_zone: pulumi.Output[str]
    interval_minutes: pulumi.Output[int]
    flexible_window_minutes: pulumi.Output[int]
    short_run_minutes: int


def settle_schedule(args: AwsForecastJobArgs) -> Schedule:
    """Check when the job runs, and how long apart.

    Raises:
        SettingsError: the first wrong literal.
    """
    short = args.get("short_run_minutes")
    given = [
        args.get("schedule", _SIX_HOURS if short is None or short else _A_QUARTER),
        args.get("interval_minutes"),
        args.get("flexible_window_minutes", 0),
    ]
    expression = checked("schedule", given[0], _EXPRESSION)
    interval = _planned(given)[0] if all(map(is_literal, given)) else None
    planned = pulumi.Output.all(*given).apply(_planned)
    return Schedule(
        expression=expression,
        time_zone=checked("time_zone", args.get("time_zone", "UTC"), TEXT),
        interval_minutes=planned.apply(lambda minutes: minutes[0]),
        flexible_window_minutes=planned.apply(lambda minutes: minutes[1]),
        short_run_minutes=settle_short_runs(short, interval),
    )


def _planned(given: list[Any]) -> tuple[int, int]:
    """Minutes between two runs, and by how many a run may start late."""
    expression, interval, window = given
    rate = _RATE.fullmatch(_EXPRESSION("schedule", expression))
    minutes = whole(1, _LONGEST_MINUTES)
    if rate is None:
        if interval is None:
            raise SettingsError("interval_minutes", None, "the longest time between two runs of the cron schedule")
        between = minutes("interval_minutes", interval)
    else:
        if interval is not None:
            raise SettingsError("interval_minutes", interval, f"nothing beside {expression!r}, which says it")
        between = int(rate[1]) * _MINUTES[rate[2]]
        if between > _LONGEST_MINUTES:
            raise SettingsError("schedule", expression, "a rate of at most a day")
    return between, whole(0, between - 1)("flexible_window_minutes", window)


def schedule_args(
    job: str,
    schedule: Schedule,
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
            mode=window.apply(lambda minutes: "FLEXIBLE" if minutes else "OFF"),
            maximum_window_in_minutes=window.apply(_none_for_zero),
        ),
        target=aws.scheduler.ScheduleTargetArgs(
            arn=function_arn,
            role_arn=role_arn,
            input=json.dumps(EVENT),
            dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=queue_arn),
            retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=schedule.interval_minutes.apply(lambda minutes: minutes * 60),
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
