"""What the job measures, as metrics that Cloud Logging makes from its log: writing them takes no permission at all.

The function logs one JSON line for the job and one for each fleet:

    {"job": "JOB", "fleet": "FLEET", "metrics": {"Load": 120.5, "Floor": 4, ...}}

Each metric counts the lines of its component's own services: two stacks of one program in one project have jobs of one name.

The mean of such a metric (its values are kept as a distribution, whose sum and count are exact) over an interval with one run is the value itself.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_gcp as gcp

JOB_METRICS = (
    "FleetsServed",
    "FleetsHeld",
    "FleetsFailed",
    "FleetsDeferred",
    "FleetsPinned",
    "FleetsWorseThanNaive",
    "FleetsUncovered",
    "FleetsCapacityLimited",
    "FleetsLaunchesFailing",
    "WritesRefused",
    "Writes",
    "RunSeconds",
    "OldestPlanAgeMinutes",
)
FLEET_METRICS = (
    "Load",
    "ForecastLow",
    "ForecastMedian",
    "ForecastHigh",
    "Floor",
    "Capacity",
    "WeightedQuantileLoss",
    "NaiveWeightedQuantileLoss",
)


def declare_metric(
    name: str, metric: str, services: Sequence[pulumi.Output[str]], child: pulumi.ResourceOptions
) -> gcp.logging.Metric:
    """Declare one metric of the component `name`, whose functions are these Cloud Run services."""
    labels = {"job": "jsonPayload.job", **({"fleet": "jsonPayload.fleet"} if metric in FLEET_METRICS else {})}
    return gcp.logging.Metric(
        f"{name}-{metric.lower()}",
        child,
        description=f"{metric} of the forecast job {name}",
        filter=pulumi.Output.all(*services).apply(lambda names: _lines_of(names, metric)),
        value_extractor=f"EXTRACT(jsonPayload.metrics.{metric})",
        label_extractors={label: f"EXTRACT({path})" for label, path in labels.items()},
        bucket_options={"exponential_buckets": {"num_finite_buckets": 64, "growth_factor": 2, "scale": 0.01}},
        metric_descriptor={
            "metric_kind": "DELTA",
            "value_type": "DISTRIBUTION",
            "unit": "1",
            "labels": [{"key": label, "value_type": "STRING"} for label in sorted(labels)],
        },
    )


def _lines_of(services: Sequence[str], metric: str) -> str:
    # The names hold lower-case letters, digits and hyphens: nothing needs an escape.
    own = f'resource.labels.service_name=~"^({"|".join(services)})$"'
    return " AND ".join(['resource.type="cloud_run_revision"', own, f"jsonPayload.metrics.{metric}>=0"])


def time_series(metric_name: str, labels: Mapping[str, str]) -> str:
    """A Monitoring filter for the metric that Logging keeps under that name."""
    parts = [f'metric.type="logging.googleapis.com/user/{metric_name}"', 'resource.type="cloud_run_revision"']
    return " AND ".join([*parts, *(f'metric.labels.{key}="{value}"' for key, value in labels.items())])
