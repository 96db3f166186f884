"""Security groups: the world reaches the load balancer, the load balancer the instances, the instances anyone."""

import pulumi
import pulumi_aws as aws

from elastic_iac.common.schema.base import Tags, Value


def declare_instances(
    name: str,
    description: str,
    vpc_id: Value[str],
    tags: Tags,
    child: pulumi.ResourceOptions,
    *,
    nodes_talk: bool = False,
) -> tuple[aws.ec2.SecurityGroup, list[pulumi.Resource]]:
    """Declare the security group of the instances of the group `name`, and the rules without which they reach nothing.

    They fetch packages, models and messages from wherever the VPC's routes lead. With `nodes_talk` they reach each other: trainers' nodes do,
    and Elastic Fabric Adapters talk only within a security group that lets all of itself in and out.
    """
    instances = aws.ec2.SecurityGroup(f"{name}-instances", child, vpc_id=vpc_id, description=description, tags=tags)
    rules: list[pulumi.Resource] = [
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-instances-out-all-ipv4",
            child,
            security_group_id=instances.id,
            ip_protocol="-1",
            cidr_ipv4="0.0.0.0/0",
        ),
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-instances-out-all-ipv6", child, security_group_id=instances.id, ip_protocol="-1", cidr_ipv6="::/0"
        ),
    ]
    if nodes_talk:
        rules += [
            rule(
                f"{name}-instances-{direction}-fabric",
                child,
                security_group_id=instances.id,
                ip_protocol="-1",
                referenced_security_group_id=instances.id,
            )
            for rule, direction in ((aws.vpc.SecurityGroupIngressRule, "in"), (aws.vpc.SecurityGroupEgressRule, "out"))
        ]
    return instances, rules
