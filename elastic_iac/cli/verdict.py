"""A backtest for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from forecasting.backtest import Backtest, BootResult, Outcome
from forecasting.backtest.verdict import in_brief

_AGAINST = {"constant": "the best constant minimum", "seasonal-naive": "last week's load"}
_STYLES = {Outcome.PAYS: "bold green", Outcome.DOES_NOT_PAY: "bold yellow", Outcome.UNDECIDED: "bold"}


def page(result: Backtest, name: str) -> RenderableType:
    """The verdict first, then the table of policies for each boot time."""
    return Group(*_parts(result, name))


def _parts(result: Backtest, name: str) -> Iterator[RenderableType]:
    yield Text(f"Does prediction pay for {name}?", style="bold")
    for boot in result.boots:
        yield Text(boot.verdict.sentence, style=_STYLES[boot.verdict.outcome])
        if boot.objective.sentence:
            yield Text(boot.objective.sentence, style="bold yellow")
    replayed = (result.end - result.measured_from).total_seconds() / 86_400
    yield Text(
        f"Measured on the last {replayed:.0f} of {result.history_days:.0f} days, to {result.end:%Y-%m-%d %H:%M} UTC, with settings chosen on "
        f"the days before; {result.goal_percent:g} % of the load may stay uncovered.",
        style="dim",
    )
    yield Text(
        "hours: instance-hours; cost: over the clairvoyant's; uncovered: load above what was in service; moves: changes of capacity; "
        "target: of load_per_instance.",
        style="dim",
    )
    for boot in result.boots:
        yield Text("")
        yield Text(f"Boot of {boot.boot_minutes:g} min", style="bold")
        yield _table(boot)
        yield _recommended(boot)
        for policy, found in boot.against.items():
            yield f"Against {_AGAINST[policy]}: {in_brief(found)}."
        equal = boot.equal_hours
        yield (
            f"At equal instance-hours: {equal.predictive_percent:.2f} % uncovered with prediction, {equal.reactive_percent:.2f} % with reactive "
            f"scaling alone, {equal.constant_percent:.2f} % with a constant floor."
        )
    if result.accuracy and result.accuracy.overall.mase is not None:
        overall = result.accuracy.overall
        yield Text("")
        yield f"Forecasts: {result.forecasts[0]} of {result.forecasts[1]} made; error {overall.mase:.2f} of the seasonal naive forecast's."


def _recommended(boot: BootResult) -> str:
    found = boot.recommended
    if found.policy == "short-lead":
        floor = "re-level the floor every five minutes (short runs)"
    else:
        floor = f"plan the floor for the {found.quantile:g} quantile"
    return f"Recommended: {floor}, and let the group's own target tracking hold {100 * (found.target or 0):.0f} % of load_per_instance."


def _table(boot: BootResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for title in ("hours", "cost", "uncovered", "moves/day", "target"):
        table.add_column(title, justify="right")
    for row in boot.rows:
        found = row.measures
        table.add_row(
            row.label,
            f"{found.instance_hours:,.0f}",
            f"{found.cost_ratio:.2f}",
            f"{found.under_provisioned_percent:.2f} %",
            f"{found.capacity_changes_per_day:.0f}",
            f"{row.target:.0%}" if row.target is not None else "",
            style="bold green" if row.policy == boot.recommended.policy else "",
        )
    return table
