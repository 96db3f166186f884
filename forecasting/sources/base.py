"""What every source of load gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pandas as pd


@dataclass(frozen=True)
class Reading:
    """Samples of a fleet's load as a source gave them, before cleaning.

    Attributes:
        load: Load per sample (a sum over the fleet, in the unit of `load_per_instance`); UTC DatetimeIndex at the start of each sample, in any
            order, duplicates and gaps as they came.
        sample_seconds: Length of one sample.
        censored: True where the fleet was saturated or refused requests, so that the load is a lower bound; same index as `load`, or None.
        warnings: What the source said beside the data; a person reads them.
    """

    load: pd.Series[float]
    sample_seconds: int
    censored: pd.Series[bool] | None = None
    warnings: tuple[str, ...] = field(default=())


class Source(Protocol):
    """Reads the load of one fleet."""

    def read(self, start: datetime, end: datetime) -> Reading:
        """Samples with start <= stamp < end (aware datetimes).

        Raises:
            SourceError: the source refused, could not be reached, or gave less than everything (a partial answer is no answer).
            CredentialsError: credentials are absent, expired or insufficient.
            InputError: a file is not a load series.
        """
        ...
