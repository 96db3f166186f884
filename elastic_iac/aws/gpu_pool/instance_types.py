"""What EC2's GPU instance types have: a table of facts, so that an impossible pool is refused before anything is declared.

The figures are those that DescribeInstanceTypes gives (GpuInfo, MemoryInfo, NetworkInfo.EfaInfo, InstanceStorageInfo, SupportedUsageClasses,
DedicatedHostsSupported): https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html; the drivers those of the deep learning images' release notes:
https://docs.aws.amazon.com/dlami/latest/devguide/important-changes.html. No GPU family can hibernate:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-prerequisites.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

from elastic_iac.common.validation import INSTANCE_TYPE
from forecasting.errors import SettingsError

HIBERNATION_LIMIT_GIB = 150
"""Of memory: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/hibernating-prerequisites.html"""


@dataclass(frozen=True)
class Size:
    """One size of a family."""

    gpus: int
    memory_gib: int
    """Of the host."""
    local_disks: int
    """NVMe disks of the instance store; what is on them is lost when the instance stops."""
    local_disk_gb: int
    """Of each."""
    efa_interfaces: int = 0
    """Elastic Fabric Adapters, one a network card; 0: none."""
    dedicated_host: bool = False
    """Whether it runs on a Dedicated Host."""


@dataclass(frozen=True)
class Family:
    """What the sizes of a family share."""

    accelerator: str
    gpu_memory_mib: int
    """Of one GPU."""
    sizes: Mapping[str, Size]
    capacity_blocks: bool = False
    """Whether Capacity Blocks are sold for it."""
    open_driver: bool = True
    """Whether NVIDIA's open kernel modules drive it: from Turing on."""


@dataclass(frozen=True)
class GpuType:
    """One instance type."""

    name: str
    family: Family
    size: Size

    @property
    def gpus(self) -> int:
        """GPUs of an instance."""
        return self.size.gpus


def _single_and_quad(disks: Mapping[str, tuple[int, int]], memory_gib: Mapping[str, int]) -> dict[str, Size]:
    """The sizes that g5, g6 and g6e have in common, by their disks (number, GB) and memory; EFA from 8xlarge on."""
    gpus = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
    without_adapter = {"xlarge", "2xlarge", "4xlarge"}
    return {
        size: Size(
            gpus=gpus.get(size, 1),
            memory_gib=memory_gib[size],
            local_disks=number,
            local_disk_gb=gigabytes,
            efa_interfaces=0 if size in without_adapter else 1,
            dedicated_host=size in {"24xlarge", "48xlarge"},
        )
        for size, (number, gigabytes) in disks.items()
    }


_SIZES: tuple[str, ...] = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge")
_MEMORY_GIB: dict[str, int] = dict(zip(_SIZES, (16, 32, 64, 128, 192, 256, 384, 768), strict=True))
_G5_DISKS = ((1, 250), (1, 450), (1, 600), (1, 900), (1, 3800), (1, 1900), (1, 3800), (2, 3800))
_G6_DISKS = ((1, 250), (1, 450), (1, 600), (2, 450), (4, 940), (2, 940), (4, 940), (8, 940))
_G6E_DISKS = ((1, 250), (1, 450), (1, 600), (2, 450), (2, 1900), (2, 950), (2, 1900), (4, 1900))
_G6E = _single_and_quad(
    dict(zip(_SIZES, _G6E_DISKS, strict=True)), {size: 2 * memory for size, memory in _MEMORY_GIB.items()}
)

FAMILIES: Mapping[str, Family] = {
    "g4dn": Family(
        "NVIDIA T4",
        16_384,
        {
            "xlarge": Size(1, 16, 1, 125),
            "2xlarge": Size(1, 32, 1, 225),
            "4xlarge": Size(1, 64, 1, 225),
            "8xlarge": Size(1, 128, 1, 900, efa_interfaces=1),
            "12xlarge": Size(4, 192, 1, 900, efa_interfaces=1, dedicated_host=True),
            "16xlarge": Size(1, 256, 1, 900, efa_interfaces=1),
            "metal": Size(8, 384, 2, 900, efa_interfaces=1, dedicated_host=True),
        },
    ),
    "g5": Family("NVIDIA A10G", 22_888, _single_and_quad(dict(zip(_SIZES, _G5_DISKS, strict=True)), _MEMORY_GIB)),
    "g6": Family("NVIDIA L4", 22_888, _single_and_quad(dict(zip(_SIZES, _G6_DISKS, strict=True)), _MEMORY_GIB)),
    "g6e": Family(
        "NVIDIA L40S",
        45_776,
        {
            **_G6E,
            "24xlarge": Size(4, 768, 2, 1900, efa_interfaces=2, dedicated_host=True),
            "48xlarge": Size(8, 1536, 4, 1900, efa_interfaces=4, dedicated_host=True),
        },
    ),
    "p3": Family(
        "NVIDIA V100",
        16_384,
        {
            "2xlarge": Size(1, 61, 0, 0, dedicated_host=True),
            "8xlarge": Size(4, 244, 0, 0, dedicated_host=True),
            "16xlarge": Size(8, 488, 0, 0, dedicated_host=True),
        },
        open_driver=False,
    ),
    "p3dn": Family(
        "NVIDIA V100",
        32_768,
        {"24xlarge": Size(8, 768, 2, 900, efa_interfaces=1, dedicated_host=True)},
        open_driver=False,
    ),
    "p4d": Family(
        "NVIDIA A100",
        40_960,
        {"24xlarge": Size(8, 1152, 8, 1000, efa_interfaces=4, dedicated_host=True)},
        capacity_blocks=True,
    ),
    "p4de": Family("NVIDIA A100", 81_920, {"24xlarge": Size(8, 1152, 8, 1000, efa_interfaces=4)}, capacity_blocks=True),
    "p5": Family(
        "NVIDIA H100",
        81_920,
        {
            "4xlarge": Size(1, 256, 1, 3800, efa_interfaces=1),
            "48xlarge": Size(8, 2048, 8, 3800, efa_interfaces=32),
        },
        capacity_blocks=True,
    ),
    "p5e": Family(
        "NVIDIA H200", 144_384, {"48xlarge": Size(8, 2048, 8, 3800, efa_interfaces=32)}, capacity_blocks=True
    ),
    "p5en": Family(
        "NVIDIA H200", 144_384, {"48xlarge": Size(8, 2048, 8, 3800, efa_interfaces=16)}, capacity_blocks=True
    ),
    "p6-b200": Family(
        "NVIDIA B200", 183_359, {"48xlarge": Size(8, 2048, 8, 3800, efa_interfaces=8)}, capacity_blocks=True
    ),
}


def gpu_type(field: str, value: object) -> GpuType:
    """The instance type of that name.

    Raises:
        SettingsError: it is none, or none that the table has.
    """
    family, size = INSTANCE_TYPE(field, value).rsplit(".", maxsplit=1)
    if family not in FAMILIES:
        raise SettingsError(field, value, f"a GPU instance type of the families {', '.join(FAMILIES)}")
    sizes = FAMILIES[family].sizes
    if size not in sizes:
        raise SettingsError(field, value, f"one of {', '.join(f'{family}.{known}' for known in sizes)}")
    return GpuType(f"{family}.{size}", FAMILIES[family], sizes[size])


def types_with(condition: str) -> str:
    """Names of the types that have `condition`, 'efa_interfaces' or 'dedicated_host': for what would be right."""
    return ", ".join(
        f"{name}.{size}"
        for name, family in FAMILIES.items()
        for size, has in family.sizes.items()
        if getattr(has, condition)
    )
