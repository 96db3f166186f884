"""What the settings of both clouds share."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Settings(BaseModel):
    """Strict, camelCase, and nothing that is not declared."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)


class Prices(Settings):
    """See `LoadPrices`."""

    instance_hour: float
    unmet_instance_hour: float


class Event(Settings):
    """See `LoadEvent`."""

    name: str
    start: AwareDatetime = Field(strict=False)
    end: AwareDatetime = Field(strict=False)
    load_factor: float | None = None
    floor: int | None = None
    repeats: str | None = None
    learn_factor: bool | None = None


class Exclusion(Settings):
    """See `LoadExclusion`."""

    name: str
    start: AwareDatetime = Field(strict=False)
    end: AwareDatetime = Field(strict=False)


class PlannedAhead(Settings):
    """What the forecasts of groups and pools share on both clouds."""

    period_seconds: int | None = None
    saturated_cpu_percent: float | None = None
    lead_time_seconds: float | None = None
    quantile: float | None = None
    prices: Prices | None = None
    uncovered_share: float | None = None
    reactive_target: float | None = None
    short_lead: bool | None = None
    step_minutes: int | None = None
    horizon_hours: int | None = None
    max_increase_per_slot: int | None = None
    max_decrease_per_slot: int | None = None
    time_zone: str | None = None
    model: str | None = None
    max_load: float | None = None
    events: list[Event] | None = None
    holidays: list[str] | None = None
    exclusions: list[Exclusion] | None = None
    similar_fleet: str | None = None
    expected_load: float | None = None
    dry_run: bool | None = None
    enabled: bool | None = None
