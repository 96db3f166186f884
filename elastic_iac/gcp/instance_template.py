"""What an instance is launched with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import HYPERDISK, GcpBootDisk, GcpInstancesArguments
from elastic_iac.common.validation import is_literal
from elastic_iac.gcp.identity import CLOUD_PLATFORM_SCOPE
from forecasting.errors import SettingsError

Labels = Value[dict[str, Value[str]]]

SAFE_METADATA = {"enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE"}
"""Shell access goes by IAM (OS Login), not by keys of the whole project."""

FLEET_LABEL = "elastic-iac-group"
"""Tells the group's instances from others in Cloud Monitoring; its value is unique within the project."""


LABELS_OF_THE_GROUP = [f'labels["{FLEET_LABEL}"]', f'disks[0].labels["{FLEET_LABEL}"]']
"""Set when the template is made: a renamed component keeps its instances."""


def group_label(template: gcp.compute.InstanceTemplate, declared: str) -> pulumi.Output[str]:
    """Return the label by which Cloud Monitoring tells the group's instances: as deployed, or as it is declared."""
    return template.labels.apply(lambda labels: (labels or {}).get(FLEET_LABEL, declared))


@dataclass(frozen=True)
class Launch:
    """Parts of the instance template; the last four are a pool's."""

    machine_type: Value[str]
    metadata: Value[Mapping[str, Any]]
    boot_disk: gcp.compute.InstanceTemplateDiskArgs
    scheduling: gcp.compute.InstanceTemplateSchedulingArgs
    secure_boot: Value[bool]
    public_address: bool
    network_tags: Sequence[Value[str]]
    guest_accelerators: list[gcp.compute.InstanceTemplateGuestAcceleratorArgs] | None = None
    reservation_affinity: gcp.compute.InstanceTemplateReservationAffinityArgs | None = None
    local_disks: Sequence[gcp.compute.InstanceTemplateDiskArgs] = ()
    nic_type: str | None = None


def metadata_of(args: GcpInstancesArguments, *layers: Value[Mapping[str, Any]]) -> Value[Mapping[str, Any]]:
    """Metadata of the instances: what is safe, then the layers, then the startup script; the later ones win."""
    script: Value[Mapping[str, Any]] = {}
    if args.startup_script is not None:
        script = lift(lambda text: {"startup-script": text}, args.startup_script)
    return lift(_merged, SAFE_METADATA, *layers, script)


def _merged(*layers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for layer in layers for key, value in layer.items()}


def boot_disk_args(
    disk: GcpBootDisk,
    problems: Problems,
    *,
    machine_type: Value[str],
    boot_disks: Callable[[str], tuple[str, ...]],
) -> gcp.compute.InstanceTemplateDiskArgs:
    """The boot disk, of a type that the machine type takes.

    Args:
        disk: The arguments of the disk.
        problems: Gets what is wrong.
        machine_type: Machine type of the instances.
        boot_disks: Types of boot disk that a machine type takes, the default first.
    """

    def type_on(given: str | None, machine: str) -> str:
        known = boot_disks(machine)
        if given is not None and given not in known:
            raise SettingsError("boot_disk.type", given, f"one of {', '.join(map(repr, known))} with {machine}")
        return given or known[0]

    kind: Value[str] = HYPERDISK
    with problems.collect():
        kind = lift(type_on, disk.type, machine_type)
    for field, value in (("iops", disk.iops), ("throughput_mib", disk.throughput_mib)):
        if value is not None and is_literal(kind) and kind != HYPERDISK:
            problems.refuse(f"boot_disk.{field}", value, "nothing: only 'hyperdisk-balanced' is provisioned so")
    key = disk.kms_key
    return gcp.compute.InstanceTemplateDiskArgs(
        boot=True,
        auto_delete=True,
        disk_size_gb=disk.size_gib,
        disk_type=kind,
        provisioned_iops=disk.iops,
        provisioned_throughput=disk.throughput_mib,
        disk_encryption_key=None
        if key is None
        else gcp.compute.InstanceTemplateDiskDiskEncryptionKeyArgs(kms_key_self_link=key),
    )


def scheduling_args(spot: Value[bool]) -> gcp.compute.InstanceTemplateSchedulingArgs:
    """Spot instances can neither migrate nor restart by themselves; the group replaces them."""
    return gcp.compute.InstanceTemplateSchedulingArgs(
        provisioning_model=lift(lambda cheap: "SPOT" if cheap else "STANDARD", spot),
        preemptible=spot,
        automatic_restart=lift(lambda cheap: not cheap, spot),
        on_host_maintenance=lift(lambda cheap: "TERMINATE" if cheap else "MIGRATE", spot),
    )


def template_args(
    launch: Launch,
    *,
    source_image: pulumi.Input[str],
    network: pulumi.Input[str],
    subnetwork: pulumi.Input[str],
    service_account: pulumi.Input[str],
    labels: Labels,
) -> gcp.compute.InstanceTemplateArgs:
    """The instance template: a shielded VM with a service account of its own and, unless asked for, no public address.

    Templates are immutable: any change makes a new one, which stands before the group leaves the old one (automatic names let both be there).
    """
    disk = launch.boot_disk
    disk.source_image, disk.labels = source_image, labels
    access = [gcp.compute.InstanceTemplateNetworkInterfaceAccessConfigArgs(network_tier="PREMIUM")]
    return gcp.compute.InstanceTemplateArgs(
        machine_type=launch.machine_type,
        disks=[disk, *launch.local_disks],
        guest_accelerators=launch.guest_accelerators,
        reservation_affinity=launch.reservation_affinity,
        network_interfaces=[
            gcp.compute.InstanceTemplateNetworkInterfaceArgs(
                network=network,
                subnetwork=subnetwork,
                nic_type=launch.nic_type,
                access_configs=access if launch.public_address else None,
            )
        ],
        service_account=gcp.compute.InstanceTemplateServiceAccountArgs(
            email=service_account, scopes=[CLOUD_PLATFORM_SCOPE]
        ),
        shielded_instance_config=gcp.compute.InstanceTemplateShieldedInstanceConfigArgs(
            enable_secure_boot=launch.secure_boot, enable_vtpm=True, enable_integrity_monitoring=True
        ),
        scheduling=launch.scheduling,
        metadata=launch.metadata,
        tags=list(launch.network_tags),
        labels=labels,
    )
