"""`elastic-iac pause` and `resume`: the kill switch that needs no deployment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output
from elastic_iac.cli.person import person, record

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
        record(output, job, "pause", name, f"{_end(until)}{f': {reason}' if reason else ''}")
        scope = f" --fleet {name}" if name else ""
        output.show(f"{name or 'all fleets'}: paused {_end(until)}. `elastic-iac resume{scope}` ends it.")
    paused = {"fleets": fleet, "until": until.isoformat() if until else None}
    output.document({"command": "pause", "job": job.name, **paused})


def resume(config: options.Config, fleet: options.Fleets = None, *, as_json: options.Json = False) -> None:
    """End a pause, of the whole job or of the named fleets: the next run writes again.

    Anything else that still holds a fleet (another pause, `enabled: false`) is named, and the exit code is 1.

    Example: elastic-iac resume --config job.yaml --fleet web
    """
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.run import utc_now  # noqa: PLC0415
    from forecasting.store import open_store  # noqa: PLC0415
    from forecasting.store.pause import holds  # noqa: PLC0415
    from forecasting.store.pause import resume as end_pause  # noqa: PLC0415
    from forecasting.turn import select_fleets  # noqa: PLC0415

    output = Output(as_json)
    job = load_settings(config)
    store = open_store(job.store)
    names = [each.name for each in select_fleets(job, fleet)] if fleet else [None]
    ended = [name for name in names if end_pause(store, job, name)]
    held: dict[str, None] = {}
    for name in names:
        still = holds(store, job, name, utc_now())
        held.update(dict.fromkeys(still))
        done = "resumed" if name in ended else "was not paused"
        if name in ended:
            record(output, job, "resume", name, f"still held: {'; '.join(still)}" if still else "")
        output.show(f"{name or 'all fleets'}: {done}{', but is still held' if still else ''}.")
    for text in held:
        output.show(f"- {text}")
    document = {"command": "resume", "job": job.name, "fleets": fleet, "resumed": len(ended), "held": list(held)}
    output.document(document)
    raise typer.Exit(1 if held else 0)


def _end(until: datetime | None) -> str:
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is resumed"
