"""What the reports say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from elastic_iac.report.figures import (
    accuracy_figure,
    capacity_figure,
    forecast_figure,
    frontier_figure,
    load_figure,
)
from elastic_iac.report.page import Note, Page, Section, Table, render
from forecasting.backtest.accuracy import Accuracy
from forecasting.backtest.compare import Comparison
from forecasting.backtest.result import Backtest, BootResult, Point, Row
from forecasting.errors import UsageError
from forecasting.leadtime import LeadTime
from forecasting.models.base import Forecast
from forecasting.replay import Measures

PICTURE_DAYS = 4
"""Minutes of more days than this cannot be told apart on a screen."""

POLICY_NAMES = {
    "static": "static peak",
    "reactive": "reactive alone",
    "reactive_at_equal_hours": "reactive alone, at the hours of elastic-iac",
    "seasonal_naive": "last week's load + reactive",
    "predictive": "elastic-iac + reactive",
    "oracle": "clairvoyant",
}
MEASURES_TEXT = (
    "Instance-hours hold booting instances. Uncovered is load above what the instances in service can carry. Clairvoyant knows the load and "
    "launches a boot ahead: it is the cheapest that covers everything."
)


def write_report(path: Path, html: str) -> Path:
    """Write the page; the folder is made. Returns the path.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); expected a folder that can") from error
    return path


def backtest_report(
    result: Backtest, *, name: str, unit: str = "Load", source: str = "", boots: Mapping[str, LeadTime] | None = None
) -> str:
    """The report of a backtest as HTML.

    Args:
        result: The backtest.
        name: What was replayed, e.g. the fleet's or the file's name.
        unit: The load's unit, for axes.
        source: Where the data comes from and its licence, where that matters.
        boots: What was seen of the fleet's boots, by instance type and kind of start.
    """
    history = result.history.loc[result.history.first_valid_index() :]
    sections = [
        Section(
            "The load",
            f"{result.history_days:.0f} days of history; the replay covers the last {len(result.load) / 1440:.0f}.",
            figure=load_figure(history, result.start, unit),
        )
    ]
    recent = result.end - pd.Timedelta(days=7)
    band = result.band[(result.band.index >= recent) & (result.band.index < result.end)]
    if len(band):
        sections.append(
            Section(
                "The forecast",
                "The last seven days: the newest forecast of each step, made from what was known up to six hours before it.",
                figure=forecast_figure(history[history.index >= recent], band, _band_top(band), unit),
            )
        )
    for boot in result.boots:
        sections += _boot_sections(result, boot)
    if result.accuracy:
        sections.append(_accuracy_section(result.accuracy))
    if boots:
        sections.append(_boots_seen_section(boots))
    lead = f"{result.start:%Y-%m-%d} to {result.end:%Y-%m-%d} UTC, {result.load_per_instance:.4g} load per instance."
    notes = [Note(boot.verdict.sentence, boot.verdict.outcome.value) for boot in result.boots]
    notes += [Note(boot.objective.sentence, "undecided") for boot in result.boots if boot.objective.sentence]
    return render(Page(f"Does prediction pay for {name}?", f"{lead} {source}".strip(), notes, sections))


def forecast_report(history: pd.Series[float], forecast: Forecast, *, name: str, unit: str = "Load") -> str:
    """The report of a forecast alone as HTML.

    Args:
        history: Load per step that is shown before it.
        forecast: The forecast.
        name: What is forecast.
        unit: The load's unit, for the axis.
    """
    figure = forecast_figure(history, forecast.quantiles, _band_top(forecast.quantiles), unit)
    index = forecast.quantiles.index
    lead = f"{index[0]:%Y-%m-%d %H:%M} to {index[-1] + forecast.step:%Y-%m-%d %H:%M %Z}."
    return render(Page(f"The load of {name}", lead, [], [Section("The forecast", str(forecast.model), figure=figure)]))


def comparison_report(
    comparison: Comparison,
    history: pd.Series[float],
    forecast: Forecast,
    *,
    name: str,
    unit: str = "Load",
    source: str = "",
    choice: str = "",
) -> str:
    """The report of the demo as HTML: a schedule that was written, and the hours after it.

    Args:
        comparison: The replay of those hours.
        history: Load per step that the job saw (UTC).
        forecast: What it forecast then.
        name: What was replayed.
        unit: The load's unit, for axes.
        source: Where the data comes from; say here that a load is synthetic.
        choice: The quantile that was planned for, and why.
    """
    ours, reactive = comparison.measures["predictive"], comparison.measures["reactive_at_equal_hours"]
    known = pd.date_range(comparison.start, periods=len(comparison.load), freq="1min")
    actual = pd.Series(comparison.load, index=known).resample(forecast.step).mean()
    text = (
        f"elastic-iac leaves {ours.under_provisioned_percent:.2f} % of the load uncovered for {ours.instance_hours:.0f} instance-hours; reactive "
        f"scaling alone, its target lowered until it costs {reactive.instance_hours:.0f}, leaves {reactive.under_provisioned_percent:.2f} %."
    )
    better = ours.under_provisioned_percent < reactive.under_provisioned_percent
    sections = [
        Section("The load", "What the job saw.", figure=load_figure(history, None, unit)),
        Section(
            "The forecast",
            f"Made before the first of these hours. {forecast.model}",
            figure=forecast_figure(actual, forecast.quantiles, _band_top(forecast.quantiles), unit),
        ),
        Section(
            "Capacity",
            f"The hours that the job had not seen. {f'Planned for the quantile {choice}.' if choice else ''}".strip(),
            figure=capacity_figure(
                comparison.start,
                comparison.need,
                comparison.capacity["predictive"].floor,
                {policy: found.in_service for policy, found in comparison.capacity.items()},
            ),
        ),
        Section(
            "By policy",
            f"Reactive scaling holds {100 * comparison.target:.0f} % of the load per instance (chosen on the history), alone and above the floors. "
            + MEASURES_TEXT,
            table=_measures_table({POLICY_NAMES[key]: found for key, found in comparison.measures.items()}),
        ),
    ]
    tone = "pays" if better else "undecided"
    end = comparison.start + pd.Timedelta(minutes=len(comparison.load))
    lead = f"{comparison.start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC. {source}".strip()
    return render(
        Page(
            f"{name}: {len(comparison.load) // 60} hours that the job had not seen", lead, [Note(text, tone)], sections
        )
    )


def _boot_sections(result: Backtest, boot: BootResult) -> list[Section]:
    title = f"boot of {boot.boot_minutes:g} min"
    first = max(len(result.load) - PICTURE_DAYS * 1440, 0)
    start = result.start + pd.Timedelta(minutes=first)
    equal = boot.equal_hours
    chosen = Point(
        boot.recommended.measures.cost_ratio,
        boot.recommended.measures.under_provisioned_percent,
        boot.recommended.target,
        boot.recommended.quantile,
        None,
    )
    return [
        Section(
            f"Capacity, {title}",
            f"The last {PICTURE_DAYS} days with the recommended settings: {_how(boot.recommended)}, "
            f"reactive target {100 * (boot.recommended.target or 0):.0f} %.",
            figure=capacity_figure(
                start,
                result.need[first:],
                boot.capacity["predictive"].floor[first:],
                {policy: found.in_service[first:] for policy, found in boot.capacity.items()},
            ),
        ),
        Section(
            f"Cost against uncovered load, {title}",
            "Each policy at its best settings over the whole replay; lower left is better. The ring is the recommended setting.",
            figure=frontier_figure(boot.frontier, result.goal_percent, chosen),
        ),
        Section(
            f"By policy, {title}",
            f"Measured from {result.measured_from:%Y-%m-%d} on, with settings chosen on the days before. {MEASURES_TEXT} At the "
            f"instance-hours of elastic-iac ({equal.predictive_percent:.2f} % uncovered), reactive scaling alone leaves "
            f"{equal.reactive_percent:.2f} % uncovered and the best constant floor {equal.constant_percent:.2f} %.",
            table=_rows_table(boot.rows),
        ),
    ]


def _how(chosen: Row) -> str:
    return f"{'short runs, ' if chosen.policy == 'short-lead' else ''}quantile {chosen.quantile:g}"


def _rows_table(rows: Sequence[Row]) -> Table:
    return _measures_table({f"{row.label}{_settings(row)}": row.measures for row in rows})


def _settings(row: Row) -> str:
    parts = [
        f"{100 * row.target:.0f} %" if row.target is not None and "target" not in row.label else "",
        f"quantile {row.quantile:g}" if row.quantile is not None else "",
        f"floor {row.floor}" if row.floor is not None and row.policy == "constant" else "",
    ]
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""


def _measures_table(found: Mapping[str, Measures]) -> Table:
    header = (
        "Policy",
        "Instance-hours",
        "Cost ratio",
        "Uncovered load (%)",
        "Uncovered minutes",
        "Mean utilisation (%)",
        "Changes a day",
        "Minutes up too late",
    )
    rows = [
        (
            label,
            f"{each.instance_hours:,.0f}",
            f"{each.cost_ratio:.2f}",
            f"{each.under_provisioned_percent:.2f}",
            f"{each.under_provisioned_minutes:,.0f}",
            f"{each.mean_utilisation_percent:.0f}",
            f"{each.capacity_changes_per_day:.0f}",
            f"{each.lead_time_violation_minutes:,.0f}",
        )
        for label, each in found.items()
    ]
    strong = frozenset(number for number, label in enumerate(found) if label.startswith("elastic-iac"))
    return Table(header, rows, strong)


def _boots_seen_section(boots: Mapping[str, LeadTime]) -> Section:
    rows = [
        (
            label,
            str(lead.count),
            *(f"{seconds:.0f}" for seconds in (lead.p50_seconds, lead.p90_seconds, lead.p99_seconds)),
            lead.source,
        )
        for label, lead in boots.items()
    ]
    header = ("Instance type and start", "Boots", "p50 (s)", "p90 (s)", "p99 (s)", "The p90 is")
    return Section(
        "Boots that were seen",
        "Launch to first healthy answer. The p90, the settings' prior until enough were seen, is how long ahead the plan asks.",
        table=Table(header, rows),
    )


def _accuracy_section(accuracy: Accuracy) -> Section:
    levels = [level for level in (0.5, 0.9, 0.95) if level in accuracy.overall.coverage]
    rows = [
        (
            label,
            "-" if lead.mase is None else f"{lead.mase:.2f}",
            f"{100 * lead.weighted_quantile_loss:.1f}",
            *(f"{100 * lead.coverage[level]:.0f}" for level in levels),
        )
        for label, lead in [
            *((f"{lead.from_hours}-{lead.to_hours} h", lead) for lead in accuracy.by_lead),
            ("all", accuracy.overall),
        ]
    ]
    header = (
        "Ahead",
        "MASE",
        "Weighted quantile loss (%)",
        *(f"Load below the {100 * level:g} % quantile (%)" for level in levels),
    )
    return Section(
        "Accuracy by lead",
        f"{accuracy.origins} forecasts. MASE below 1 is better than repeating the last week (or day); the load should be below each quantile as "
        "often as the quantile says.",
        figure=accuracy_figure(accuracy.by_lead),
        table=Table(header, rows),
    )


def _band_top(band: pd.DataFrame) -> float:
    levels = np.asarray(band.columns, dtype=float)
    return float(levels[np.argmin(np.abs(levels - 0.95))])
