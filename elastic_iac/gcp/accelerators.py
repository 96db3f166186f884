"""The GPUs of a pool's instances and how they are had: attached or brought, on demand, spot, reserved, on nodes of one's own, or by flex start."""

from dataclasses import dataclass, replace

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.validation import (
    TEXT,
    boolean,
    checked,
    checked_list,
    is_literal,
    matching,
    one_of,
    plain_list,
    plain_map,
    refuse_unknown,
    whole,
)
from elastic_iac.gcp.instance_template import Launch
from elastic_iac.gcp.machines import ATTACHABLE, LOCAL_SSD_GIB, MACHINES, Machine, host
from elastic_iac.gcp.pool_args import GcpFlexStart, GcpGpuPoolArgs, GcpGuestAccelerator, GcpNodeAffinity, GcpReservation
from forecasting.errors import SettingsError

RUN_SECONDS = whole(600, 604_800)
"""https://cloud.google.com/compute/docs/instance-groups/about-resize-requests-mig: 10 minutes to 7 days."""

_REQUEST = matching(r"[a-z]([a-z0-9-]{0,12}[a-z0-9])?", "1 to 14 lower-case letters, digits and inner hyphens")
_RESERVATION = matching(
    r"(projects/[^/\s]+/reservations/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    "a reservation's name, or 'projects/PROJECT/reservations/NAME'",
)
_AFFINITY = one_of("ANY", "NONE", "SPECIFIC")
_TERMINATION = one_of("DELETE", "STOP")
_RESERVATION_NAME = "compute.googleapis.com/reservation-name"


@dataclass(frozen=True)
class FlexStart:
    """Checked requests: how long an instance runs, and instances by the request's name."""

    run_duration_seconds: pulumi.Output[int]
    requests: dict[str, pulumi.Output[int]]


@dataclass(frozen=True)
class Hardware:
    """The checked arguments of a pool's machines.

    Attributes:
        machine: The machine type with its GPUs.
        attached: Whether the GPUs are attached to it; otherwise it brings them.
    """

    machine: Machine
    attached: bool
    scheduling: gcp.compute.InstanceTemplateSchedulingArgs
    reservation_affinity: gcp.compute.InstanceTemplateReservationAffinityArgs | None
    local_ssds: int
    flex_start: FlexStart | None

    def applied_to(self, launch: Launch) -> Launch:
        """What an instance is launched with, GPUs included."""
        gpus = gcp.compute.InstanceTemplateGuestAcceleratorArgs(type=self.machine.gpu, count=self.machine.gpus)
        return replace(
            launch,
            scheduling=self.scheduling,
            guest_accelerators=[gpus] if self.attached else None,
            reservation_affinity=self.reservation_affinity,
            local_disks=[_local_ssd() for _ in range(self.local_ssds)],
            nic_type=None if self.attached else "GVNIC",
        )


def settle_hardware(args: GcpGpuPoolArgs) -> Hardware:
    """Check the machine type against the table, and whether what is asked of it goes together.

    Raises:
        SettingsError: the first thing that is wrong or that the cloud would not do.
    """
    machine = _machine(args)
    spot = boolean("spot", args.get("spot", False))
    flex = None if "flex_start" not in args else _flex_start(args["flex_start"])
    _check_kind(args, machine, spot=spot, flex=flex is not None)
    return Hardware(
        machine=machine,
        attached="guest_accelerator" in args,
        scheduling=_scheduling(args, machine, spot=spot, flex=flex),
        reservation_affinity=_reservation_affinity(args, flex=flex is not None),
        local_ssds=_local_ssds(args, machine),
        flex_start=flex,
    )


def _machine(args: GcpGpuPoolArgs) -> Machine:
    name, given = args["machine_type"], args.get("guest_accelerator")
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] - other languages are not held to the type
        raise SettingsError("machine_type", name, "a text at hand: it decides how many GPUs an instance has")
    fixed = MACHINES.get(name)
    if fixed is not None:
        if given is not None:
            raise SettingsError("guest_accelerator", given, f"nothing: {name} brings {fixed.gpus} of type {fixed.gpu}")
        return fixed
    n1 = host(name)
    if n1 is None:
        known = ", ".join(sorted(MACHINES))
        raise SettingsError("machine_type", name, f"an N1 type such as 'n1-standard-8', or one of {known}")
    if given is None:
        raise SettingsError("guest_accelerator", None, f"GPUs for {name}, or a machine type that brings its own")
    refuse_unknown("guest_accelerator", given, GcpGuestAccelerator)
    kind = one_of(*ATTACHABLE)("guest_accelerator.type", given["type"])
    allowed = ATTACHABLE[kind].vcpus_at_most
    count = whole(1, 16)("guest_accelerator.count", given["count"])
    if count not in allowed:
        raise SettingsError("guest_accelerator.count", count, f"one of {', '.join(map(str, allowed))} of {kind}")
    if n1.vcpus > allowed[count]:
        expected = f"a type of at most {allowed[count]} vCPUs with {count} of {kind}, or more GPUs"
        raise SettingsError("machine_type", name, expected)
    return n1.with_gpus(kind, count)


def _check_kind(args: GcpGpuPoolArgs, machine: Machine, *, spot: bool, flex: bool) -> None:
    """Refuse ways of having instances that exclude each other, or that the machine type does not know."""
    maintenance, action = args.get("on_host_maintenance", "TERMINATE"), args.get("instance_termination_action")
    if maintenance != "TERMINATE":
        # https://cloud.google.com/compute/docs/gpus/gpu-host-maintenance
        raise SettingsError("on_host_maintenance", maintenance, "'TERMINATE': instances with GPUs cannot migrate")
    if flex and spot:
        raise SettingsError("spot", spot, "false beside flex_start: an instance is had in one way")
    if action is not None and not spot:
        raise SettingsError("instance_termination_action", action, "nothing without spot: nothing else takes them away")
    specific = args.get("reservation", {}).get("affinity") == "SPECIFIC"
    if not (machine.on_demand or spot or flex or (specific and machine.reservable)):
        ways = (
            "spot, flex_start or a reservation of affinity 'SPECIFIC'" if machine.reservable else "spot or flex_start"
        )
        raise SettingsError("machine_type", args["machine_type"], f"{ways} beside it: it cannot be had on demand")


def _scheduling(
    args: GcpGpuPoolArgs, machine: Machine, *, spot: bool, flex: FlexStart | None
) -> gcp.compute.InstanceTemplateSchedulingArgs:
    """Instances with GPUs stop for their host's maintenance; those of the standard kind start again by themselves."""
    action = _TERMINATION("instance_termination_action", args.get("instance_termination_action", "DELETE"))
    # https://cloud.google.com/compute/docs/instances/about-reservation-bound-vms: their reservations are of capacity for a period, and end.
    bound = not (machine.on_demand or spot or flex)
    return gcp.compute.InstanceTemplateSchedulingArgs(
        provisioning_model="FLEX_START" if flex else "SPOT" if spot else "RESERVATION_BOUND" if bound else "STANDARD",
        preemptible=spot,
        automatic_restart=not spot and flex is None,
        on_host_maintenance="TERMINATE",
        instance_termination_action="DELETE" if flex or bound else action if spot else None,
        max_run_duration=None
        if flex is None
        else gcp.compute.InstanceTemplateSchedulingMaxRunDurationArgs(seconds=flex.run_duration_seconds),
        node_affinities=_node_affinities(args, machine, flex=flex is not None),
    )


def _node_affinities(
    args: GcpGpuPoolArgs, machine: Machine, *, flex: bool
) -> list[gcp.compute.InstanceTemplateSchedulingNodeAffinityArgs] | None:
    items = plain_list("node_affinities", args.get("node_affinities", []))
    if items and not machine.sole_tenancy:
        raise SettingsError(
            "node_affinities", items, f"nothing: there are no sole-tenant nodes of {args['machine_type']}"
        )
    if items and flex:
        raise SettingsError("node_affinities", items, "nothing beside flex_start: it gives shared hosts")
    made: list[gcp.compute.InstanceTemplateSchedulingNodeAffinityArgs] = []
    for index, item in enumerate(items):
        at = f"node_affinities[{index}]"
        refuse_unknown(at, item, GcpNodeAffinity)
        made.append(
            gcp.compute.InstanceTemplateSchedulingNodeAffinityArgs(
                key=checked(f"{at}.key", item["key"], TEXT),
                operator=checked(f"{at}.operator", item.get("operator", "IN"), one_of("IN", "NOT_IN")),
                values=checked_list(f"{at}.values", item["values"], TEXT),
            )
        )
    return made or None


def _reservation_affinity(
    args: GcpGpuPoolArgs, *, flex: bool
) -> gcp.compute.InstanceTemplateReservationAffinityArgs | None:
    """Neither Spot instances nor sole-tenant nodes nor flex start use reservations up; flex start must say so.

    https://cloud.google.com/compute/docs/instances/reservations-consume#limitations
    """
    kind = gcp.compute.InstanceTemplateReservationAffinityArgs
    given = args.get("reservation")
    if given is None:
        return kind(type="NO_RESERVATION") if flex else None
    refuse_unknown("reservation", given, GcpReservation)
    affinity, name = _AFFINITY("reservation.affinity", given["affinity"]), given.get("name")
    without = next((field for field in ("spot", "flex_start", "node_affinities") if args.get(field)), None)
    if affinity != "NONE" and without:
        raise SettingsError("reservation.affinity", affinity, f"'NONE', or no reservation: {without} uses none up")
    if (affinity == "SPECIFIC") != (name is not None):
        raise SettingsError("reservation.name", name, "a name where affinity is 'SPECIFIC', and only there")
    if name is None:
        return kind(type="ANY_RESERVATION" if affinity == "ANY" else "NO_RESERVATION")
    named = gcp.compute.InstanceTemplateReservationAffinitySpecificReservationArgs(
        key=_RESERVATION_NAME, values=[checked("reservation.name", name, _RESERVATION)]
    )
    return kind(type="SPECIFIC_RESERVATION", specific_reservation=named)


def _local_ssds(args: GcpGpuPoolArgs, machine: Machine) -> int:
    name, count = args["machine_type"], whole(0, 32)("local_ssds", args.get("local_ssds", 0))
    if count and machine.bundled_ssd_gib:
        raise SettingsError("local_ssds", count, f"0: {name} brings {machine.bundled_ssd_gib} GiB of Local SSD")
    if count not in machine.local_ssds:
        raise SettingsError("local_ssds", count, f"one of {', '.join(map(str, machine.local_ssds))} with {name}")
    return count


def _local_ssd() -> gcp.compute.InstanceTemplateDiskArgs:
    return gcp.compute.InstanceTemplateDiskArgs(
        type="SCRATCH",
        disk_type="local-ssd",
        interface="NVME",
        disk_size_gb=LOCAL_SSD_GIB,
        auto_delete=True,
        boot=False,
    )


def _flex_start(given: GcpFlexStart) -> FlexStart:
    refuse_unknown("flex_start", given, GcpFlexStart)
    requests = plain_map("flex_start.requests", given["requests"])
    return FlexStart(
        run_duration_seconds=checked("flex_start.run_duration_seconds", given["run_duration_seconds"], RUN_SECONDS),
        requests={
            _REQUEST(f"flex_start.requests.{name}", name): checked(f"flex_start.requests.{name}", count, whole(1, 1000))
            for name, count in requests.items()
        },
    )


def check_boot_disk(args: GcpGpuPoolArgs, machine: Machine) -> None:
    """Refuse a boot disk of a kind that the machine type does not take.

    Raises:
        SettingsError: it is a literal, and another.
    """
    kind = args.get("boot_disk", {}).get("type")
    if kind is not None and is_literal(kind) and kind not in machine.boot_disks:
        known = ", ".join(map(repr, machine.boot_disks))
        raise SettingsError("boot_disk.type", kind, f"one of {known} with {args['machine_type']}")
