"""A global external application load balancer in front of a group: HTTPS where there is a certificate."""

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.schema.gcp import GcpLoadBalancer

SCHEME = "EXTERNAL_MANAGED"


def scheme_of(balancer: GcpLoadBalancer) -> str:
    """Scheme of the load balancer's address."""
    return "https" if balancer.certificate is not None else "http"


def backend_service_args(
    balancer: GcpLoadBalancer, *, group: pulumi.Input[str], health_check: pulumi.Input[str], description: str
) -> gcp.compute.BackendServiceArgs:
    """Where the load balancer finds the instances, and when it takes one for full."""
    rate = balancer.max_rate_per_instance
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
        connection_draining_timeout_sec=balancer.deregistration_delay_seconds,
        timeout_sec=balancer.response_timeout_seconds,
        security_policy=balancer.security_policy,
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
