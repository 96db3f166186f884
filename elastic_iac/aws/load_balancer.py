"""An application load balancer in front of a group: HTTPS where there is a certificate, and nothing but it reaches the instances."""

import re
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.aws import AwsLoadBalancer, Subnets
from elastic_iac.common.schema.base import Tags, Value

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""


def check_load_balancer(balancer: AwsLoadBalancer, problems: Problems) -> None:
    """Refuse ranges that are there twice, and IPv6 ranges of a load balancer without such addresses."""
    for field in ("ingress_cidrs", "ingress_ipv6_cidrs"):
        literals = [cidr for cidr in getattr(balancer, field) if isinstance(cidr, str)]
        if len(set(literals)) < len(literals):
            problems.refuse(f"load_balancer.{field}", literals, "different ranges")
    if "ingress_ipv6_cidrs" in balancer.model_fields_set and balancer.ip_address_type == "ipv4":
        problems.refuse("load_balancer.ingress_ipv6_cidrs", "given", "nothing without ip_address_type 'dualstack'")


def _ingress(balancer: AwsLoadBalancer) -> dict[str, dict[str, Any]]:
    """Ranges by name: a rule that is named by its place would turn into its neighbour, which AWS refuses as a duplicate."""
    ranges = {"cidr_ipv4": balancer.ingress_cidrs, "cidr_ipv6": balancer.ingress_ipv6_cidrs}
    if balancer.ip_address_type == "ipv4":
        del ranges["cidr_ipv6"]
    named: dict[str, dict[str, Any]] = {}
    for kind, cidrs in ranges.items():
        for index, cidr in enumerate(cidrs):
            name = re.sub(r"[^0-9a-f]+", "-", cidr.lower()) if isinstance(cidr, str) else f"output-{index}"
            named[name if kind == "cidr_ipv4" else f"ipv6-{name}"] = {kind: cidr}
    return named


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
    vpc_id: Value[str],
    subnet_ids: Subnets,
    tags: Tags,
    child: pulumi.ResourceOptions,
) -> Front:
    """Declare the load balancer of the group `name`, in its own subnets or the group's; nothing but it reaches the instances."""
    public = aws.ec2.SecurityGroup(
        f"{name}-load-balancer", child, vpc_id=vpc_id, description="Load balancer of an Auto Scaling group", tags=tags
    )
    _declare_rules(name, balancer, public, instances, child)
    load_balancer = aws.lb.LoadBalancer(
        f"{name}-load-balancer",
        pulumi.ResourceOptions.merge(child, _NAMED_ONCE),
        name_prefix=name_prefix(name),
        load_balancer_type="application",
        internal=balancer.internal,
        ip_address_type=None if balancer.ip_address_type == "ipv4" else balancer.ip_address_type,
        security_groups=[public.id],
        subnets=balancer.subnet_ids if balancer.subnet_ids is not None else subnet_ids,
        idle_timeout=balancer.idle_timeout_seconds,
        drop_invalid_header_fields=True,
        enable_deletion_protection=balancer.deletion_protection,
        tags=tags,
    )
    target_group = _declare_target_group(name, balancer, vpc_id, tags, child)
    listeners = _declare_listeners(name, balancer, load_balancer, target_group, child)
    return Front(next(iter(listeners)), load_balancer, target_group, list(listeners.values()))


def _declare_rules(
    name: str,
    balancer: AwsLoadBalancer,
    public: aws.ec2.SecurityGroup,
    instances: aws.ec2.SecurityGroup,
    child: pulumi.ResourceOptions,
) -> None:
    """The ranges reach the load balancer, and only the load balancer the instances, at their port."""
    ports = {"http": 80} if balancer.certificate_arn is None else {"http": 80, "https": 443}
    for scheme, port in ports.items():
        for key, cidr in _ingress(balancer).items():
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-load-balancer-in-{scheme}-{key}",
                child,
                security_group_id=public.id,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                **cidr,
            )
    for rule, suffix, own, other in (
        (aws.vpc.SecurityGroupEgressRule, "load-balancer-out", public, instances),
        (aws.vpc.SecurityGroupIngressRule, "instances-in", instances, public),
    ):
        rule(
            f"{name}-{suffix}",
            child,
            security_group_id=own.id,
            ip_protocol="tcp",
            from_port=balancer.instance_port,
            to_port=balancer.instance_port,
            referenced_security_group_id=other.id,
        )


def _declare_target_group(
    name: str, balancer: AwsLoadBalancer, vpc_id: Value[str], tags: Tags, child: pulumi.ResourceOptions
) -> aws.lb.TargetGroup:
    interval = balancer.health_check_interval_seconds
    return aws.lb.TargetGroup(
        f"{name}-target-group",
        pulumi.ResourceOptions.merge(child, _NAMED_ONCE),
        name_prefix=name_prefix(name),
        port=balancer.instance_port,
        protocol="HTTP",
        target_type="instance",
        vpc_id=vpc_id,
        health_check={
            "path": balancer.health_check_path,
            "protocol": "HTTP",
            "matcher": balancer.health_check_matcher,
            "interval": interval,
            "timeout": lift(lambda seconds: min(5, seconds - 1), interval),  # it must be shorter than the interval
            "healthy_threshold": 2,
            "unhealthy_threshold": 3,
        },
        deregistration_delay=balancer.deregistration_delay_seconds,
        tags=tags,
    )


def _declare_listeners(
    name: str,
    balancer: AwsLoadBalancer,
    load_balancer: aws.lb.LoadBalancer,
    target_group: aws.lb.TargetGroup,
    child: pulumi.ResourceOptions,
) -> dict[str, aws.lb.Listener]:
    """Listeners by scheme: what forwards first, and with a certificate what redirects HTTP there."""
    secure = balancer.certificate_arn is not None
    forward: Any = {"type": "forward", "target_group_arn": target_group.arn}
    redirect: Any = {
        "type": "redirect",
        "redirect": {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"},
    }
    http = aws.lb.Listener(
        f"{name}-http",
        child,
        load_balancer_arn=load_balancer.arn,
        port=80,
        protocol="HTTP",
        default_actions=[redirect if secure else forward],
    )
    if not secure:
        return {"http": http}
    https = aws.lb.Listener(
        f"{name}-https",
        child,
        load_balancer_arn=load_balancer.arn,
        port=443,
        protocol="HTTPS",
        certificate_arn=balancer.certificate_arn,
        ssl_policy=TLS_POLICY,
        default_actions=[forward],
    )
    return {"https": https, "http": http}
