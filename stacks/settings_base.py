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
