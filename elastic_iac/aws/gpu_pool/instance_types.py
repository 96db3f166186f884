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


_SIZES = """
g4dn.xlarge       1    16  1   125   0  -
g4dn.2xlarge      1    32  1   225   0  -
g4dn.4xlarge      1    64  1   225   0  -
g4dn.8xlarge      1   128  1   900   1  -
g4dn.12xlarge     4   192  1   900   1  host
g4dn.16xlarge     1   256  1   900   1  -
g4dn.metal        8   384  2   900   1  host
g5.xlarge         1    16  1   250   0  -
g5.2xlarge        1    32  1   450   0  -
g5.4xlarge        1    64  1   600   0  -
g5.8xlarge        1   128  1   900   1  -
g5.12xlarge       4   192  1  3800   1  -
g5.16xlarge       1   256  1  1900   1  -
g5.24xlarge       4   384  1  3800   1  host
g5.48xlarge       8   768  2  3800   1  host
g6.xlarge         1    16  1   250   0  -
g6.2xlarge        1    32  1   450   0  -
g6.4xlarge        1    64  1   600   0  -
g6.8xlarge        1   128  2   450   1  -
g6.12xlarge       4   192  4   940   1  -
g6.16xlarge       1   256  2   940   1  -
g6.24xlarge       4   384  4   940   1  host
g6.48xlarge       8   768  8   940   1  host
g6e.xlarge        1    32  1   250   0  -
g6e.2xlarge       1    64  1   450   0  -
g6e.4xlarge       1   128  1   600   0  -
g6e.8xlarge       1   256  2   450   1  -
g6e.12xlarge      4   384  2  1900   1  -
g6e.16xlarge      1   512  2   950   1  -
g6e.24xlarge      4   768  2  1900   2  host
g6e.48xlarge      8  1536  4  1900   4  host
p3.2xlarge        1    61  0     0   0  host
p3.8xlarge        4   244  0     0   0  host
p3.16xlarge       8   488  0     0   0  host
p3dn.24xlarge     8   768  2   900   1  host
p4d.24xlarge      8  1152  8  1000   4  host
p4de.24xlarge     8  1152  8  1000   4  -
p5.4xlarge        1   256  1  3800   1  -
p5.48xlarge       8  2048  8  3800  32  -
p5e.48xlarge      8  2048  8  3800  32  -
p5en.48xlarge     8  2048  8  3800  16  -
p6-b200.48xlarge  8  2048  8  3800   8  -
"""
"""Instance type, GPUs, GiB of memory, disks of the instance store, GB of each, network cards with an Elastic Fabric Adapter, Dedicated Hosts."""

_GPUS = {
    "g4dn": ("NVIDIA T4", 16_384),
    "g5": ("NVIDIA A10G", 22_888),
    "g6": ("NVIDIA L4", 22_888),
    "g6e": ("NVIDIA L40S", 45_776),
    "p3": ("NVIDIA V100", 16_384),
    "p3dn": ("NVIDIA V100", 32_768),
    "p4d": ("NVIDIA A100", 40_960),
    "p4de": ("NVIDIA A100", 81_920),
    "p5": ("NVIDIA H100", 81_920),
    "p5e": ("NVIDIA H200", 144_384),
    "p5en": ("NVIDIA H200", 144_384),
    "p6-b200": ("NVIDIA B200", 183_359),
}
"""Accelerator of each family, and MiB of its memory."""
_CAPACITY_BLOCKS = frozenset({"p4d", "p4de", "p5", "p5e", "p5en", "p6-b200"})
_WITHOUT_OPEN_DRIVER = frozenset({"p3", "p3dn"})


def _sizes() -> dict[str, dict[str, Size]]:
    found: dict[str, dict[str, Size]] = {family: {} for family in _GPUS}
    for row in _SIZES.split("\n")[1:-1]:
        name, *figures, host = row.split()
        family, size = name.split(".")
        found[family][size] = Size(*map(int, figures), dedicated_host=host == "host")
    return found


FAMILIES: Mapping[str, Family] = {
    family: Family(*_GPUS[family], sizes, family in _CAPACITY_BLOCKS, family not in _WITHOUT_OPEN_DRIVER)
    for family, sizes in _sizes().items()
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
