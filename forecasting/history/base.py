"""The clean history of a fleet's load and the verdict on its quality."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd


class Verdict(StrEnum):
    """What the plan may do with a history of this quality."""

    GOOD = "good"
    RAISE_ONLY = "raise-only"
    """The new plan may only raise the old one (UP)."""
    HOLD = "hold"
    """Nothing is written."""


@dataclass(frozen=True)
class Finding:
    """One thing found in the data.

    Attributes:
        code: A stable kebab-case word, e.g. `long-gap`, `frozen`, `late-tail`, `spike`.
        verdict: What this finding alone allows.
        text: What was found, with counts and times (UTC).
    """

    code: str
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class History:
    """A fleet's load on a regular UTC grid.

    Attributes:
        load: Mean load per step; regular UTC DatetimeIndex (start of the step), NaN for gaps. What is not demand (spikes, outage troughs) is NaN; a
            censored step keeps its value, as a lower bound.
        censored: True where the load is a lower bound; same index.
        fine: The samples at the source's own step (regular, UTC), same cleaning, for peaks inside a step.
        findings: What was found.
    """

    load: pd.Series[float]
    censored: pd.Series[bool]
    fine: pd.Series[float]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The strictest verdict of all findings."""
        order = (Verdict.HOLD, Verdict.RAISE_ONLY)
        return next(
            (verdict for verdict in order if any(finding.verdict is verdict for finding in self.findings)), Verdict.GOOD
        )
