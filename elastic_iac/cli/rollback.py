"""`elastic-iac rollback`: restore a fleet's schedule from before the last run that wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecasting.release import RolledBack
    from forecasting.settings import Fleet, Job


def rollback(
    fleet: Annotated[str, typer.Argument(help="The fleet whose schedule is restored.", show_default=False)],
    config: options.Config,
    *,
    yes: options.Yes = False,
    break_lease: options.BreakLease = False,
    as_json: options.Json = False,
) -> None:
    """Pause a fleet and restore its schedule from before the last run that wrote. Run it again to undo.

    The fleet stays paused, or the next run would plan anew: `elastic-iac resume` ends that. The minimum in force stays until the restored schedule
    takes over. External actions stay as they are.

    Example: elastic-iac rollback web --config job.yaml
    """
    from elastic_iac.cli.asking import refuse_silence  # noqa: PLC0415 - `--help` needs none of these
    from elastic_iac.cli.person import record, record_interruption  # noqa: PLC0415
    from elastic_iac.cli.release import announcement  # noqa: PLC0415
    from forecasting.errors import InterruptedWriteError  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
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
    try:
        done = _paused_rollback(job, chosen, break_lease=break_lease)
    except InterruptedWriteError as error:
        output.warn(f"{fleet} stays paused until `elastic-iac resume --fleet {fleet}`.")
        raise record_interruption(output, job, error) from error
    record(output, job, "rollback", fleet, f"{done.written} call{'s' * (done.written != 1)}; paused")
    output.show(*_lines(chosen, done))
    output.document(_document(chosen, done))


def _paused_rollback(job: Job, fleet: Fleet, *, break_lease: bool) -> RolledBack:
    """Pause the fleet, then roll it back. What was not rolled back is not left paused."""
    from elastic_iac.cli.person import person  # noqa: PLC0415 - as above
    from forecasting.errors import InterruptedWriteError  # noqa: PLC0415
    from forecasting.release import roll_back_fleet  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.store import open_store  # noqa: PLC0415
    from forecasting.store.pause import noted_pause, pause, resume  # noqa: PLC0415

    store = open_store(job.store)
    own = noted_pause(store, job, fleet.name)
    lasts = own is not None and own.until is None
    if not lasts:
        # First: a run of the job that starts meanwhile would write its own plan over the restored one. So would one after the end of a pause that
        # ends by itself, or of the whole job's.
        pause(store, job, fleet.name, by=person(), reason="rolled back", now=utc_now())
    try:
        return roll_back_fleet(Run(job, utc_now(), break_lease=break_lease), fleet)
    except InterruptedWriteError:  # some of it is written: a run would plan over it
        raise
    except BaseException:  # Ctrl-C before the writes too
        if own is None:
            resume(store, job, fleet.name)
        elif not lasts:
            pause(store, job, fleet.name, until=own.until, by=own.by, reason=own.reason, now=own.since)
        raise


def _lines(fleet: Fleet, done: RolledBack) -> Iterator[str]:
    from elastic_iac.cli.words import WORDS  # noqa: PLC0415 - as above

    floor = WORDS[fleet.cloud].floor
    yield f"{fleet.name}: rolled back with {done.written} calls, read back."
    if done.first is not None:
        yield f"In force: {floor} {done.in_force}; from {done.first.start:%H:%M} UTC {done.first.floor}."
    for slot in done.left:
        when = f"from {slot.start:%H:%M} to {slot.end:%H:%M} UTC" if slot.end else f"at {slot.start:%H:%M} UTC"
        yield f"{slot.name} cannot be stopped: {floor} {slot.floor} {when}."
    yield f"The fleet stays paused until `elastic-iac resume --fleet {fleet.name}`."


def _document(fleet: Fleet, done: RolledBack) -> dict[str, Any]:
    from elastic_iac.cli.result import stamp  # noqa: PLC0415 - as above

    return {
        "command": "rollback",
        "fleet": fleet.name,
        "written": done.written,
        "paused": True,
        "in_force": done.in_force,
        "first": {"start": stamp(done.first.start), "min_size": done.first.floor} if done.first else None,
        "cannot_be_stopped": [
            {
                "name": slot.name,
                "start": stamp(slot.start),
                "end": stamp(slot.end) if slot.end else None,
                "min_size": slot.floor,
            }
            for slot in done.left
        ],
    }
