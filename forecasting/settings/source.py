"""What all sources of load share, and the source that needs no cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from forecasting.settings.base import Settings, Text, refused


class BaseSource(Settings):
    """What all sources share: names that a later release will use."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_reserved(cls, data: object) -> object:
        for name in ("formula", "secret"):
            if isinstance(data, Mapping) and name in data:
                raise refused(name, name, "to be absent: the name is reserved for a later release")
        return data  # pyright: ignore[reportUnknownVariableType]


class FileSource(BaseSource):
    """The fleet's load in a CSV or Parquet file (for backtests, trials and systems without a metrics API)."""

    kind: Literal["file"] = Field(description="The load is in a file.")
    path: Text = Field(description="A .csv, .csv.gz or .parquet file.")
    timestamp_column: Text = Field(default="timestamp", description="Start of each sample, with its UTC offset.")
    value_column: Text = Field(default="value", description="Load; an empty value is missing.")
    censored_column: Text | None = Field(
        default=None, description="True where the fleet was saturated or refused requests."
    )
