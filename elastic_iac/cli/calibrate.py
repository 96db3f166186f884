"""`elastic-iac calibrate`: how much load one instance serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output


def calibrate(
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="A file with `timestamp,load,in_service` and `utilisation` or `latency`.", show_default=False
        ),
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", "-c", help="Instead of --csv: the job's settings.", show_default=False)
    ] = None,
    fleet: Annotated[
        str | None, typer.Option("--fleet", "-f", help="Which fleet of --config.", show_default=False)
    ] = None,
    target_utilisation: Annotated[
        float, typer.Option("--target-utilisation", help="Where utilisation shall stand, in its own unit.")
    ] = 60.0,
    latency_limit: Annotated[
        float | None,
        typer.Option("--latency-limit", help="The highest latency that is fine, in its own unit.", show_default=False),
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """Estimate `load_per_instance`, with an interval, from load, instances in service and utilisation or latency. Reads only.

    Example: elastic-iac calibrate --config job.yaml --fleet web --target-utilisation 60
    """
    from elastic_iac.cli.measured import of_file, of_fleet  # noqa: PLC0415 - `--help` needs no pandas
    from forecasting.calibrate import calibrate as estimate  # noqa: PLC0415
    from forecasting.errors import UsageError  # noqa: PLC0415

    output = Output(as_json)
    if csv is not None and config is None:
        measured = of_file(csv, "utilisation" if latency_limit is None else "latency")
    elif config is not None and csv is None and latency_limit is None:
        measured = of_fleet(config, fleet)
    else:
        raise UsageError("give either --csv or --config; --latency-limit goes with --csv")
    if latency_limit is None:
        found = estimate(
            measured.load, measured.in_service, utilisation=measured.signal, target_utilisation=target_utilisation
        )
    else:
        found = estimate(measured.load, measured.in_service, latency=measured.signal, latency_limit=latency_limit)
    high = f"{found.high:.4g}" if found.high != float("inf") else "unknown"
    output.show(
        f"load_per_instance: {found.load_per_instance:.4g}   (90 % interval {found.low:.4g} to {high})",
        f"From {found.samples} samples by {found.method}; the highest load per instance seen is {found.highest:.4g}.",
        *(f"warning: {warning}" for warning in found.warnings),
    )
    output.document({"command": "calibrate", **found.to_json()})
