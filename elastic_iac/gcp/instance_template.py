"""The instance template of a group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import HYPERDISK, GcpBootDisk, GcpInstancesArguments
from elastic_iac.common.validation import is_literal
from elastic_iac.gcp.identity import CLOUD_PLATFORM_SCOPE, Identity
from elastic_iac.gcp.image import Image, report_held_image, resolve_image
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
    """Parts of the instance template, in the shape of the provider's arguments; the last four are a pool's."""

    machine_type: Value[str]
    metadata: Value[Mapping[str, Any]]
    boot_disk: dict[str, Any]
    scheduling: Any
    secure_boot: Value[bool]
    guest_accelerators: Any = None
    reservation_affinity: Any = None
    local_disks: Sequence[Any] = ()
    nic_type: str | None = None


def metadata_of(args: GcpInstancesArguments, *layers: Value[Mapping[str, Any]]) -> Value[Mapping[str, Any]]:
    """Metadata of the instances: what is safe, then the layers, then the startup script; the later ones win."""
    script: Value[Mapping[str, Any]] = {}
    if args.startup_script is not None:
        script = lift(lambda text: {"startup-script": text}, args.startup_script)
    return lift(_merged, SAFE_METADATA, *layers, script)


def _merged(*layers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for layer in layers for key, value in layer.items()}


def boot_disk(
    disk: GcpBootDisk, problems: Problems, machine_type: Value[str], boot_disks: Callable[[str], tuple[str, ...]]
) -> dict[str, Any]:
    """The boot disk, of a type that the machine type takes; `boot_disks` are those of a machine type, the default first."""

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
    return {
        "boot": True,
        "auto_delete": True,
        "disk_size_gb": disk.size_gib,
        "disk_type": kind,
        "provisioned_iops": disk.iops,
        "provisioned_throughput": disk.throughput_mib,
        "disk_encryption_key": None if disk.kms_key is None else {"kms_key_self_link": disk.kms_key},
    }


def scheduling(spot: Value[bool]) -> dict[str, Any]:
    """Spot instances can neither migrate nor restart by themselves; the group replaces them."""
    return {
        "provisioning_model": lift(lambda cheap: "SPOT" if cheap else "STANDARD", spot),
        "preemptible": spot,
        "automatic_restart": lift(lambda cheap: not cheap, spot),
        "on_host_maintenance": lift(lambda cheap: "TERMINATE" if cheap else "MIGRATE", spot),
    }


def declare_template(
    name: str,
    launch: Launch,
    image: Image,
    *,
    args: GcpInstancesArguments,
    owner: Identity,
    labels: Labels,
    parent: pulumi.Resource,
) -> gcp.compute.InstanceTemplate:
    """Declare the instance template: a shielded VM with a service account of its own and, unless asked for, no public address.

    Templates are immutable: any change makes a new one, which stands before the group leaves the old one (automatic names let both be there).
    If its image is held and the family has moved on, the log says so.
    """
    newest = resolve_image(image, pulumi.InvokeOptions(parent=parent))
    disk: Any = {**launch.boot_disk, "source_image": newest, "labels": labels}
    template = gcp.compute.InstanceTemplate(
        f"{name}-template",
        # An instance that boots before its roles are granted loses its first logs.
        pulumi.ResourceOptions(
            parent=parent, depends_on=owner.roles, ignore_changes=[*image.ignored_changes, *LABELS_OF_THE_GROUP]
        ),
        machine_type=launch.machine_type,
        disks=[disk, *launch.local_disks],
        guest_accelerators=launch.guest_accelerators,
        reservation_affinity=launch.reservation_affinity,
        network_interfaces=[
            {
                "network": args.network,
                "subnetwork": args.subnetwork,
                "nic_type": launch.nic_type,
                "access_configs": [{"network_tier": "PREMIUM"}] if args.public_address else None,
            }
        ],
        service_account={"email": owner.account.email, "scopes": [CLOUD_PLATFORM_SCOPE]},
        shielded_instance_config={
            "enable_secure_boot": launch.secure_boot,
            "enable_vtpm": True,
            "enable_integrity_monitoring": True,
        },
        scheduling=launch.scheduling,
        metadata=launch.metadata,
        tags=list(args.network_tags),
        labels=labels,
    )
    if image.family is not None:
        report_held_image(template, newest, image.family)
    return template
