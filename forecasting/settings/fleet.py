"""One group of instances that serve one load, and how its floor is to be planned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self, cast
from zoneinfo import ZoneInfo

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from forecasting.settings.aws import AwsTarget, CloudWatchSource
from forecasting.settings.base import (
    HOLIDAY_CODE,
    SETTINGS_VERSION,
    VERSION_DESCRIPTION,
    Bool,
    Float,
    Int,
    Settings,
    Slug,
    Text,
    Time,
    TimeZoneName,
    Version,
    refused,
)
from forecasting.settings.gcp import CloudMonitoringSource, GcpTarget
from forecasting.settings.pool import Pool
from forecasting.settings.recurrence import occurrences, problem
from forecasting.settings.source import FileSource

_TARGETS = {"aws": AwsTarget, "gcp": GcpTarget}
_SOURCES = {"aws": "cloudwatch", "gcp": "cloud-monitoring"}
_GCP_FIELDS = GcpTarget.model_fields.keys() - AwsTarget.model_fields.keys()


def _cloud_of(target: object) -> str:
    """The cloud that a target is of, by its fields: AWS where they do not say."""
    if isinstance(target, Mapping):
        return "gcp" if _GCP_FIELDS & cast("Mapping[str, object]", target).keys() else "aws"
    return "gcp" if isinstance(target, GcpTarget) else "aws"


Target = Annotated[
    Annotated[AwsTarget, Tag("aws")] | Annotated[GcpTarget, Tag("gcp")], Field(discriminator=Discriminator(_cloud_of))
]
Source = Annotated[CloudWatchSource | CloudMonitoringSource | FileSource, Field(discriminator="kind")]


HolidayCode = Annotated[str, StringConstraints(pattern=HOLIDAY_CODE)]
"""ISO 3166 code of a country, or of a part of it."""


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
    repeats: Text | None = Field(
        default=None,
        description="It comes back at the same local time, from `start` on: `monthly` and `yearly` on the same day (a 31st on a shorter month's "
        "last), or a rule of RFC 5545 that gives the days, such as `FREQ=WEEKLY;INTERVAL=2` or "
        "`FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1` (the last working day).",
    )
    learn_factor: Bool = Field(
        default=False, description="Learn the factor from earlier occurrences in the history, instead of `load_factor`."
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise refused("end", self.end.isoformat(), f"a time after start {self.start.isoformat()}")
        if self.learn_factor and self.load_factor != 1:
            raise refused("load_factor", self.load_factor, "to be absent beside learn_factor")
        if self.repeats is not None and (why := problem(self.repeats, self.start)):
            raise refused("repeats", self.repeats, why)
        return self

    def spans(self, first: datetime, last: datetime, time_zone: str) -> list[tuple[datetime, datetime]]:
        """Its occurrences that touch the time from `first` to `last` (aware), start and end, on the wall clock of an IANA zone."""
        zone = ZoneInfo(time_zone)
        start, end = self.start.astimezone(zone), self.end.astimezone(zone)
        # Midnight to midnight is that on every date; what lies within a repeated hour has no other length than its own.
        on_the_clock = end.replace(tzinfo=None) - start.replace(tzinfo=None)
        length = on_the_clock if on_the_clock > timedelta(0) else self.end - self.start
        found: list[tuple[datetime, datetime]] = []
        until = last.astimezone(zone).replace(tzinfo=None)
        since = first.astimezone(zone).replace(tzinfo=None) - max(length, timedelta(0)) - timedelta(days=1)
        starts = [start] if self.repeats is None else occurrences(self.repeats, start, since, until)
        for at in starts:
            if at >= last:
                break
            ends = end if at == start else at + length
            if ends.timestamp() > max(first.timestamp(), at.timestamp()):
                found.append((at, ends))
        return found


class Exclusion(Settings):
    """A time that is not learnt from: an incident, a load test, a broken exporter."""

    name: Text = Field(description="What a person calls it.")
    start: Time = Field(description="With its UTC offset.")
    end: Time = Field(description="With its UTC offset; after `start`.")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise refused("end", self.end.isoformat(), f"a time after start {self.start.isoformat()}")
        return self


Model = Literal[
    "auto",
    "seasonal-naive-day",
    "seasonal-naive-week",
    "arima",
    "sarima",
    "harmonic",
    "ets",
    "lightgbm",
    "prophet",
    "auto-arima",
    "mstl",
]
"""The last four need libraries that are in no function's package (the extra `models`; statsforecast)."""


class Fleet(Settings):
    """One group of instances that serve one load, and how its floor is to be planned."""

    version: Version = Field(default=SETTINGS_VERSION, description=VERSION_DESCRIPTION)
    name: Slug = Field(description="Name of the fleet, unique within a job: lower-case letters, digits, hyphens.")
    cloud: Literal["aws", "gcp"] = Field(description="The cloud of the target.")
    target: Target = Field(description="What is scaled.")
    source: Source = Field(description="Where its load is read.")
    load_per_instance: Float = Field(
        ge=1e-9, le=1e12, description="Load that one instance serves at its target utilisation, in the source's unit."
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
    learn_lead_time: Bool = Field(
        default=False,
        description="Plan with the lead time measured from the group's own boots; `lead_time_seconds` is the prior until enough are seen.",
    )
    short_lead: Bool | None = Field(
        default=None,
        description="Short runs re-level the next slots by the newest samples; where it is not given, at a lead time of 10 to 60 minutes.",
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
        description="Quantile of the load to provision for; where neither this nor `prices` is given, the fleet's own past chooses it daily.",
    )
    prices: Prices | None = Field(
        default=None, description="Instead of `quantile`: what an instance and an unmet instance cost."
    )
    uncovered_share: Float | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description="Instead of `quantile` and `prices`: share of the load that may stay uncovered, by which the past chooses; 0.005 by default.",
    )
    reactive_target: Float = Field(
        default=1.0,
        ge=0.2,
        le=1.0,
        description="What the group's own reactive scaling aims at, as a share of `load_per_instance`: the choice of the quantile counts on it.",
    )
    model: Model = Field(default="auto", description="'auto' weighs all models by their past errors.")
    events: tuple[Event, ...] = Field(default=(), description="Known events, past and future.")
    holidays: tuple[HolidayCode, ...] = Field(
        default=(),
        description="Countries, or parts of them, whose holidays move the load, e.g. 'US', 'DE-BY': learnt from those in what is read.",
    )
    exclusions: tuple[Exclusion, ...] = Field(
        default=(), description="Times that are not learnt from: incidents, load tests."
    )
    time_zone: TimeZoneName = Field(default="UTC", description="IANA zone whose days and weeks the load follows.")
    similar_fleet: Text | None = Field(
        default=None,
        description="Another fleet of the job, by name or target key: its history is borrowed, at this one's level, until this one has eight days.",
    )
    expected_load: Float | None = Field(
        default=None,
        gt=0,
        le=1e15,
        description="Beside `similar_fleet`: the mean load that is expected. Without it nothing is planned before an hour has been seen.",
    )
    max_load: Float | None = Field(
        default=None,
        gt=0,
        description="Samples above this are a wrong unit or a broken exporter: a few are left out, several in a day hold the fleet.",
    )
    pool: Pool | None = Field(default=None, description="For a pool of accelerators.")
    revision: Text | None = Field(
        default=None,
        description="Changes when the deployment has changed the target, so that the settings change and the job runs: it plans nothing by it.",
    )
    dry_run: Bool = Field(default=False, description="Plan and record, write nothing to the cloud.")
    enabled: Bool = Field(
        default=True,
        description="The fleet's kill switch: false writes nothing, the old plan runs out and the baseline returns.",
    )

    @model_validator(mode="before")
    @classmethod
    def _target_is_of_the_cloud(cls, data: object) -> object:
        if isinstance(data, Mapping):
            fields = cast("Mapping[str, object]", data)
            cloud, target = fields.get("cloud"), fields.get("target")
            if not (isinstance(cloud, str) and cloud in _TARGETS and isinstance(target, Mapping)):
                return fields  # wrong in another way, which the fields' own checks say
            given = cast("Mapping[str, object]", target)
            if _cloud_of(given) != cloud:
                wanted = ", ".join(_TARGETS[cloud].model_fields)
                shown = ", ".join(sorted(map(str, given)))
                raise refused("target", shown, f"a target of cloud {cloud!r}, with the fields: {wanted}")
        return data  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if _cloud_of(self.target) != self.cloud:
            raise refused("cloud", self.cloud, "the cloud of the target")
        if self.source.kind not in {"file", _SOURCES[self.cloud]}:
            raise refused("source.kind", self.source.kind, f"a file or the metrics of cloud {self.cloud!r}")
        if self.floor > self.ceiling:
            raise refused("floor", self.floor, f"at most the ceiling, {self.ceiling}")
        if self.pool and self.pool.windows and self.floor:
            raise refused("floor", self.floor, "0 beside pool.windows: nothing is asked for outside of them")
        if self.quantile is not None and self.prices is not None:
            raise refused("quantile", self.quantile, "to be absent beside prices: they set the quantile")
        if self.uncovered_share is not None and (self.quantile is not None or self.prices is not None):
            expected = "to be absent beside quantile or prices: they say what to provision for"
            raise refused("uncovered_share", self.uncovered_share, expected)
        if self.expected_load is not None and self.similar_fleet is None:
            raise refused(
                "expected_load", self.expected_load, "to be absent without similar_fleet, whose shape it scales"
            )
        if self.similar_fleet is not None and self.similar_fleet in {self.name, self.target_key}:
            raise refused("similar_fleet", self.similar_fleet, "another fleet than itself")
        if not isinstance(self.source, FileSource) and self.step_minutes * 60 % self.source.period_seconds:
            step = f"{self.step_minutes * 60} s (step_minutes)"
            raise refused("source.period_seconds", self.source.period_seconds, f"a divisor of the step, {step}")
        return self

    @property
    def plan_quantile(self) -> float:
        """The quantile of the load that is provisioned for, where no past has chosen one."""
        return self.prices.quantile if self.prices else (self.quantile or 0.9)

    @property
    def plans_by_launches(self) -> bool:
        """Whether its plan depends on its launches: on the lead time they show, and on what the cloud refuses."""
        return self.learn_lead_time or self.pool is not None

    @property
    def learns_occasions(self) -> bool:
        """Whether factors are learnt from earlier holidays or events."""
        return bool(self.holidays) or any(event.learn_factor for event in self.events)

    @property
    def target_key(self) -> str:
        """Identity of what is scaled: records are kept under it, so that renaming a fleet or stack keeps its history."""
        return self.target.key
