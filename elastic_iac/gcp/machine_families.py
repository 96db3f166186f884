"""Boot disks by machine family.

Sources: "Machine series support" of Hyperdisk, https://cloud.google.com/compute/docs/disks/hyperdisks#machine-type-support, and of Persistent Disk,
https://cloud.google.com/compute/docs/disks/persistent-disks#machine-series-support.
"""

from elastic_iac.common.schema.gcp import HYPERDISK

PERSISTENT = ("pd-balanced", "pd-ssd", "pd-standard")
_HYPERDISK_ONLY = frozenset({"c4", "c4a", "c4d", "n4", "n4a", "n4d", "m4", "g4", "a4"})
_INFERRED = frozenset({"x4", "h4d", "a4x"})
"""Inferred from the rule that the series of this generation have no Persistent Disk, not looked up one by one."""
_BARE_METAL = frozenset({"c3", "z3"})  # their types without a hypervisor, '-metal', have no Persistent Disk


def boot_disks(machine_type: str) -> tuple[str, ...]:
    """Types of boot disk that the machine type takes, the default first. A family that is not in the table takes all."""
    family = machine_type.split("-", 1)[0]
    if family in _HYPERDISK_ONLY | _INFERRED or (family in _BARE_METAL and machine_type.endswith("-metal")):
        return (HYPERDISK,)
    return (*PERSISTENT, HYPERDISK)
