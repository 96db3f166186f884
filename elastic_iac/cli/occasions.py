"""Holidays, events and exclusions from a command's options, added to a fleet's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecasting.settings import Fleet


def with_occasions(
    fleet: Fleet,
    *,
    holidays: Sequence[str] = (),
    events: Path | None = None,
    excluded: Sequence[str] = (),
    time_zone: str | None = None,
) -> Fleet:
    """The fleet with what was given besides.

    Args:
        fleet: The fleet.
        holidays: ISO 3166 codes.
        events: A YAML or JSON file with a list of events.
        excluded: Times that are not learnt from, each `START/END` in ISO 8601 with UTC offsets.
        time_zone: IANA zone whose days the load follows, in place of the fleet's.

    Raises:
        SettingsError: one of them is wrong; names the field.
    """
    from forecasting.settings import load_events, parse_fleet  # noqa: PLC0415 - `--help` needs no pydantic

    if not (holidays or events or excluded or time_zone):
        return fleet
    data = fleet.model_dump(mode="json", exclude_unset=True)
    data["holidays"] = [*data.get("holidays", ()), *holidays]
    data["events"] = [*data.get("events", ()), *(load_events(events) if events else ())]
    data["exclusions"] = [*data.get("exclusions", ()), *map(_exclusion, excluded)]
    return parse_fleet(data | ({"time_zone": time_zone} if time_zone else {}))


def _exclusion(text: str) -> dict[str, str]:
    from forecasting.errors import SettingsError  # noqa: PLC0415

    start, slash, end = text.partition("/")
    if not slash:
        expected = "START/END in ISO 8601 with UTC offsets, such as 2026-05-04T08:00Z/2026-05-04T12:00Z"
        raise SettingsError("--exclude", text, expected)
    return {"name": text, "start": start.strip(), "end": end.strip()}
