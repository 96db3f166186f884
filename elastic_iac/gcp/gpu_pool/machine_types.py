"""Machine types with GPUs: what each brings, and which GPUs N1 takes.

Sources: "Accelerator-optimized machine family" and "GPU machine types", https://cloud.google.com/compute/docs/accelerator-optimized-machines and
https://cloud.google.com/compute/docs/gpus; Local SSD by machine type, https://cloud.google.com/compute/docs/disks/local-ssd; node types (A2 High,
A2 Mega, A3 High and A3 Mega since December 2025), https://cloud.google.com/compute/docs/nodes/sole-tenant-nodes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LOCAL_SSD_GIB = 375
"""Size of one Local SSD disk of the types that take them."""

PERSISTENT = ("pd-balanced", "pd-ssd", "pd-standard")
_FLASH = ("pd-balanced", "pd-ssd")
_HYPERDISK = ("hyperdisk-balanced",)


@dataclass(frozen=True)
class Machine:
    """One machine type with its GPUs.

    Attributes:
        gpu: Type of its GPUs as Compute Engine calls it.
        gpus: How many.
        gpu_memory_gib: Memory of one of them.
        memory_gib: Memory of the machine, by default.
        local_ssds: How many Local SSD disks may be added.
        bundled_ssd_gib: Local SSD that comes with the type; nothing can be added then.
        boot_disks: Types of boot disk, the one taken by default first.
        sole_tenancy: Whether there are sole-tenant nodes for it.
        on_demand: Whether it can be had without Spot, flex start or a reservation.
        reservable: Whether a reservation can hold it.
    """

    gpu: str
    gpus: int
    gpu_memory_gib: int
    memory_gib: int
    local_ssds: tuple[int, ...] = (0,)
    bundled_ssd_gib: int = 0
    boot_disks: tuple[str, ...] = PERSISTENT
    sole_tenancy: bool = False
    on_demand: bool = True
    reservable: bool = True


def _fixed() -> Iterator[tuple[str, Machine]]:
    for vcpus, gpus, memory in ((4, 1, 16), (8, 1, 32), (12, 1, 48), (16, 1, 64), (24, 2, 96), (32, 1, 128)):
        yield f"g2-standard-{vcpus}", _g2(gpus, memory)
    for vcpus, gpus, memory in ((48, 4, 192), (96, 8, 384)):
        yield f"g2-standard-{vcpus}", _g2(gpus, memory)
    for gpus in (1, 2, 4, 8):
        yield (
            f"g4-standard-{48 * gpus}",
            Machine("nvidia-rtx-pro-6000", gpus, 96, 180 * gpus, (0, 4 * gpus), boot_disks=_HYPERDISK),
        )
        added = tuple(count for count in (0, 1, 2, 4, 8) if not 0 < count < gpus)
        yield f"a2-highgpu-{gpus}g", Machine("nvidia-tesla-a100", gpus, 40, 85 * gpus, added, sole_tenancy=True)
        yield (
            f"a2-ultragpu-{gpus}g",
            Machine("nvidia-a100-80gb", gpus, 80, 170 * gpus, bundled_ssd_gib=375 * gpus, sole_tenancy=True),
        )
    yield "a2-megagpu-16g", Machine("nvidia-tesla-a100", 16, 40, 1360, (0, 8), sole_tenancy=True)
    for gpus in (1, 2, 4):
        yield (
            f"a3-highgpu-{gpus}g",
            Machine(
                *("nvidia-h100-80gb", gpus, 80, 234 * gpus),
                bundled_ssd_gib=750 * gpus,
                boot_disks=_FLASH,
                on_demand=False,
                reservable=False,
            ),
        )
    eight = {"a3-highgpu-8g": "nvidia-h100-80gb", "a3-edgegpu-8g": "nvidia-h100-80gb"}
    for name, gpu in {**eight, "a3-megagpu-8g": "nvidia-h100-mega-80gb"}.items():
        yield (
            name,
            Machine(
                *(gpu, 8, 80, 1872),
                bundled_ssd_gib=6000,
                boot_disks=(*_FLASH, *_HYPERDISK),
                sole_tenancy=name != "a3-edgegpu-8g",
            ),
        )
    for name, gpu, gpu_memory, memory in (
        ("a3-ultragpu-8g", "nvidia-h200-141gb", 141, 2952),
        ("a4-highgpu-8g", "nvidia-b200", 180, 3968),
    ):
        yield (
            name,
            Machine(gpu, 8, gpu_memory, memory, bundled_ssd_gib=12_000, boot_disks=_HYPERDISK, on_demand=False),
        )


def _g2(gpus: int, memory: int) -> Machine:
    return Machine("nvidia-l4", gpus, 24, memory, (0, gpus), boot_disks=_FLASH, sole_tenancy=True)


MACHINES = dict(_fixed())
"""The types that bring their GPUs."""


@dataclass(frozen=True)
class Attachable:
    """A GPU that is attached to N1: its memory, and by how many are attached the most vCPUs that the machine may have."""

    memory_gib: int
    vcpus_at_most: dict[int, int]


ATTACHABLE = {
    "nvidia-tesla-t4": Attachable(16, {1: 48, 2: 48, 4: 96}),
    "nvidia-tesla-p4": Attachable(8, {1: 24, 2: 48, 4: 96}),
    "nvidia-tesla-v100": Attachable(16, {1: 12, 2: 24, 4: 48, 8: 96}),
    "nvidia-tesla-p100": Attachable(16, {1: 16, 2: 32, 4: 96}),
}

_N1 = re.compile(r"n1-(standard|highmem|highcpu)-(1|2|4|8|16|32|64|96)")
_N1_MEMORY_GIB = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}
_N1_SSDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24)


@dataclass(frozen=True)
class Host:
    """An N1 machine type, to which GPUs are attached."""

    vcpus: int
    memory_gib: int

    def with_gpus(self, gpu: str, gpus: int) -> Machine:
        """The machine with `gpus` of the type `gpu`, a key of `ATTACHABLE`."""
        return Machine(gpu, gpus, ATTACHABLE[gpu].memory_gib, self.memory_gib, _N1_SSDS, sole_tenancy=True)


def host(machine_type: str) -> Host | None:
    """An N1 type; None where it is another."""
    found = _N1.fullmatch(machine_type)
    if found is None:
        return None
    kind, vcpus = found.group(1), int(found.group(2))
    return Host(vcpus, round(_N1_MEMORY_GIB[kind] * vcpus))
