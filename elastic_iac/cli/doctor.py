"""`elastic-iac doctor`: what would keep a fleet from being served, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

_PERMISSIONS_SECONDS = 120.0
"""Longest wait for the answers on rights: IAM is asked fleet by fleet."""


def doctor(
    config: options.Config,
    fleet: options.Fleets = None,
    *,
    role: Annotated[
        str | None,
        typer.Option(
            "--role", help="ARN of the function's role: check its rights on AWS, not yours.", show_default=False
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check settings, credentials, rights, groups, metrics and records of every fleet. Writes nothing.

    Exit code 1 where a check fails; warnings do not count.

    Example: elastic-iac doctor --config job.yaml
    """
    from elastic_iac.cli.check import Check, table  # noqa: PLC0415 - `--help` needs no pandas
    from elastic_iac.cli.checks import check_fleet, check_job  # noqa: PLC0415
    from elastic_iac.cli.gcp_permissions import check_project_permissions  # noqa: PLC0415
    from elastic_iac.cli.permissions import check_concurrency, check_permissions  # noqa: PLC0415
    from forecasting.deadline import NoAnswerError, time_limit, within  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.settings import S3Store  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    output = Output(as_json)
    run = Run(load_settings(config), utc_now(), write=False)
    fleets = select_fleets(run.job, fleet)

    def permissions() -> list[Check]:
        found = [*check_permissions(run.job, fleets, role), *check_project_permissions(fleets)]
        if isinstance(run.job.store, S3Store):  # a job that is deployed on AWS, or is meant to be
            found.append(check_concurrency())
        return found

    checks = list(check_job(run, config))
    try:
        checks += within(_PERMISSIONS_SECONDS, permissions)
    except NoAnswerError as error:
        checks.append(Check("job", "permissions", "warn", str(error), "check the network and the endpoint; try again"))
    for each in fleets:
        with time_limit(run.remaining_seconds):
            checks += check_fleet(run, each)
    failed = sum(check.outcome == "fail" for check in checks)
    warned = sum(check.outcome == "warn" for check in checks)
    output.show(table(checks), "", f"{len(checks)} checks: {failed} failed, {warned} to look at. Nothing was written.")
    output.document(
        {"command": "doctor", "ok": not failed, "checks": [check.document() for check in checks]},
    )
    raise typer.Exit(1 if failed else 0)
