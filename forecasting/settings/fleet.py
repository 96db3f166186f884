"""One group of instances that serve one load, and how its floor is to be planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from forecasting.settings.base import (
    SETTINGS_VERSION,
    STATISTIC,
    VERSION_DESCRIPTION,
    Bool,
    Float,
    Int,
    Region,
    Settings,
    Slug,
    Text,
    Time,
    TimeZoneName,
    Version,
    refused,
)


class AwsTarget(Settings):
    """An Auto Scaling group."""

    region: Region = Field(description="AWS region of the group, e.g. 'eu-central-1'.")
    group_name: Text = Field(description="Name of the Auto Scaling group.")


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


class _Source(Settings):
    """What all sources share: names that a later release will use."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_reserved(cls, data: object) -> object:
        for name in ("formula", "secret"):
            if isinstance(data, Mapping) and name in data:
                raise refused(name, name, "to be absent: the name is reserved for a later release")
        return data  # pyright: ignore[reportUnknownVariableType]


class CloudWatchSource(_Source):
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


class FileSource(_Source):
    """The fleet's load in a CSV or Parquet file (for backtests, trials and systems without a metrics API)."""

    kind: Literal["file"] = Field(description="The load is in a file.")
    path: Text = Field(description="A .csv, .csv.gz or .parquet file.")
    timestamp_column: Text = Field(default="timestamp", description="Start of each sample, with its UTC offset.")
    value_column: Text = Field(default="value", description="Load; an empty value is missing.")
    censored_column: Text | None = Field(
        default=None, description="True where the fleet was saturated or refused requests."
    )


Source = Annotated[CloudWatchSource | FileSource, Field(discriminator="kind")]


class Prices(Settings):
    """The price of too much against too little; the plan's quantile follows (the newsvendor's critical fractile)."""

    instance_hour: Float = Field(gt=0, description="What an instance costs per hour.")
    unmet_instance_hour: Float = Field(
        gt=0, description="What it costs to miss one instance for one hour: lost requests, penalties. Same currency."
    )

    @property
    def quantile(self) -> float:
        """The share unmet / (unmet + instance), the critical fractile (Arrow, Harris and Marschak 1951), kept within [.5, .999]."""
        return min(max(self.unmet_instance_hour / (self.unmet_instance_hour + self.instance_hour), 0.5), 0.999)


class Event(Settings):
    """A known future event: a sale, a launch, a match."""

    name: Text = Field(description="What a person calls it.")
    start: Time = Field(description="With its UTC offset.")
    end: Time = Field(description="With its UTC offset; after `start`.")
    load_factor: Float = Field(
        default=1.0, gt=0, le=1000, description="The forecast is multiplied by this within the event."
    )
    floor: Int = Field(default=0, ge=0, le=100_000, description="At least this many instances within the event.")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise refused("end", self.end.isoformat(), f"a time after start {self.start.isoformat()}")
        return self


Model = Literal["auto", "seasonal-naive-day", "seasonal-naive-week", "arima", "sarima", "ets"]


class Fleet(Settings):
    """One group of instances that serve one load, and how its floor is to be planned."""

    version: Version = Field(default=SETTINGS_VERSION, description=VERSION_DESCRIPTION)
    name: Slug = Field(description="Name of the fleet, unique within a job: lower-case letters, digits, hyphens.")
    cloud: Literal["aws"] = Field(description="The cloud of the target.")
    target: AwsTarget = Field(description="What is scaled.")
    source: Source = Field(description="Where its load is read.")
    load_per_instance: Float = Field(
        gt=0, le=1e12, description="Load that one instance serves at its target utilisation, in the source's unit."
    )
    floor: Int = Field(
        ge=0,
        le=100_000,
        description="Never fewer instances than this; also the baseline that the last scheduled action restores.",
    )
    ceiling: Int = Field(ge=1, le=100_000, description="Never a floor above this, whatever the forecast says.")
    lead_time_seconds: Float = Field(
        default=300,
        ge=0,
        le=21_600,
        description="Launch to first healthy answer, p90 of what was measured. Two minutes of scheduling jitter are added.",
    )
    step_minutes: Literal[5, 15, 30, 60] = Field(default=15, description="Step of the forecast and the plan.")
    horizon_hours: Int = Field(default=48, ge=6, le=48, description="How far ahead is planned.")
    max_increase_per_slot: Int | None = Field(
        default=None,
        ge=1,
        description="The floor rises by no more than this from one scheduled action to the next; ramps start earlier.",
    )
    max_decrease_per_slot: Int | None = Field(
        default=None, ge=1, description="The floor falls by no more than this from one scheduled action to the next."
    )
    quantile: Float | None = Field(
        default=None,
        ge=0.5,
        le=0.999,
        description="Quantile of the load to provision for; 0.9 where neither this nor `prices` is given.",
    )
    prices: Prices | None = Field(
        default=None, description="Instead of `quantile`: what an instance and an unmet instance cost."
    )
    model: Model = Field(default="auto", description="'auto' weighs all models by their past errors.")
    events: tuple[Event, ...] = Field(default=(), description="Known future events.")
    time_zone: TimeZoneName = Field(default="UTC", description="IANA zone whose days and weeks the load follows.")
    max_load: Float | None = Field(
        default=None,
        gt=0,
        description="Samples above this are a wrong unit or a broken exporter: a few are left out, several in a day hold the fleet.",
    )
    dry_run: Bool = Field(default=False, description="Plan and record, write nothing to the cloud.")
    enabled: Bool = Field(
        default=True,
        description="The fleet's kill switch: false writes nothing, the old plan runs out and the baseline returns.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.floor > self.ceiling:
            raise refused("floor", self.floor, f"at most the ceiling, {self.ceiling}")
        if self.quantile is not None and self.prices is not None:
            raise refused("quantile", self.quantile, "to be absent beside prices: they set the quantile")
        if isinstance(self.source, CloudWatchSource) and self.step_minutes * 60 % self.source.period_seconds:
            step = f"{self.step_minutes * 60} s (step_minutes)"
            raise refused("source.period_seconds", self.source.period_seconds, f"a divisor of the step, {step}")
        return self

    @property
    def plan_quantile(self) -> float:
        """The quantile of the load that is provisioned for."""
        return self.prices.quantile if self.prices else (self.quantile or 0.9)

    @property
    def target_key(self) -> str:
        """Identity of what is scaled: records are kept under it, so that renaming a fleet or stack keeps its history."""
        return f"{self.cloud}/{self.target.region}/{self.target.group_name}"
