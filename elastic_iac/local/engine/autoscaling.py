"""Auto Scaling groups with their warm pool and metrics, and scaling policies."""

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


HANDLERS = {
    "aws:autoscaling/group:Group": Handler(_create_group, _read_group, _delete_group, untagged=True),
    "aws:autoscaling/policy:Policy": Handler(_create_policy, _read_policy, _delete_policy, untagged=True),
}
