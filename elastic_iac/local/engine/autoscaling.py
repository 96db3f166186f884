"""Auto Scaling groups with their warm pool and metrics, launch hooks, scheduled actions and scaling policies."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, given, pascal


def _create_group(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    autoscaling = cloud.client("autoscaling")
    template = inputs.get("launchTemplate")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=inputs["minSize"],
        MaxSize=inputs["maxSize"],
        VPCZoneIdentifier=",".join(inputs["vpcZoneIdentifiers"]),
        TargetGroupARNs=inputs.get("targetGroupArns", []),
        TerminationPolicies=inputs.get("terminationPolicies", []),
        Tags=[
            {**pascal(tag), "ResourceId": name, "ResourceType": "auto-scaling-group"} for tag in inputs.get("tags", [])
        ],
        **given(
            DesiredCapacity=inputs.get("desiredCapacity"),
            CapacityRebalance=inputs.get("capacityRebalance"),
            DefaultInstanceWarmup=inputs.get("defaultInstanceWarmup"),
            HealthCheckType=inputs.get("healthCheckType"),
            HealthCheckGracePeriod=inputs.get("healthCheckGracePeriod"),
            LaunchTemplate=template and {"LaunchTemplateId": template["id"], "Version": template["version"]},
            MixedInstancesPolicy=pascal(inputs.get("mixedInstancesPolicy")),
            PlacementGroup=inputs.get("placementGroup"),
            CapacityReservationSpecification=pascal(inputs.get("capacityReservationSpecification")),
            LifecycleHookSpecificationList=[
                _hook(hook, hook["name"]) for hook in inputs.get("initialLifecycleHooks", [])
            ]
            or None,
        ),
    )
    if inputs.get("enabledMetrics"):
        autoscaling.enable_metrics_collection(
            AutoScalingGroupName=name, Metrics=inputs["enabledMetrics"], Granularity=inputs["metricsGranularity"]
        )
    if inputs.get("warmPool"):
        autoscaling.put_warm_pool(AutoScalingGroupName=name, **pascal(inputs["warmPool"]))
    return Made(name, {**inputs, "name": name, "arn": _group(cloud, name)["AutoScalingGroupARN"]})


def _group(cloud: Cloud, name: str) -> Any:
    return cloud.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][
        0
    ]


def _read_group(cloud: Cloud, made: Made) -> Inputs:
    found = _group(cloud, made.id)
    metrics, template = found.get("EnabledMetrics", []), found.get("LaunchTemplate")
    declared_metrics = made.outputs.get("enabledMetrics", [])
    collected = {metric["Metric"] for metric in metrics}
    return {
        "minSize": found["MinSize"],
        "maxSize": found["MaxSize"],
        "desiredCapacity": found["DesiredCapacity"],
        "vpcZoneIdentifiers": found["VPCZoneIdentifier"].split(","),
        "launchTemplate": template and {"id": template["LaunchTemplateId"], "version": template["Version"]},
        "mixedInstancesPolicy": camel(found.get("MixedInstancesPolicy")),
        "capacityRebalance": found.get("CapacityRebalance"),
        "targetGroupArns": found.get("TargetGroupARNs"),
        "healthCheckType": found["HealthCheckType"],
        "healthCheckGracePeriod": found["HealthCheckGracePeriod"],
        "defaultInstanceWarmup": found.get("DefaultInstanceWarmup"),
        "terminationPolicies": found.get("TerminationPolicies"),
        "enabledMetrics": [metric for metric in declared_metrics if metric in collected],
        "metricsGranularity": metrics[0]["Granularity"] if metrics else None,
        "warmPool": camel(found.get("WarmPoolConfiguration")),
        "placementGroup": found.get("PlacementGroup"),
        "capacityReservationSpecification": camel(found.get("CapacityReservationSpecification")),
        "initialLifecycleHooks": [
            _declared_hook(cloud, made.id, hook["name"]) for hook in made.outputs.get("initialLifecycleHooks", [])
        ],
        "tags": [
            {"key": tag["Key"], "value": tag["Value"], "propagateAtLaunch": tag["PropagateAtLaunch"]}
            for tag in found.get("Tags", [])
        ],
    }


def _delete_group(cloud: Cloud, made: Made) -> None:
    cloud.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=made.id, ForceDelete=True)


def _create_policy(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    tracking = pascal(inputs["targetTrackingConfiguration"])
    custom = tracking.get("CustomizedMetricSpecification")
    if custom:
        custom["Dimensions"] = custom.pop("MetricDimensions", [])
    arn = cloud.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=inputs["autoscalingGroupName"],
        PolicyName=name,
        PolicyType=inputs["policyType"],
        TargetTrackingConfiguration=tracking,
    )["PolicyARN"]
    return Made(name, {**inputs, "name": name, "arn": arn})


def _read_policy(cloud: Cloud, made: Made) -> Inputs:
    group = made.outputs["autoscalingGroupName"]
    described = cloud.client("autoscaling").describe_policies(AutoScalingGroupName=group)["ScalingPolicies"]
    found = next(policy for policy in described if policy["PolicyName"] == made.id)  # emulators ignore PolicyNames
    tracking = camel(found["TargetTrackingConfiguration"])
    custom = tracking.get("customizedMetricSpecification")
    if custom:
        custom["metricDimensions"] = custom.pop("dimensions", [])
    return {
        "autoscalingGroupName": found["AutoScalingGroupName"],
        "policyType": found["PolicyType"],
        "targetTrackingConfiguration": tracking,
    }


def _delete_policy(cloud: Cloud, made: Made) -> None:
    cloud.client("autoscaling").delete_policy(
        AutoScalingGroupName=made.outputs["autoscalingGroupName"], PolicyName=made.id
    )


def _hook(inputs: Inputs, name: str) -> dict[str, Any]:
    return {
        "LifecycleHookName": name,
        "LifecycleTransition": inputs["lifecycleTransition"],
        **given(HeartbeatTimeout=inputs.get("heartbeatTimeout"), DefaultResult=inputs.get("defaultResult")),
    }


def _declared_hook(cloud: Cloud, group: str, name: str) -> dict[str, Any]:
    asked = {"AutoScalingGroupName": group, "LifecycleHookNames": [name]}
    (found,) = cloud.client("autoscaling").describe_lifecycle_hooks(**asked)["LifecycleHooks"]
    return {
        "name": found["LifecycleHookName"],
        "lifecycleTransition": found["LifecycleTransition"],
        "heartbeatTimeout": found["HeartbeatTimeout"],
        "defaultResult": found["DefaultResult"],
    }


def _create_hook(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    group, name = inputs["autoscalingGroupName"], inputs["name"]
    cloud.client("autoscaling").put_lifecycle_hook(AutoScalingGroupName=group, **_hook(inputs, name))
    return Made(name, inputs)


def _read_hook(cloud: Cloud, made: Made) -> Inputs:
    group = made.outputs["autoscalingGroupName"]
    return {"autoscalingGroupName": group, **_declared_hook(cloud, group, made.id)}


def _delete_hook(cloud: Cloud, made: Made) -> None:
    group = made.outputs["autoscalingGroupName"]
    cloud.client("autoscaling").delete_lifecycle_hook(AutoScalingGroupName=group, LifecycleHookName=made.id)


_LEAVE = -1
"""Of a size: the provider then says nothing of it, and takes one that is not given for 0."""
_SIZES = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredCapacity": "DesiredCapacity"}
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def _create_schedule(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    sizes = {name: inputs.get(key, 0) for key, name in _SIZES.items()}
    cloud.client("autoscaling").put_scheduled_update_group_action(
        AutoScalingGroupName=inputs["autoscalingGroupName"],
        ScheduledActionName=inputs["scheduledActionName"],
        StartTime=inputs["startTime"],
        **{name: size for name, size in sizes.items() if size != _LEAVE},
    )
    return Made(inputs["scheduledActionName"], inputs)


def _read_schedule(cloud: Cloud, made: Made) -> Inputs:
    asked = {"AutoScalingGroupName": made.outputs["autoscalingGroupName"], "ScheduledActionNames": [made.id]}
    (found,) = cloud.client("autoscaling").describe_scheduled_actions(**asked)["ScheduledUpdateGroupActions"]
    return {
        "autoscalingGroupName": found["AutoScalingGroupName"],
        "scheduledActionName": found["ScheduledActionName"],
        "startTime": found["StartTime"].strftime(_TIME),
        **{key: found.get(name, _LEAVE) for key, name in _SIZES.items()},
    }


def _delete_schedule(cloud: Cloud, made: Made) -> None:
    """As the provider: an action that has been executed is gone already."""
    autoscaling, group = cloud.client("autoscaling"), made.outputs["autoscalingGroupName"]
    try:
        autoscaling.delete_scheduled_action(AutoScalingGroupName=group, ScheduledActionName=made.id)
    except autoscaling.exceptions.ClientError as error:
        if "not found" not in str(error):
            raise


HANDLERS = {
    "aws:autoscaling/group:Group": Handler(_create_group, _read_group, _delete_group, untagged=True),
    "aws:autoscaling/lifecycleHook:LifecycleHook": Handler(_create_hook, _read_hook, _delete_hook, untagged=True),
    "aws:autoscaling/schedule:Schedule": Handler(_create_schedule, _read_schedule, _delete_schedule, untagged=True),
    "aws:autoscaling/policy:Policy": Handler(_create_policy, _read_policy, _delete_policy, untagged=True),
}
