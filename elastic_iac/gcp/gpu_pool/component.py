"""A pool of accelerators with forecast-driven minimum capacity, or with instances by request."""

from typing import Any

import pulumi

from elastic_iac.gcp.gpu_pool.args import GcpGpuPoolArgs
from elastic_iac.gcp.gpu_pool.config import configure
from elastic_iac.gcp.gpu_pool.resources import declare

__all__ = ["GcpGpuPool", "GcpGpuPoolArgs"]


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
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:GcpGpuPool", name, {}, opts)
        declared = declare(config, self)
        parts = declared.parts
        self.group_names = _each(one.group.name for one in parts)
        self.instance_groups = _each(one.group.instance_group for one in parts)
        self.autoscaler_names = _each(one.autoscaler.name for one in parts if one.autoscaler)
        self.instance_templates = _each(one.template.self_link_unique for one in parts)
        self.image = parts[0].template.disks.apply(lambda disks: disks[0].source_image or "")
        self.service_account_email = declared.owner.account.email
        self.load_balancer_urls = _each(one.front.url for one in parts if one.front)
        self.load_balancer_addresses = _each(one.front.address.address for one in parts if one.front)
        self.resize_requests = pulumi.Output.all(**declared.resize_requests).apply(dict)
        self.fleets = _each(one.fleet for one in parts if one.fleet is not None)
        alone = config.args.shards is None
        self.fleet = _only(self.fleets, alone=alone)
        self.group_name = _only(self.group_names, alone=alone)
        self.load_balancer_url = _only(self.load_balancer_urls, alone=alone)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})


def _each(outputs: Any) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*outputs).apply(list)


def _only(values: pulumi.Output[list[str]], *, alone: bool) -> pulumi.Output[str | None]:
    """The one value of a pool without shards, where there is one."""
    return values.apply(lambda known: known[0] if alone and known else None)


_OUTPUTS = tuple(GcpGpuPool.__annotations__)
