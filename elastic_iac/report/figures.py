"""The figures, as plotly's JSON. Times are UTC; a gap in the data is a gap in the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from elastic_iac.report.page import Figure
from forecasting.backtest.accuracy import LeadAccuracy
from forecasting.backtest.result import Point
from forecasting.models.base import FloatArray
from forecasting.replay.base import IntArray

TIME_AXIS = {"type": "date", "title": {"text": "Time (UTC)"}}
SHOWN = {
    "reactive": ("Reactive alone", "@reactive", "circle"),
    "constant": ("Constant floor + reactive", "@constant", "square"),
    "seasonal-naive": ("Last week's load + reactive", "@naive", "triangle-up"),
    "peer": ("AWS-like predictive + reactive", "@peer", "diamond"),
    "predictive": ("elastic-iac + reactive", "@ours", "circle"),
    "short-lead": ("elastic-iac with short runs + reactive", "@oracle", "star"),
}
OURS = ("predictive", "short-lead")
LEAST_PERCENT = 0.01
"""Uncovered load below this is drawn at this: a logarithmic axis has no zero, and nobody would notice the difference."""


def load_figure(history: pd.Series[float], replayed_from: pd.Timestamp | None, unit: str) -> Figure:
    """The whole history, hourly; a line where the replay begins."""
    hourly = history.resample("1h").mean()
    figure: Figure = {
        "data": [_line("Load (hourly mean)", _stamps(hourly.index), _values(hourly), "@need", width=1.3)],
        "layout": {
            "xaxis": dict(TIME_AXIS),
            "yaxis": {"title": {"text": unit}, "rangemode": "tozero"},
            "showlegend": False,
        },
    }
    if replayed_from is not None:
        stamp = _stamp(replayed_from)
        mark = {"x": stamp, "yref": "paper", "y": 0.99, "xanchor": "left", "xshift": 5}
        figure["layout"]["shapes"] = [
            {**_dotted("@ours"), "x0": stamp, "x1": stamp, "yref": "paper", "y0": 0, "y1": 1},
        ]
        figure["layout"]["annotations"] = [{**_words("replay begins", "@ours"), **mark}]
    return figure


def forecast_figure(actual: pd.Series[float], band: pd.DataFrame, high: float, unit: str) -> Figure:
    """The load, the forecast's median and the band up to the quantile `high`."""
    stamps = _stamps(band.index)
    return {
        "data": [
            {**_line("Median", stamps, _values(band[0.5]), "@ours", width=0), "showlegend": False, "hoverinfo": "skip"},
            {
                **_line(
                    f"Forecast, median to {100 * high:g} % quantile", stamps, _values(band[high]), "@ours", width=0
                ),
                "fill": "tonexty",
                "fillcolor": "@band",
            },
            _line("Forecast, median", stamps, _values(band[0.5]), "@ours", width=1.6),
            _line("Load", _stamps(actual.index), _values(actual), "@need", width=1.6),
        ],
        "layout": {"xaxis": dict(TIME_AXIS), "yaxis": {"title": {"text": unit}, "rangemode": "tozero"}},
    }


def capacity_figure(start: pd.Timestamp, need: IntArray, floor: IntArray, in_service: Mapping[str, IntArray]) -> Figure:
    """Need, planned floor and instances in service, minute by minute; where ours falls short is marked.

    Args:
        start: First minute (UTC).
        need: Instances that the load needs, shape (minutes,), as all that follow.
        floor: MinSize in force under ours.
        in_service: By policy: `static`, `reactive`, `predictive`, those that are to be drawn.
    """
    lines: list[dict[str, Any]] = [
        {**_steps("Need", start, need, "@need", width=0), "fill": "tozeroy", "fillcolor": "@fill"},
    ]
    if "static" in in_service:
        lines.append(_steps("Static peak", start, in_service["static"], "@static", dash="dot"))
    if "reactive" in in_service:
        lines.append(_steps("Reactive alone, in service", start, in_service["reactive"], "@reactive"))
    ours = in_service["predictive"]
    lines.append(_steps("elastic-iac + reactive, in service", start, ours, "@ours", width=2))
    lines.append(_steps("Planned floor", start, floor, "@floor", dash="dot", width=1.3))
    short = np.flatnonzero(need > ours)
    spots = short[np.concatenate([[True], np.diff(short) > 1])] if len(short) else short
    lines.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "elastic-iac below need",
            "x": [_stamp(start + pd.Timedelta(minutes=int(minute))) for minute in spots],
            "y": [int(need[minute]) for minute in spots],
            "marker": {"color": "@bad", "symbol": "x", "size": 8},
        }
    )
    ends = [_stamp(start), _stamp(start + pd.Timedelta(minutes=len(need)))]
    return {
        "data": lines,
        "layout": {
            "xaxis": {**TIME_AXIS, "range": ends},
            "yaxis": {"title": {"text": "Instances"}, "rangemode": "tozero"},
        },
    }


def frontier_figure(frontier: Mapping[str, Sequence[Point]], goal_percent: float, chosen: Point | None) -> Figure:
    """Cost against uncovered load: each policy's best settings, joined; the lower left is best."""
    lines: list[dict[str, Any]] = []
    for policy, (label, colour, symbol) in SHOWN.items():
        if policy not in frontier:
            continue
        best = _undominated(frontier.get(policy, ()))
        lines.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label,
                "x": [round(point.cost_ratio, 4) for point in best],
                "y": [max(round(point.under_provisioned_percent, 4), LEAST_PERCENT) for point in best],
                "text": [_setting(point) for point in best],
                "hovertemplate": "%{text}<br>cost %{x:.2f}, uncovered %{y:.2f} %<extra></extra>",
                "line": {"color": colour, "width": 2.5 if policy in OURS else 1.5},
                "marker": {"color": colour, "symbol": symbol, "size": 7 if policy in OURS else 5},
            }
        )
    if chosen is not None:
        lines.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "Recommended",
                "x": [round(chosen.cost_ratio, 4)],
                "y": [max(round(chosen.under_provisioned_percent, 4), LEAST_PERCENT)],
                "marker": {"color": "rgba(0,0,0,0)", "size": 16, "line": {"color": "@ours", "width": 2.5}},
            }
        )
    beside = {"xref": "paper", "x": 1, "y": float(np.log10(goal_percent)), "xanchor": "right", "yanchor": "bottom"}
    ticks = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
    return {
        "data": lines,
        "layout": {
            "xaxis": {"title": {"text": "Instance-hours, clairvoyant = 1"}, "range": [0.98, _right_end(frontier)]},
            "yaxis": {
                "title": {"text": "Load uncovered (%)"},
                "type": "log",
                "tickvals": ticks,
                "ticktext": [f"≤ {ticks[0]:g}", *(f"{tick:g}" for tick in ticks[1:])],
            },
            "shapes": [{**_dotted("@bad"), "xref": "paper", "x0": 0, "x1": 1, "y0": goal_percent, "y1": goal_percent}],
            "annotations": [{**_words(f"goal {goal_percent:g} %", "@bad"), **beside}],
        },
    }


def accuracy_figure(by_lead: Sequence[LeadAccuracy]) -> Figure:
    """Weighted quantile loss by how far ahead was forecast."""
    return {
        "data": [
            {
                "type": "bar",
                "x": [f"{lead.from_hours}-{lead.to_hours} h" for lead in by_lead],
                "y": [round(100 * lead.weighted_quantile_loss, 3) for lead in by_lead],
                "marker": {"color": "@ours"},
                "hovertemplate": "%{x}: %{y:.1f} %<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"title": {"text": "How far ahead"}, "type": "category"},
            "yaxis": {"title": {"text": "Weighted quantile loss (% of load)"}, "rangemode": "tozero"},
            "showlegend": False,
        },
    }


def _undominated(points: Sequence[Point]) -> list[Point]:
    """Points that no other one beats in cost and in uncovered load."""
    best: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cost_ratio, each.under_provisioned_percent)):
        if not best or point.under_provisioned_percent < best[-1].under_provisioned_percent:
            best.append(point)
            if point.under_provisioned_percent <= LEAST_PERCENT:
                break
    return best


def _right_end(frontier: Mapping[str, Sequence[Point]]) -> float:
    """Where every policy's best settings end, but no further than thrice the clairvoyant's cost."""
    ends = [best[-1].cost_ratio for policy in SHOWN if (best := _undominated(frontier.get(policy, ())))]
    return min(max([*ends, 1.2]) + 0.05, 3.0)


def _setting(point: Point) -> str:
    parts = [
        f"target {100 * point.target:.0f} %" if point.target is not None else "",
        f"quantile {point.quantile:g}" if point.quantile is not None else "",
        f"floor {point.floor}" if point.floor is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _dotted(colour: str) -> dict[str, Any]:
    return {"type": "line", "line": {"color": colour, "dash": "dot", "width": 1.5}}


def _words(text: str, colour: str) -> dict[str, Any]:
    return {"text": text, "showarrow": False, "font": {"color": colour}}


def _line(name: str, stamps: list[str], values: list[float | None], colour: str, width: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": stamps,
        "y": values,
        "line": {"color": colour, "width": width},
        "connectgaps": False,
    }


def _steps(
    name: str, start: pd.Timestamp, values: IntArray, colour: str, *, width: float = 1.5, dash: str = "solid"
) -> dict[str, Any]:
    """A step line with one point per change: minutes that repeat the one before say nothing."""
    changed = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values) - 1]])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [_stamp(start + pd.Timedelta(minutes=int(minute))) for minute in changed],
        "y": [int(values[minute]) for minute in changed],
        "line": {"color": colour, "width": width, "shape": "hv", "dash": dash},
    }


def _stamp(stamp: pd.Timestamp) -> str:
    return stamp.strftime("%Y-%m-%d %H:%M")


def _stamps(index: pd.Index[Any]) -> list[str]:
    return list(pd.DatetimeIndex(index).strftime("%Y-%m-%d %H:%M"))


def _values(series: pd.Series[float]) -> list[float | None]:
    numbers: FloatArray = np.asarray(series, dtype=np.float64)
    return [float(f"{number:.5g}") if np.isfinite(number) else None for number in numbers]
