"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE|URL",
        help="The job's settings: a YAML or JSON file, or s3://BUCKET/KEY, gs://BUCKET/KEY.",
        show_default=False,
    ),
]
Fleets = Annotated[
    list[str] | None,
    typer.Option("--fleet", "-f", help="Only this fleet; may be given several times.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")]
Short = Annotated[
    bool, typer.Option("--short", help="A short run: the standing plan, its next slots by the newest samples.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
BreakLease = Annotated[
    bool,
    typer.Option(
        "--break-lease",
        help="Take the write lease from a run that you know to be dead; a warning names whose it was.",
    ),
]
