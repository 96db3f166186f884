"""What a person is told of, each alarm with its page in the runbook."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Alarms:
    """Declares the alarms of a component; with the kill switch on they stay but notify nobody."""

    config: JobConfig
    bucket: pulumi.Output[str]
    """Distinguishes jobs of one name."""
    topic_arn: pulumi.Input[str]
    tags: Tags
    child: pulumi.ResourceOptions

    def declare(self, job: str, function_name: pulumi.Input[str]) -> None:
        """Declare the alarms of the job `job`.

        What full runs alone measure is evaluated in their interval, all else in that of the short runs beside them.
        The job's metrics have the function's name as their dimension `Job`: it is unique in account and region, while
        two stacks of one program have jobs of the same name.
        """
        interval_minutes, short_run_minutes = (
            self.config.schedule.interval_minutes,
            self.config.schedule.short_run_minutes,
        )
        full_seconds = lift(lambda minutes: minutes * 60, interval_minutes)
        seconds = lift(lambda minutes: 60 * watched_minutes(minutes, short_run_minutes), interval_minutes)
        of_function, of_job = ("FunctionName", function_name), ("Job", function_name)
        self._alarm(job, "failed", FAILED, "AWS/Lambda", "Errors", of_function, seconds, statistic="Sum")
        self._alarm(
            *(job, "plan-old", PLAN_OLD, NAMESPACE, "OldestPlanAgeMinutes", of_job),
            lift(lambda interval: min(2 * interval, _LONGEST_PERIOD_SECONDS), seconds),
            threshold=lift(lambda minutes: 2.0 * minutes, interval_minutes),
            missing="breaching",
        )
        for key, each in ALARMS.items():
            period, evaluated = full_seconds if each.of_full_runs else seconds, (3, 2) if each.lasting else (1, 1)
            self._alarm(job, key, each.says, NAMESPACE, each.metric, of_job, period, evaluated=evaluated)

    def declare_of_queue(self, queue_name: pulumi.Input[str]) -> None:
        """Declare the alarm on the failure queue, which all functions of the component share.

        A queue publishes no metric while it is empty and unused for six hours (SQS developer guide), hence `notBreaching`.
        """
        metric, of_queue = "ApproximateNumberOfMessagesVisible", ("QueueName", queue_name)
        self._alarm(self.config.name, "failure-queue", FAILURE_QUEUE, "AWS/SQS", metric, of_queue, _QUEUE_SECONDS)

    def _alarm(
        self,
        job: str,
        key: str,
        says: str,
        namespace: str,
        metric: str,
        dimension: tuple[str, pulumi.Input[str]],
        period: pulumi.Input[int],
        *,
        statistic: str = "Maximum",
        threshold: pulumi.Input[float] = 1,
        evaluated: tuple[int, int] = (1, 1),
        missing: str = "notBreaching",
    ) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{job}-alarm-{key}",
            self.child,
            alarm_description=self.bucket.apply(lambda bucket: sentence(job, key, says, "AWS", bucket)),
            namespace=namespace,
            metric_name=metric,
            dimensions=dict([dimension]),
            statistic=statistic,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            period=period,
            evaluation_periods=evaluated[0],
            datapoints_to_alarm=evaluated[1],
            treat_missing_data=missing,
            actions_enabled=self.config.args.enabled,
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            tags=self.tags,
        )
