"""What is told of a fleet's launches: the lead time, what the cloud does not give, the on-demand base that is advised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from forecasting.leadtime.launches import FailingLaunches
from forecasting.store.records import RunRecord


def launch_document(known: dict[str, Any], cloud: str) -> dict[str, Any]:
    """As JSON; `known` is `forecasting.launching.recorded_launching`, or a run record's fields of these names."""
    lead, shortage, base = known["lead_time"], known["shortage"], known["on_demand_base"]
    return {
        "lead_time": lead.model_dump(mode="json") if lead else None,
        "capacity_limited": shortage.model_dump(mode="json") if shortage else None,
        "on_demand_base": None if base is None else {"units": base, "stack_config": stack_config(base, cloud)},
    }


def failing_document(failing: FailingLaunches | None) -> dict[str, Any] | None:
    """Launches that fail now, as JSON; None if they do not."""
    if failing is None:
        return None
    return {
        "count": failing.count,
        "since": _stamp(failing.since),
        "last": {"time": _stamp(failing.last.at), "code": failing.last.code, "text": failing.last.text},
        "units": failing.units,
        "desired": failing.desired,
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def launch_lines(known: dict[str, Any], cloud: str) -> Iterator[tuple[str, RenderableType]]:
    """For a person, as label and text."""
    if lead := known["lead_time"]:
        yield "boots", lead.text
    if shortage := known["shortage"]:
        yield "capacity", Text(shortage.text, style="bold yellow")
    if (base := known["on_demand_base"]) is not None:
        yield "advice", f"{base} units on demand, spot above them: {stack_config(base, cloud)}"


def recorded(runs: tuple[RunRecord, ...]) -> dict[str, Any]:
    """What the newest run that made a plan says."""
    newest = next((run for run in runs if run.floors), None)
    return {name: getattr(newest, name, None) for name in ("lead_time", "shortage", "on_demand_base")}


def stack_config(base: int, cloud: str) -> str:
    """The advice as it stands in a stack's configuration. Google Cloud mixes none in one group: there it is a pool beside a spot pool."""
    return (
        f"spot: {{on_demand_base_capacity: {base}}}"
        if cloud == "aws"
        else f"min_size: {base}  # of a pool without spot"
    )
