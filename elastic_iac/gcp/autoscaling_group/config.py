"""The arguments of a group as one frozen configuration."""

from dataclasses import dataclass
from typing import Any

from elastic_iac.common.capacity import Sizes, ordered_sizes
from elastic_iac.common.fleet_output import check_literals
from elastic_iac.common.parsing import Problems, parse_component
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GCP_NAME, GcpBootDisk
from elastic_iac.common.schema.gcp_autoscaling_group import GcpAutoscalingGroupArgs
from elastic_iac.gcp import instance_template as templates
from elastic_iac.gcp.autoscaler import DEFAULT_TARGET_TRACKING, configure_autoscaler
from elastic_iac.gcp.children import Instances
from elastic_iac.gcp.fleet import UNKNOWN, Place, fleet_settings
from elastic_iac.gcp.group import Group, configure_group, lead_time_of
from elastic_iac.gcp.health import healing_check
from elastic_iac.gcp.image import configure_image
from elastic_iac.gcp.machine_families import boot_disks

BOOT_DISK_GIB = 20


@dataclass(frozen=True)
class GroupConfig:
    """All arguments of a group, checked."""

    args: GcpAutoscalingGroupArgs
    instances: Instances
    sizes: Sizes

    def fleet(self, place: Place) -> dict[str, Any]:
        """The fleet's settings, for a group at that place."""
        forecast = self.args.forecast
        return fleet_settings(
            self.instances.name, forecast, place, self.sizes, forecast.load_per_instance, forecast.load
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
    sizes = ordered_sizes(args.min_size, args.max_size, problems)
    tracking = DEFAULT_TARGET_TRACKING if args.target_tracking is None else args.target_tracking
    group = configure_group(args, problems, lead_time_seconds=lead_time, planned=True)
    instances = Instances(
        name=name,
        args=args,
        image=configure_image(args, problems),
        launch=_launch(args, problems),
        group=_with_selections(group, args, problems),
        health_check=healing_check(args.health_check, args.load_balancer),
        load_balancer=args.load_balancer,
        roles=args.instance_roles,
        policy=configure_autoscaler(args, problems, sizes, lead_time, tracking),
    )
    problems.report()
    config = GroupConfig(args, instances, sizes)
    check_literals(config.fleet(UNKNOWN))
    return config


def _launch(args: GcpAutoscalingGroupArgs, problems: Problems) -> templates.Launch:
    others = [machine for selection in args.instance_selections for machine in selection.machine_types]

    def common_disks(machine_type: str) -> tuple[str, ...]:
        """Types of boot disk that all machine types take: there is one boot disk."""
        each = [boot_disks(machine) for machine in (machine_type, *others) if isinstance(machine, str)]
        return tuple(kind for kind in each[0] if all(kind in kinds for kinds in each))

    disk = args.boot_disk or GcpBootDisk(size_gib=BOOT_DISK_GIB)
    return templates.Launch(
        machine_type=args.machine_type,
        metadata=templates.metadata_of(args, args.metadata),
        boot_disk=templates.boot_disk(disk, problems, args.machine_type, common_disks),
        scheduling=templates.scheduling(args.spot),
        secure_boot=True if args.secure_boot is None else args.secure_boot,
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
