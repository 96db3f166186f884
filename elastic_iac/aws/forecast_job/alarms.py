"""What a person is told of, each alarm with its page in the runbook."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.forecast_job.config import JobConfig
from elastic_iac.common.alarms import ALARMS, FAILED, FAILURE_QUEUE, PLAN_OLD, sentence
from elastic_iac.common.forecast_job import watched_minutes
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Tags

NAMESPACE = "ElasticIac"
_LONGEST_PERIOD_SECONDS = 86_400
_QUEUE_SECONDS = 300


def declare_alarms(
    job: str,
    function_name: pulumi.Input[str],
    bucket: pulumi.Output[str],
    config: JobConfig,
    topic_arn: pulumi.Input[str],
    tags: Tags,
    child: pulumi.ResourceOptions,
) -> None:
    """Declare the alarms of the job `job`; with the kill switch on they stay but notify nobody.

    What full runs alone measure is evaluated in their interval, all else in that of the short runs beside them.
    The job's metrics have the function's name as their dimension `Job`: it is unique in account and region, while
    two stacks of one program have jobs of the same name.
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
            alarm_description=_described(job, key, says, bucket),
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions or {"Job": function_name},
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


def declare_queue_alarm(
    config: JobConfig,
    queue_name: pulumi.Input[str],
    bucket: pulumi.Output[str],
    topic_arn: pulumi.Input[str],
    tags: Tags,
    child: pulumi.ResourceOptions,
) -> None:
    """Declare the alarm on the failure queue, which all functions of a component share.

    A queue publishes no metric while it is empty and unused for six hours (SQS developer guide), hence `notBreaching`.
    """
    aws.cloudwatch.MetricAlarm(
        f"{config.name}-alarm-failure-queue",
        child,
        alarm_description=_described(config.name, "failure-queue", FAILURE_QUEUE, bucket),
        namespace="AWS/SQS",
        metric_name="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": queue_name},
        statistic="Maximum",
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=1,
        period=_QUEUE_SECONDS,
        evaluation_periods=1,
        datapoints_to_alarm=1,
        treat_missing_data="notBreaching",
        actions_enabled=config.args.enabled,
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        tags=tags,
    )


def _described(job: str, key: str, says: str, bucket: pulumi.Output[str]) -> pulumi.Output[str]:
    return bucket.apply(lambda name: sentence(job, key, says, "AWS", name))
