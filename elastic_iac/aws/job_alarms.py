"""What a person is told of, each alarm with its page in the runbook."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.common.forecast_job import watched_minutes

NAMESPACE = "ElasticIac"
_LONGEST_PERIOD_SECONDS = 86_400


@dataclass(frozen=True)
class _Alarm:
    """One alarm on a metric of the job; it fires where `datapoints` of the last `intervals` are `threshold` or more."""

    metric: str
    says: str
    intervals: int = 1
    datapoints: int = 1
    of_full_runs: bool = False


_ALARMS: Mapping[str, _Alarm] = {
    "fleets-held": _Alarm("FleetsHeld", "Fleets are held: nothing is written for them, the old plan runs on.", 3, 2),
    "writes-refused": _Alarm("WritesRefused", "AWS refused what the job asked for: permissions, limits or values."),
    "worse-than-naive": _Alarm(
        "FleetsWorseThanNaive",
        "For a day forecasts have been worse than repeating the last season.",
        of_full_runs=True,
    ),
    "uncovered-load": _Alarm("FleetsUncovered", "Fleets carry more load than their instances are meant for.", 3, 2),
    "capacity-limited": _Alarm(
        "FleetsCapacityLimited", "The cloud, a quota or a group's own maximum gives less than the plan needs."
    ),
    "pinned": _Alarm("FleetsPinned", "A minimum that was raised by hand stands; nothing lower is scheduled."),
}


def alarm_args(
    job: str,
    *,
    function_name: pulumi.Input[str],
    interval_minutes: pulumi.Output[int],
    short_run_minutes: int = 0,
    topic_arn: pulumi.Input[str],
    enabled: pulumi.Output[bool],
    tags: pulumi.Output[Mapping[str, str]],
) -> dict[str, aws.cloudwatch.MetricAlarmArgs]:
    """The alarms of the job `job`, by what they are of; with the kill switch on they stand but tell nobody.

    What full runs alone measure is looked at in their interval, all else in that of the short runs beside them.
    """
    full_seconds = interval_minutes.apply(lambda minutes: minutes * 60)
    seconds = interval_minutes.apply(lambda minutes: 60 * watched_minutes(minutes, short_run_minutes))

    def alarm(
        key: str,
        says: str,
        *,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, pulumi.Input[str]],
        statistic: str = "Maximum",
        threshold: pulumi.Input[float] = 1,
        period: pulumi.Input[int] = seconds,
        intervals: int = 1,
        datapoints: int = 1,
        missing: str = "notBreaching",
    ) -> aws.cloudwatch.MetricAlarmArgs:
        return aws.cloudwatch.MetricAlarmArgs(
            alarm_description=f"{job}: {says} docs/runbook.md#{anchor(key)}",
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions,
            statistic=statistic,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            period=period,
            evaluation_periods=intervals,
            datapoints_to_alarm=datapoints,
            treat_missing_data=missing,
            actions_enabled=enabled,
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            tags=tags,
        )

    of_job: Mapping[str, pulumi.Input[str]] = {"Job": job}
    return {
        "failed": alarm(
            "failed",
            "The job failed.",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": function_name},
            statistic="Sum",
        ),
        "plan-old": alarm(
            "plan-old",
            "The oldest plan has not been confirmed for two intervals, or the job is silent.",
            namespace=NAMESPACE,
            metric="OldestPlanAgeMinutes",
            dimensions=of_job,
            threshold=interval_minutes.apply(lambda minutes: 2.0 * minutes),
            period=seconds.apply(lambda interval: min(2 * interval, _LONGEST_PERIOD_SECONDS)),
            missing="breaching",
        ),
        **{
            key: alarm(
                key,
                each.says,
                namespace=NAMESPACE,
                metric=each.metric,
                dimensions=of_job,
                period=full_seconds if each.of_full_runs else seconds,
                intervals=each.intervals,
                datapoints=each.datapoints,
            )
            for key, each in _ALARMS.items()
        },
    }


def anchor(key: str) -> str:
    """The runbook's page of an alarm."""
    return f"alarm-{key}"
