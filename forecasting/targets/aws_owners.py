"""Other owners of an Auto Scaling group, recognised by its description, its tags and its scaling policies.

| kind | recognised by | writes | the job |
|---|---|---|---|
| operator | `Operator.Principal` | everything; AWS refuses all others | holds |
| predictive-scaling | an enabled policy in ForecastAndScale | desired capacity, MaxSize if allowed | warns |
| eks-node-group | tag `eks:nodegroup-name` or `eks:cluster-name` | all sizes, at an update of the node group | warns |
| cluster-autoscaler | tag `k8s.io/cluster-autoscaler/enabled` or `.../NAME` = owned | desired capacity | warns |
| ecs-managed-scaling | tag `AmazonECSManaged`, or a policy on CapacityProviderReservation | desired capacity | warns |
| elastic-beanstalk | tag `elasticbeanstalk:environment-name` or `-id` | all sizes, at an update | warns |
| codedeploy | a name `CodeDeploy_GROUP_d-ID` | replaces the group at each deployment | warns |

Only the operator excludes the job: the others set the desired capacity within the bounds, or set MinSize when a person changes their
configuration, which the job treats as any change by hand. Sources and combinations: `docs/other-owners.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forecasting.schedule.other_owner import OtherOwner

_ECS_METRIC = ("AWS/ECS/ManagedScaling", "CapacityProviderReservation")
_ECS_POLICY = "ECSManagedAutoScalingPolicy-"
_CODEDEPLOY = re.compile(r"CodeDeploy_.+_d-[A-Z0-9]+")
_AUTODISCOVERY = "k8s.io/cluster-autoscaler/"


def find_owners(group: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> tuple[OtherOwner, ...]:
    """The group's other owners, those that hold first.

    Args:
        group: As DescribeAutoScalingGroups shows it.
        policies: As DescribePolicies shows them.
    """
    listed: Sequence[Mapping[str, str]] = group.get("Tags", [])
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in listed}
    return (
        *_operator(group),
        *(owner for policy in policies for owner in _predictive(policy)),
        *_kubernetes(tags),
        *_ecs(tags, policies),
        *_platforms(str(group.get("AutoScalingGroupName", "")), tags),
    )


def _operator(group: Mapping[str, Any]) -> Iterator[OtherOwner]:
    """API, AutoScalingGroup.Operator: only the operator changes the group; others get AccessDenied."""
    if operator := group.get("Operator"):
        yield OtherOwner(
            "operator",
            f"operator {operator.get('Principal', '')!r}",
            "AWS lets this service alone change the group and refuses every other call with AccessDenied, whatever the role may do",
            "scale the group through that service, or serve a group that has no operator",
            holds=True,
        )


def _predictive(policy: Mapping[str, Any]) -> Iterator[OtherOwner]:
    """GUIDE, How predictive scaling works: it scales out to its hourly forecast and never in."""
    settings: Mapping[str, Any] = policy.get("PredictiveScalingConfiguration", {})
    if policy.get("PolicyType") != "PredictiveScaling" or settings.get("Mode") != "ForecastAndScale":
        return
    if not policy.get("Enabled", True):
        return
    raises = " and MaxSize, for good," if settings.get("MaxCapacityBreachBehavior") == "IncreaseMaxCapacity" else ""
    yield OtherOwner(
        "predictive-scaling",
        f"predictive scaling policy {policy.get('PolicyName', '')!r} in ForecastAndScale",
        f"it raises the desired capacity{raises} to its own forecast, so the group runs the greater of two forecasts",
        "set its mode to ForecastOnly, or disable this fleet",
    )


def _kubernetes(tags: Mapping[str, str]) -> Iterator[OtherOwner]:
    node_group, cluster = tags.get("eks:nodegroup-name"), tags.get("eks:cluster-name")
    if node_group is not None or cluster is not None:
        yield OtherOwner(
            "eks-node-group",
            f"EKS node group {node_group or ''!r} of cluster {cluster or ''!r}",
            "an update of its scaling configuration sets MinSize, MaxSize and the desired capacity",
            "let its minSize be the fleet's configured minimum, and its maxSize at least the fleet's maximum",
        )
    found = next((key for key, value in sorted(tags.items()) if _discovers(key, value)), None)
    if found is not None:
        yield OtherOwner(
            "cluster-autoscaler",
            f"Cluster Autoscaler, by tag {found!r}",
            "it sets the desired capacity by pending and idle pods, within MinSize and MaxSize, and never MinSize",
            "do not add a CPU policy to nodes: it removes nodes with running pods; see docs/other-owners.md",
        )


def _discovers(key: str, value: str) -> bool:
    """Whether Cluster Autoscaler discovers a group by this tag; those below `node-template/` only describe its nodes."""
    name = key.removeprefix(_AUTODISCOVERY)
    return name != key and "/" not in name and (name == "enabled" or value == "owned")


def _ecs(tags: Mapping[str, str], policies: Sequence[Mapping[str, Any]]) -> Iterator[OtherOwner]:
    """ECS API, ManagedScaling: ECS keeps a target tracking policy on a metric of its own."""
    policy = next((each for each in policies if _is_ecs(each)), None)
    if policy is None and "AmazonECSManaged" not in tags:
        return
    scaled = f"by policy {policy.get('PolicyName', '')!r}" if policy else "if its managed scaling is on"
    yield OtherOwner(
        "ecs-managed-scaling",
        "ECS capacity provider" + (", by tag 'AmazonECSManaged'" if "AmazonECSManaged" in tags else ""),
        f"it sets the desired capacity by the tasks to be placed, within MinSize and MaxSize, {scaled}",
        "instances above the tasks' demand stay empty until tasks start: scale the service's tasks ahead as well",
    )


def _is_ecs(policy: Mapping[str, Any]) -> bool:
    tracking: Mapping[str, Any] = policy.get("TargetTrackingConfiguration", {})
    metric: Mapping[str, Any] = tracking.get("CustomizedMetricSpecification", {})
    named = str(policy.get("PolicyName", "")).startswith(_ECS_POLICY)
    return bool(policy.get("Enabled", True)) and (
        named or (metric.get("Namespace"), metric.get("MetricName")) == _ECS_METRIC
    )


def _platforms(name: str, tags: Mapping[str, str]) -> Iterator[OtherOwner]:
    environment = tags.get("elasticbeanstalk:environment-name", tags.get("elasticbeanstalk:environment-id"))
    if environment is not None:
        yield OtherOwner(
            "elastic-beanstalk",
            f"Elastic Beanstalk environment {environment!r}",
            "an update of the environment sets MinSize and MaxSize from its options, and a rebuild replaces the group",
            "let the option MinSize of aws:autoscaling:asg be the fleet's configured minimum; after a rebuild change target.group_name",
        )
    if _CODEDEPLOY.fullmatch(name):
        yield OtherOwner(
            "codedeploy",
            f"CodeDeploy, by the group's name {name!r}",
            "its next blue/green deployment copies the group under a new name and removes this one with its scheduled actions",
            "change target.group_name after each deployment, or deploy in place",
        )
