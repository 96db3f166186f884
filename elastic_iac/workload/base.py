"""The values that a boot script is rendered from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi

Cloud = Literal["aws", "gcp"]

LIFECYCLE_HOOK = "elastic-iac-ready"
"""The launch hook that holds an instance out of service until its model answers."""


@dataclass(frozen=True)
class Workload:
    """A model server. `image`, `model`, `boot_limit_seconds` and the values of both mappings may be outputs until `boot_output` resolves them."""

    field: str
    image: pulumi.Input[str]
    port: int
    health_path: str
    metrics_port: int
    metrics_path: str | None
    load_metric: str | None
    gpus_per_replica: int
    model: pulumi.Input[str] | None
    model_path: str
    arguments: tuple[str, ...]
    files: Mapping[str, str]
    """Configuration that the server reads: path in the container to its content."""
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    boot_limit_seconds: pulumi.Input[int]


@dataclass(frozen=True)
class Training:
    """A trainer. `image`, `checkpoint`, `rendezvous` and the values of both mappings may be outputs until `boot_output` resolves them."""

    field: str
    image: pulumi.Input[str]
    framework: Literal["pytorch", "tensorflow"]
    arguments: tuple[str, ...]
    min_nodes: int
    max_nodes: int
    rendezvous: pulumi.Input[str] | None
    checkpoint: pulumi.Input[str] | None
    checkpoint_seconds: int
    max_restarts: int
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class AwsPlatform:
    """An Auto Scaling group as its instances see it. They ask for their group's name at boot: it is not known when their template is made.

    Attributes:
        region: Region of the group.
        metrics_namespace: CloudWatch namespace of the load and of the GPU metrics; `load_of` names the same.
        local_disks: Put models and checkpoints on the instance's NVMe disks where it has any. False for a warm pool that stops: stopping wipes them.
        lifecycle_hook: Name of the launch hook; None where the group has none.
        heartbeat_seconds: The hook's heartbeat timeout.
    """

    region: str
    metrics_namespace: str = "ElasticIaC"
    local_disks: bool = True
    lifecycle_hook: str | None = LIFECYCLE_HOOK
    heartbeat_seconds: int = 300


@dataclass(frozen=True)
class GcpPlatform:
    """A managed instance group as its instances see it.

    Attributes:
        project: Id of the project.
        group_label: Value of the label `elastic-iac-group` that all instances of the group have; it tells their load from others'.
        local_disks: Put models and checkpoints on the instance's local SSDs where it has any.
    """

    project: str
    group_label: str
    local_disks: bool = True


Platform = AwsPlatform | GcpPlatform
