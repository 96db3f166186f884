"""`elastic-iac apply`: show the plan, ask, write it, read it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from forecasting.run import FleetResult, Run
    from forecasting.settings import Job


def apply(
    config: options.Config,
    fleet: options.Fleets = None,
    *,
    short: options.Short = False,
    yes: options.Yes = False,
    break_lease: options.BreakLease = False,
    as_json: options.Json = False,
) -> None:
    """Show what the job would write, ask, write it and read it back.

    What is written is exactly what was shown: where the group or its load changes meanwhile, nothing is written.

    Example: elastic-iac apply --config job.yaml --fleet web
    """
    from elastic_iac.cli import result as results  # noqa: PLC0415 - `--help` needs no pandas
    from elastic_iac.cli.asking import refuse_silence  # noqa: PLC0415
    from elastic_iac.cli.person import record, record_interruption  # noqa: PLC0415
    from forecasting.errors import InterruptedWriteError  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415

    refuse_silence(yes=yes, as_json=as_json)
    output = Output(as_json)
    job = load_settings(config)
    try:
        applied = (_apply_unasked if yes else _apply_asking)(job, fleet, output, short, break_lease)
    except InterruptedWriteError as error:
        raise record_interruption(output, job, error) from error
    for each in applied:
        if each.status != "planned" and each.code != "no-plan":  # else it did not come to the group
            record(output, job, "apply", each.fleet.name, _outcome(each))
    output.document({"command": "apply", "fleets": [results.document(each) for each in applied]})
    raise typer.Exit(results.exit_code(applied))


def _outcome(result: FleetResult) -> str:
    calls = f"{result.written} call{'s' * (result.written != 1)}"
    if result.status == "written":
        return f"written, {calls}"
    held = f"{result.status} ({result.code})" if result.code else result.status
    return f"{held}, {calls} made" if result.written else held


def _apply_unasked(
    job: Job, names: list[str] | None, output: Output, short: bool, break_lease: bool
) -> list[FleetResult]:
    from elastic_iac.cli import result as results  # noqa: PLC0415
    from forecasting.job import run_job  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.shortrun import run_short  # noqa: PLC0415

    run = Run(job, utc_now(), break_lease=break_lease)
    return (run_short if short else run_job)(
        run, names, lambda each: output.show(results.page(each, run.owners, job), "")
    )


def _apply_asking(
    job: Job, names: list[str] | None, output: Output, short: bool, break_lease: bool
) -> list[FleetResult]:
    from elastic_iac.cli import result as results  # noqa: PLC0415
    from forecasting.job import run_job  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.shortrun import run_short  # noqa: PLC0415

    run = Run(job, utc_now(), write=False)
    planned = (run_short if short else run_job)(
        run, names, lambda each: output.show(results.page(each, run.owners, job), "")
    )
    writes = sum(each.diff.writes for each in planned if each.served and each.diff)
    if writes:
        fleets = sum(bool(each.served and each.diff and each.diff.writes) for each in planned)
        if not typer.confirm(f"Make these {writes} calls, for {fleets} fleet{'s' * (fleets > 1)}?"):
            output.show("Nothing was written.")
            raise typer.Exit(1)
    return [_write(replace(run, write=True, break_lease=break_lease), each, output, short) for each in planned]


def _write(run: Run, planned: FleetResult, output: Output, short: bool) -> FleetResult:
    """Write what was shown of a fleet. The same `now`: the plan that was agreed to, not another one."""
    from elastic_iac.cli import result as results  # noqa: PLC0415
    from forecasting.job import run_fleet  # noqa: PLC0415
    from forecasting.shortrun import run_fleet_short  # noqa: PLC0415

    if not planned.served:
        return planned
    written = (run_fleet_short if short else run_fleet)(run, planned.fleet, agreed=planned.diff)
    output.show(results.headline(written), results.closing(written, run.job), "")
    return written
