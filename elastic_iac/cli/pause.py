"""`elastic-iac pause` and `resume`: the kill switch that needs no deployment."""

from __future__ import annotations

import getpass
import socket
from datetime import datetime, timedelta
from typing import Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

Duration = Annotated[
    str | None,
    typer.Option("--for", help="End by itself after this time: 90m, 6h. Without it: until resume.", show_default=False),
]


def pause(
    config: options.Config,
    fleet: options.Fleets = None,
    *,
    reason: Annotated[str, typer.Option("--reason", help="What the next person should know.")] = "",
    lasting: Duration = None,
    as_json: options.Json = False,
) -> None:
    """Stop the job from writing, for all fleets or the named ones. Takes effect at once, also for a run that is about to write.

    The plan that stands runs on; at its end, within 48 hours, the baseline comes back. Reactive scaling is untouched.

    Example: elastic-iac pause --config job.yaml --fleet web --for 6h --reason "load test"
    """
    from elastic_iac.cli.duration import seconds  # noqa: PLC0415 - `--help` needs none of these
    from forecasting.errors import SettingsError  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.run import utc_now  # noqa: PLC0415
    from forecasting.store import open_store  # noqa: PLC0415
    from forecasting.store.pause import pause as write_pause  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    output = Output(as_json)
    job = load_settings(config)
    until = None if lasting is None else utc_now() + timedelta(seconds=seconds(lasting, "--for"))
    if until is not None and until <= utc_now():
        raise SettingsError("--for", lasting, "more than nothing")
    store = open_store(job.store)
    names = [each.name for each in select_fleets(job, fleet)] if fleet else [None]
    for name in names:
        write_pause(store, job, name, until=until, by=person(), reason=reason, now=utc_now())
        output.show(f"{name or 'all fleets'}: paused {_end(until)}. `elastic-iac resume` ends it.")
    paused = {"fleets": fleet, "until": until.isoformat() if until else None}
    output.document({"command": "pause", "job": job.name, **paused})


def resume(config: options.Config, fleet: options.Fleets = None, *, as_json: options.Json = False) -> None:
    """End a pause, of the whole job or of the named fleets: the next run writes again.

    Example: elastic-iac resume --config job.yaml --fleet web
    """
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.store import open_store  # noqa: PLC0415
    from forecasting.store.pause import resume as end_pause  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    output = Output(as_json)
    job = load_settings(config)
    store = open_store(job.store)
    names = [each.name for each in select_fleets(job, fleet)] if fleet else [None]
    ended = [name for name in names if end_pause(store, job, name)]
    for name in names:
        output.show(f"{name or 'all fleets'}: {'resumed' if name in ended else 'was not paused'}.")
    output.document({"command": "resume", "job": job.name, "fleets": fleet, "resumed": len(ended)})


def person() -> str:
    """Who is at the keyboard, for whoever finds the pause."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # no user database, as in some containers
        return socket.gethostname()


def _end(until: datetime | None) -> str:
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is resumed"
