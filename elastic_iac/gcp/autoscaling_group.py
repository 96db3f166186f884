"""A managed instance group whose floor a forecast moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.fleet import fleet_json
from elastic_iac.gcp import autoscaler as autoscalers
from elastic_iac.gcp import group as groups
from elastic_iac.gcp import health, identity
from elastic_iac.gcp import image as images
from elastic_iac.gcp import instance_template as templates
from elastic_iac.gcp import load_balancer as load_balancers
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpForecast
from elastic_iac.gcp.fleet import check_fleet, fleet_settings
from elastic_iac.validation import (
    checked,
    matching,
    number,
    plain_map,
    refuse_unknown,
    text_map,
    without_none,
)

__all__ = ["GcpAutoscalingGroup", "GcpAutoscalingGroupArgs"]

NAME = matching(
    r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
    "1 to 40 lower-case letters, digits and inner hyphens, a letter first: it becomes part of names in the cloud",
)
_HOST = r"(https://www\.googleapis\.com/compute/v1/)?"
_NETWORK = matching(
    _HOST + r"projects/[^/\s]+/global/networks/[a-z0-9-]+", "a network, 'projects/PROJECT/global/networks/NAME'"
)
_SUBNETWORK = matching(
    _HOST + r"projects/[^/\s]+/regions/[a-z0-9-]+/subnetworks/[a-z0-9-]+",
    "a subnetwork, 'projects/PROJECT/regions/REGION/subnetworks/NAME'",
)
_ROLE = matching(r"(roles|(projects|organizations)/[^/\s]+/roles)/[\w.]+", "a role, 'roles/...'")

Manager = gcp.compute.RegionInstanceGroupManager | gcp.compute.InstanceGroupManager
Autoscaler = gcp.compute.RegionAutoscaler | gcp.compute.Autoscaler


@dataclass(frozen=True)
class _Settled:
    """All arguments, checked; made before anything is registered."""

    network: pulumi.Output[str]
    subnetwork: pulumi.Output[str]
    image: images.Image
    launch: templates.Launch
    group: groups.Group
    autoscaler: autoscalers.Autoscaler
    health_check: health.HealthCheck | None
    load_balancer: load_balancers.LoadBalancer | None
    roles: dict[str, pulumi.Output[str]]
    labels: pulumi.Output[Mapping[str, str]]
    unique_id: str


def _settle(name: str, args: GcpAutoscalingGroupArgs) -> _Settled:
    NAME("name", name)
    refuse_unknown("", args, GcpAutoscalingGroupArgs)
    forecast, balancer = args["forecast"], args.get("load_balancer")
    refuse_unknown("forecast", forecast, GcpForecast)
    unique_id = identity.unique_id(name)
    settled = _Settled(
        network=checked("network", args["network"], _NETWORK),
        subnetwork=checked("subnetwork", args["subnetwork"], _SUBNETWORK),
        image=images.settle_image(args),
        launch=templates.settle_launch(args),
        load_balancer=None if balancer is None else load_balancers.settle_load_balancer(balancer),
        group=groups.settle_group(args),
        autoscaler=autoscalers.settle_autoscaler(args),
        health_check=health.settle_health_check(args),
        roles={
            key: checked(f"instance_roles.{key}", role, _ROLE)
            for key, role in plain_map("instance_roles", args.get("instance_roles", {})).items()
        },
        labels=checked("labels", args.get("labels", {}), text_map).apply(
            lambda labels: {**labels, templates.FLEET_LABEL: unique_id}
        ),
        unique_id=unique_id,
    )
    if "saturated_cpu_percent" in forecast:
        checked("forecast.saturated_cpu_percent", forecast["saturated_cpu_percent"], number(0, 100))
    check_fleet(name, args)
    return settled


@dataclass(frozen=True)
class _Front:
    """A load balancer: its address and its backend service; utilisation is measured once `rules` stand."""

    address: gcp.compute.GlobalAddress
    backend_service: gcp.compute.BackendService
    rules: list[gcp.compute.GlobalForwardingRule]


class GcpAutoscalingGroup(pulumi.ComponentResource):
    """A managed instance group under an autoscaler, whose floor a forecasting job raises ahead of the load by scaling schedules.

    Instances are shielded VMs without a public address, with a service account of their own and OS Login; a global external application load
    balancer may stand in front. The autoscaler's schedules are the job's and are left alone by updates; `fleet` is what the job reads.
    """

    group_name: pulumi.Output[str]
    """Name of the managed instance group."""
    group_self_link: pulumi.Output[str]
    """Link of the managed instance group."""
    instance_group: pulumi.Output[str]
    """Link of the instance group, for load balancers of yours."""
    autoscaler_name: pulumi.Output[str]
    """Name of the autoscaler."""
    instance_template: pulumi.Output[str]
    """Link of the instance template that the group launches."""
    image: pulumi.Output[str]
    """The image that instances are launched from."""
    service_account_email: pulumi.Output[str]
    """The instances' service account, to grant further roles to."""
    load_balancer_url: pulumi.Output[str | None]
    """Where the load balancer answers, without a path; absent without a load balancer."""
    load_balancer_address: pulumi.Output[str | None]
    """IPv4 address of the load balancer, for a DNS record; absent without one."""
    backend_service_name: pulumi.Output[str | None]
    """Name of the load balancer's backend service; absent without one."""
    fleet: pulumi.Output[str]
    """The group and its forecast settings as JSON, for a forecast job's `fleets`. It changes whenever an update touches the autoscaler."""

    def __init__(self, name: str, args: GcpAutoscalingGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the group and all that it needs.

        Args:
            name: 1 to 40 lower-case letters, digits and inner hyphens, a letter first; also the fleet's name.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            SettingsError: a literal argument is wrong; nothing has been registered then.
        """
        args = without_none(args)
        settled = _settle(name, args)
        super().__init__("elastic-iac:index:GcpAutoscalingGroup", name, {}, opts)
        self._prefix = name
        self._child = pulumi.ResourceOptions(parent=self)

        account, roles = self._identity(settled)
        self._firewall(settled, account)
        template = self._template(settled, account, roles)
        group = self._group(settled, template)
        balancer = settled.load_balancer
        front = None if balancer is None else self._front(balancer, group)
        autoscaler = self._autoscaler(settled, group, front)

        self.group_name, self.group_self_link, self.instance_group = group.name, group.self_link, group.instance_group
        self.autoscaler_name = autoscaler.name
        self.instance_template = template.self_link_unique
        self.image = template.disks.apply(lambda disks: disks[0].source_image or "")
        self.service_account_email = account.email
        self._describe_front(settled, front)
        provider = gcp.organizations.get_client_config_output(opts=pulumi.InvokeOptions(parent=self))
        settings = fleet_settings(
            name,
            args,
            target={
                "project": provider.project,
                "location": settled.group.zone or settled.group.region or provider.region,
                "autoscaler": autoscaler.name,
                "group": group.name,
                "kind": "regional" if settled.group.zone is None else "zonal",
            },
            group_label=settled.unique_id,
            backend_service=front.backend_service.name if front else "",
            revision=autoscalers.policy_revision(settled.autoscaler.policy, group.self_link),
        )
        self.fleet = pulumi.Output.from_input(settings).apply(fleet_json)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _identity(self, settled: _Settled) -> tuple[gcp.serviceaccount.Account, list[gcp.projects.IAMMember]]:
        account = gcp.serviceaccount.Account(
            f"{self._prefix}-instances", identity.account_args(self._prefix, settled.unique_id), self._child
        )
        wanted = {**identity.OBSERVABILITY_ROLES, **settled.roles}
        return account, [
            gcp.projects.IAMMember(
                f"{self._prefix}-instances-{key}",
                identity.role_args(role, project=account.project, member=account.member),
                self._child,
            )
            for key, role in wanted.items()
        ]

    def _firewall(self, settled: _Settled, account: gcp.serviceaccount.Account) -> None:
        balancer, check = settled.load_balancer, settled.health_check
        ports = [part for part in (balancer and balancer.instance_port, check and check.port) if part is not None]
        if ports:
            gcp.compute.Firewall(
                f"{self._prefix}-probes",
                health.firewall_args(
                    ports,
                    network=settled.network,
                    service_account=account.email,
                    description=f"Health checks and the load balancer of {self._prefix}",
                ),
                self._child,
            )

    def _template(
        self, settled: _Settled, account: gcp.serviceaccount.Account, roles: list[gcp.projects.IAMMember]
    ) -> gcp.compute.InstanceTemplate:
        newest = images.resolve_image(settled.image, pulumi.InvokeOptions(parent=self))
        template = gcp.compute.InstanceTemplate(
            f"{self._prefix}-template",
            templates.template_args(
                settled.launch,
                source_image=newest,
                network=settled.network,
                subnetwork=settled.subnetwork,
                service_account=account.email,
                labels=settled.labels,
            ),
            # An instance that boots before its roles are granted loses its first logs.
            pulumi.ResourceOptions(parent=self, depends_on=roles, ignore_changes=settled.image.ignored_changes),
        )
        if settled.image.family is not None:
            images.report_held_image(template, newest, settled.image.family)
        return template

    def _group(self, settled: _Settled, template: gcp.compute.InstanceTemplate) -> Manager:
        name, group, check = self._prefix, settled.group, settled.health_check
        healing = None
        if check is not None:
            healing = gcp.compute.HealthCheck(
                f"{name}-healing", health.health_check_args(check, f"Replaces instances of {name}"), self._child
            )
        shared: Any = groups.group_args(
            name, group, template=template.self_link_unique, health_check=healing.self_link if healing else None
        )
        opts = pulumi.ResourceOptions(parent=self, ignore_changes=groups.SIZE_OF_THE_AUTOSCALER)
        if group.zone is not None:
            return gcp.compute.InstanceGroupManager(f"{name}-group", opts, **shared, zone=group.zone)
        return gcp.compute.RegionInstanceGroupManager(
            f"{name}-group", opts, **shared, region=group.region, distribution_policy_zones=group.zones or None
        )

    def _front(self, balancer: load_balancers.LoadBalancer, group: Manager) -> _Front:
        name = self._prefix
        check = gcp.compute.HealthCheck(
            f"{name}-serving",
            health.health_check_args(balancer.health_check, f"Who gets requests of {name}"),
            self._child,
        )
        service = gcp.compute.BackendService(
            f"{name}-backend",
            load_balancers.backend_service_args(
                balancer,
                group=group.instance_group,
                health_check=check.self_link,
                description=f"Instances of {name}",
            ),
            self._child,
        )
        routes = gcp.compute.URLMap(
            f"{name}-routes", gcp.compute.URLMapArgs(default_service=service.self_link), self._child
        )
        address = gcp.compute.GlobalAddress(
            f"{name}-address", load_balancers.address_args(f"Load balancer of {name}"), self._child
        )
        proxies = self._proxies(balancer, routes)
        ports = {"http": 80, "https": 443}
        rules = [
            gcp.compute.GlobalForwardingRule(
                f"{name}-{scheme}",
                load_balancers.forwarding_rule_args(proxy, ports[scheme], address.address),
                self._child,
            )
            for scheme, proxy in proxies.items()
        ]
        return _Front(address=address, backend_service=service, rules=rules)

    def _proxies(
        self, balancer: load_balancers.LoadBalancer, routes: gcp.compute.URLMap
    ) -> dict[str, pulumi.Output[str]]:
        """Proxies by scheme: what forwards, and with a certificate what sends HTTP there."""
        name, certificate = self._prefix, balancer.certificate
        if certificate is None:
            proxy = gcp.compute.TargetHttpProxy(
                f"{name}-http-proxy", gcp.compute.TargetHttpProxyArgs(url_map=routes.self_link), self._child
            )
            return {"http": proxy.self_link}
        policy = gcp.compute.SSLPolicy(f"{name}-tls", load_balancers.tls_policy_args(), self._child)
        secure = gcp.compute.TargetHttpsProxy(
            f"{name}-https-proxy",
            gcp.compute.TargetHttpsProxyArgs(
                url_map=routes.self_link, ssl_certificates=[certificate], ssl_policy=policy.self_link
            ),
            self._child,
        )
        redirect = gcp.compute.URLMap(f"{name}-redirect", load_balancers.redirect_args(), self._child)
        plain = gcp.compute.TargetHttpProxy(
            f"{name}-http-proxy", gcp.compute.TargetHttpProxyArgs(url_map=redirect.self_link), self._child
        )
        return {"https": secure.self_link, "http": plain.self_link}

    def _autoscaler(self, settled: _Settled, group: Manager, front: _Front | None) -> Autoscaler:
        name, policy = f"{self._prefix}-autoscaler", settled.autoscaler.policy
        given: Any = {"target": group.self_link, "autoscaling_policy": policy}
        opts = pulumi.ResourceOptions(
            parent=self,
            # Its own option, since one on the component would not reach it.
            ignore_changes=autoscalers.SCHEDULES_OF_THE_JOB,
            # Load-balancing utilisation is refused until the group stands behind a load balancer.
            depends_on=front.rules if front else None,
        )
        if settled.group.zone is not None:
            return gcp.compute.Autoscaler(name, opts, **given, zone=settled.group.zone)
        return gcp.compute.RegionAutoscaler(name, opts, **given, region=settled.group.region)

    def _describe_front(self, settled: _Settled, front: _Front | None) -> None:
        if front is None or settled.load_balancer is None:
            nothing: pulumi.Output[str | None] = pulumi.Output.from_input(None)
            self.load_balancer_url = self.load_balancer_address = self.backend_service_name = nothing
            return
        scheme = settled.load_balancer.scheme
        self.load_balancer_url = front.address.address.apply(lambda address: f"{scheme}://{address}")
        self.load_balancer_address = front.address.address.apply(_optional)
        self.backend_service_name = front.backend_service.name.apply(_optional)


def _optional(value: str) -> str | None:
    """An output that is there, in the type of one that may be absent."""
    return value


_OUTPUTS = tuple(GcpAutoscalingGroup.__annotations__)
