"""A load balancer declared in front of a group: its security groups' rules, target group and listeners."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import load_balancer as load_balancers
from elastic_iac.aws import security_groups


@dataclass(frozen=True)
class Front:
    """A load balancer with its target group; instances are reachable once `listeners` stand."""

    scheme: str
    load_balancer: aws.lb.LoadBalancer
    target_group: aws.lb.TargetGroup
    listeners: list[aws.lb.Listener]

    @property
    def url(self) -> pulumi.Output[str]:
        """Where it answers, without a path."""
        return self.load_balancer.dns_name.apply(lambda host: f"{self.scheme}://{host}")

    @property
    def resource_label(self) -> pulumi.Output[str]:
        """What a policy on requests per target calls it."""
        return pulumi.Output.concat(self.load_balancer.arn_suffix, "/", self.target_group.arn_suffix)


def declare_front(
    name: str,
    balancer: load_balancers.LoadBalancer,
    *,
    instances: aws.ec2.SecurityGroup,
    vpc_id: pulumi.Input[str],
    subnet_ids: pulumi.Output[list[pulumi.Output[str]]],
    tags: pulumi.Output[Mapping[str, str]],
    child: pulumi.ResourceOptions,
) -> Front:
    """Declare the load balancer of the group `name`, in its own subnets or the group's; nothing but it reaches the instances."""
    public = security_groups.declare_security_group(
        f"{name}-load-balancer", f"Load balancer of {name}", vpc_id=vpc_id, tags=tags, child=child
    )
    for rule, rule_args in security_groups.public_rules(balancer, public.id).items():
        aws.vpc.SecurityGroupIngressRule(f"{name}-load-balancer-in-{rule}", rule_args, child)
    ends = {"source_id": public.id, "instances_id": instances.id}
    to_instances = security_groups.to_instances_rule(balancer, **ends)
    aws.vpc.SecurityGroupEgressRule(f"{name}-load-balancer-out", to_instances, child)
    from_balancer = security_groups.from_load_balancer_rule(balancer, **ends)
    aws.vpc.SecurityGroupIngressRule(f"{name}-instances-in", from_balancer, child)
    load_balancer = aws.lb.LoadBalancer(
        f"{name}-load-balancer",
        load_balancers.load_balancer_args(
            name, balancer, security_group_id=public.id, subnet_ids=subnet_ids, tags=tags
        ),
        child,
    )
    target_group = aws.lb.TargetGroup(
        f"{name}-target-group",
        load_balancers.target_group_args(name, balancer, vpc_id=vpc_id, tags=tags),
        child,
    )
    listeners = load_balancers.listener_args(
        balancer, load_balancer_arn=load_balancer.arn, target_group_arn=target_group.arn
    )
    return Front(
        scheme=balancer.scheme,
        load_balancer=load_balancer,
        target_group=target_group,
        listeners=[aws.lb.Listener(f"{name}-{scheme}", args, child) for scheme, args in listeners.items()],
    )
