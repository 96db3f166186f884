"""A pool of GPU instances with forecast-driven minimum capacity."""

import pulumi

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs
from elastic_iac.aws.gpu_pool.config import configure
from elastic_iac.aws.gpu_pool.resources import DeclaredPartition, declare
from elastic_iac.aws.instance_profile import role_outputs

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

        Args:
            name: 1 to 40 lower-case letters, digits and inner hyphens; also the fleet's name, or what its shards' names begin with.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            ArgumentsError: literal arguments are wrong, or the pool is impossible; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:AwsGpuPool", name, {}, opts)
        declared = declare(config, self)
        self.instance_role_arn, self.instance_role_name = role_outputs(declared.role)
        self.security_group_id = declared.instances.id
        self._describe(declared.partitions, sharded=config.args.shards is not None)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _describe(self, declared: list[DeclaredPartition], *, sharded: bool) -> None:
        fleets = [item.fleet for item in declared if item.fleet is not None]
        fronts = [item.front for item in declared if item.front is not None]
        self.fleets = pulumi.Output.all(*fleets).apply(list)
        self.group_names = pulumi.Output.all(*(item.group.name for item in declared)).apply(list)
        self.launch_template_ids = pulumi.Output.all(*(item.template.id for item in declared)).apply(list)
        self.load_balancer_urls = pulumi.Output.all(*(front.url for front in fronts)).apply(list)
        self.load_balancer_arns = pulumi.Output.all(*(front.load_balancer.arn for front in fronts)).apply(list)
        self.target_group_arns = pulumi.Output.all(*(front.target_group.arn for front in fronts)).apply(list)
        self.ami_id = declared[0].template.image_id.apply(lambda image: image or "")
        self.fleet = _only(self.fleets, sharded=sharded)
        self.group_name = _only(self.group_names, sharded=sharded)
        self.load_balancer_url = _only(self.load_balancer_urls, sharded=sharded)


def _only(values: pulumi.Output[list[str]], *, sharded: bool) -> pulumi.Output[str | None]:
    """The one of a pool that is not sharded, if it has one."""
    return values.apply(lambda known: None if sharded or not known else known[0])


_OUTPUTS = tuple(AwsGpuPool.__annotations__)
