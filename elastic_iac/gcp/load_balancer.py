"""A global external application load balancer in front of a group: HTTPS where there is a certificate."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.validation import PORT, checked, matching, number, refuse_unknown, whole
from elastic_iac.gcp.args import GcpLoadBalancer
from elastic_iac.gcp.health import INTERVAL_SECONDS, PATH, HealthCheck

SCHEME = "EXTERNAL_MANAGED"

_HOST = r"(https://www\.googleapis\.com/compute/v1/)?"
_CERTIFICATE = matching(
    _HOST + r"projects/[^/\s]+/global/sslCertificates/[^/\s]+",
    "a certificate, 'projects/PROJECT/global/sslCertificates/NAME'",
)
_SECURITY_POLICY = matching(
    _HOST + r"projects/[^/\s]+/global/securityPolicies/[^/\s]+",
    "a Cloud Armor policy, 'projects/PROJECT/global/securityPolicies/NAME'",
)


@dataclass(frozen=True)
class LoadBalancer:
    """The checked arguments of a load balancer."""

    instance_port: pulumi.Output[int]
    certificate: pulumi.Output[str] | None
    max_rate_per_instance: pulumi.Output[float] | None
    security_policy: pulumi.Output[str] | None
    health_check: HealthCheck
    deregistration_delay_seconds: pulumi.Output[int]
    response_timeout_seconds: pulumi.Output[int]

    @property
    def scheme(self) -> str:
        """How the load balancer is called."""
        return "https" if self.certificate is not None else "http"


def settle_load_balancer(given: GcpLoadBalancer) -> LoadBalancer:
    """Check the arguments of a load balancer.

    Raises:
        SettingsError: the first wrong literal.
    """
    at = "load_balancer"
    refuse_unknown(at, given, GcpLoadBalancer)
    certificate, policy, rate = (
        given.get("certificate"),
        given.get("security_policy"),
        given.get("max_rate_per_instance"),
    )
    port = checked(f"{at}.instance_port", given["instance_port"], PORT)
    return LoadBalancer(
        instance_port=port,
        certificate=None if certificate is None else checked(f"{at}.certificate", certificate, _CERTIFICATE),
        max_rate_per_instance=None if rate is None else checked(f"{at}.max_rate_per_instance", rate, number(0, 1e6)),
        security_policy=None if policy is None else checked(f"{at}.security_policy", policy, _SECURITY_POLICY),
        health_check=HealthCheck(
            port=port,
            path=checked(f"{at}.health_check_path", given.get("health_check_path", "/"), PATH),
            interval_seconds=checked(
                f"{at}.health_check_interval_seconds", given.get("health_check_interval_seconds", 15), INTERVAL_SECONDS
            ),
        ),
        deregistration_delay_seconds=checked(
            f"{at}.deregistration_delay_seconds", given.get("deregistration_delay_seconds", 60), whole(0, 3600)
        ),
        response_timeout_seconds=checked(
            f"{at}.response_timeout_seconds", given.get("response_timeout_seconds", 60), whole(1, 86_400)
        ),
    )


def backend_service_args(
    settled: LoadBalancer, *, group: pulumi.Input[str], health_check: pulumi.Input[str], description: str
) -> gcp.compute.BackendServiceArgs:
    """Where the load balancer finds the instances, and when it takes one for full."""
    rate = settled.max_rate_per_instance
    backend = (
        gcp.compute.BackendServiceBackendArgs(group=group, balancing_mode="UTILIZATION", max_utilization=0.8)
        if rate is None
        else gcp.compute.BackendServiceBackendArgs(group=group, balancing_mode="RATE", max_rate_per_instance=rate)
    )
    return gcp.compute.BackendServiceArgs(
        description=description,
        load_balancing_scheme=SCHEME,
        protocol="HTTP",
        port_name="http",
        backends=[backend],
        health_checks=health_check,
        connection_draining_timeout_sec=settled.deregistration_delay_seconds,
        timeout_sec=settled.response_timeout_seconds,
        security_policy=settled.security_policy,
    )


def redirect_args() -> gcp.compute.URLMapArgs:
    """What sends HTTP to HTTPS."""
    return gcp.compute.URLMapArgs(
        default_url_redirect=gcp.compute.URLMapDefaultUrlRedirectArgs(
            https_redirect=True, strip_query=False, redirect_response_code="MOVED_PERMANENTLY_DEFAULT"
        )
    )


def tls_policy_args() -> gcp.compute.SSLPolicyArgs:
    """TLS 1.2 and 1.3 with the ciphers of today.

    https://cloud.google.com/load-balancing/docs/ssl-policies-concepts
    """
    return gcp.compute.SSLPolicyArgs(profile="MODERN", min_tls_version="TLS_1_2")


def address_args(description: str) -> gcp.compute.GlobalAddressArgs:
    """The address that both ports share, for a DNS record that stays."""
    return gcp.compute.GlobalAddressArgs(description=description, address_type="EXTERNAL", ip_version="IPV4")


def forwarding_rule_args(
    target: pulumi.Input[str], port: int, address: pulumi.Input[str]
) -> gcp.compute.GlobalForwardingRuleArgs:
    """One port of the address, to a proxy."""
    return gcp.compute.GlobalForwardingRuleArgs(
        target=target, port_range=str(port), ip_address=address, ip_protocol="TCP", load_balancing_scheme=SCHEME
    )
