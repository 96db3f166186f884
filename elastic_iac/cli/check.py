"""One thing that the doctor looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from forecasting.safe_text import printable

Status = Literal["ok", "warn", "fail"]

_STYLES: dict[Status, str] = {"ok": "green", "warn": "bold yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        subject: The fleet, or `job`.
        name: What was checked.
        outcome: `ok`, `warn` (it works, but look), `fail` (the fleet is not served).
        found: What was found.
        advice: What to do; empty where nothing is.
    """

    subject: str
    name: str
    outcome: Status
    found: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def table(checks: Sequence[Check]) -> Table:
    """The checks as rows."""
    rows = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("", "fleet", "check"):
        rows.add_column(title, no_wrap=True)
    rows.add_column("found")
    for check in checks:
        found = Text(printable(check.found))
        if check.advice:
            found.append(f"\n-> {check.advice}", style="bold")
        rows.add_row(Text(check.outcome, style=_STYLES[check.outcome]), check.subject, check.name, found)
    return rows
