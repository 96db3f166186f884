"""What a person is told of, each alarm with its page in the runbook."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from elastic_iac.common.alarms import ALARMS, FAILED, FAILURE_QUEUE, PLAN_OLD, sentence
from elastic_iac.common.forecast_job import watched_minutes
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Tags, Value

NAMESPACE = "ElasticIac"
_LONGEST_PERIOD_SECONDS = 86_400
_QUEUE_SECONDS = 300


def alarm_args(
    job: str,
    *,
    function_name: pulumi.Input[str],
    bucket: pulumi.Input[str],
    interval_minutes: Value[int],
    short_run_minutes: int = 0,
    topic_arn: pulumi.Input[str],
    enabled: Value[bool],
    tags: Tags,
) -> dict[str, aws.cloudwatch.MetricAlarmArgs]:
    """The alarms of the job `job`, by what they are of; with the kill switch on they stand but tell nobody.

    What full runs alone measure is looked at in their interval, all else in that of the short runs beside them.
    The job's metrics have the function's name as their dimension `Job`: it is unique in account and region, while
    two stacks of one program have jobs of the same name.
    """
    full_seconds = lift(lambda minutes: minutes * 60, interval_minutes)
    seconds = lift(lambda minutes: 60 * watched_minutes(minutes, short_run_minutes), interval_minutes)

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
            alarm_description=_described(job, key, says, bucket),
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

    of_job: Mapping[str, pulumi.Input[str]] = {"Job": function_name}
    return {
        "failed": alarm(
            "failed",
            FAILED,
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": function_name},
            statistic="Sum",
        ),
        "plan-old": alarm(
            "plan-old",
            PLAN_OLD,
            namespace=NAMESPACE,
            metric="OldestPlanAgeMinutes",
            dimensions=of_job,
            threshold=lift(lambda minutes: 2.0 * minutes, interval_minutes),
            period=lift(lambda interval: min(2 * interval, _LONGEST_PERIOD_SECONDS), seconds),
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
                intervals=3 if each.lasting else 1,
                datapoints=2 if each.lasting else 1,
            )
            for key, each in ALARMS.items()
        },
    }


def queue_alarm_args(
    job: str,
    *,
    queue_name: pulumi.Input[str],
    bucket: pulumi.Input[str],
    topic_arn: pulumi.Input[str],
    enabled: Value[bool],
    tags: Tags,
) -> aws.cloudwatch.MetricAlarmArgs:
    """The alarm on the failure queue, which all functions of a component share.

    A queue publishes no metric while it is empty and unused for six hours (SQS developer guide), hence `notBreaching`.
    """
    return aws.cloudwatch.MetricAlarmArgs(
        alarm_description=_described(job, "failure-queue", FAILURE_QUEUE, bucket),
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
        actions_enabled=enabled,
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        tags=tags,
    )


def _described(job: str, key: str, says: str, bucket: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(bucket).apply(lambda name: sentence(job, key, says, "AWS", name))
