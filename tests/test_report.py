from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from elastic_iac.report import backtest_report, comparison_report, write_report
from elastic_iac.report.figures import frontier_figure
from elastic_iac.report.page import Note, Page, Section, Table, render
from forecasting import forecast
from forecasting.backtest import Backtest, BacktestSettings, backtest
from forecasting.backtest.compare import compare
from forecasting.backtest.recommend import csv_fleet
from forecasting.backtest.result import Point
from forecasting.backtest.walk import WalkSettings
from forecasting.schedule.base import Slot
from forecasting.sources.base import Reading
from tests.loads import daily_load


def figures(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="figures" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def without_plotly(html: str) -> str:
    """The page without the library's own script, which holds addresses in its source."""
    return re.sub(r"<script>/\*\*.*?</script>", "", html, count=1, flags=re.DOTALL)


@pytest.fixture(scope="module")
def result() -> Backtest:
    load = daily_load(8)
    load.iloc[1500:1520] = float("nan")
    fleet = csv_fleet("load.csv", 10.0, 220.0, model="seasonal-naive-day")
    settings = BacktestSettings(boot_minutes=(5, 30), days=6, walk=WalkSettings(quantiles=(0.5, 0.9)))
    return backtest(Reading(load, 300), fleet, settings)


def test_a_backtest_is_one_page_that_fetches_nothing(result: Backtest, tmp_path: Path) -> None:
    html = backtest_report(result, name="web", unit="Requests/s")
    path = write_report(tmp_path / "deep" / "report.html", html)
    assert path.read_text(encoding="utf-8") == html
    own = without_plotly(html)
    assert len(own) < 0.5 * len(html)
    assert not re.search(r"(?:src|href)\s*=|https?://|@import|url\(", own)
    assert "prefers-color-scheme: dark" in own
    assert "@media print" in own


def test_it_says_what_the_backtest_found(result: Backtest) -> None:
    html = without_plotly(backtest_report(result, name="web", unit="Requests/s"))
    for boot in result.boots:
        assert boot.verdict.sentence in html
        for row in boot.rows:
            assert f"<td>{row.measures.instance_hours:,.0f}</td>" in html
    assert "elastic-iac + reactive" in html


def test_every_figure_has_axes_with_units_and_times_in_utc(result: Backtest) -> None:
    found = figures(backtest_report(result, name="web", unit="Requests/s"))
    # The load, the forecast, capacity and frontier of two boots, accuracy.
    assert len(found) == 2 + 2 * 2 + 1
    for figure in found.values():
        assert figure["layout"]["xaxis"]["title"]["text"]
        assert figure["layout"]["yaxis"]["title"]["text"]
        if figure["layout"]["xaxis"].get("type") == "date":
            assert figure["layout"]["xaxis"]["title"]["text"] == "Time (UTC)"
    shown = [line["name"] for line in list(found.values())[2]["data"]]
    assert shown == [
        "Need",
        "Reactive alone, in service",
        "elastic-iac + reactive, in service",
        "Planned floor",
        "elastic-iac below need",
    ]


def test_uncovered_spots_stand_where_need_exceeds_what_is_in_service(result: Backtest) -> None:
    found = figures(backtest_report(result, name="web"))
    capacity = list(found.values())[4]
    spots = next(line for line in capacity["data"] if line["name"] == "elastic-iac below need")
    in_service = result.boots[1].capacity["predictive"].in_service
    for stamp, need in zip(spots["x"], spots["y"], strict=True):
        minute = int((pd.Timestamp(stamp, tz="UTC") - result.start) / pd.Timedelta(minutes=1))
        assert result.need[minute] == need > in_service[minute]


def test_a_gap_is_a_gap_in_the_line(result: Backtest) -> None:
    load = next(iter(figures(backtest_report(result, name="web")).values()))["data"][0]
    assert None in load["y"]


def test_the_demo_has_a_page_too() -> None:
    load = daily_load(6)
    history, unseen = load.iloc[: 4 * 288], load.iloc[4 * 288 :]
    fleet = csv_fleet("load.csv", 10.0, 220.0, lead_time_seconds=1200)
    start = unseen.index[0].to_pydatetime()
    slots = [Slot(start + timedelta(hours=hour), floor, str(hour)) for hour, floor in [(6, 12), (7, 22), (21, 3)]]
    steps = history.resample("15min").mean()
    made = forecast(steps, 192, model="seasonal-naive-day")
    found = compare(history, unseen, 300, fleet, slots)
    html = without_plotly(comparison_report(found, steps, made, name="demo", source="Synthetic load."))
    assert "Synthetic load." in html
    assert "reactive alone, at the hours of elastic-iac" in html
    assert f"{found.measures['predictive'].instance_hours:,.0f}" in html


def test_text_cannot_break_out_of_the_page() -> None:
    nasty = "</script><script>alert(1)</script>"
    figure: dict[str, Any] = {"data": [{"name": nasty}], "layout": {}}
    table = Table((nasty,), ((nasty,),))
    html = without_plotly(render(Page(nasty, nasty, [Note(nasty, "pays")], [Section(nasty, nasty, (), figure, table)])))
    assert "<script>alert" not in html
    assert figures(html)["figure-0"]["data"][0]["name"] == nasty


def test_the_frontier_leaves_out_what_is_beaten() -> None:
    points = [Point(1.0, 2.0, 1.0, None, None), Point(1.1, 3.0, 0.9, None, None), Point(1.2, 0.0, 0.5, None, None)]
    line = frontier_figure({"reactive": points}, 0.5, None)["data"][0]
    assert line["x"] == [1.0, 1.2]
    assert line["y"] == [2.0, 0.01]
