"""A managed instance group with forecast-driven minimum capacity."""

import pulumi

from elastic_iac.common.publish import publish
from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs
from elastic_iac.gcp.autoscaling_group.config import configure
from elastic_iac.gcp.autoscaling_group.resources import declare

__all__ = ["GcpAutoscalingGroup", "GcpAutoscalingGroupArgs"]


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

        The name has 1 to 40 lower-case letters, digits and inner hyphens, a letter first; it is also the fleet's name.

        Raises:
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:GcpAutoscalingGroup", name, {}, opts)
        publish(self, declare(config, self))
