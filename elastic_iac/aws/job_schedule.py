"""When the job runs."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.job_args import AwsForecastJobArgs
from elastic_iac.validation import TEXT, checked, is_literal, matching, whole
from forecasting.errors import SettingsError

_LONGEST_MINUTES = 1440
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_EXPRESSION = matching(
    r"rate\([1-9]\d* (minute|hour|day)s?\)|cron\(\S+( \S+){5}\)",
    "'rate(15 minutes)' or EventBridge's 'cron(minute hour day month weekday year)'",
)
EVENT = json.dumps({"source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>"})
"""The job tells a repeated delivery by the planned time."""


@dataclass(frozen=True)
class Schedule:
    """The checked schedule."""

    expression: pulumi.Output[str]
    time_zone: pulumi.Output[str]
    interval_minutes: pulumi.Output[int]
    flexible_window_minutes: pulumi.Output[int]


def settle_schedule(args: AwsForecastJobArgs) -> Schedule:
    """Check when the job runs, and how long apart.

    Raises:
        SettingsError: the first wrong literal.
    """
    given = [
        args.get("schedule", "rate(15 minutes)"),
        args.get("interval_minutes"),
        args.get("flexible_window_minutes", 0),
    ]
    expression = checked("schedule", given[0], _EXPRESSION)
    if all(map(is_literal, given)):
        _planned(given)
    planned = pulumi.Output.all(*given).apply(_planned)
    return Schedule(
        expression=expression,
        time_zone=checked("time_zone", args.get("time_zone", "UTC"), TEXT),
        interval_minutes=planned.apply(lambda minutes: minutes[0]),
        flexible_window_minutes=planned.apply(lambda minutes: minutes[1]),
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
            input=EVENT,
            dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=queue_arn),
            retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=schedule.interval_minutes.apply(lambda minutes: minutes * 60),
                maximum_retry_attempts=3,
            ),
        ),
    )


def _none_for_zero(minutes: int) -> int | None:
    return minutes or None
