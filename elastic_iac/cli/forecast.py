"""`elastic-iac forecast`: the load of the coming hours, or of up to a year of days."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elastic_iac.cli import options
from elastic_iac.cli.output import Output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from forecasting.history import History
    from forecasting.models.base import Forecast
    from forecasting.settings import Fleet

STEPS_UP_TO_DAYS = 7
"""Further ahead a step is a day: hours of a week in three weeks' time are nobody's plan."""
TABLE_ROWS = 24


def forecast(
    csv: Annotated[
        Path | None, typer.Option("--csv", help="A load file with `timestamp,value`.", show_default=False)
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config", "-c", metavar="FILE|URL", help="Instead of --csv: the job's settings.", show_default=False
        ),
    ] = None,
    fleet: Annotated[
        str | None, typer.Option("--fleet", "-f", help="Which fleet of --config.", show_default=False)
    ] = None,
    days: Annotated[
        int, typer.Option("--days", help="How far ahead; more than 7 are forecast a day a step.", min=1, max=365)
    ] = 2,
    model: Annotated[str, typer.Option("--model", help="`auto` or a model's name; with --csv.")] = "auto",
    time_zone: Annotated[
        str, typer.Option("--time-zone", help="Zone whose days the load follows; with --csv.")
    ] = "UTC",
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", help="A YAML or JSON file with a list of events, as in the settings.", show_default=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the picture.")] = Path("out") / "forecast",
    *,
    as_json: options.Json = False,
) -> None:
    """Forecast a fleet's load, with its uncertainty, as a table and a picture.

    Up to 7 days ahead at the fleet's steps, as the job does it; up to 365 days at daily steps, for reservations and budgets.

    Nothing is written to a cloud.

    Example: elastic-iac forecast --csv load.csv --days 90
    """
    from elastic_iac.cli.occasions import with_occasions  # noqa: PLC0415 - `--help` needs no pandas
    from elastic_iac.report import forecast_report, write_report  # noqa: PLC0415
    from forecasting.errors import ForecastError, InputError  # noqa: PLC0415
    from forecasting.history import Verdict  # noqa: PLC0415
    from forecasting.models.days import daily_means  # noqa: PLC0415

    output = Output(as_json)
    settings = with_occasions(_settings(csv, config, fleet, model, time_zone), events=events)
    history = _history(settings, at_file_end=csv is not None)
    try:
        found, advice = _forecast(settings, history, days)
    except ForecastError as error:
        if csv is None:
            raise
        raise InputError(f"{csv}: {error}") from error
    held = config is not None and history.verdict is Verdict.HOLD
    name = csv.name if csv else settings.name
    before = daily_means(history.load, settings.time_zone) if days > STEPS_UP_TO_DAYS else _last_week(history.load)
    report = write_report(out / "forecast.html", forecast_report(before, found, name=name))
    notes = [*(finding.text for finding in history.findings), *found.model.notes, *advice]
    output.show(*_page(found, name, output), *(f"note: {text}" for text in notes), "", f"In pictures: {report}")
    if held:
        why = "; ".join(finding.text for finding in history.findings if finding.verdict is Verdict.HOLD)
        output.warn(f"HELD: the job would write nothing by this forecast: {why}")
    output.document(
        {
            "command": "forecast",
            "name": name,
            "step_minutes": int(found.step.total_seconds() // 60),
            "model": str(found.model),
            "verdict": str(history.verdict),
            "findings": notes,
            "forecast": _rows(found),
            "report": str(report),
        }
    )
    if held:
        raise typer.Exit(1)


def _settings(csv: Path | None, config: str | None, name: str | None, model: str, time_zone: str) -> Fleet:
    from elastic_iac.cli.choose import check_subject, installed, one_fleet  # noqa: PLC0415
    from forecasting.backtest.recommend import csv_fleet  # noqa: PLC0415
    from forecasting.invocation import load_settings  # noqa: PLC0415
    from forecasting.settings import parse_fleet  # noqa: PLC0415

    check_subject(csv, config, name, "--csv or --config")
    if config is not None:
        return installed(one_fleet(load_settings(config), name))
    # Instances play no part in the load: one a unit will do.
    placeholder = csv_fleet(str(csv), 1.0, 1.0, model=model)
    return installed(parse_fleet({**placeholder.model_dump(mode="json", exclude_none=True), "time_zone": time_zone}))


def _history(fleet: Fleet, *, at_file_end: bool) -> History:
    """All that the source still holds, to now; of a file, to its end."""
    from datetime import timedelta  # noqa: PLC0415

    from forecasting.history import build_history  # noqa: PLC0415
    from forecasting.history.periods import end_of  # noqa: PLC0415
    from forecasting.run import utc_now  # noqa: PLC0415
    from forecasting.settings import FileSource  # noqa: PLC0415
    from forecasting.sources import open_source  # noqa: PLC0415
    from forecasting.sources.files import read_csv  # noqa: PLC0415

    now = utc_now()
    if at_file_end and isinstance(fleet.source, FileSource):
        reading = read_csv(fleet.source.path)
        now = end_of(reading).to_pydatetime()
    else:
        reading = open_source(fleet.source, target=fleet.target).read(now - timedelta(days=455), now)
    return build_history(
        reading, now=now, step_minutes=fleet.step_minutes, max_load=fleet.max_load, time_zone=fleet.time_zone
    )


def _forecast(fleet: Fleet, history: History, days: int) -> tuple[Forecast, list[str]]:
    """The forecast, and what is advised for recurring days that the models do not follow."""
    from datetime import timedelta  # noqa: PLC0415

    from forecasting.calendar import Calendar  # noqa: PLC0415
    from forecasting.errors import ForecastError  # noqa: PLC0415
    from forecasting.history.recurrence import recurring_days  # noqa: PLC0415
    from forecasting.models.base import DEFAULT_QUANTILES  # noqa: PLC0415
    from forecasting.models.days import forecast_fleet_days  # noqa: PLC0415
    from forecasting.models.tournament import forecast as forecast_steps  # noqa: PLC0415

    if not len(history.load):
        raise ForecastError("history: nothing is known; expected a day or more")
    begin, end = (history.load.index[at].to_pydatetime() for at in (0, -1))
    calendar = Calendar.of(fleet, begin, end + timedelta(days=days + 1))
    advice = [each.advice for each in recurring_days(calendar.without_special(history.load), fleet.time_zone)]
    if days > STEPS_UP_TO_DAYS:
        return forecast_fleet_days(fleet, calendar, history, days), advice
    found = forecast_steps(
        history.load,
        days * 24 * 60 // fleet.step_minutes,
        DEFAULT_QUANTILES,
        fleet.model,
        censored=history.censored,
        time_zone=fleet.time_zone,
        calendar=calendar,
    )
    return found, advice


def _last_week(load: pd.Series[float]) -> pd.Series[float]:
    return load.iloc[-7 * int(_day() / (load.index[1] - load.index[0])) :]


def _rows(found: Forecast) -> list[dict[str, object]]:
    import pandas as pd  # noqa: PLC0415

    names = [f"{level:g}" for level in found.quantiles.columns]
    stamps = pd.DatetimeIndex(found.quantiles.index)
    values: list[list[float]] = found.quantiles.to_numpy(float).tolist()
    return [
        {"time": stamp.isoformat(), **dict(zip(names, row, strict=True))}
        for stamp, row in zip(stamps, values, strict=True)
    ]


def _day() -> pd.Timedelta:
    import pandas as pd  # noqa: PLC0415

    return pd.Timedelta(days=1)


def _page(found: Forecast, name: str, output: Output) -> list[str | Table]:
    from elastic_iac.cli.chart import sparkline  # noqa: PLC0415
    from forecasting.models.base import DEFAULT_QUANTILES  # noqa: PLC0415

    steps = -(-len(found.quantiles) // TABLE_ROWS)
    each = f", the highest of {_span(steps * found.step)} in a row" if steps > 1 else ""
    lines: list[str | Table] = [f"The load of {name}, by quantile{each}. Model: {found.model}", _table(found, steps)]
    if not output.plain:
        columns = max(output.width - 10, 10)
        lines += [
            f"{level:>5.0%} {sparkline(found.quantiles[level].tolist(), columns)}" for level in DEFAULT_QUANTILES[:2]
        ]
    return lines


def _span(length: pd.Timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"


def _table(found: Forecast, steps: int) -> Table:
    """A row for so many steps: the largest of each column."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    zone = f"{found.quantiles.index[0]:%Z}"
    table.add_column(f"from ({zone})", no_wrap=True)
    for level in found.quantiles.columns:
        table.add_column(f"{level:.0%}", justify="right")
    for first in range(0, len(found.quantiles), steps):
        rows = found.quantiles.iloc[first : first + steps]
        table.add_row(f"{rows.index[0]:%a %Y-%m-%d %H:%M}", *(f"{value:.4g}" for value in rows.max()))
    return table
