"""`elastic-iac demo`: the whole street on this machine, without an account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

_CLOUDS: dict[str, tuple[Literal["aws", "gcp"], ...]] = {"aws": ("aws",), "gcp": ("gcp",), "both": ("aws", "gcp")}


def demo(
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="A load file with `timestamp,value`; a generated load without it.", show_default=False
        ),
    ] = None,
    cloud: Annotated[str, typer.Option("--cloud", help="Which clouds to stand in for: aws, gcp or both.")] = "both",
    engine: Annotated[
        str, typer.Option("--engine", help="What runs the stack: embedded, or pulumi (the CLI, where it is on PATH).")
    ] = "embedded",
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep settings and records in this folder.", show_default=False)
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """Run everything on this machine: local clouds, a group in each, one forecast, their schedules, and 48 hours of them.

    The job sees 12 days of load; the 48 hours after them it has to forecast. No account is needed, and none is touched.

    Example: elastic-iac demo --csv load.csv
    """
    from forecasting.errors import SettingsError  # noqa: PLC0415 - `--help` needs neither pandas nor a cloud

    names = _CLOUDS.get(cloud)
    if names is None:
        raise SettingsError("--cloud", cloud, "aws, gcp or both")
    if engine not in {"embedded", "pulumi"}:
        raise SettingsError("--engine", engine, "embedded or pulumi")
    if engine == "pulumi":
        if "gcp" in names:
            raise SettingsError("--cloud", cloud, "aws with --engine pulumi: its AWS provider alone is pointed here")
        from elastic_iac.local.engine.pulumi_cli import require_cli  # noqa: PLC0415

        require_cli()

    from elastic_iac.cli.demo import story  # noqa: PLC0415

    output = Output(as_json)
    told: dict[str, Any] = story.run(csv, names, out, "pulumi" if engine == "pulumi" else "embedded", output)
    output.document(told)
    raise typer.Exit(0 if told["ok"] else 1)
