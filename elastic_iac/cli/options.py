"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path, typer.Option("--config", "-c", help="The job's settings, a YAML or JSON file.", show_default=False)
]
Fleets = Annotated[
    list[str] | None,
    typer.Option("--fleet", "-f", help="Only this fleet; may be given several times.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
