"""A managed instance group with forecast-driven minimum capacity."""

import pulumi

from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.gcp.autoscaler import policy_revision
from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs
from elastic_iac.gcp.autoscaling_group.config import configure
from elastic_iac.gcp.autoscaling_group.resources import declare
from elastic_iac.gcp.children import Front
from elastic_iac.gcp.instance_template import group_label

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

        Args:
            name: 1 to 40 lower-case letters, digits and inner hyphens, a letter first; also the fleet's name.
            args: What to declare; `docs/components.md` has every field.
            opts: The usual options; a provider reaches all children.

        Raises:
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:GcpAutoscalingGroup", name, {}, opts)
        declared = declare(config, self)
        group, template, front = declared.group, declared.template, declared.front

        self.group_name, self.group_self_link, self.instance_group = group.name, group.self_link, group.instance_group
        self.autoscaler_name = declared.autoscaler.name
        self.instance_template = template.self_link_unique
        self.image = template.disks.apply(lambda disks: disks[0].source_image or "")
        self.service_account_email = declared.owner.account.email
        self._describe_front(front)
        settings = config.fleet(
            target=declared.target,
            backend_service=front.backend_service.name if front else "",
            revision=policy_revision(config.autoscaler.policy, group.self_link),
            group_label=group_label(template, config.instances.unique_id),
        )
        self.fleet = pulumi.Output.from_input(settings).apply(fleet_json)
        self.register_outputs({field: getattr(self, field) for field in _OUTPUTS})

    def _describe_front(self, front: Front | None) -> None:
        if front is None:
            nothing: pulumi.Output[str | None] = pulumi.Output.from_input(None)
            self.load_balancer_url = self.load_balancer_address = self.backend_service_name = nothing
            return
        self.load_balancer_url = front.url.apply(_optional)
        self.load_balancer_address = front.address.address.apply(_optional)
        self.backend_service_name = front.backend_service.name.apply(_optional)


def _optional(value: str) -> str | None:
    """An output that is there, in the type of one that may be absent."""
    return value


_OUTPUTS = tuple(GcpAutoscalingGroup.__annotations__)
