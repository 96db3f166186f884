"""A pool of GPU instances with forecast-driven minimum capacity."""

import pulumi

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs
from elastic_iac.aws.gpu_pool.config import configure
from elastic_iac.aws.gpu_pool.resources import declare
from elastic_iac.common.publish import publish

__all__ = ["AwsGpuPool", "AwsGpuPoolArgs"]


class AwsGpuPool(pulumi.ComponentResource):
    """A pool of GPU instances, counted in replicas, whose minimum size a forecasting job raises ahead of the load.

    Instance types are checked against what they have. Capacity comes on demand, from spot above a base, from reservations, or from Capacity Blocks,
    which the pool opens and closes itself. A launch hook may hold an instance out of service until its server answers. With `shards` each part has a
    group, a load and a plan of its own. `fleets` is what the job reads.
    """

    fleet: pulumi.Output[str | None]
    """The pool and its forecast settings as JSON, for a forecast job's `fleets`; absent with `shards` or without a forecast."""
    fleets: pulumi.Output[list[str]]
    """The same of each shard, or of the pool: give them all to a forecast job."""
    group_name: pulumi.Output[str | None]
    """Name of the Auto Scaling group; absent with `shards`."""
    group_names: pulumi.Output[list[str]]
    """Names of the Auto Scaling groups, in the order of `shards`."""
    launch_template_ids: pulumi.Output[list[str]]
    """Ids of their launch templates."""
    ami_id: pulumi.Output[str]
    """The image that instances are launched from."""
    instance_role_arn: pulumi.Output[str | None]
    """ARN of the role that the instances take; absent with `instance_profile_arn`."""
    instance_role_name: pulumi.Output[str | None]
    """Name of that role, to attach further policies; absent likewise."""
    security_group_id: pulumi.Output[str]
    """The instances' security group."""
    load_balancer_url: pulumi.Output[str | None]
    """Where the load balancer answers, without a path; absent without one, and with `shards`."""
    load_balancer_urls: pulumi.Output[list[str]]
    """Where the load balancers answer, in the order of `shards`; none without `load_balancer`."""
    load_balancer_arns: pulumi.Output[list[str]]
    """ARNs of the load balancers."""
    target_group_arns: pulumi.Output[list[str]]
    """ARNs of their target groups."""

    def __init__(self, name: str, args: AwsGpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the pool and all that it needs.

        The name has 1 to 40 lower-case letters, digits and inner hyphens; it is also the fleet's name, or what its shards' names begin with.

        Raises:
            ArgumentsError: literal arguments are wrong, or the pool is impossible; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:AwsGpuPool", name, {}, opts)
        publish(self, declare(config, self))
