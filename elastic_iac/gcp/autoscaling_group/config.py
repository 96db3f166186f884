"""The arguments of a group as one frozen configuration."""

from dataclasses import dataclass
from typing import Any

import pulumi

from elastic_iac.common.fleet_output import check_literals
from elastic_iac.common.parsing import Problems, parse_component
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GCP_NAME, GcpBootDisk
from elastic_iac.common.schema.gcp_autoscaling_group import GcpAutoscalingGroupArgs
from elastic_iac.gcp import autoscaler as autoscalers
from elastic_iac.gcp import instance_template as templates
from elastic_iac.gcp.children import Instances
from elastic_iac.gcp.fleet import UNKNOWN_TARGET, fleet_settings
from elastic_iac.gcp.group import Group, configure_group, lead_time_of
from elastic_iac.gcp.health import healing_check
from elastic_iac.gcp.image import configure_image
from elastic_iac.gcp.machine_families import boot_disks

BOOT_DISK_GIB = 20


@dataclass(frozen=True)
class GroupConfig:
    """All arguments of a group, checked."""

    name: str
    args: GcpAutoscalingGroupArgs
    instances: Instances
    autoscaler: autoscalers.Autoscaler

    def fleet(
        self,
        *,
        target: dict[str, pulumi.Input[str]],
        backend_service: pulumi.Input[str],
        revision: pulumi.Input[str],
        group_label: pulumi.Input[str] | None = None,
    ) -> dict[str, Any]:
        """The fleet's settings, for that target; `group_label` as deployed, which a rename keeps."""
        forecast = self.args.forecast
        return fleet_settings(
            self.name,
            forecast,
            load=forecast.load,
            load_per_instance=forecast.load_per_instance,
            minimum=self.args.min_size,
            maximum=self.args.max_size,
            target=target,
            group_label=self.instances.unique_id if group_label is None else group_label,
            backend_service=backend_service,
            revision=revision,
        )


def configure(name: str, raw: object) -> GroupConfig:
    """Check all arguments.

    Raises:
        ArgumentsError: every problem of a literal; a wrong output raises inside the deployment.
    """
    args = parse_component(GcpAutoscalingGroupArgs, name, raw, GCP_NAME)
    problems, forecast, lead_time = Problems(), args.forecast, lead_time_of(args.forecast)
    if forecast.load is None and args.load_balancer is None:
        problems.refuse("forecast.load", None, "a metric of the fleet's load, or a load_balancer that counts requests")
    config = GroupConfig(
        name=name,
        args=args,
        instances=Instances(
            name=name,
            args=args,
            image=configure_image(args, problems),
            launch=_launch(args, problems),
            group=_with_selections(
                configure_group(args, problems, lead_time_seconds=lead_time, planned=True), args, problems
            ),
            health_check=healing_check(args.health_check, args.load_balancer),
            load_balancer=args.load_balancer,
            roles=args.instance_roles,
        ),
        autoscaler=autoscalers.configure_autoscaler(
            args,
            problems,
            sizes=autoscalers.ordered_sizes(args.min_size, args.max_size, problems),
            lead_time_seconds=lead_time,
            target_tracking=autoscalers.DEFAULT_TARGET_TRACKING
            if args.target_tracking is None
            else args.target_tracking,
        ),
    )
    problems.report()
    check_literals(config.fleet(target={**UNKNOWN_TARGET}, backend_service="unknown", revision="0"))
    return config


def _launch(args: GcpAutoscalingGroupArgs, problems: Problems) -> templates.Launch:
    others = [machine for selection in args.instance_selections for machine in selection.machine_types]

    def common_disks(machine_type: str) -> tuple[str, ...]:
        """Types of boot disk that all machine types take: there is one boot disk."""
        each = [boot_disks(machine) for machine in (machine_type, *others) if isinstance(machine, str)]
        return tuple(kind for kind in each[0] if all(kind in kinds for kinds in each))

    return templates.Launch(
        machine_type=args.machine_type,
        metadata=templates.metadata_of(args, args.metadata),
        boot_disk=templates.boot_disk_args(
            args.boot_disk or GcpBootDisk(size_gib=BOOT_DISK_GIB),
            problems,
            machine_type=args.machine_type,
            boot_disks=common_disks,
        ),
        scheduling=templates.scheduling_args(args.spot),
        secure_boot=True if args.secure_boot is None else args.secure_boot,
        public_address=args.public_address,
        network_tags=args.network_tags,
    )


def _with_selections(group: Group, args: GcpAutoscalingGroupArgs, problems: Problems) -> Group:
    """The group with its machine types, over the zones in which any of them is to be had.

    https://cloud.google.com/compute/docs/instance-groups/about-instance-flexibility#limitations: regional groups only, not with shape 'EVEN'.
    """
    selections = args.instance_selections
    if not selections:
        return group
    if args.zone is not None:
        problems.refuse(
            "instance_selections", f"{len(selections)} selections", "none beside zone: regional groups only"
        )
    names = [selection.name for selection in selections]
    if len(set(names)) < len(names):
        problems.refuse("instance_selections", ", ".join(names), "selections with different names")
    for index, selection in enumerate(selections):
        if not selection.machine_types:
            at = f"instance_selections[{index}].machine_types"
            problems.refuse(at, "none", "one or more machine types")
    return group.over_scarce_zones(
        [
            {"name": each.name, "machine_types": list[Value[str]](each.machine_types), "rank": each.rank}
            for each in selections
        ]
    )
