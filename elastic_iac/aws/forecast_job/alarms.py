"""What a person is told of, each alarm with its page in the runbook."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.forecast_job.config import JobConfig
from elastic_iac.common.alarms import ALARMS, FAILED, PLAN_OLD, sentence
from elastic_iac.common.forecast_job import watched_minutes
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Tags

NAMESPACE = "ElasticIac"
_LONGEST_PERIOD_SECONDS = 86_400


def declare_alarms(
    job: str,
    function_name: pulumi.Input[str],
    config: JobConfig,
    topic_arn: pulumi.Input[str],
    tags: Tags,
    child: pulumi.ResourceOptions,
) -> None:
    """Declare the alarms of the job `job`; with the kill switch on they stay but notify nobody.

    What full runs alone measure is evaluated in their interval, all else in that of the short runs beside them.
    """
    interval_minutes, short_run_minutes = config.schedule.interval_minutes, config.schedule.short_run_minutes
    full_seconds = lift(lambda minutes: minutes * 60, interval_minutes)
    seconds = lift(lambda minutes: 60 * watched_minutes(minutes, short_run_minutes), interval_minutes)

    def alarm(
        key: str,
        says: str,
        metric: str,
        *,
        namespace: str = NAMESPACE,
        dimensions: Mapping[str, pulumi.Input[str]] | None = None,
        statistic: str = "Maximum",
        threshold: pulumi.Input[float] = 1,
        period: pulumi.Input[int] = seconds,
        intervals: int = 1,
        datapoints: int = 1,
        missing: str = "notBreaching",
    ) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{job}-alarm-{key}",
            child,
            alarm_description=sentence(job, key, says, "AWS"),
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions or {"Job": job},
            statistic=statistic,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            period=period,
            evaluation_periods=intervals,
            datapoints_to_alarm=datapoints,
            treat_missing_data=missing,
            actions_enabled=config.args.enabled,
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            tags=tags,
        )

    of_function = {"FunctionName": function_name}
    alarm("failed", FAILED, "Errors", namespace="AWS/Lambda", dimensions=of_function, statistic="Sum")
    alarm(
        "plan-old",
        PLAN_OLD,
        "OldestPlanAgeMinutes",
        threshold=lift(lambda minutes: 2.0 * minutes, interval_minutes),
        period=lift(lambda interval: min(2 * interval, _LONGEST_PERIOD_SECONDS), seconds),
        missing="breaching",
    )
    for key, each in ALARMS.items():
        period, (intervals, datapoints) = (
            full_seconds if each.of_full_runs else seconds,
            (3, 2) if each.lasting else (1, 1),
        )
        alarm(key, each.says, each.metric, period=period, intervals=intervals, datapoints=datapoints)
