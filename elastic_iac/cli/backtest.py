"""`elastic-iac backtest`: what prediction would have given on a fleet's own past."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecasting.backtest import Backtest
    from forecasting.leadtime import LeadTime
    from forecasting.settings import Fleet, Job
    from forecasting.sources import Reading

DEFAULT_LEAD_TIME = "5m"


def backtest(
    csv: Annotated[
        Path | None, typer.Option("--csv", help="A load file with `timestamp,value`.", show_default=False)
    ] = None,
    load_per_instance: Annotated[
        float | None,
        typer.Option("--load-per-instance", help="Load that one instance serves; with --csv.", show_default=False),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", "-c", help="Instead of --csv: the job's settings.", show_default=False),
    ] = None,
    fleet: Annotated[
        str | None, typer.Option("--fleet", "-f", help="Which fleet of --config.", show_default=False)
    ] = None,
    lead_time: Annotated[
        list[str] | None,
        typer.Option(
            "--lead-time", help="Launch to first answer, e.g. 5m; may be given several times.", show_default=False
        ),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="`auto` or a model's name; with --csv.")] = "auto",
    uncovered: Annotated[
        str | None,
        typer.Option(
            "--uncovered",
            "--slo",
            help="The objective: how much of the load may stay uncovered, e.g. 0.5%. The fleet's own by default, else 0.5%.",
            show_default=False,
        ),
    ] = None,
    holidays: Annotated[
        list[str] | None,
        typer.Option(
            "--holidays",
            help="Country, or part of one, whose holidays move the load, e.g. DE-BY; may be given several times.",
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", help="A YAML or JSON file with a list of events, as in the settings.", show_default=False
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", help="START/END of a time not to learn from; may be given several times.", show_default=False
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option("--time-zone", help="Zone whose days the load follows; UTC with --csv.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="Replay at most so many of the newest days.", min=3)] = 28,
    processes: Annotated[int, typer.Option("--processes", help="Worker processes.", min=1)] = os.cpu_count() or 1,
    out: Annotated[Path, typer.Option("--out", help="Folder for the report and the recommended settings.")] = Path(
        "out"
    )
    / "backtest",
    *,
    as_json: options.Json = False,
) -> None:
    """Replay what prediction, reactive scaling and others would have done, and say whether prediction pays.

    Forecasts are made from what was known at the time, every six hours, and re-levelled every five minutes where samples are that fine.

    Nothing is written to a cloud.

    Example: elastic-iac backtest --csv load.csv --load-per-instance 75 --lead-time 5m --lead-time 15m
    """
    from elastic_iac.cli.duration import seconds  # noqa: PLC0415 - `--help` needs no pandas
    from elastic_iac.cli.occasions import with_occasions  # noqa: PLC0415
    from elastic_iac.cli.percent import percent  # noqa: PLC0415
    from elastic_iac.cli.verdict import page  # noqa: PLC0415
    from elastic_iac.report import backtest_report, write_report  # noqa: PLC0415
    from forecasting.backtest import BacktestSettings  # noqa: PLC0415
    from forecasting.backtest import backtest as replay_past  # noqa: PLC0415
    from forecasting.backtest.recommend import recommended_settings  # noqa: PLC0415
    from forecasting.planning.objective import TARGET_SHARE  # noqa: PLC0415

    output = Output(as_json)
    leads = [seconds(text, "--lead-time") for text in lead_time or []]
    given, reading, job = _subject(csv, load_per_instance, config, fleet, model, leads)
    chosen = with_occasions(given, holidays=holidays or (), events=events, excluded=exclude or (), time_zone=time_zone)
    boots = tuple(lead / 60 for lead in leads)
    goal = percent(uncovered, "--uncovered") if uncovered else 100 * (chosen.uncovered_share or TARGET_SHARE)
    how = BacktestSettings(boot_minutes=boots, goal_percent=goal, days=days, processes=processes)
    with output.counter("forecasting from the past") as progress:
        result = replay_past(reading, chosen, how, progress=progress)
    name = csv.name if csv else chosen.name
    report = write_report(out / "report.html", backtest_report(result, name=name, boots=_boots(job, chosen)))
    settings = out / "settings.yaml"
    settings.write_text(recommended_settings(result, chosen, job=job), encoding="utf-8")
    output.show(page(result, name), "", f"In pictures: {report}", _recommended(settings, result))
    output.document({"command": "backtest", **result.to_json(), "report": str(report), "settings": str(settings)})


def _recommended(settings: Path, result: Backtest) -> str:
    """Where they are; they can be for one boot time only."""
    several = f", for a boot of {result.boots[0].boot_minutes:g} min" if len(result.boots) > 1 else ""
    return f"Recommended settings{several}: {settings}"


def _subject(
    csv: Path | None,
    load_per_instance: float | None,
    config: str | None,
    name: str | None,
    model: str,
    leads: list[float],
) -> tuple[Fleet, Reading, Job | None]:
    """The fleet and its load: of a file, or of the settings."""
    from elastic_iac.cli.choose import check_subject, installed, one_fleet  # noqa: PLC0415
    from elastic_iac.cli.duration import seconds  # noqa: PLC0415
    from forecasting.backtest.recommend import csv_fleet  # noqa: PLC0415
    from forecasting.errors import UsageError  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.sources.files import read_csv  # noqa: PLC0415

    check_subject(csv, config, name, "--csv with --load-per-instance, or --config")
    if config is not None:
        job = load_settings(config)
        chosen = installed(one_fleet(job, name))
        return chosen, _read_past(chosen), job
    if csv is None or load_per_instance is None:
        raise UsageError("--csv needs --load-per-instance: how much of the file's load one instance serves")
    reading = read_csv(csv)
    lead = leads[0] if leads else seconds(DEFAULT_LEAD_TIME, "--lead-time")
    peak = float(reading.load.max())
    return installed(csv_fleet(csv, load_per_instance, peak, lead_time_seconds=lead, model=model)), reading, None


def _boots(job: Job | None, fleet: Fleet) -> Mapping[str, LeadTime]:
    """What the job has seen of the fleet's boots; a file has no job."""
    from elastic_iac.cli.boots import seen_boots  # noqa: PLC0415
    from forecasting.errors import ElasticIacError  # noqa: PLC0415
    from forecasting.run import utc_now  # noqa: PLC0415
    from forecasting.store import open_store  # noqa: PLC0415

    try:
        return seen_boots(open_store(job.store), fleet, utc_now()) if job else {}
    except ElasticIacError:
        return {}


def _read_past(fleet: Fleet) -> Reading:
    """Everything that the fleet's source still holds of the last 56 days: 28 to replay, and what their forecasts read."""
    from datetime import timedelta  # noqa: PLC0415

    from forecasting.run import utc_now  # noqa: PLC0415
    from forecasting.sources import open_source  # noqa: PLC0415

    now = utc_now()
    return open_source(fleet.source, target=fleet.target).read(now - timedelta(days=56), now)
