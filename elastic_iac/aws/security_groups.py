"""Who may talk to whom: the world to the load balancer, the load balancer to the instances, the instances to anyone."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.common.schema.base import Tags, Value


def declare_security_group(
    name: str,
    description: str,
    *,
    vpc_id: pulumi.Input[str],
    tags: Tags,
    child: pulumi.ResourceOptions,
) -> aws.ec2.SecurityGroup:
    """Declare a security group without rules."""
    return aws.ec2.SecurityGroup(
        name, aws.ec2.SecurityGroupArgs(vpc_id=vpc_id, description=description, tags=tags), child
    )


def outbound_rules(security_group_id: pulumi.Input[str]) -> dict[str, aws.vpc.SecurityGroupEgressRuleArgs]:
    """The instances fetch packages, models and messages from wherever the VPC's routes lead, by name of the rule."""
    return {
        "all-ipv4": aws.vpc.SecurityGroupEgressRuleArgs(
            security_group_id=security_group_id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0"
        ),
        "all-ipv6": aws.vpc.SecurityGroupEgressRuleArgs(
            security_group_id=security_group_id, ip_protocol="-1", cidr_ipv6="::/0"
        ),
    }


def declare_outbound_rules(
    name: str, instances: aws.ec2.SecurityGroup, child: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Declare the outbound rules of the instances of the group `name`."""
    return [
        aws.vpc.SecurityGroupEgressRule(f"{name}-instances-out-{rule}", args, child)
        for rule, args in outbound_rules(instances.id).items()
    ]


def public_rules(
    ports: Mapping[str, int], ranges: Mapping[str, Value[str]], security_group_id: pulumi.Input[str]
) -> dict[str, aws.vpc.SecurityGroupIngressRuleArgs]:
    """What may reach the load balancer, by name of the rule."""
    return {
        f"{scheme}-{name}": aws.vpc.SecurityGroupIngressRuleArgs(
            security_group_id=security_group_id, ip_protocol="tcp", from_port=port, to_port=port, **_range(name, cidr)
        )
        for scheme, port in ports.items()
        for name, cidr in ranges.items()
    }


def _range(name: str, cidr: Value[str]) -> dict[str, Any]:
    return {"cidr_ipv6" if name.startswith("ipv6-") else "cidr_ipv4": cidr}


def to_instances_rule(
    port: Value[int], *, source_id: pulumi.Input[str], instances_id: pulumi.Input[str]
) -> aws.vpc.SecurityGroupEgressRuleArgs:
    """The load balancer talks to the instances' port and to nothing else."""
    return aws.vpc.SecurityGroupEgressRuleArgs(
        security_group_id=source_id,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=instances_id,
    )


def from_load_balancer_rule(
    port: Value[int], *, source_id: pulumi.Input[str], instances_id: pulumi.Input[str]
) -> aws.vpc.SecurityGroupIngressRuleArgs:
    """The instances take requests from the load balancer and from nobody else."""
    return aws.vpc.SecurityGroupIngressRuleArgs(
        security_group_id=instances_id,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=source_id,
    )
