"""A pool of GPU instances whose floor a forecast moves."""

from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import capacity_block as blocks
from elastic_iac.aws import group as groups
from elastic_iac.aws import launch_template as launch_templates
from elastic_iac.aws import scaling_policies, security_groups
from elastic_iac.aws.front import Front, declare_front
from elastic_iac.aws.gpu_args import AwsGpuPoolArgs
from elastic_iac.aws.gpu_fleet import pool_fleet
from elastic_iac.aws.gpu_settled import Partition, Pool, settle_pool
from elastic_iac.aws.gpu_workload import MANAGED_POLICIES
from elastic_iac.aws.instance_profile import aws_policy_arn, declare_instance_profile, lifecycle_policy
from elastic_iac.fleet import fleet_json
from elastic_iac.validation import without_none

__all__ = ["AwsGpuPool", "AwsGpuPoolArgs"]


@dataclass(frozen=True)
class _Declared:
    """One group of the pool with what stands beside it."""

    group: aws.autoscaling.Group
    template: aws.ec2.LaunchTemplate
    front: Front | None
    fleet: pulumi.Output[str] | None


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
    instance_role_arn: pulumi.Output[str]
    """ARN of the role that the instances take."""
    instance_role_name: pulumi.Output[str]
    """Name of that role, to attach further policies."""
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
            SettingsError: a literal argument is wrong, or the pool is impossible; nothing has been registered then.
        """
        args = without_none(args)
        pool = settle_pool(name, args)
        super().__init__("elastic-iac:index:AwsGpuPool", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._invoke = pulumi.InvokeOptions(parent=self)

        self._profile, role = self._instance_profile(name, pool)
        self._instances = security_groups.declare_security_group(
            f"{name}-instances",
            f"Instances of {name}",
            vpc_id=pool.vpc_id,
            tags=_named(name, pool),
            child=self._child,
        )
        self._outbound: list[pulumi.Resource] = [
            aws.vpc.SecurityGroupEgressRule(f"{name}-instances-out-{rule}", rule_args, self._child)
            for rule, rule_args in security_groups.outbound_rules(self._instances.id).items()
        ]
        if pool.nodes_talk:
            self._among_nodes(name)
        declared = [self._partition(pool, partition) for partition in pool.partitions]
        if any(partition.group.hook for partition in pool.partitions):
            rights = lifecycle_policy([item.group.arn for item in declared])
            rights_args = aws.iam.RolePolicyArgs(role=role.name, policy=rights)
            aws.iam.RolePolicy(f"{name}-instance-lifecycle", rights_args, self._child)

        self.instance_role_arn, self.instance_role_name = role.arn, role.name
        self.security_group_id = self._instances.id
        self._describe(declared, sharded=pool.partitions[0].shard is not None)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _instance_profile(self, name: str, pool: Pool) -> tuple[aws.iam.InstanceProfile, aws.iam.Role]:
        work = pool.partitions[0].work
        if work is None:
            return declare_instance_profile(name, pool.policy_arns, child=self._child, invoke=self._invoke)
        managed = {key: aws_policy_arn(policy, self._invoke) for key, policy in MANAGED_POLICIES.items()}
        partition = aws.get_partition_output(opts=self._invoke).partition
        return declare_instance_profile(
            name,
            {**managed, **pool.policy_arns},
            inline={"work": work.policy(partition)} if work.needs_rights else {},
            child=self._child,
            invoke=self._invoke,
        )

    def _launch(self, pool: Pool, partition: Partition) -> launch_templates.Launch:
        if partition.work is None:
            return pool.launch
        hook = partition.group.hook
        script = partition.work.user_data(
            aws.get_region_output(opts=self._invoke).region,
            hook and hook.name,
            hook.timeout_seconds if hook else 0,
        )
        return replace(pool.launch, user_data=script.apply(lambda text: launch_templates.encoded("workload", text)))

    def _among_nodes(self, name: str) -> None:
        """Trainers' nodes reach each other; Elastic Fabric Adapters talk only within a security group that lets all of itself in and out."""
        itself = self._instances.id
        ingress = aws.vpc.SecurityGroupIngressRuleArgs(
            security_group_id=itself, ip_protocol="-1", referenced_security_group_id=itself
        )
        egress = aws.vpc.SecurityGroupEgressRuleArgs(
            security_group_id=itself, ip_protocol="-1", referenced_security_group_id=itself
        )
        self._outbound += [
            aws.vpc.SecurityGroupIngressRule(f"{name}-instances-in-fabric", ingress, self._child),
            aws.vpc.SecurityGroupEgressRule(f"{name}-instances-out-fabric", egress, self._child),
        ]

    def _partition(self, pool: Pool, partition: Partition) -> _Declared:
        name, tags = partition.name, _named(partition.name, pool)
        front = pool.load_balancer and declare_front(
            name,
            pool.load_balancer,
            instances=self._instances,
            vpc_id=pool.vpc_id,
            subnet_ids=partition.group.subnet_ids,
            tags=tags,
            child=self._child,
        )
        template = launch_templates.declare_launch_template(
            name,
            self._launch(pool, partition),
            pool.image,
            profile=self._profile,
            security_group_ids=[self._instances.id, *pool.security_group_ids],
            tags=tags,
            child=self._child,
            invoke=self._invoke,
        )
        group = self._group(pool, partition, template, front)
        if partition.group.hook is not None:
            hook = groups.hook_args(partition.group.hook, group.name)
            aws.autoscaling.LifecycleHook(f"{name}-ready", hook, self._child)
        self._schedules(pool, name, group)
        scaling_policies.declare_target_tracking(
            name, pool.target_tracking, group_name=group.name, front=front, child=self._child
        )
        return _Declared(group, template, front, self._fleet(partition, group, front))

    def _group(
        self, pool: Pool, partition: Partition, template: aws.ec2.LaunchTemplate, front: Front | None
    ) -> aws.autoscaling.Group:
        placement = None
        if pool.cluster:
            placement_args = aws.ec2.PlacementGroupArgs(strategy="cluster", tags=_named(partition.name, pool))
            placement = aws.ec2.PlacementGroup(f"{partition.name}-placement", placement_args, self._child)
        kept = [*groups.SIZES_OF_THE_JOB, "initialLifecycleHooks"]
        return aws.autoscaling.Group(
            f"{partition.name}-group",
            groups.group_args(
                partition.group,
                launch_template_id=template.id,
                launch_template_version=template.latest_version,
                target_group_arns=[front.target_group.arn] if front else [],
                tags=_named(partition.name, pool),
                placement_group=placement and placement.name,
            ),
            pulumi.ResourceOptions(
                parent=self,
                # The scheduled actions of Capacity Blocks own the ceiling too.
                ignore_changes=[*kept, "maxSize"] if pool.blocks else kept,
                depends_on=self._outbound,
            ),
        )

    def _schedules(self, pool: Pool, name: str, group: aws.autoscaling.Group) -> None:
        """Open and close the pool around its Capacity Blocks.

        What has been executed is gone from the cloud and stays in the state: the declaration is the same until the Block is over.
        """
        for block in pool.blocks:
            if block.is_over(pool.deployed):
                last = block is pool.blocks[-1]
                advice = "the pool stays at 0 until another is added beside it" if last else "take it out"
                pulumi.log.info(f"the Capacity Block of {block.start:%Y-%m-%d %H:%M} UTC is over: {advice}", self)
                continue
            opens = blocks.opening_of(block, pool.deployed)
            if opens is not None:
                aws.autoscaling.Schedule(
                    f"{name}-block-{block.key}-opens",
                    blocks.opening_args(block, group.name, opens),
                    # Where the Block has begun the start is that of the deployment, which is another one at the next; and the action has run,
                    # so that nothing of it can be changed any more: its start would be refused as past.
                    pulumi.ResourceOptions(
                        parent=self,
                        ignore_changes=["startTime", *(["minSize", "maxSize"] if block.opens <= pool.deployed else [])],
                    ),
                )
            closing = blocks.closing_args(block, group.name)
            aws.autoscaling.Schedule(f"{name}-block-{block.key}-closes", closing, self._child)

    def _fleet(
        self, partition: Partition, group: aws.autoscaling.Group, front: Front | None
    ) -> pulumi.Output[str] | None:
        if partition.fleet is None:
            return None
        settings = pool_fleet(
            partition.name,
            partition.fleet,
            region=aws.get_region_output(opts=self._invoke).region,
            group_name=group.name,
            load_balancer=front.load_balancer.arn_suffix if front else "",
        )
        return pulumi.Output.from_input(settings).apply(fleet_json)

    def _describe(self, declared: list[_Declared], *, sharded: bool) -> None:
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


def _named(name: str, pool: Pool) -> pulumi.Output[dict[str, str]]:
    return pool.tags.apply(lambda tags: {"Name": name, **tags})


_OUTPUTS = tuple(AwsGpuPool.__annotations__)
