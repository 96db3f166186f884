"""Target tracking: what adds instances above the floor, and the one way in which instances go away again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.args import AwsMetric, AwsTargetTracking
from elastic_iac.aws.front import Front
from elastic_iac.validation import TEXT, boolean, checked, number, one_of, plain_list, refuse_unknown
from forecasting.errors import SettingsError

DEFAULT_TARGET_TRACKING: tuple[AwsTargetTracking, ...] = ({"metric": "cpu", "target_value": 60},)

_METRIC = one_of("cpu", "alb-requests", "custom")


@dataclass(frozen=True)
class TargetTracking:
    """One checked policy; `suffix` ends its name."""

    suffix: str
    given: AwsTargetTracking


def settle_target_tracking(given: Sequence[AwsTargetTracking], *, behind_load_balancer: bool) -> list[TargetTracking]:
    """Check the policies, one by one and together.

    Raises:
        SettingsError: a wrong literal, a metric twice, or no policy that may scale in: a floor only ever adds instances.
    """
    settled: list[TargetTracking] = []
    for index, policy in enumerate(plain_list("target_tracking", given)):
        field = f"target_tracking[{index}]"
        _check_policy(field, policy, behind_load_balancer=behind_load_balancer)
        earlier = sum(other.given["metric"] == policy["metric"] for other in settled)
        if earlier and policy["metric"] != "custom":
            raise SettingsError(f"{field}.metric", policy["metric"], "a metric that no other policy tracks")
        settled.append(TargetTracking(policy["metric"] + (f"-{earlier + 1}" if earlier else ""), policy))
    if all(policy.get("disable_scale_in", False) for policy in given):
        raise SettingsError(
            "target_tracking", list(given), "a policy that may scale in: nothing else removes instances"
        )
    return settled


def _check_policy(field: str, policy: AwsTargetTracking, *, behind_load_balancer: bool) -> None:
    refuse_unknown(field, policy, AwsTargetTracking)
    metric, custom = _METRIC(f"{field}.metric", policy["metric"]), policy.get("custom_metric")
    if metric == "alb-requests" and not behind_load_balancer:
        raise SettingsError(f"{field}.metric", metric, "'cpu' or 'custom': there is no load_balancer")
    if (metric == "custom") != (custom is not None):
        raise SettingsError(f"{field}.custom_metric", custom, "a metric where `metric` is 'custom', and only there")
    if custom is not None:
        refuse_unknown(f"{field}.custom_metric", custom, AwsMetric)
    boolean(f"{field}.disable_scale_in", policy.get("disable_scale_in", False))
    target_tracking_configuration(field, policy, group_name="", resource_label="")  # for its checks of each value


def target_tracking_configuration(
    field: str, policy: AwsTargetTracking, *, group_name: pulumi.Input[str], resource_label: pulumi.Input[str] | None
) -> aws.autoscaling.PolicyTargetTrackingConfigurationArgs:
    """One policy's configuration; `field` is its path for messages.

    Args:
        field: Path of the policy within the component's arguments.
        policy: The policy as given.
        group_name: Of the group that is scaled, for the default dimension of a custom metric.
        resource_label: Load balancer and target group, for requests per target.

    Raises:
        SettingsError: the first wrong literal.
    """
    predefined, custom = None, policy.get("custom_metric")
    if policy["metric"] == "cpu":
        predefined = aws.autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs(
            predefined_metric_type="ASGAverageCPUUtilization"
        )
    elif policy["metric"] == "alb-requests":
        predefined = aws.autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs(
            predefined_metric_type="ALBRequestCountPerTarget", resource_label=resource_label
        )
    limit = 100 if policy["metric"] == "cpu" else 1e12
    return aws.autoscaling.PolicyTargetTrackingConfigurationArgs(
        target_value=checked(f"{field}.target_value", policy["target_value"], number(0, limit)),
        disable_scale_in=policy.get("disable_scale_in", False),
        predefined_metric_specification=predefined,
        customized_metric_specification=None
        if custom is None
        else _customized(f"{field}.custom_metric", custom, group_name),
    )


def declare_target_tracking(
    name: str,
    policies: Sequence[TargetTracking],
    *,
    group_name: pulumi.Input[str],
    front: Front | None,
    child: pulumi.ResourceOptions,
) -> None:
    """Declare the policies of the group `name`."""
    # Requests per target are refused until a listener ties the target group to its load balancer.
    after = pulumi.ResourceOptions(depends_on=front.listeners if front else None)
    for index, policy in enumerate(policies):
        aws.autoscaling.Policy(
            f"{name}-scale-on-{policy.suffix}",
            aws.autoscaling.PolicyArgs(
                autoscaling_group_name=group_name,
                policy_type="TargetTrackingScaling",
                target_tracking_configuration=target_tracking_configuration(
                    f"target_tracking[{index}]",
                    policy.given,
                    group_name=group_name,
                    resource_label=front.resource_label if front else None,
                ),
            ),
            pulumi.ResourceOptions.merge(child, after),
        )


def _customized(
    field: str, metric: AwsMetric, group_name: pulumi.Input[str]
) -> aws.autoscaling.PolicyTargetTrackingConfigurationCustomizedMetricSpecificationArgs:
    dimensions = pulumi.Output.from_input(metric.get("dimensions", {"AutoScalingGroupName": group_name}))
    unit = metric.get("unit")
    return aws.autoscaling.PolicyTargetTrackingConfigurationCustomizedMetricSpecificationArgs(
        namespace=checked(f"{field}.namespace", metric["namespace"], TEXT),
        metric_name=checked(f"{field}.metric_name", metric["metric_name"], TEXT),
        statistic=checked(
            f"{field}.statistic",
            metric.get("statistic", "Average"),
            one_of("Average", "Sum", "Minimum", "Maximum", "SampleCount"),
        ),
        unit=None if unit is None else checked(f"{field}.unit", unit, TEXT),
        metric_dimensions=dimensions.apply(_dimensions),
    )


def _dimensions(
    dimensions: Mapping[str, pulumi.Input[str]],
) -> list[aws.autoscaling.PolicyTargetTrackingConfigurationCustomizedMetricSpecificationMetricDimensionArgs]:
    kind = aws.autoscaling.PolicyTargetTrackingConfigurationCustomizedMetricSpecificationMetricDimensionArgs
    return [kind(name=name, value=dimensions[name]) for name in sorted(dimensions)]
