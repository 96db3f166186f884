"""The GPUs of a pool and how its instances are obtained: on demand, Spot, reserved, on sole-tenant nodes, or by flex start."""

from dataclasses import dataclass, replace
from typing import Any

from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp_gpu_pool import GcpFlexStart, GcpGpuPoolArgs
from elastic_iac.common.validation import matching
from elastic_iac.gcp.gpu_pool.machine_types import ATTACHABLE, LOCAL_SSD_GIB, MACHINES, Machine, host
from elastic_iac.gcp.instance_template import Launch
from forecasting.errors import SettingsError

_REQUEST = matching(r"[a-z]([a-z0-9-]{0,12}[a-z0-9])?", "1 to 14 lower-case letters, digits and inner hyphens")
_LOCAL_SSD = {
    "type": "SCRATCH",
    "disk_type": "local-ssd",
    "interface": "NVME",
    "disk_size_gb": LOCAL_SSD_GIB,
    "auto_delete": True,
    "boot": False,
}
_RESERVATION_NAME = "compute.googleapis.com/reservation-name"


@dataclass(frozen=True)
class FlexStart:
    """Requests: how long an instance runs, and instances by the request's name."""

    run_duration_seconds: Value[int]
    requests: dict[str, Value[int]]


@dataclass(frozen=True)
class Hardware:
    """A pool's machines."""

    machine: Machine
    attached: bool
    """The GPUs are attached to the machine; otherwise it brings them."""
    scheduling: dict[str, Any]
    reservation_affinity: dict[str, Any] | None
    local_ssds: int
    flex_start: FlexStart | None

    def applied_to(self, launch: Launch) -> Launch:
        """What an instance is launched with, GPUs included."""
        gpus = {"type": self.machine.gpu, "count": self.machine.gpus}
        return replace(
            launch,
            guest_accelerators=[gpus] if self.attached else None,
            reservation_affinity=self.reservation_affinity,
            local_disks=[_LOCAL_SSD] * self.local_ssds,
            nic_type=None if self.attached else "GVNIC",
        )


def configure_machine(args: GcpGpuPoolArgs) -> Machine:
    """The machine type with its GPUs, from the table.

    Raises:
        SettingsError: there is no such type, or it does not take these GPUs.
    """
    name, given = args.machine_type, args.guest_accelerator
    fixed = MACHINES.get(name)
    if fixed is not None:
        if given is not None:
            brings = f"nothing: {name} brings {fixed.gpus} of type {fixed.gpu}"
            raise SettingsError("guest_accelerator", given.type, brings)
        return fixed
    n1 = host(name)
    if n1 is None:
        known = ", ".join(sorted(MACHINES))
        raise SettingsError("machine_type", name, f"an N1 type such as 'n1-standard-8', or one of {known}")
    if given is None:
        raise SettingsError("guest_accelerator", None, f"GPUs for {name}, or a machine type that brings its own")
    allowed, count = ATTACHABLE[given.type].vcpus_at_most, given.count
    if count not in allowed:
        raise SettingsError("guest_accelerator.count", count, f"one of {', '.join(map(str, allowed))} of {given.type}")
    if n1.vcpus > allowed[count]:
        expected = f"a type of at most {allowed[count]} vCPUs with {count} of {given.type}, or more GPUs"
        raise SettingsError("machine_type", name, expected)
    return n1.with_gpus(given.type, count)


def configure_hardware(args: GcpGpuPoolArgs, machine: Machine, problems: Problems) -> Hardware:
    """Check whether what is asked of the machine type goes together."""
    flex = None if args.flex_start is None else _flex_start(args.flex_start, problems)
    _check_kind(args, machine, problems)
    _check_local_ssds(args, machine, problems)
    _check_node_affinities(args, machine, problems)
    return Hardware(
        machine=machine,
        attached=args.guest_accelerator is not None,
        scheduling=_scheduling(args, machine, flex),
        reservation_affinity=_reservation_affinity(args, problems),
        local_ssds=args.local_ssds,
        flex_start=flex,
    )


def _check_kind(args: GcpGpuPoolArgs, machine: Machine, problems: Problems) -> None:
    """Refuse ways of obtaining instances that exclude each other, or that the machine type does not have."""
    maintenance, action, flex = args.on_host_maintenance, args.instance_termination_action, args.flex_start is not None
    if maintenance != "TERMINATE":
        # https://cloud.google.com/compute/docs/gpus/gpu-host-maintenance
        problems.refuse("on_host_maintenance", maintenance, "'TERMINATE': instances with GPUs cannot migrate")
    if flex and args.spot:
        problems.refuse("spot", args.spot, "false beside flex_start: an instance is obtained in one way")
    if action is not None and not args.spot:
        problems.refuse("instance_termination_action", action, "nothing without spot: nothing else takes them away")
    specific = args.reservation is not None and args.reservation.affinity == "SPECIFIC"
    if not (machine.on_demand or args.spot or flex or (specific and machine.reservable)):
        ways = (
            "spot, flex_start or a reservation of affinity 'SPECIFIC'" if machine.reservable else "spot or flex_start"
        )
        problems.refuse("machine_type", args.machine_type, f"{ways} beside it: it is not available on demand")
    if args.standby_pool is not None:
        _check_standby(args, problems)


def _check_standby(args: GcpGpuPoolArgs, problems: Problems) -> None:
    """https://cloud.google.com/compute/docs/instances/suspend-resume-instance#limitations: no GPUs, and no Local SSD without its loss."""
    pool = args.standby_pool
    if pool is not None and pool.suspended_size != 0:
        problems.refuse(
            "standby_pool.suspended_size", pool.suspended_size, "0: instances with GPUs cannot be suspended"
        )
    if args.spot:
        problems.refuse("standby_pool", "given", "nothing beside spot: a stopped Spot instance may not start again")


def _scheduling(args: GcpGpuPoolArgs, machine: Machine, flex: FlexStart | None) -> dict[str, Any]:
    """Instances with GPUs stop for their host's maintenance; those of the standard kind start again by themselves."""
    action = args.instance_termination_action or "DELETE"
    # https://cloud.google.com/compute/docs/instances/about-reservation-bound-vms: their reservations are of capacity for a period, and end.
    bound = not (machine.on_demand or args.spot or flex)
    kind = "FLEX_START" if flex else "SPOT" if args.spot else "RESERVATION_BOUND" if bound else "STANDARD"
    return {
        "provisioning_model": kind,
        "preemptible": args.spot,
        "automatic_restart": not args.spot and flex is None,
        "on_host_maintenance": "TERMINATE",
        "instance_termination_action": "DELETE" if flex or bound else action if args.spot else None,
        "max_run_duration": flex and {"seconds": flex.run_duration_seconds},
        "node_affinities": [
            {"key": item.key, "operator": item.operator, "values": list(item.values)} for item in args.node_affinities
        ]
        or None,
    }


def _check_node_affinities(args: GcpGpuPoolArgs, machine: Machine, problems: Problems) -> None:
    count = len(args.node_affinities)
    if count and not machine.sole_tenancy:
        expected = f"nothing: there are no sole-tenant nodes of {args.machine_type}"
        problems.refuse("node_affinities", f"{count} labels", expected)
    if count and args.flex_start is not None:
        problems.refuse("node_affinities", f"{count} labels", "nothing beside flex_start: it gives shared hosts")


def _reservation_affinity(args: GcpGpuPoolArgs, problems: Problems) -> dict[str, Any] | None:
    """Neither Spot instances nor sole-tenant nodes nor flex start use reservations up; flex start must declare so.

    https://cloud.google.com/compute/docs/instances/reservations-consume#limitations
    """
    given = args.reservation
    if given is None:
        return {"type": "NO_RESERVATION"} if args.flex_start is not None else None
    affinity, name = given.affinity, given.name
    without = next((field for field in ("spot", "flex_start", "node_affinities") if getattr(args, field)), None)
    if affinity != "NONE" and without:
        problems.refuse("reservation.affinity", affinity, f"'NONE', or no reservation: {without} uses none up")
    if (affinity == "SPECIFIC") != (name is not None):
        problems.refuse("reservation.name", name, "a name if affinity is 'SPECIFIC', and only then")
    if name is None:
        return {"type": "ANY_RESERVATION" if affinity == "ANY" else "NO_RESERVATION"}
    named = {"key": _RESERVATION_NAME, "values": [name]}
    return {"type": "SPECIFIC_RESERVATION", "specific_reservation": named}


def _check_local_ssds(args: GcpGpuPoolArgs, machine: Machine, problems: Problems) -> None:
    name, count = args.machine_type, args.local_ssds
    if count and machine.bundled_ssd_gib:
        problems.refuse("local_ssds", count, f"0: {name} brings {machine.bundled_ssd_gib} GiB of Local SSD")
    elif count not in machine.local_ssds:
        problems.refuse("local_ssds", count, f"one of {', '.join(map(str, machine.local_ssds))} with {name}")


def _flex_start(given: GcpFlexStart, problems: Problems) -> FlexStart:
    for name in given.requests:
        problems.verified(f"flex_start.requests.{name}", name, _REQUEST)
    return FlexStart(given.run_duration_seconds, dict(given.requests))
