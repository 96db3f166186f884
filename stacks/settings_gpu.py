"""What runs on a pool of accelerators, as both clouds have it."""

from __future__ import annotations

from stacks.settings_base import Settings


class Workload(Settings):
    """See `GpuWorkload`."""

    image: str
    preset: str | None = None
    model: str | None = None
    model_path: str | None = None
    port: int | None = None
    health_path: str | None = None
    metrics_port: int | None = None
    metrics_path: str | None = None
    load_metric: str | None = None
    gpus_per_replica: int | None = None
    arguments: list[str] | None = None
    environment: dict[str, str] | None = None
    secrets: dict[str, str] | None = None
    boot_limit_seconds: int | None = None


class Training(Settings):
    """See `GpuTraining`."""

    image: str
    arguments: list[str]
    framework: str | None = None
    min_nodes: int | None = None
    max_nodes: int | None = None
    rendezvous: str | None = None
    checkpoint: str | None = None
    checkpoint_seconds: int | None = None
    max_restarts: int | None = None
    environment: dict[str, str] | None = None
    secrets: dict[str, str] | None = None
