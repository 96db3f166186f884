"""`elastic-iac doctor`: what would keep a fleet from being served, and what to do about it."""

from __future__ import annotations

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output


def doctor(config: options.Config, fleet: options.Fleets = None, *, as_json: options.Json = False) -> None:
    """Check settings, credentials, groups, metrics and records of every fleet. Writes nothing.

    Exit code 1 where a check fails; warnings do not count.

    Example: elastic-iac doctor --config job.yaml
    """
    from elastic_iac.cli.checks import check_fleet, check_job, table  # noqa: PLC0415 - `--help` needs no pandas
    from forecasting.job import select_fleets  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.settings import load_job  # noqa: PLC0415

    output = Output(as_json)
    run = Run(load_job(config), utc_now(), write=False)
    checks = [*check_job(run, config)]
    for each in select_fleets(run.job, fleet):
        checks += check_fleet(run, each)
    failed = sum(check.outcome == "fail" for check in checks)
    warned = sum(check.outcome == "warn" for check in checks)
    output.show(table(checks), "", f"{len(checks)} checks: {failed} failed, {warned} to look at. Nothing was written.")
    output.document(
        {"command": "doctor", "ok": not failed, "checks": [check.document() for check in checks]},
    )
    raise typer.Exit(1 if failed else 0)
