"""What an environment may set, from `Pulumi.yaml` and `stacks/Pulumi.ENVIRONMENT.yaml`.

A group is `AwsAutoscalingGroupArgs` in camelCase without the network, a pool `AwsGpuPoolArgs`, the job `AwsForecastJobArgs` without its fleets:
their models follow from the declarations of the arguments. Each value is checked here, combinations by the component.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from elastic_iac.common.parsing import ArgumentsError
from elastic_iac.common.schema.aws_autoscaling_group import AwsAutoscalingGroupArgs
from elastic_iac.common.schema.aws_forecast_job import AwsForecastJobArgs
from elastic_iac.common.schema.aws_gpu_pool import AwsGpuPoolArgs
from elastic_iac.common.schema.gcp_autoscaling_group import GcpAutoscalingGroupArgs
from elastic_iac.common.schema.gcp_forecast_job import GcpForecastJobArgs
from elastic_iac.common.schema.gcp_gpu_pool import GcpGpuPoolArgs
from forecasting.errors import SettingsError
from stacks.declared import Declared, DeclaredPool, Settings, declared

_NETWORK = frozenset({"vpc_id", "subnet_ids", "tags"})
Group = Annotated[Declared, declared(Declared, AwsAutoscalingGroupArgs, without=_NETWORK)]
# A pool may have subnets of its own: `capacityBlocks` and `clusterPlacement` take one.
GpuPool = Annotated[
    DeclaredPool, declared(DeclaredPool, AwsGpuPoolArgs, without=_NETWORK - {"subnet_ids"}, optional={"subnet_ids"})
]
Job = Annotated[
    Declared, declared(Declared, AwsForecastJobArgs, without={"fleets", "fleet_count", "tags"}, named=False)
]
_GCP_NETWORK = frozenset({"network", "subnetwork", "labels"})
GcpGroup = Annotated[Declared, declared(Declared, GcpAutoscalingGroupArgs, without=_GCP_NETWORK)]
GcpPool = Annotated[DeclaredPool, declared(DeclaredPool, GcpGpuPoolArgs, without=_GCP_NETWORK)]
GcpJob = Annotated[
    Declared, declared(Declared, GcpForecastJobArgs, without={"fleets", "fleet_count", "labels"}, named=False)
]


class GcpProvider(Settings):
    """The provider's own settings, `gcp:project` and `gcp:region`."""

    project: str = ""
    region: str = ""


class DefaultTags(Settings):
    """The provider's default tags, `aws:defaultTags`."""

    tags: dict[str, str] = Field(default_factory=dict)


class Stack(Settings):
    """One environment."""

    groups: list[Group]
    clouds: list[Literal["aws", "gcp"]] = Field(default=["aws"], min_length=1)
    job: Job | None = None
    vpc_id: str = ""
    subnet_ids: list[str] = Field(default_factory=list)
    default_tags: DefaultTags = Field(default_factory=DefaultTags)
    gpu_pools: list[GpuPool] = Field(default_factory=list[DeclaredPool])
    gcp_groups: list[GcpGroup] = Field(default_factory=list[Declared])
    gcp_gpu_pools: list[GcpPool] = Field(default_factory=list[DeclaredPool])
    gcp_job: GcpJob | None = None
    gcp_network: str = ""
    gcp_subnetwork: str = ""
    gcp_provider: GcpProvider = Field(default_factory=GcpProvider)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise ValueError("vpcId and subnetIds belong together: give both, or neither for the default VPC")
        if bool(self.gcp_network) != bool(self.gcp_subnetwork):
            raise ValueError(
                "gcpNetwork and gcpSubnetwork belong together: give both, or neither for the default network"
            )
        for cloud, key, groups in (
            ("aws", "groups", [*self.groups, *self.gpu_pools]),
            ("gcp", "gcpGroups", [*self.gcp_groups, *self.gcp_gpu_pools]),
        ):
            names = [group.name for group in groups]
            if cloud in self.clouds and not names:
                raise ValueError(f"{key} must have a group, since clouds has {cloud!r}")
            if len(set(names)) != len(names):
                raise ValueError(f"{key} must have different names; got {', '.join(names)}")
        if "gcp" in self.clouds and not (self.gcp_provider.project and self.gcp_provider.region):
            raise ValueError("gcp:project and gcp:region must be given, since clouds has 'gcp'")
        return self


def read_stack(config: pulumi.Config, aws: pulumi.Config, gcp: pulumi.Config) -> Stack:
    """Read the stack's configuration: the project's, with the providers' own for default tags, project and region.

    Raises:
        ArgumentsError: every problem, by its key, its value and what would be right.
    """
    given: dict[str, Any] = {
        "groups": config.get_object("groups"),
        "job": config.get_object("job") or None,
        "vpcId": config.get("vpcId"),
        "subnetIds": config.get_object("subnetIds"),
        "defaultTags": aws.get_object("defaultTags"),
        "clouds": config.get_object("clouds"),
        "gpuPools": config.get_object("gpuPools"),
        "gcpGroups": config.get_object("gcpGroups"),
        "gcpGpuPools": config.get_object("gcpGpuPools"),
        "gcpJob": config.get_object("gcpJob") or None,
        "gcpNetwork": config.get("gcpNetwork"),
        "gcpSubnetwork": config.get("gcpSubnetwork"),
        "gcpProvider": {key: value for key in ("project", "region") if (value := gcp.get(key))},
    }
    try:
        return Stack.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise ArgumentsError([_explained(each) for each in error.errors(include_url=False)]) from error


def _explained(error: ErrorDetails) -> SettingsError:
    inner = error.get("ctx", {}).get("field", "") if error["type"] == "refused" else ""
    key = ".".join(map(str, error["loc"])) + inner or "groups"
    return SettingsError(f"config {key}", error["input"], str(error["msg"]).removeprefix("Value error, "))
