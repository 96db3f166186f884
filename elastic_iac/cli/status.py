"""`elastic-iac status`: what stands, what comes next, and how earlier runs went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from elastic_iac.cli.standing import Standing


def status(config: options.Config, fleet: options.Fleets = None, *, as_json: options.Json = False) -> None:
    """Show alarms and pauses, and of each group sizes, scheduled actions, the last runs and how good their forecasts were. Reads only.

    Example: elastic-iac status --config job.yaml
    """
    from elastic_iac.cli.alarms import lines, read_alarms  # noqa: PLC0415 - `--help` needs no pandas
    from elastic_iac.cli.standing import look  # noqa: PLC0415
    from forecasting.deadline import time_limit  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.run import Run, utc_now  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    output = Output(as_json)
    run = Run(load_settings(config), utc_now(), write=False)
    alarms, unread = read_alarms(run.job)
    output.show(*lines(alarms), *([unread] if unread else []))
    documents: list[dict[str, Any]] = []
    failed: list[Standing] = []
    for each in select_fleets(run.job, fleet):
        with time_limit(run.remaining_seconds):
            standing = look(run, each)
        output.show(standing.page(), "")
        documents.append(standing.document())
        if standing.error:
            failed.append(standing)
    told = [alarm.document() for alarm in alarms]
    output.document({"command": "status", "alarms": told, "alarms_unread": unread, "fleets": documents})
    raise typer.Exit(1 if failed else 0)
