"""A pool of accelerators with forecast-driven minimum capacity, or with instances by request."""

import pulumi

from elastic_iac.common.publish import publish
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

        The name has 1 to 40 lower-case letters, digits and inner hyphens, a letter first; it is also the fleet's name.

        Raises:
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:GcpGpuPool", name, {}, opts)
        publish(self, declare(config, self))
