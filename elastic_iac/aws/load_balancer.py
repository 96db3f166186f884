"""An application load balancer in front of a group: HTTPS where there is a certificate, and nothing but it reaches the instances."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.args import AwsLoadBalancer
from elastic_iac.validation import (
    CERTIFICATE_ARN,
    IPV4_RANGE,
    PORT,
    SUBNET_ID,
    boolean,
    checked,
    checked_list,
    list_of,
    matching,
    plain_list,
    refuse_unknown,
    whole,
)
from forecasting.errors import SettingsError

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""

_PATH = matching(r"/[\x21-\x7e]{0,1023}", "a path that begins with '/'")


@dataclass(frozen=True)
class LoadBalancer:
    """The checked arguments of a load balancer, its target group and its listeners."""

    instance_port: pulumi.Output[int]
    certificate_arn: pulumi.Output[str] | None
    subnet_ids: pulumi.Output[list[pulumi.Output[str]]] | None
    internal: pulumi.Output[bool]
    ingress: dict[str, pulumi.Output[str]]
    """IPv4 ranges that may reach it, by a name that does not depend on their order."""
    health_check: aws.lb.TargetGroupHealthCheckArgs
    deregistration_delay_seconds: pulumi.Output[int]
    idle_timeout_seconds: pulumi.Output[int]
    deletion_protection: pulumi.Output[bool]

    @property
    def scheme(self) -> str:
        """How the load balancer is called."""
        return "https" if self.certificate_arn is not None else "http"

    @property
    def public_ports(self) -> dict[str, int]:
        """Ports it listens on, by scheme."""
        return {"http": 80, "https": 443} if self.certificate_arn is not None else {"http": 80}


def settle_load_balancer(given: AwsLoadBalancer) -> LoadBalancer:
    """Check the arguments of a load balancer.

    Raises:
        SettingsError: the first wrong literal.
    """
    at = "load_balancer"
    refuse_unknown(at, given, AwsLoadBalancer)
    certificate, subnets = given.get("certificate_arn"), given.get("subnet_ids")
    two_zones = list_of(
        SUBNET_ID, at_least=2, expected="two or more different subnets, in different Availability Zones"
    )
    return LoadBalancer(
        instance_port=checked(f"{at}.instance_port", given["instance_port"], PORT),
        certificate_arn=None if certificate is None else checked(f"{at}.certificate_arn", certificate, CERTIFICATE_ARN),
        subnet_ids=None if subnets is None else checked(f"{at}.subnet_ids", subnets, two_zones),
        internal=checked(f"{at}.internal", given.get("internal", False), boolean),
        ingress=_ingress(f"{at}.ingress_cidrs", given.get("ingress_cidrs", ["0.0.0.0/0"])),
        health_check=_health_check(at, given),
        deregistration_delay_seconds=checked(
            f"{at}.deregistration_delay_seconds", given.get("deregistration_delay_seconds", 60), whole(0, 3600)
        ),
        idle_timeout_seconds=checked(
            f"{at}.idle_timeout_seconds", given.get("idle_timeout_seconds", 60), whole(1, 4000)
        ),
        deletion_protection=checked(f"{at}.deletion_protection", given.get("deletion_protection", False), boolean),
    )


def _ingress(field: str, cidrs: object) -> dict[str, pulumi.Output[str]]:
    """Ranges by name: a rule that is named by its place would turn into its neighbour, which AWS refuses as a duplicate."""
    ranges = checked_list(field, cidrs, IPV4_RANGE)
    names = [
        re.sub(r"[^0-9]+", "-", cidr) if isinstance(cidr, str) else f"output-{index}"
        for index, cidr in enumerate(plain_list(field, cidrs))
    ]
    if len(set(names)) < len(names):
        raise SettingsError(field, cidrs, "different ranges")
    return dict(zip(names, ranges, strict=True))


def _health_check(at: str, given: AwsLoadBalancer) -> aws.lb.TargetGroupHealthCheckArgs:
    interval = checked(
        f"{at}.health_check_interval_seconds", given.get("health_check_interval_seconds", 15), whole(5, 300)
    )
    return aws.lb.TargetGroupHealthCheckArgs(
        path=checked(f"{at}.health_check_path", given.get("health_check_path", "/"), _PATH),
        protocol="HTTP",
        matcher="200",
        interval=interval,
        timeout=interval.apply(lambda seconds: min(5, seconds - 1)),  # the timeout must be shorter than the interval
        healthy_threshold=2,
        unhealthy_threshold=3,
    )


def name_prefix(name: str) -> str:
    """The six characters that AWS leaves for a prefix: its names end at 32, where automatic naming would refuse a longer component's name."""
    return re.sub(r"[^a-z0-9-]", "", name.lower())[:5].strip("-") + "-"


def load_balancer_args(
    name: str,
    settled: LoadBalancer,
    *,
    security_group_id: pulumi.Input[str],
    subnet_ids: pulumi.Output[list[pulumi.Output[str]]],
    tags: pulumi.Output[Mapping[str, str]],
) -> aws.lb.LoadBalancerArgs:
    """The load balancer, in its own subnets or the group's."""
    return aws.lb.LoadBalancerArgs(
        name_prefix=name_prefix(name),
        load_balancer_type="application",
        internal=settled.internal,
        security_groups=[security_group_id],
        subnets=settled.subnet_ids if settled.subnet_ids is not None else subnet_ids,
        idle_timeout=settled.idle_timeout_seconds,
        drop_invalid_header_fields=True,
        enable_deletion_protection=settled.deletion_protection,
        tags=tags,
    )


def target_group_args(
    name: str, settled: LoadBalancer, *, vpc_id: pulumi.Input[str], tags: pulumi.Output[Mapping[str, str]]
) -> aws.lb.TargetGroupArgs:
    """Where the load balancer finds the instances."""
    return aws.lb.TargetGroupArgs(
        name_prefix=name_prefix(name),
        port=settled.instance_port,
        protocol="HTTP",
        target_type="instance",
        vpc_id=vpc_id,
        health_check=settled.health_check,
        deregistration_delay=settled.deregistration_delay_seconds,
        tags=tags,
    )


def listener_args(
    settled: LoadBalancer, *, load_balancer_arn: pulumi.Input[str], target_group_arn: pulumi.Input[str]
) -> dict[str, aws.lb.ListenerArgs]:
    """Listeners by scheme: what forwards, and with a certificate what sends HTTP there."""
    forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=target_group_arn)
    if settled.certificate_arn is None:
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
            certificate_arn=settled.certificate_arn,
            ssl_policy=TLS_POLICY,
            default_actions=[forward],
        ),
        "http": aws.lb.ListenerArgs(
            load_balancer_arn=load_balancer_arn, port=80, protocol="HTTP", default_actions=[redirect]
        ),
    }
