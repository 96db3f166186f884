"""`elastic-iac release`: give a group back as it was found, or its schedule back as it was."""

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
    previous: Annotated[
        bool,
        typer.Option("--previous", help="Only roll the schedule back to what stood before the last run that wrote."),
    ] = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Remove our scheduled actions from a fleet's group and restore its MinSize; or, with --previous, restore the schedule before the last.

    Other people's actions stay as they are. The next run of the job plans anew: set `enabled: false` first, if it shall not.

    Example: elastic-iac release web --config job.yaml
    """
    from elastic_iac.cli.asking import refuse_silence  # noqa: PLC0415 - `--help` needs none of these
    from forecasting.job import select_fleets  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.settings import load_job  # noqa: PLC0415

    refuse_silence(yes=yes, as_json=as_json)
    output = Output(as_json)
    job = load_job(config)
    (chosen,) = select_fleets(job, [fleet])
    if not yes:
        output.show(_announcement(Run(job, utc_now(), write=False), chosen, previous=previous))
        if not typer.confirm("Roll it back?" if previous else "Release it?"):
            output.show("Nothing was written.")
            raise typer.Exit(1)
    told = (
        _roll_back(Run(job, utc_now()), chosen, output) if previous else _release(Run(job, utc_now()), chosen, output)
    )
    output.show(
        f"The job plans for it again when it runs next ({job.schedule} UTC), unless the fleet's `enabled` is false."
    )
    output.document({"command": "release", "fleet": fleet, **told})


def _announcement(run: Run, fleet: Fleet, *, previous: bool) -> str:
    from forecasting.schedule.actions import split_actions  # noqa: PLC0415 - as above
    from forecasting.targets.aws import AutoScalingTarget  # noqa: PLC0415

    target = AutoScalingTarget(fleet)
    group = target.inspect()
    owned, foreign = split_actions(group.actions, run.owners)
    what = "are set back to what stood before the last run that wrote" if previous else "are removed"
    return f"{target.subject}: MinSize {group.min_size}; {len(owned)} scheduled actions of ours {what}, {len(foreign)} of other people's stay."


def _release(run: Run, fleet: Fleet, output: Output) -> dict[str, object]:
    from forecasting.release import release_fleet  # noqa: PLC0415 - as above

    released = release_fleet(run, fleet)
    output.show(
        f"{fleet.name}: released. {len(released.deleted)} scheduled actions removed; "
        f"MinSize {released.min_size_before} -> {released.min_size_after}, read back."
    )
    return {
        "deleted": list(released.deleted),
        "min_size_before": released.min_size_before,
        "min_size_after": released.min_size_after,
    }


def _roll_back(run: Run, fleet: Fleet, output: Output) -> dict[str, object]:
    from forecasting.release import roll_back_fleet  # noqa: PLC0415 - as above

    outcome = roll_back_fleet(run, fleet)
    output.show(f"{fleet.name}: rolled back with {outcome.written} calls, read back.")
    return {"written": outcome.written}
