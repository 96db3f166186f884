"""`elastic-iac rollback`: a fleet's schedule as it stood before the last run that wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output


def rollback(
    fleet: Annotated[str, typer.Argument(help="The fleet whose schedule is restored.", show_default=False)],
    config: options.Config,
    *,
    yes: options.Yes = False,
    break_lease: options.BreakLease = False,
    as_json: options.Json = False,
) -> None:
    """Pause a fleet and restore its schedule as it stood before the last run that wrote. Once more undoes it.

    The fleet stays paused, or the next run would plan anew: `elastic-iac resume` ends that. People's actions stay as they are.

    Example: elastic-iac rollback web --config job.yaml
    """
    from elastic_iac.cli.asking import refuse_silence  # noqa: PLC0415 - `--help` needs none of these
    from elastic_iac.cli.pause import person  # noqa: PLC0415
    from elastic_iac.cli.release import announcement  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.release import roll_back_fleet  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.store import open_store  # noqa: PLC0415
    from forecasting.store.pause import noted_pause, pause, resume  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    refuse_silence(yes=yes, as_json=as_json)
    output = Output(as_json)
    job = load_settings(config)
    (chosen,) = select_fleets(job, [fleet])
    if not yes:
        output.show(announcement(Run(job, utc_now(), write=False), chosen, "are set back to what stood before"))
        if not typer.confirm("Pause the fleet and roll it back?"):
            output.show("Nothing was written.")
            raise typer.Exit(1)
    store = open_store(job.store)
    own = noted_pause(store, job, fleet)
    lasts = own is not None and own.until is None
    if not lasts:
        # First: a run of the job that starts meanwhile would write its own plan over the restored one. So would one after the end of a pause that
        # ends by itself, or of the whole job's.
        pause(store, job, fleet, by=person(), reason="rolled back", now=utc_now())
    try:
        outcome = roll_back_fleet(Run(job, utc_now(), break_lease=break_lease), chosen)
    except BaseException:  # Ctrl-C too: what was not rolled back is not left paused
        if own is None:
            resume(store, job, fleet)
        elif not lasts:
            pause(store, job, fleet, until=own.until, by=own.by, reason=own.reason, now=own.since)
        raise
    output.show(
        f"{fleet}: rolled back with {outcome.written} calls, read back. "
        f"It stays paused until `elastic-iac resume --fleet {fleet}`."
    )
    output.document({"command": "rollback", "fleet": fleet, "written": outcome.written, "paused": True})
