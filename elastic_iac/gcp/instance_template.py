"""What an instance is launched with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.validation import (
    boolean,
    checked,
    checked_list,
    is_literal,
    matching,
    one_of,
    refuse_unknown,
    text_map,
    whole,
)
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs, GcpBootDisk
from elastic_iac.gcp.identity import CLOUD_PLATFORM_SCOPE
from forecasting.errors import SettingsError

METADATA_LIMIT_BYTES = 256 * 1024
"""Of one value: https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations"""

SAFE_METADATA = {"enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE"}
"""Shell access goes by IAM (OS Login), not by keys of the whole project."""

FLEET_LABEL = "elastic-iac-group"
"""Tells the group's instances from others in Cloud Monitoring; its value is unique within the project."""

_MACHINE_TYPE = matching(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type such as 'e2-standard-4'")
_KMS_KEY = matching(
    r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+",
    "a key, 'projects/.../locations/.../keyRings/.../cryptoKeys/NAME'",
)
_NETWORK_TAG = matching(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "a network tag: lower-case letters, digits and hyphens")
_DISK_TYPE = one_of("pd-balanced", "pd-ssd", "pd-standard", "hyperdisk-balanced")


@dataclass(frozen=True)
class Launch:
    """The checked arguments that the instance template is made of; the last four are a pool's."""

    machine_type: pulumi.Output[str]
    metadata: pulumi.Output[Mapping[str, str]]
    boot_disk: gcp.compute.InstanceTemplateDiskArgs
    scheduling: gcp.compute.InstanceTemplateSchedulingArgs
    secure_boot: pulumi.Output[bool]
    public_address: bool
    network_tags: list[pulumi.Output[str]]
    guest_accelerators: list[gcp.compute.InstanceTemplateGuestAcceleratorArgs] | None = None
    reservation_affinity: gcp.compute.InstanceTemplateReservationAffinityArgs | None = None
    local_disks: Sequence[gcp.compute.InstanceTemplateDiskArgs] = ()
    nic_type: str | None = None


def settle_launch(args: GcpAutoscalingGroupArgs) -> Launch:
    """Check what instances are launched with.

    Raises:
        SettingsError: the first wrong literal.
    """
    return Launch(
        machine_type=checked("machine_type", args["machine_type"], _MACHINE_TYPE),
        metadata=_metadata(args),
        boot_disk=_boot_disk(args.get("boot_disk", {"size_gib": 20})),
        scheduling=_scheduling(checked("spot", args.get("spot", False), boolean)),
        secure_boot=checked("secure_boot", args.get("secure_boot", True), boolean),
        public_address=boolean("public_address", args.get("public_address", False)),
        network_tags=checked_list("network_tags", args.get("network_tags", []), _NETWORK_TAG),
    )


def _metadata(args: GcpAutoscalingGroupArgs) -> pulumi.Output[Mapping[str, str]]:
    metadata = checked("metadata", args.get("metadata", {}), text_map)
    script = args.get("startup_script")
    if script is None:
        return metadata.apply(lambda given: {**SAFE_METADATA, **given})
    checked_script = checked("startup_script", script, _script)
    return pulumi.Output.all(metadata, checked_script).apply(
        lambda both: {**SAFE_METADATA, **both[0], "startup-script": both[1]}
    )


def _script(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise SettingsError(field, value, "a text")
    size = len(value.encode())
    if size > METADATA_LIMIT_BYTES:
        raise SettingsError(field, f"{size} bytes", f"at most {METADATA_LIMIT_BYTES} bytes: fetch the rest at boot")
    return value


def _boot_disk(disk: GcpBootDisk) -> gcp.compute.InstanceTemplateDiskArgs:
    refuse_unknown("boot_disk", disk, GcpBootDisk)
    kind, iops, throughput, key = disk.get("type"), disk.get("iops"), disk.get("throughput_mib"), disk.get("kms_key")
    for field, value in (("iops", iops), ("throughput_mib", throughput)):
        if value is not None and is_literal(kind) and kind != "hyperdisk-balanced":
            raise SettingsError(f"boot_disk.{field}", value, "nothing: only 'hyperdisk-balanced' is provisioned so")
    return gcp.compute.InstanceTemplateDiskArgs(
        boot=True,
        auto_delete=True,
        disk_size_gb=checked("boot_disk.size_gib", disk["size_gib"], whole(10, 65_536)),
        disk_type=checked("boot_disk.type", kind or "pd-balanced", _DISK_TYPE),
        provisioned_iops=None if iops is None else checked("boot_disk.iops", iops, whole(2500, 160_000)),
        provisioned_throughput=None
        if throughput is None
        else checked("boot_disk.throughput_mib", throughput, whole(140, 2400)),
        disk_encryption_key=None
        if key is None
        else gcp.compute.InstanceTemplateDiskDiskEncryptionKeyArgs(
            kms_key_self_link=checked("boot_disk.kms_key", key, _KMS_KEY)
        ),
    )


def _scheduling(spot: pulumi.Output[bool]) -> gcp.compute.InstanceTemplateSchedulingArgs:
    """Spot instances can neither migrate nor restart by themselves; the group replaces them."""
    return gcp.compute.InstanceTemplateSchedulingArgs(
        provisioning_model=spot.apply(lambda cheap: "SPOT" if cheap else "STANDARD"),
        preemptible=spot,
        automatic_restart=spot.apply(lambda cheap: not cheap),
        on_host_maintenance=spot.apply(lambda cheap: "TERMINATE" if cheap else "MIGRATE"),
    )


def template_args(
    launch: Launch,
    *,
    source_image: pulumi.Input[str],
    network: pulumi.Input[str],
    subnetwork: pulumi.Input[str],
    service_account: pulumi.Input[str],
    labels: pulumi.Output[Mapping[str, str]],
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
        tags=launch.network_tags,
        labels=labels,
    )
