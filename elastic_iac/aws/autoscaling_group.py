"""An Auto Scaling group whose floor a forecast moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.aws import group as groups
from elastic_iac.aws import image as images
from elastic_iac.aws import launch_template as launch_templates
from elastic_iac.aws import load_balancer as load_balancers
from elastic_iac.aws import scaling_policies, security_groups
from elastic_iac.aws.args import AwsAutoscalingGroupArgs, AwsForecast
from elastic_iac.aws.fleet import check_fleet, fleet_settings
from elastic_iac.aws.front import Front, declare_front
from elastic_iac.aws.instance_profile import declare_instance_profile
from elastic_iac.fleet import fleet_json
from elastic_iac.validation import (
    ARN,
    NAME,
    SECURITY_GROUP_ID,
    VPC_ID,
    checked,
    checked_list,
    plain_map,
    refuse_unknown,
    text_map,
    without_none,
)

__all__ = ["AwsAutoscalingGroup", "AwsAutoscalingGroupArgs"]


@dataclass(frozen=True)
class _Settled:
    """All arguments, checked; made before anything is registered."""

    vpc_id: pulumi.Output[str]
    image: images.Image
    launch: launch_templates.Launch
    group: groups.Group
    target_tracking: list[scaling_policies.TargetTracking]
    load_balancer: load_balancers.LoadBalancer | None
    security_group_ids: list[pulumi.Output[str]]
    policy_arns: dict[str, pulumi.Output[str]]
    tags: pulumi.Output[Mapping[str, str]]


def _settle(name: str, args: AwsAutoscalingGroupArgs) -> _Settled:
    NAME("name", name)
    refuse_unknown("", args, AwsAutoscalingGroupArgs)
    refuse_unknown("forecast", args["forecast"], AwsForecast)
    balancer = args.get("load_balancer")
    settled = _Settled(
        vpc_id=checked("vpc_id", args["vpc_id"], VPC_ID),
        image=images.settle_image(args),
        launch=launch_templates.settle_launch(args),
        group=groups.settle_group(args),
        target_tracking=scaling_policies.settle_target_tracking(
            args.get("target_tracking", scaling_policies.DEFAULT_TARGET_TRACKING),
            behind_load_balancer=balancer is not None,
        ),
        load_balancer=None if balancer is None else load_balancers.settle_load_balancer(balancer),
        security_group_ids=checked_list("security_group_ids", args.get("security_group_ids", []), SECURITY_GROUP_ID),
        policy_arns={
            key: checked(f"instance_policy_arns.{key}", arn, ARN)
            for key, arn in plain_map("instance_policy_arns", args.get("instance_policy_arns", {})).items()
        },
        tags=checked("tags", args.get("tags", {}), text_map).apply(lambda tags: {"Name": name, **tags}),
    )
    check_fleet(name, args)
    return settled


class AwsAutoscalingGroup(pulumi.ComponentResource):
    """A multi-AZ Auto Scaling group under target tracking, whose minimum size a forecasting job raises ahead of the load.

    Instances come from a launch template with IMDSv2, an encrypted root volume and an instance profile for Systems Manager; an application load
    balancer may stand in front. Minimum and desired size are set at creation and left alone by updates; `fleet` is what the job reads.
    """

    group_name: pulumi.Output[str]
    """Name of the Auto Scaling group."""
    group_arn: pulumi.Output[str]
    """ARN of the Auto Scaling group."""
    launch_template_id: pulumi.Output[str]
    """Id of the launch template."""
    launch_template_version: pulumi.Output[int]
    """Version of the launch template that the group launches."""
    ami_id: pulumi.Output[str]
    """The image that instances are launched from."""
    instance_role_arn: pulumi.Output[str]
    """ARN of the role that the instances take."""
    instance_role_name: pulumi.Output[str]
    """Name of that role, to attach further policies."""
    security_group_id: pulumi.Output[str]
    """The instances' security group."""
    load_balancer_url: pulumi.Output[str | None]
    """Where the load balancer answers, without a path; absent without a load balancer."""
    load_balancer_arn: pulumi.Output[str | None]
    """ARN of the load balancer; absent without one."""
    load_balancer_zone_id: pulumi.Output[str | None]
    """Hosted zone of the load balancer, for an alias record; absent without a load balancer."""
    load_balancer_dns_name: pulumi.Output[str | None]
    """DNS name of the load balancer; absent without one."""
    target_group_arn: pulumi.Output[str | None]
    """ARN of the target group; absent without a load balancer."""
    fleet: pulumi.Output[str]
    """The group and its forecast settings as JSON, for a forecast job's `fleets`."""

    def __init__(self, name: str, args: AwsAutoscalingGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the group and all that it needs.

        Args:
            name: 1 to 40 lower-case letters, digits and inner hyphens; also the fleet's name.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            SettingsError: a literal argument is wrong; nothing has been registered then.
        """
        args = without_none(args)
        settled = _settle(name, args)
        super().__init__("elastic-iac:index:AwsAutoscalingGroup", name, {}, opts)
        self._prefix = name
        self._child = pulumi.ResourceOptions(parent=self)
        self._invoke = pulumi.InvokeOptions(parent=self)

        profile, role = declare_instance_profile(name, settled.policy_arns, child=self._child, invoke=self._invoke)
        instances = security_groups.declare_security_group(
            f"{name}-instances",
            f"Instances of {name}",
            vpc_id=settled.vpc_id,
            tags=settled.tags,
            child=self._child,
        )
        outbound = [
            aws.vpc.SecurityGroupEgressRule(f"{name}-instances-out-{rule}", rule_args, self._child)
            for rule, rule_args in security_groups.outbound_rules(instances.id).items()
        ]
        balancer = settled.load_balancer
        front = balancer and declare_front(
            name,
            balancer,
            instances=instances,
            vpc_id=settled.vpc_id,
            subnet_ids=settled.group.subnet_ids,
            tags=settled.tags,
            child=self._child,
        )
        template = launch_templates.declare_launch_template(
            name,
            settled.launch,
            settled.image,
            profile=profile,
            security_group_ids=[instances.id, *settled.security_group_ids],
            tags=settled.tags,
            child=self._child,
            invoke=self._invoke,
        )
        group = self._group(settled, template, front, outbound)
        scaling_policies.declare_target_tracking(
            name, settled.target_tracking, group_name=group.name, front=front, child=self._child
        )

        self.group_name, self.group_arn = group.name, group.arn
        self.launch_template_id, self.launch_template_version = template.id, template.latest_version
        self.ami_id = template.image_id.apply(lambda image: image or "")
        self.instance_role_arn, self.instance_role_name = role.arn, role.name
        self.security_group_id = instances.id
        self._describe_front(front)
        settings = fleet_settings(
            name,
            args,
            region=aws.get_region_output(opts=self._invoke).region,
            group_name=group.name,
            load_balancer=front.load_balancer.arn_suffix if front else "",
        )
        self.fleet = pulumi.Output.from_input(settings).apply(fleet_json)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _group(
        self,
        settled: _Settled,
        template: aws.ec2.LaunchTemplate,
        front: Front | None,
        outbound: Sequence[pulumi.Resource],
    ) -> aws.autoscaling.Group:
        return aws.autoscaling.Group(
            f"{self._prefix}-group",
            groups.group_args(
                settled.group,
                launch_template_id=template.id,
                launch_template_version=template.latest_version,
                target_group_arns=[front.target_group.arn] if front else [],
                tags=settled.tags,
            ),
            # Its own option, since one on the component would not reach the group; and no boot before the instances can reach anything.
            pulumi.ResourceOptions(parent=self, ignore_changes=groups.SIZES_OF_THE_JOB, depends_on=outbound),
        )

    def _describe_front(self, front: Front | None) -> None:
        if front is None:
            nothing: pulumi.Output[str | None] = pulumi.Output.from_input(None)
            self.load_balancer_url = self.load_balancer_arn = self.target_group_arn = nothing
            self.load_balancer_dns_name = self.load_balancer_zone_id = nothing
            return
        load_balancer = front.load_balancer
        self.load_balancer_url = front.url.apply(_optional)
        self.load_balancer_dns_name = load_balancer.dns_name.apply(_optional)
        self.load_balancer_arn = load_balancer.arn.apply(_optional)
        self.load_balancer_zone_id = load_balancer.zone_id.apply(_optional)
        self.target_group_arn = front.target_group.arn.apply(_optional)


def _optional(value: str) -> str | None:
    """An output that is there, in the type of one that may be absent."""
    return value


_OUTPUTS = tuple(AwsAutoscalingGroup.__annotations__)
