"""An Auto Scaling group whose floor a forecast moves."""

import pulumi

from elastic_iac.aws.autoscaling_group.args import AwsAutoscalingGroupArgs
from elastic_iac.aws.autoscaling_group.config import configure
from elastic_iac.aws.autoscaling_group.resources import declare
from elastic_iac.common.publish import publish

__all__ = ["AwsAutoscalingGroup", "AwsAutoscalingGroupArgs"]


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
    instance_role_arn: pulumi.Output[str | None]
    """ARN of the role that the instances take; absent with `instance_profile_arn`."""
    instance_role_name: pulumi.Output[str | None]
    """Name of that role, to attach further policies; absent likewise."""
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

        The name has 1 to 40 lower-case letters, digits and inner hyphens; it is also the fleet's name.

        Raises:
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:AwsAutoscalingGroup", name, {}, opts)
        publish(self, declare(config, self))
