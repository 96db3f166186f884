"""The load that a model server publishes: a counter of its own, summed over the fleet."""

from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.workload.base import AwsPlatform, Workload

GROUP_LABEL = "elastic_iac_group"
"""Label of the published series on Google Cloud: the value of the instances' own label `elastic-iac-group`."""


@dataclass(frozen=True)
class Load:
    """A Prometheus counter that each replica has, and where the job reads its rate over the fleet."""

    counter: str

    def aws(self, namespace: str = AwsPlatform.metrics_namespace) -> dict[str, Any]:
        """As `AwsLoad`: the agents publish each minute's increase, so the sum over a period is what the fleet did in it.

        The dimension is `AutoScalingGroupName`, the default of a group's load.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContainerInsights-Prometheus-metrics-conversion.html
        """
        return {"namespace": namespace, "metric_name": self.counter, "statistic": "Sum"}

    def gcp(self, group_label: pulumi.Input[str]) -> dict[str, Any]:
        """As `GcpLoad`: the rate of the counter, summed over all series with the group's label.

        https://cloud.google.com/monitoring/agent/ops-agent/prometheus
        """
        return {
            "metric_type": f"prometheus.googleapis.com/{self.counter}/counter",
            "resource_type": "prometheus_target",
            "metric_labels": {GROUP_LABEL: group_label},
            "statistic": "rate",
        }


def load_of(workload: Workload) -> Load | None:
    """The load that the workload publishes; None where the user named no counter for a server without a preset."""
    return None if workload.load_metric is None else Load(workload.load_metric)
