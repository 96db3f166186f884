"""Target tracking: what adds instances above the floor, and the one way in which instances go away again."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.load_balancer import Front
from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.aws import AwsMetric, AwsTargetTracking
from elastic_iac.common.validation import number

DEFAULT_TARGET_TRACKING = (AwsTargetTracking(metric="cpu", target_value=60),)
_CPU_PERCENT = number(0, 100)


def configure_target_tracking(
    given: Sequence[AwsTargetTracking], problems: Problems, *, behind_load_balancer: bool
) -> dict[str, AwsTargetTracking]:
    """The policies by the end of their names; a metric twice, or none that may scale in, is refused."""
    policies: dict[str, AwsTargetTracking] = {}
    for index, policy in enumerate(given):
        field, metric = f"target_tracking[{index}]", policy.metric
        if metric == "alb-requests" and not behind_load_balancer:
            problems.refuse(f"{field}.metric", metric, "'cpu' or 'custom': there is no load_balancer")
        if (metric == "custom") != (policy.custom_metric is not None):
            expected = "a metric if `metric` is 'custom', and only there"
            problems.refuse(f"{field}.custom_metric", policy.custom_metric and "given", expected)
        if metric == "cpu":
            target = problems.verified(f"{field}.target_value", policy.target_value, _CPU_PERCENT)
            policy = policy.model_copy(update={"target_value": target})  # noqa: PLW2901 - the same policy, checked
        earlier = sum(other.metric == metric for other in policies.values())
        if earlier and metric != "custom":
            problems.refuse(f"{field}.metric", metric, "a metric that no other policy tracks")
        policies[metric + (f"-{earlier + 1}" if earlier else "")] = policy
    if all(policy.disable_scale_in for policy in given):
        expected = "a policy that may scale in: nothing else removes instances"
        problems.refuse("target_tracking", [policy.metric for policy in given], expected)
    return policies


def declare_target_tracking(
    name: str,
    policies: Mapping[str, AwsTargetTracking],
    *,
    group_name: pulumi.Output[str],
    front: Front | None,
    parent: pulumi.Resource,
) -> None:
    """Declare the policies of the group `name`."""
    # Requests per target are refused until a listener ties the target group to its load balancer.
    opts = pulumi.ResourceOptions(parent=parent, depends_on=front.listeners if front else None)
    for suffix, policy in policies.items():
        predefined: Any = {
            "cpu": {"predefined_metric_type": "ASGAverageCPUUtilization"},
            "alb-requests": {
                "predefined_metric_type": "ALBRequestCountPerTarget",
                "resource_label": front.resource_label if front else None,
            },
        }
        aws.autoscaling.Policy(
            f"{name}-scale-on-{suffix}",
            opts,
            autoscaling_group_name=group_name,
            policy_type="TargetTrackingScaling",
            target_tracking_configuration={
                "target_value": policy.target_value,
                "disable_scale_in": policy.disable_scale_in,
                "predefined_metric_specification": predefined.get(policy.metric),
                "customized_metric_specification": policy.custom_metric
                and _customized(policy.custom_metric, group_name),
            },
        )


def _customized(metric: AwsMetric, group_name: pulumi.Output[str]) -> Any:
    """The metric; of the scaled group if no dimensions are given."""
    given: Any = {"AutoScalingGroupName": group_name} if metric.dimensions is None else metric.dimensions
    return {
        "namespace": metric.namespace,
        "metric_name": metric.metric_name,
        "statistic": metric.statistic,
        "unit": metric.unit,
        "metric_dimensions": pulumi.Output.from_input(given).apply(_dimensions),
    }


def _dimensions(dimensions: Mapping[str, str]) -> list[Any]:
    return [{"name": name, "value": dimensions[name]} for name in sorted(dimensions)]
