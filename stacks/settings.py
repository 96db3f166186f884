"""What an environment may set, from `Pulumi.yaml` and `stacks/Pulumi.ENVIRONMENT.yaml`.

Field by field a group is `AwsAutoscalingGroupArgs` in camelCase without the network, a pool `AwsGpuPoolArgs`, the job `AwsForecastJobArgs` without
its fleets; here the types are checked, in the component the values.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import pulumi
from pydantic import Field, ValidationError, model_validator

from forecasting.errors import SettingsError
from stacks.settings_aws import Group, Job
from stacks.settings_aws_gpu import GpuPool
from stacks.settings_base import Settings
from stacks.settings_gcp import GcpGroup, GcpJob, GcpProvider
from stacks.settings_gcp_gpu import GcpPool


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
    gpu_pools: list[GpuPool] = Field(default_factory=list[GpuPool])
    gcp_groups: list[GcpGroup] = Field(default_factory=list[GcpGroup])
    gcp_gpu_pools: list[GcpPool] = Field(default_factory=list[GcpPool])
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
    """Read the stack's configuration.

    Args:
        config: The project's.
        aws: The AWS provider's, for its default tags.
        gcp: The Google Cloud provider's, for its project and region.

    Raises:
        SettingsError: the first thing wrong, by its key, its value and what would be right.
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
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "groups"
        raise SettingsError(f"config {key}", first["input"], str(first["msg"]).removeprefix("Value error, ")) from error
