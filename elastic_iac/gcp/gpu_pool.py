"""A pool of accelerators whose floor a forecast moves, or whose instances come by request."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.common.validation import without_none
from elastic_iac.gcp.accelerators import FlexStart
from elastic_iac.gcp.autoscaler import policy_revision
from elastic_iac.gcp.children import Autoscaler, Children, Front, Identity, Manager
from elastic_iac.gcp.fleet import fleet_settings
from elastic_iac.gcp.pool import Part, pool_settings, settle_pool
from elastic_iac.gcp.pool_args import GcpGpuPoolArgs
from elastic_iac.gcp.pool_workload import Running

__all__ = ["GcpGpuPool", "GcpGpuPoolArgs"]


@dataclass(frozen=True)
class _Made:
    """What stands for one part of the pool."""

    part: Part
    template: gcp.compute.InstanceTemplate
    group: Manager
    front: Front | None
    autoscaler: Autoscaler | None
    fleet: pulumi.Output[str] | None


class GcpGpuPool(pulumi.ComponentResource):
    """A managed instance group of machines with GPUs, or one for each shard, whose floor a forecasting job raises ahead of the load.

    It is what `GcpAutoscalingGroup` is, with GPUs: on demand, Spot, from a reservation or on nodes of its own. With `flex_start` instances come
    by request of the Dynamic Workload Scheduler instead, without autoscaler and without `fleets`.
    """

    group_name: pulumi.Output[str | None]
    """Name of the managed instance group; absent with `shards`."""
    group_names: pulumi.Output[list[str]]
    """Names of the managed instance groups, one a shard."""
    instance_groups: pulumi.Output[list[str]]
    """Links of the instance groups, for load balancers of yours."""
    autoscaler_names: pulumi.Output[list[str]]
    """Names of the autoscalers, one a group; none with `flex_start`."""
    instance_templates: pulumi.Output[list[str]]
    """Links of the instance templates that the groups launch."""
    image: pulumi.Output[str]
    """The image that instances are launched from."""
    service_account_email: pulumi.Output[str]
    """The instances' service account, to grant further roles to."""
    load_balancer_url: pulumi.Output[str | None]
    """Where the load balancer answers, without a path; absent with `shards` and without `load_balancer`."""
    load_balancer_urls: pulumi.Output[list[str]]
    """Where the load balancers answer, without a path, one a group; none without `load_balancer`."""
    load_balancer_addresses: pulumi.Output[list[str]]
    """IPv4 addresses of the load balancers, for DNS records."""
    resize_requests: pulumi.Output[dict[str, str]]
    """Names in the cloud of the `flex_start` requests, by yours."""
    fleet: pulumi.Output[str | None]
    """The pool and its forecast settings as JSON, for a forecast job's `fleets`; absent with `shards`, `flex_start` or `training`."""
    fleets: pulumi.Output[list[str]]
    """The same for each group: of a pool one, of `shards` one each, of `flex_start` and `training` none. They change with every update of an
    autoscaler."""

    def __init__(self, name: str, args: GcpGpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the pool and all that it needs.

        Args:
            name: 1 to 40 lower-case letters, digits and inner hyphens, a letter first; also the fleet's name.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            SettingsError: a literal argument is wrong; nothing has been registered then.
        """
        args = without_none(args)
        pool = settle_pool(name, args)
        super().__init__("elastic-iac:index:GcpGpuPool", name, {}, opts)
        children = Children(name, self)
        first, flex = pool.parts[0].settled, pool.hardware.flex_start
        owner = children.identity(first)
        children.firewall(first, owner)
        if pool.running.trains:
            children.node_firewall(first, owner)
        made = [self._declare(args, pool.running, part, owner) for part in pool.parts]

        self.group_names = _each(one.group.name for one in made)
        self.instance_groups = _each(one.group.instance_group for one in made)
        self.autoscaler_names = _each(one.autoscaler.name for one in made if one.autoscaler)
        self.instance_templates = _each(one.template.self_link_unique for one in made)
        self.image = made[0].template.disks.apply(lambda disks: disks[0].source_image or "")
        self.service_account_email = owner.account.email
        self.load_balancer_urls = _each(one.front.url for one in made if one.front)
        self.load_balancer_addresses = _each(one.front.address.address for one in made if one.front)
        self.resize_requests = pulumi.Output.all(**({} if flex is None else self._requests(name, flex, made[0]))).apply(
            dict
        )
        fleets = [one.fleet for one in made if one.fleet is not None]
        self.fleets = _each(fleets)
        alone = "shards" not in args
        self.fleet = _only(self.fleets, alone=alone)
        self.group_name = _only(self.group_names, alone=alone)
        self.load_balancer_url = _only(self.load_balancer_urls, alone=alone)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _declare(self, args: GcpGpuPoolArgs, running: Running, part: Part, owner: Identity) -> _Made:
        children, settled, policy = Children(part.name, self), part.settled, part.autoscaler
        launch = running.applied_to(settled.launch, project=children.provider.project, group_label=settled.unique_id)
        settled = replace(settled, launch=launch)
        template = children.template(settled, owner)
        group = children.group(settled, template)
        front = None if settled.load_balancer is None else children.front(settled.load_balancer, group)
        if policy is None:
            return _Made(part, template, group, front, None, None)
        autoscaler = children.autoscaler(policy, settled.group, group, front)
        if not part.planned:
            return _Made(part, template, group, front, autoscaler, None)
        settings = fleet_settings(
            part.name,
            part.args,
            target=children.target(settled.group, group, autoscaler),
            group_label=settled.unique_id,
            backend_service=front.backend_service.name if front else "",
            revision=policy_revision(policy.policy, group.self_link),
        )

        def written(known: Mapping[str, Any]) -> str:
            with part.place.arguments():
                return fleet_json(known)

        fleet = pulumi.Output.from_input({**settings, **pool_settings(args)}).apply(written)
        return _Made(part, template, group, front, autoscaler, fleet)

    def _requests(self, name: str, flex: FlexStart, made: _Made) -> dict[str, pulumi.Output[str]]:
        """The resize requests, for the time that the template says too."""
        place, opts = made.part.settled.group, pulumi.ResourceOptions(parent=self)
        found: dict[str, pulumi.Output[str]] = {}
        for key, instances in flex.requests.items():
            given: Any = {
                "instance_group_manager": made.group.name,
                "resize_by": instances,
                "requested_run_duration": {"seconds": flex.run_duration_seconds.apply(str)},
            }
            if place.zone is not None:
                request = gcp.compute.ResizeRequest(f"{name}-{key}", opts, **given, zone=place.zone)
            else:
                request = gcp.compute.RegionResizeRequest(f"{name}-{key}", opts, **given, region=place.region)
            found[key] = request.name
        return found


def _each(outputs: Any) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*outputs).apply(list)


def _only(values: pulumi.Output[list[str]], *, alone: bool) -> pulumi.Output[str | None]:
    """The one value of a pool without shards, where there is one."""
    return values.apply(lambda known: known[0] if alone and known else None)


_OUTPUTS = tuple(GcpGpuPool.__annotations__)
