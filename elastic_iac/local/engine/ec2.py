"""Security groups, their rules, placement groups and launch templates."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, given, pascal, tag_list, tag_map, walk


def _create_security_group(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    ec2 = cloud.client("ec2")
    group_id: str = ec2.create_security_group(
        GroupName=name,
        Description=inputs["description"],
        VpcId=inputs["vpcId"],
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tag_list(inputs["tags"])}],
    )["GroupId"]
    # The provider takes away the rule that lets everything out, and so does this.
    default = _security_group(cloud, group_id)["IpPermissionsEgress"]
    if default:
        ec2.revoke_security_group_egress(GroupId=group_id, IpPermissions=default)
    return Made(group_id, {**inputs, "name": name, "arn": f"arn:aws:ec2:{cloud.region}::security-group/{group_id}"})


def _security_group(cloud: Cloud, group_id: str) -> Any:
    return cloud.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]


def _read_security_group(cloud: Cloud, made: Made) -> Inputs:
    found = _security_group(cloud, made.id)
    return {"description": found["Description"], "vpcId": found["VpcId"], "tags": tag_map(found.get("Tags", []))}


def _delete_security_group(cloud: Cloud, made: Made) -> None:
    cloud.client("ec2").delete_security_group(GroupId=made.id)


def _permission(inputs: Inputs) -> dict[str, Any]:
    """A rule in the form of `IpPermissions`; one source or destination each."""
    sources = {
        "IpRanges": [{"CidrIp": inputs.get("cidrIpv4")}],
        "Ipv6Ranges": [{"CidrIpv6": inputs.get("cidrIpv6")}],
        "UserIdGroupPairs": [{"GroupId": inputs.get("referencedSecurityGroupId")}],
    }
    source = {kind: ranges for kind, ranges in sources.items() if None not in ranges[0].values()}
    ports = given(FromPort=inputs.get("fromPort"), ToPort=inputs.get("toPort"))
    return {"IpProtocol": inputs["ipProtocol"], **ports, **source}


def _rule_handler(direction: str) -> Handler:
    permissions = "IpPermissions" if direction == "ingress" else "IpPermissionsEgress"

    def create(cloud: Cloud, name: str, inputs: Inputs) -> Made:
        authorize = getattr(cloud.client("ec2"), f"authorize_security_group_{direction}")
        authorize(GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)])
        return Made(f"sgr-{name}", inputs)

    def read(cloud: Cloud, made: Made) -> Inputs:
        group_id = made.outputs["securityGroupId"]
        declared = _permission(made.outputs)
        held = any(_covers(found, declared) for found in _security_group(cloud, group_id)[permissions])
        return made.outputs if held else {}

    def delete(cloud: Cloud, made: Made) -> None:
        revoke = getattr(cloud.client("ec2"), f"revoke_security_group_{direction}")
        revoke(GroupId=made.outputs["securityGroupId"], IpPermissions=[_permission(made.outputs)])

    return Handler(create, read, delete, untagged=True)


def _covers(found: Inputs, declared: Inputs) -> bool:
    """Whether a permission as described, which may hold several sources, holds the declared one."""
    sources = {key for key in declared if key not in {"IpProtocol", "FromPort", "ToPort"}}
    plain = {key: value for key, value in declared.items() if key not in sources}
    return all(found.get(key) == value for key, value in plain.items()) and all(
        any(declared[kind][0].items() <= source.items() for source in found.get(kind, [])) for kind in sources
    )


_NOT_OF_THE_VERSION = ("updateDefaultVersion", "tags", "name", "namePrefix", "description", "region")
_TRUTH_TEXTS = ("ebsOptimized", "encrypted", "deleteOnTermination")  # the provider takes these as 'true' and 'false'


def _launch_template_data(inputs: Inputs) -> Any:
    data = {key: value for key, value in inputs.items() if key not in _NOT_OF_THE_VERSION}
    specifications = [
        {"resourceType": item["resourceType"], "tags": tag_list(item["tags"])}
        for item in data.pop("tagSpecifications", [])
    ]
    groups = {"SecurityGroupIds": ids} if (ids := data.pop("vpcSecurityGroupIds", [])) else {}
    interfaces = [_renamed(item, "securityGroups", "groups") for item in data.pop("networkInterfaces", [])]
    if interfaces:
        data["networkInterfaces"] = interfaces
    return {**pascal(_truths(data)), "TagSpecifications": pascal(specifications), **groups}


def _renamed(item: Inputs, name: str, other: str) -> dict[str, Any]:
    return {other if key == name else key: value for key, value in item.items()}


def _truths(data: Any) -> Any:
    return walk(data, lambda key, value: value == "true" if key in _TRUTH_TEXTS else value)


def _texts(data: Any) -> Any:
    return walk(data, lambda key, value: str(value).lower() if key in _TRUTH_TEXTS else value)


def _create_launch_template(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    template = cloud.client("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=_launch_template_data(inputs),
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tag_list(inputs["tags"])}],
    )["LaunchTemplate"]
    version = template["LatestVersionNumber"]
    template_id: str = template["LaunchTemplateId"]
    arn = f"arn:aws:ec2:{cloud.region}::launch-template/{template_id}"
    return Made(template_id, {**inputs, "name": name, "arn": arn, "latestVersion": version, "defaultVersion": version})


def _read_launch_template(cloud: Cloud, made: Made) -> Inputs:
    ec2 = cloud.client("ec2")
    template = ec2.describe_launch_templates(LaunchTemplateIds=[made.id])["LaunchTemplates"][0]
    version = ec2.describe_launch_template_versions(LaunchTemplateId=made.id, Versions=["$Latest"])
    data = version["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    specifications = [
        {"resourceType": item["ResourceType"], "tags": tag_map(item["Tags"])}
        for item in data.pop("TagSpecifications", [])
    ]
    interfaces = [_renamed(item, "Groups", "SecurityGroups") for item in data.pop("NetworkInterfaces", [])]
    return {
        **_texts(camel(data)),
        "networkInterfaces": _texts(camel(interfaces)),
        "tagSpecifications": specifications,
        "vpcSecurityGroupIds": data.get("SecurityGroupIds", []),
        "updateDefaultVersion": template["DefaultVersionNumber"] == template["LatestVersionNumber"],
        "tags": tag_map(template.get("Tags", [])),
    }


def _delete_launch_template(cloud: Cloud, made: Made) -> None:
    cloud.client("ec2").delete_launch_template(LaunchTemplateId=made.id)


def _create_placement_group(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    cloud.client("ec2").create_placement_group(
        GroupName=name,
        Strategy=inputs["strategy"],
        TagSpecifications=[{"ResourceType": "placement-group", "Tags": tag_list(inputs["tags"])}],
    )
    return Made(name, {**inputs, "name": name})


def _read_placement_group(cloud: Cloud, made: Made) -> Inputs:
    (found,) = cloud.client("ec2").describe_placement_groups(GroupNames=[made.id])["PlacementGroups"]
    return {"strategy": found["Strategy"], "tags": tag_map(found.get("Tags", []))}


def _delete_placement_group(cloud: Cloud, made: Made) -> None:
    cloud.client("ec2").delete_placement_group(GroupName=made.id)


HANDLERS = {
    "aws:ec2/placementGroup:PlacementGroup": Handler(
        _create_placement_group, _read_placement_group, _delete_placement_group
    ),
    "aws:ec2/securityGroup:SecurityGroup": Handler(
        _create_security_group, _read_security_group, _delete_security_group
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule_handler("ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule_handler("egress"),
    "aws:ec2/launchTemplate:LaunchTemplate": Handler(
        _create_launch_template, _read_launch_template, _delete_launch_template
    ),
}
