"""What a person is told of, each alert with its page in the runbook."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.alarms import ALARMS, FAILED, PLAN_OLD, sentence
from elastic_iac.common.forecast_job import watched_minutes
from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.base import Value
from elastic_iac.gcp.forecast_job.config import JobConfig
from elastic_iac.gcp.forecast_job.metrics import time_series

_LONGEST_SECONDS = 84_600
"""Cloud Monitoring looks back no further than 23.5 hours."""
_SHORTEST_CLOSE_SECONDS = 1800


def declare_alerts(
    job: str,
    service: pulumi.Output[str],
    bucket: pulumi.Output[str],
    config: JobConfig,
    metrics: Mapping[str, pulumi.Output[str]],
    channels: Sequence[pulumi.Input[str]],
    child: pulumi.ResourceOptions,
) -> None:
    """Declare the alerts of the job `job`, a label of its metrics; with the kill switch on they are off.

    The service is the function's on Cloud Run, the bucket distinguishes jobs of one name, and metrics are the names of
    the log-based ones by what they measure.
    """
    interval_minutes, short_run_minutes = config.schedule.interval_minutes, config.schedule.short_run_minutes
    full_seconds = lift(lambda minutes: minutes * 60, interval_minutes)
    seconds = lift(lambda minutes: 60 * watched_minutes(minutes, short_run_minutes), interval_minutes)

    def policy(key: str, says: str, conditions: list[Any]) -> None:
        gcp.monitoring.AlertPolicy(
            f"{job}-alert-{key}",
            child,
            display_name=f"{job}: {key}",
            combiner="OR",
            conditions=conditions,
            enabled=config.args.enabled,
            notification_channels=list(channels),
            documentation={
                "mime_type": "text/markdown",
                "content": bucket.apply(lambda name: sentence(job, key, says, "Google Cloud", name)),
            },
            alert_strategy={
                "auto_close": lift(lambda interval: f"{max(2 * interval, _SHORTEST_CLOSE_SECONDS)}s", seconds)
            },
            user_labels=config.args.labels,
        )

    def of_job(metric: str) -> pulumi.Output[str]:
        return metrics[metric].apply(lambda name: time_series(name, {"job": job}))

    failed = _condition("a run failed", service.apply(_failures), seconds, aligner="ALIGN_SUM", reducer="REDUCE_SUM")
    policy("failed", FAILED, [failed])
    old = _condition(
        "the oldest plan is old",
        of_job("OldestPlanAgeMinutes"),
        seconds,
        threshold=lift(lambda minutes: 2.0 * minutes, interval_minutes),
    )
    silent = _condition(
        "the job is silent",
        of_job("RunSeconds"),
        lift(lambda interval: min(2 * interval, _LONGEST_SECONDS), seconds),
        comparison="COMPARISON_LT",
        threshold=1,
        reducer="REDUCE_COUNT",
        missing="EVALUATION_MISSING_DATA_ACTIVE",
        lasting="60s",
    )
    policy("plan-old", PLAN_OLD, [old, silent])
    for key, alert in ALARMS.items():
        period, lasting = full_seconds if alert.of_full_runs else seconds, _lasting(seconds, 2 if alert.lasting else 1)
        condition = _condition(key.replace("-", " "), of_job(alert.metric), period, lasting=lasting)
        policy(key, alert.says, [condition])


def _lasting(seconds: Value[int], intervals: int) -> Value[str]:
    """How long a condition must hold after the interval in which it was met first."""
    return lift(lambda interval: f"{min((intervals - 1) * interval, _LONGEST_SECONDS)}s", seconds)


def _failures(service: str) -> str:
    parts = ['metric.type="run.googleapis.com/request_count"', 'resource.type="cloud_run_revision"']
    parts += [f'resource.labels.service_name="{service}"', 'metric.labels.response_code_class="5xx"']
    return " AND ".join(parts)


def _condition(
    says: str,
    selection: pulumi.Output[str],
    seconds: Value[int],
    *,
    comparison: str = "COMPARISON_GT",
    threshold: pulumi.Input[float] = 0,
    aligner: str = "ALIGN_DELTA",
    reducer: str = "REDUCE_MEAN",
    lasting: pulumi.Input[str] = "0s",
    missing: Any = None,
) -> Any:
    """The series that are selected, made one over each interval and compared."""
    return {
        "display_name": says,
        "condition_threshold": {
            "filter": selection,
            "comparison": comparison,
            "threshold_value": threshold,
            "duration": lasting,
            "evaluation_missing_data": missing,
            "aggregations": [
                {
                    "alignment_period": lift(lambda interval: f"{max(interval, 60)}s", seconds),
                    "per_series_aligner": aligner,
                    "cross_series_reducer": reducer,
                }
            ],
        },
    }
