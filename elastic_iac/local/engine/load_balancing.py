"""Application load balancers, target groups and listeners."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, given, pascal, tag_list, tag_map

_NAME_LIMIT = 32

_LOAD_BALANCER_ATTRIBUTES = {
    "idleTimeout": "idle_timeout.timeout_seconds",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
}
_TARGET_GROUP_ATTRIBUTES = {"deregistrationDelay": "deregistration_delay.timeout_seconds"}


def _short_name(name: str, inputs: Inputs) -> str:
    """A name that begins with the prefix, as the provider makes one; the hash at the end keeps it unique."""
    return f"{inputs['namePrefix']}{name[-(_NAME_LIMIT - len(inputs['namePrefix'])) :].lstrip('-')}"


def _attributes(inputs: Inputs, names: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": str(inputs[name]).lower()} for name, key in names.items() if name in inputs]


def _read_attributes(found: list[dict[str, str]], declared: Inputs, names: dict[str, str]) -> dict[str, Any]:
    texts = {item["Key"]: item["Value"] for item in found}
    return {
        name: declared[name]
        for name, key in names.items()
        if name in declared and texts.get(key) == str(declared[name]).lower()
    }


def _create_load_balancer(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    elbv2, short = cloud.client("elbv2"), _short_name(name, inputs)
    found = elbv2.create_load_balancer(
        Name=short,
        Type=inputs["loadBalancerType"],
        Scheme="internal" if inputs.get("internal") else "internet-facing",
        Subnets=inputs["subnets"],
        SecurityGroups=inputs["securityGroups"],
        Tags=tag_list(inputs["tags"]),
    )["LoadBalancers"][0]
    arn: str = found["LoadBalancerArn"]
    elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=_attributes(inputs, _LOAD_BALANCER_ATTRIBUTES)
    )
    outputs = {
        "name": short,
        "arn": arn,
        "arnSuffix": arn.rsplit(":loadbalancer/", maxsplit=1)[-1],
        "dnsName": found["DNSName"],
        "zoneId": found.get("CanonicalHostedZoneId", ""),
    }
    return Made(arn, {**inputs, **outputs})


def _read_load_balancer(cloud: Cloud, made: Made) -> Inputs:
    elbv2 = cloud.client("elbv2")
    found = elbv2.describe_load_balancers(LoadBalancerArns=[made.id])["LoadBalancers"][0]
    attributes = elbv2.describe_load_balancer_attributes(LoadBalancerArn=made.id)["Attributes"]
    return {
        **_read_prefix(found["LoadBalancerName"], made),
        "loadBalancerType": found["Type"],
        "internal": found["Scheme"] == "internal",
        "subnets": [zone["SubnetId"] for zone in found.get("AvailabilityZones", [])],
        "securityGroups": found.get("SecurityGroups"),
        "tags": _tags(cloud, made.id),
        **_read_attributes(attributes, made.outputs, _LOAD_BALANCER_ATTRIBUTES),
    }


def _read_prefix(name: str, made: Made) -> dict[str, str]:
    prefix = made.outputs["namePrefix"]
    return {"namePrefix": prefix} if name.startswith(prefix) else {}


def _tags(cloud: Cloud, arn: str) -> dict[str, str]:
    return tag_map(cloud.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"])


def _delete_load_balancer(cloud: Cloud, made: Made) -> None:
    cloud.client("elbv2").delete_load_balancer(LoadBalancerArn=made.id)


_HEALTH_CHECK = {
    "path": "HealthCheckPath",
    "protocol": "HealthCheckProtocol",
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}


def _create_target_group(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    elbv2, short, check = cloud.client("elbv2"), _short_name(name, inputs), inputs.get("healthCheck", {})
    found = elbv2.create_target_group(
        Name=short,
        Protocol=inputs["protocol"],
        Port=inputs["port"],
        VpcId=inputs["vpcId"],
        TargetType=inputs["targetType"],
        Tags=tag_list(inputs["tags"]),
        Matcher={"HttpCode": check.get("matcher", "200")},
        **{key: check[name] for name, key in _HEALTH_CHECK.items() if name in check},
    )["TargetGroups"][0]
    arn: str = found["TargetGroupArn"]
    attributes = _attributes(inputs, _TARGET_GROUP_ATTRIBUTES)
    elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
    return Made(arn, {**inputs, "name": short, "arn": arn, "arnSuffix": arn.rsplit(":", maxsplit=1)[-1]})


def _read_target_group(cloud: Cloud, made: Made) -> Inputs:
    elbv2 = cloud.client("elbv2")
    found = elbv2.describe_target_groups(TargetGroupArns=[made.id])["TargetGroups"][0]
    attributes = elbv2.describe_target_group_attributes(TargetGroupArn=made.id)["Attributes"]
    check = {name: found.get(key) for name, key in _HEALTH_CHECK.items()}
    return {
        **_read_prefix(found["TargetGroupName"], made),
        "protocol": found["Protocol"],
        "port": found["Port"],
        "vpcId": found["VpcId"],
        "targetType": found["TargetType"],
        "healthCheck": {**check, "matcher": found.get("Matcher", {}).get("HttpCode")},
        "tags": _tags(cloud, made.id),
        **_read_attributes(attributes, made.outputs, _TARGET_GROUP_ATTRIBUTES),
    }


def _delete_target_group(cloud: Cloud, made: Made) -> None:
    cloud.client("elbv2").delete_target_group(TargetGroupArn=made.id)


def _action(action: Inputs) -> dict[str, Any]:
    redirect = action.get("redirect")
    plain = {key: value for key, value in action.items() if key != "redirect"}
    return {**pascal(plain), **given(RedirectConfig=pascal(redirect))}


def _create_listener(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    certificate = inputs.get("certificateArn")
    found = cloud.client("elbv2").create_listener(
        LoadBalancerArn=inputs["loadBalancerArn"],
        Port=inputs["port"],
        Protocol=inputs["protocol"],
        DefaultActions=[_action(action) for action in inputs["defaultActions"]],
        Tags=tag_list(inputs["tags"]),
        **given(
            SslPolicy=inputs.get("sslPolicy"), Certificates=[{"CertificateArn": certificate}] if certificate else None
        ),
    )["Listeners"][0]
    arn: str = found["ListenerArn"]
    return Made(arn, {**inputs, "arn": arn})


def _read_listener(cloud: Cloud, made: Made) -> Inputs:
    found = cloud.client("elbv2").describe_listeners(ListenerArns=[made.id])["Listeners"][0]
    certificates = found.get("Certificates", [])
    actions = camel(found["DefaultActions"])
    return {
        "loadBalancerArn": found["LoadBalancerArn"],
        "port": found["Port"],
        "protocol": found["Protocol"],
        "sslPolicy": found.get("SslPolicy"),
        "certificateArn": certificates[0]["CertificateArn"] if certificates else None,
        "defaultActions": [{**action, "redirect": action.get("redirectConfig")} for action in actions],
        "tags": _tags(cloud, made.id),
    }


def _delete_listener(cloud: Cloud, made: Made) -> None:
    cloud.client("elbv2").delete_listener(ListenerArn=made.id)


HANDLERS = {
    "aws:lb/loadBalancer:LoadBalancer": Handler(_create_load_balancer, _read_load_balancer, _delete_load_balancer),
    "aws:lb/targetGroup:TargetGroup": Handler(_create_target_group, _read_target_group, _delete_target_group),
    "aws:lb/listener:Listener": Handler(_create_listener, _read_listener, _delete_listener),
}
