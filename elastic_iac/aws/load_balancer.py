"""An application load balancer in front of a group: HTTPS where there is a certificate, and nothing but it reaches the instances."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import security_groups
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.aws import AwsLoadBalancer, Subnets
from elastic_iac.common.schema.base import Tags, Value

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""


def scheme_of(balancer: AwsLoadBalancer) -> str:
    """Scheme of the load balancer's address."""
    return "https" if balancer.certificate_arn is not None else "http"


def public_ports(balancer: AwsLoadBalancer) -> dict[str, int]:
    """Ports of the load balancer, by scheme."""
    return {"http": 80, "https": 443} if balancer.certificate_arn is not None else {"http": 80}


def ingress_ranges(balancer: AwsLoadBalancer) -> dict[str, Value[str]]:
    """Ranges by name: a rule that is named by its place would turn into its neighbour, which AWS refuses as a duplicate."""
    six = balancer.ingress_ipv6_cidrs if balancer.ip_address_type == "dualstack" else []
    return {**_named_ranges("", balancer.ingress_cidrs), **_named_ranges("ipv6-", six)}


def _named_ranges(prefix: str, cidrs: Sequence[Value[str]]) -> dict[str, Value[str]]:
    return {
        prefix + (re.sub(r"[^0-9a-f]+", "-", cidr.lower()) if isinstance(cidr, str) else f"output-{index}"): cidr
        for index, cidr in enumerate(cidrs)
    }


def check_load_balancer(balancer: AwsLoadBalancer, problems: Problems) -> None:
    """Refuse ranges that are there twice, and IPv6 ranges of a load balancer without such addresses."""
    for field, cidrs in (
        ("ingress_cidrs", balancer.ingress_cidrs),
        ("ingress_ipv6_cidrs", balancer.ingress_ipv6_cidrs),
    ):
        literals = [cidr for cidr in cidrs if isinstance(cidr, str)]
        if len(set(literals)) < len(literals):
            problems.refuse(f"load_balancer.{field}", literals, "different ranges")
    if "ingress_ipv6_cidrs" in balancer.model_fields_set and balancer.ip_address_type == "ipv4":
        problems.refuse("load_balancer.ingress_ipv6_cidrs", "given", "nothing without ip_address_type 'dualstack'")


def _health_check(balancer: AwsLoadBalancer) -> aws.lb.TargetGroupHealthCheckArgs:
    interval = balancer.health_check_interval_seconds
    return aws.lb.TargetGroupHealthCheckArgs(
        path=balancer.health_check_path,
        protocol="HTTP",
        matcher=balancer.health_check_matcher,
        interval=interval,
        timeout=lift(lambda seconds: min(5, seconds - 1), interval),  # the timeout must be shorter than the interval
        healthy_threshold=2,
        unhealthy_threshold=3,
    )


_PREFIX_CHARACTERS = 5
_NAMED_ONCE = pulumi.ResourceOptions(ignore_changes=["namePrefix"])
"""A load balancer or target group of another name is another one, with another address."""


def name_prefix(name: str) -> str:
    """Return the six characters that AWS leaves for a prefix: its names end at 32, where automatic naming would refuse a longer component's name.

    The end of a name distinguishes it, since its beginning is often the environment's: `prod-web` becomes `p-web-`.
    """
    prefix = ""
    for word in reversed(re.sub(r"[^a-z0-9-]", "", name.lower()).split("-")):
        room = _PREFIX_CHARACTERS - len(prefix) - bool(prefix)
        if word and room > 0:
            prefix = f"{word[:room]}-{prefix}" if prefix else word[:room]
    return prefix + "-"


def load_balancer_args(
    name: str,
    balancer: AwsLoadBalancer,
    *,
    security_group_id: pulumi.Input[str],
    subnet_ids: Subnets,
    tags: Tags,
) -> aws.lb.LoadBalancerArgs:
    """The load balancer, in its own subnets or the group's."""
    return aws.lb.LoadBalancerArgs(
        name_prefix=name_prefix(name),
        load_balancer_type="application",
        internal=balancer.internal,
        ip_address_type=None if balancer.ip_address_type == "ipv4" else balancer.ip_address_type,
        security_groups=[security_group_id],
        subnets=balancer.subnet_ids if balancer.subnet_ids is not None else subnet_ids,
        idle_timeout=balancer.idle_timeout_seconds,
        drop_invalid_header_fields=True,
        enable_deletion_protection=balancer.deletion_protection,
        tags=tags,
    )


def target_group_args(
    name: str, balancer: AwsLoadBalancer, *, vpc_id: pulumi.Input[str], tags: Tags
) -> aws.lb.TargetGroupArgs:
    """Where the load balancer finds the instances."""
    return aws.lb.TargetGroupArgs(
        name_prefix=name_prefix(name),
        port=balancer.instance_port,
        protocol="HTTP",
        target_type="instance",
        vpc_id=vpc_id,
        health_check=_health_check(balancer),
        deregistration_delay=balancer.deregistration_delay_seconds,
        tags=tags,
    )


def listener_args(
    balancer: AwsLoadBalancer, *, load_balancer_arn: pulumi.Input[str], target_group_arn: pulumi.Input[str]
) -> dict[str, aws.lb.ListenerArgs]:
    """Listeners by scheme: what forwards, and with a certificate what sends HTTP there."""
    forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=target_group_arn)
    if balancer.certificate_arn is None:
        return {
            "http": aws.lb.ListenerArgs(
                load_balancer_arn=load_balancer_arn, port=80, protocol="HTTP", default_actions=[forward]
            )
        }
    redirect = aws.lb.ListenerDefaultActionArgs(
        type="redirect",
        redirect=aws.lb.ListenerDefaultActionRedirectArgs(port="443", protocol="HTTPS", status_code="HTTP_301"),
    )
    return {
        "https": aws.lb.ListenerArgs(
            load_balancer_arn=load_balancer_arn,
            port=443,
            protocol="HTTPS",
            certificate_arn=balancer.certificate_arn,
            ssl_policy=TLS_POLICY,
            default_actions=[forward],
        ),
        "http": aws.lb.ListenerArgs(
            load_balancer_arn=load_balancer_arn, port=80, protocol="HTTP", default_actions=[redirect]
        ),
    }


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
    balancer: AwsLoadBalancer,
    *,
    instances: aws.ec2.SecurityGroup,
    vpc_id: pulumi.Input[str],
    subnet_ids: Subnets,
    tags: Tags,
    child: pulumi.ResourceOptions,
) -> Front:
    """Declare the load balancer of the group `name`, in its own subnets or the group's; nothing but it reaches the instances."""
    public = security_groups.declare_security_group(
        f"{name}-load-balancer", "Load balancer of an Auto Scaling group", vpc_id=vpc_id, tags=tags, child=child
    )
    for rule, rule_args in security_groups.public_rules(
        public_ports(balancer), ingress_ranges(balancer), public.id
    ).items():
        aws.vpc.SecurityGroupIngressRule(f"{name}-load-balancer-in-{rule}", rule_args, child)
    ends = {"source_id": public.id, "instances_id": instances.id}
    to_instances = security_groups.to_instances_rule(balancer.instance_port, **ends)
    aws.vpc.SecurityGroupEgressRule(f"{name}-load-balancer-out", to_instances, child)
    from_balancer = security_groups.from_load_balancer_rule(balancer.instance_port, **ends)
    aws.vpc.SecurityGroupIngressRule(f"{name}-instances-in", from_balancer, child)
    load_balancer = aws.lb.LoadBalancer(
        f"{name}-load-balancer",
        load_balancer_args(name, balancer, security_group_id=public.id, subnet_ids=subnet_ids, tags=tags),
        pulumi.ResourceOptions.merge(child, _NAMED_ONCE),
    )
    target_group = aws.lb.TargetGroup(
        f"{name}-target-group",
        target_group_args(name, balancer, vpc_id=vpc_id, tags=tags),
        pulumi.ResourceOptions.merge(child, _NAMED_ONCE),
    )
    listeners = listener_args(balancer, load_balancer_arn=load_balancer.arn, target_group_arn=target_group.arn)
    return Front(
        scheme=scheme_of(balancer),
        load_balancer=load_balancer,
        target_group=target_group,
        listeners=[aws.lb.Listener(f"{name}-{scheme}", args, child) for scheme, args in listeners.items()],
    )
