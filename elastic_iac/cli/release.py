"""`elastic-iac release`: give a group back as it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from forecasting.run import Run
    from forecasting.settings import Fleet


def release(
    fleet: Annotated[str, typer.Argument(help="The fleet whose group is given back.", show_default=False)],
    config: options.Config,
    *,
    yes: options.Yes = False,
    break_lease: options.BreakLease = False,
    as_json: options.Json = False,
) -> None:
    """Remove our scheduled actions from a fleet's group and restore its MinSize. Other people's actions stay as they are.

    The next run of the job plans anew: `elastic-iac pause` it first, if it shall not.

    Example: elastic-iac release web --config job.yaml
    """
    from elastic_iac.cli.asking import refuse_silence  # noqa: PLC0415 - `--help` needs none of these
    from elastic_iac.cli.person import record, record_interruption  # noqa: PLC0415
    from elastic_iac.cli.words import WORDS  # noqa: PLC0415
    from forecasting.errors import InterruptedWriteError  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.release import release_fleet  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    refuse_silence(yes=yes, as_json=as_json)
    output = Output(as_json)
    job = load_settings(config)
    (chosen,) = select_fleets(job, [fleet])
    if not yes:
        output.show(announcement(Run(job, utc_now(), write=False), chosen, "are removed"))
        if not typer.confirm("Release it?"):
            output.show("Nothing was written.")
            raise typer.Exit(1)
    try:
        released = release_fleet(Run(job, utc_now(), break_lease=break_lease), chosen)
    except InterruptedWriteError as error:
        raise record_interruption(output, job, error) from error
    words = WORDS[chosen.cloud]
    sizes = f"{words.minimum} {released.min_size_before} -> {released.min_size_after}"
    record(output, job, "release", fleet, f"{words.actions(len(released.deleted))} removed; {sizes}")
    output.show(f"{fleet}: released. {words.actions(len(released.deleted))} removed; {sizes}, read back.")
    output.show(
        f"The job plans for it again when it runs next ({job.schedule}, {job.schedule_time_zone}), unless the fleet's "
        "`enabled` is false."
    )
    output.document(
        {
            "command": "release",
            "fleet": fleet,
            "deleted": list(released.deleted),
            "min_size_before": released.min_size_before,
            "min_size_after": released.min_size_after,
        }
    )


def announcement(run: Run, fleet: Fleet, what: str) -> str:
    """What a person is asked to agree to: `what` happens to our scheduled actions of the fleet's group."""
    from elastic_iac.cli.words import WORDS  # noqa: PLC0415 - as above
    from forecasting.targets import open_target  # noqa: PLC0415

    target, words = open_target(fleet), WORDS[fleet.cloud]
    group = target.inspect()
    ours = len(target.rules.ours(group, run.owners))
    theirs = f"{len(group.actions) - ours} of other people's stay"
    return f"{target.subject}: {words.minimum} {group.min_size}; {words.actions(ours)} of ours {what}, {theirs}."
