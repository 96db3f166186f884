"""What is scaled on AWS, and its load in CloudWatch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from forecasting.settings.base import STATISTIC, Bool, Float, GroupName, Int, Region, Settings, Text, refused
from forecasting.settings.source import BaseSource


class AwsTarget(Settings):
    """An Auto Scaling group."""

    region: Region = Field(description="AWS region of the group, e.g. 'eu-central-1'.")
    group_name: GroupName = Field(description="Name of the Auto Scaling group.")

    @property
    def key(self) -> str:
        """Identity within all clouds."""
        return f"aws/{self.region}/{self.group_name}"

    def __str__(self) -> str:
        return f"{self.group_name} in {self.region}"


class CloudWatchMetric(Settings):
    """One CloudWatch metric, as GetMetricData reads it."""

    namespace: Text = Field(description="e.g. 'AWS/ApplicationELB'.")
    metric_name: Text = Field(description="e.g. 'RequestCount'.")
    dimensions: dict[Text, Text] = Field(
        default_factory=dict, description="Dimension names and values; all of a metric's dimensions must be given."
    )
    statistic: str = Field(
        default="Average",
        pattern=STATISTIC,
        description="'Sum' is divided by the period: a rate per second. 'Average', 'Maximum' or a percentile such as 'p95' is taken as it is.",
    )
    unit: Text | None = Field(
        default=None,
        description="Only samples of this unit are read; a wrong unit reads nothing (CloudWatch converts none).",
    )


class CloudWatchSource(BaseSource):
    """The fleet's load in CloudWatch."""

    kind: Literal["cloudwatch"] = Field(description="The load is in CloudWatch.")
    metric: CloudWatchMetric = Field(description="The load, or what `per_instance` makes one of.")
    period_seconds: Int = Field(
        default=300,
        ge=60,
        multiple_of=60,
        description="Length of a sample. CloudWatch keeps 60 s for 15 days, 300 s for 63.",
    )
    per_instance: Bool = Field(
        default=False,
        description="The metric is an average over instances (CPU, utilisation), not a load: multiply it by the number of instances in service.",
    )
    utilisation: CloudWatchMetric | None = Field(
        default=None,
        description="How busy the fleet was; with `saturated_above` it marks samples that are lower bounds.",
    )
    saturated_above: Float | None = Field(
        default=None,
        gt=0,
        description="At this utilisation or more the fleet was saturated, in the utilisation metric's unit.",
    )
    refused: CloudWatchMetric | None = Field(
        default=None, description="Refused requests: a sample with any is a lower bound of the load."
    )
    lookback_days: Float = Field(default=28, ge=1, le=455, description="How much history is read.")

    @model_validator(mode="after")
    def _saturation_is_whole(self) -> Self:
        if (self.utilisation is None) != (self.saturated_above is None):
            raise refused(
                "saturated_above", self.saturated_above, "to stand together with utilisation: both or neither"
            )
        return self
