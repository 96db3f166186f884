"""The contract between the components, which write it, and the job, which reads it.

A `Job` names its fleets, the store and the schedule; a `Fleet` names one group, its load and its limits. Both come from YAML or JSON (`load_job`) or
from a component's `fleet` output (`Fleet.model_validate_json`). Unknown and blank fields are errors: a policy with a blank field is refused whole.

Units are in the names; load is whatever unit `load_per_instance` is given in, summed over the fleet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.functional_validators import AfterValidator

from forecasting.errors import SettingsError

SETTINGS_VERSION = 1
"""Written by this release. A release reads its own version and the one before it, so that components and job update apart."""

READABLE_VERSIONS = (1,)


def _iana(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("expected an IANA time zone such as 'Europe/Berlin' or 'UTC'") from error
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""Lower-case letters, digits and inner hyphens, 1 to 40 characters: it becomes part of names in the cloud."""
TimeZoneName = Annotated[str, AfterValidator(_iana)]
Percent = Annotated[float, Field(gt=0, le=100)]


class _Settings(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )


class AwsTarget(_Settings):
    """An Auto Scaling group."""

    region: Text = Field(description="AWS region of the group, e.g. 'eu-central-1'.")
    group_name: Text = Field(description="Name of the Auto Scaling group.")


class CloudWatchMetric(_Settings):
    """One CloudWatch metric, as GetMetricData reads it."""

    namespace: Text = Field(description="e.g. 'AWS/ApplicationELB'.")
    metric_name: Text = Field(description="e.g. 'RequestCount'.")
    dimensions: dict[Text, Text] = Field(
        default_factory=dict, description="Dimension names and values; all of a metric's dimensions must be given."
    )
    statistic: Text = Field(
        default="Average",
        pattern=r"^(Sum|Average|Minimum|Maximum|SampleCount|p(\d{1,2}(\.\d{1,2})?|100))$",
        description="'Sum' is divided by the period: a rate per second. 'Average', 'Maximum' or a percentile such as 'p95' is taken as it is.",
    )
    unit: Text | None = Field(
        default=None,
        description="Only samples of this unit are read; a wrong unit reads nothing (CloudWatch converts none).",
    )


class CloudWatchSource(_Settings):
    """The fleet's load in CloudWatch."""

    kind: Literal["cloudwatch"]
    metric: CloudWatchMetric
    period_seconds: int = Field(
        default=300,
        ge=60,
        multiple_of=60,
        description="Length of a sample. CloudWatch keeps 60 s for 15 days, 300 s for 63.",
    )
    per_instance: bool = Field(
        default=False,
        description="The metric is an average over instances (CPU, utilisation), not a load: multiply it by the number of instances in service.",
    )
    utilisation: CloudWatchMetric | None = Field(
        default=None,
        description="How busy the fleet was; with `saturated_above` it marks samples that are lower bounds.",
    )
    saturated_above: float | None = Field(
        default=None,
        gt=0,
        description="At this utilisation or more the fleet was saturated, in the utilisation metric's unit.",
    )
    refused: CloudWatchMetric | None = Field(
        default=None, description="Refused requests: a sample with any is a lower bound of the load."
    )
    lookback_days: float = Field(default=28, ge=1, le=455, description="How much history is read.")

    @model_validator(mode="after")
    def _saturation_is_whole(self) -> Self:
        if (self.utilisation is None) != (self.saturated_above is None):
            raise ValueError("utilisation and saturated_above belong together: give both or neither")
        return self


class FileSource(_Settings):
    """The fleet's load in a CSV or Parquet file (for backtests, trials and systems without a metrics API)."""

    kind: Literal["file"]
    path: Text = Field(description="A .csv, .csv.gz or .parquet file.")
    timestamp_column: Text = Field(default="timestamp", description="Start of each sample, with its UTC offset.")
    value_column: Text = Field(default="value", description="Load; an empty value is missing.")
    censored_column: Text | None = Field(
        default=None, description="True where the fleet was saturated or refused requests."
    )


Source = Annotated[CloudWatchSource | FileSource, Field(discriminator="kind")]


class Prices(_Settings):
    """The price of too much against too little; the plan's quantile follows (the newsvendor's critical fractile)."""

    instance_hour: float = Field(gt=0, description="What an instance costs per hour.")
    unmet_instance_hour: float = Field(
        gt=0, description="What it costs to miss one instance for one hour: lost requests, penalties. Same currency."
    )

    @property
    def quantile(self) -> float:
        """The share unmet / (unmet + instance), the critical fractile (Arrow, Harris and Marschak 1951), kept within [.5, .999]."""
        return min(max(self.unmet_instance_hour / (self.unmet_instance_hour + self.instance_hour), 0.5), 0.999)


class Event(_Settings):
    """A known future event: a sale, a launch, a match."""

    name: Text
    start: AwareDatetime
    end: AwareDatetime
    load_factor: float = Field(
        default=1.0, gt=0, le=1000, description="The forecast is multiplied by this within the event."
    )
    floor: int = Field(default=0, ge=0, le=100_000, description="At least this many instances within the event.")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} must be after start {self.start.isoformat()}")
        return self


Model = Literal["auto", "seasonal-naive-day", "seasonal-naive-week", "arima", "sarima", "ets"]


class Fleet(_Settings):
    """One group of instances that serve one load, and how its floor is to be planned."""

    version: int = Field(
        default=SETTINGS_VERSION,
        description=f"Version of the settings; readable: {', '.join(map(str, READABLE_VERSIONS))}.",
    )
    name: Slug = Field(description="Name of the fleet, unique within a job.")
    cloud: Literal["aws"] = Field(description="The cloud of the target.")
    target: AwsTarget
    source: Source
    load_per_instance: float = Field(
        gt=0, le=1e12, description="Load that one instance serves at its target utilisation, in the source's unit."
    )
    floor: int = Field(
        ge=0,
        le=100_000,
        description="Never fewer instances than this; also the baseline that the last scheduled action restores.",
    )
    ceiling: int = Field(ge=1, le=100_000, description="Never a floor above this, whatever the forecast says.")
    lead_time_seconds: float = Field(
        default=300,
        ge=0,
        le=21_600,
        description="Launch to first healthy answer, p90 of what was measured. Two minutes of scheduling jitter are added.",
    )
    step_minutes: Literal[5, 15, 30, 60] = Field(default=15, description="Step of the forecast and the plan.")
    horizon_hours: int = Field(default=48, ge=6, le=48, description="How far ahead is planned.")
    max_increase_per_slot: int | None = Field(
        default=None,
        ge=1,
        description="The floor rises by no more than this from one scheduled action to the next; ramps start earlier.",
    )
    max_decrease_per_slot: int | None = Field(
        default=None, ge=1, description="The floor falls by no more than this from one scheduled action to the next."
    )
    quantile: float | None = Field(
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
    max_load: float | None = Field(
        default=None, gt=0, description="A sample above this is a wrong unit or a broken exporter: nothing is written."
    )
    dry_run: bool = Field(default=False, description="Plan and record, write nothing to the cloud.")
    enabled: bool = Field(
        default=True,
        description="The fleet's kill switch: false writes nothing, the old plan runs out and the baseline returns.",
    )

    @model_validator(mode="before")
    @classmethod
    def _readable(cls, data: object) -> object:
        return _check_version(data)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} must not exceed ceiling {self.ceiling}")
        if self.quantile is not None and self.prices is not None:
            raise ValueError("quantile and prices exclude each other: give one")
        return self

    @property
    def plan_quantile(self) -> float:
        """The quantile of the load that is provisioned for."""
        return self.prices.quantile if self.prices else (self.quantile or 0.9)

    @property
    def target_key(self) -> str:
        """Identity of what is scaled: records are kept under it, so that renaming a fleet or stack keeps its history."""
        return f"{self.cloud}/{self.target.region}/{self.target.group_name}"


class LocalStore(_Settings):
    """Records in a folder of this machine."""

    kind: Literal["local"]
    path: Text = Field(default=".elastic-iac/store", description="The folder; made if it is absent.")


class S3Store(_Settings):
    """Records in an S3 bucket, written with `If-Match` / `If-None-Match`."""

    kind: Literal["s3"]
    bucket: Text
    prefix: str = Field(
        default="elastic-iac", pattern=r"^[A-Za-z0-9!_.*'()/-]*$", description="Key prefix, without a slash at its end."
    )
    region: Text | None = Field(
        default=None, description="Region of the bucket; the environment's where it is not given."
    )


StoreSettings = Annotated[LocalStore | S3Store, Field(discriminator="kind")]


class Job(_Settings):
    """One scheduled job: who owns the actions it writes, where it keeps its records and which fleets it serves."""

    version: int = Field(
        default=SETTINGS_VERSION,
        description=f"Version of the settings; readable: {', '.join(map(str, READABLE_VERSIONS))}.",
    )
    name: Slug = Field(description="Name of the job.")
    owner: Slug = Field(
        description="Id of the stack that owns the scheduled actions: part of their names, so two stacks never touch each other's."
    )
    former_owners: tuple[Slug, ...] = Field(
        default=(), description="Ids this stack had before: their actions are taken over, not orphaned."
    )
    schedule: Text = Field(default="*/15 * * * *", description="When the job runs: five-field cron, UTC.")
    store: StoreSettings = Field(default_factory=lambda: LocalStore(kind="local"))
    fleets: tuple[Fleet, ...] = Field(min_length=1, max_length=150)
    time_budget_seconds: float = Field(
        default=600, gt=0, le=900, description="The job holds what it has not finished by then."
    )
    dry_run: bool = Field(default=False, description="Write nothing to any cloud.")
    enabled: bool = Field(default=True, description="The kill switch of all fleets.")

    @model_validator(mode="before")
    @classmethod
    def _readable(cls, data: object) -> object:
        return _check_version(data)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_repeats("fleets.name", [fleet.name for fleet in self.fleets])
        _refuse_repeats("fleets.target", [fleet.target_key for fleet in self.fleets])
        if self.owner in self.former_owners:
            raise ValueError(f"former_owners holds the present owner {self.owner!r}: leave it out")
        return self


def _check_version(data: object) -> object:
    if isinstance(data, Mapping):
        version: object = data.get("version", SETTINGS_VERSION)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if version not in READABLE_VERSIONS:
            readable = ", ".join(map(str, READABLE_VERSIONS))
            raise ValueError(f"version {version!r} cannot be read by this release; expected one of: {readable}")
    return data  # pyright: ignore[reportUnknownVariableType]


def _refuse_repeats(field: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{field} must be unique; repeated: {', '.join(repeated)}")


def parse_job(data: object) -> Job:
    """Validate `data` (as parsed from YAML or JSON) as a job.

    Raises:
        SettingsError: the first thing wrong, by field, value and what would be right.
    """
    return _validated(Job, data)


def parse_fleet(data: object) -> Fleet:
    """Validate `data` as a fleet; raises as `parse_job` does."""
    return _validated(Fleet, data)


def load_job(path: Path) -> Job:
    """Read a job from a .yaml, .yml or .json file.

    Raises:
        SettingsError: the file is absent, unreadable, of another kind, or wrong; nothing is taken from a file that is wrong anywhere.
    """
    if path.suffix not in {".yaml", ".yml", ".json"}:
        raise SettingsError("config", str(path), "a .yaml, .yml or .json file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("config", str(path), f"a readable file ({error.__class__.__name__})") from error
    return parse_job(_parse_text(path, text))


def _parse_text(path: Path, text: str) -> object:
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise SettingsError("config", str(path), f"JSON ({error})") from error
    import yaml  # noqa: PLC0415 - a component that only writes settings needs no YAML

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError("config", str(path), f"YAML ({error})") from error


def job_schema() -> dict[str, Any]:
    """The JSON schema of a job's settings, which holds the fleet's."""
    return Job.model_json_schema()


_SettingsT = TypeVar("_SettingsT", bound=_Settings)


def _validated(kind: type[_SettingsT], data: object) -> _SettingsT:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or kind.__name__.lower()
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SettingsError(field, _shown(first["input"]), f"{_explained(first)}{more}") from error


def _shown(value: object) -> object:
    """The value for the message, short: a whole job in an error helps nobody."""
    text = repr(value)
    return value if len(text) <= 80 else f"{text[:77]}..."


def _explained(error: Any) -> str:
    kind, message = error["type"], str(error["msg"]).removeprefix("Value error, ")
    return {"extra_forbidden": "no such field: check its spelling", "missing": "a value: the field is required"}.get(
        kind, message[:1].lower() + message[1:]
    )
