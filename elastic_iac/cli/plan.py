"""`elastic-iac plan`: what the job would write, and why."""

from __future__ import annotations

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output


def plan(
    config: options.Config, fleet: options.Fleets = None, *, short: options.Short = False, as_json: options.Json = False
) -> None:
    """Show what the job would write. Changes nothing.

    Example: elastic-iac plan --config job.yaml --fleet web
    """
    from elastic_iac.cli import result as results  # noqa: PLC0415 - `--help` needs no pandas
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.job import run_job  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.shortrun import run_short  # noqa: PLC0415

    output = Output(as_json)
    run = Run(load_settings(config), utc_now(), write=False)
    planned = (run_short if short else run_job)(run, fleet)
    for each in planned:
        output.show(results.page(each, run.owners, run.job), "")
    output.document({"command": "plan", "fleets": [results.document(each) for each in planned]})
    raise typer.Exit(results.exit_code(planned))
