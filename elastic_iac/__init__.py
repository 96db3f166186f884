"""Pulumi components for groups of instances whose floor a forecast moves."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elastic_iac.aws.autoscaling_group.component import AwsAutoscalingGroup
    from elastic_iac.aws.forecast_job.component import AwsForecastJob
    from elastic_iac.aws.gpu_pool.component import AwsGpuPool
    from elastic_iac.gcp.autoscaling_group.component import GcpAutoscalingGroup
    from elastic_iac.gcp.forecast_job.component import GcpForecastJob
    from elastic_iac.gcp.gpu_pool.component import GcpGpuPool

__all__ = [
    "AwsAutoscalingGroup",
    "AwsForecastJob",
    "AwsGpuPool",
    "GcpAutoscalingGroup",
    "GcpForecastJob",
    "GcpGpuPool",
]

_MODULES = {
    "AwsAutoscalingGroup": "elastic_iac.aws.autoscaling_group.component",
    "AwsForecastJob": "elastic_iac.aws.forecast_job.component",
    "AwsGpuPool": "elastic_iac.aws.gpu_pool.component",
    "GcpAutoscalingGroup": "elastic_iac.gcp.autoscaling_group.component",
    "GcpForecastJob": "elastic_iac.gcp.forecast_job.component",
    "GcpGpuPool": "elastic_iac.gcp.gpu_pool.component",
}


def __getattr__(name: str) -> object:
    """Import a component when it is asked for: the command line lives in this package and needs no Pulumi."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - nothing stands in this namespace but the components

    component = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = component
    return component


def __dir__() -> list[str]:
    return sorted(__all__)
