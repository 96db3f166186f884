"""Recurrence rules of events: `monthly`, `yearly`, or a rule of RFC 5545 (iCalendar) by dateutil.

A rule gives the days; the time of the day and the length are those of the event. Occurrences are on
the wall clock.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

MONTHS = {"monthly": 1, "yearly": 12}
"""Words for the same day of each month or year; a 31st is the last day of a shorter month."""
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS")
LONG_PARTS = ("BYMONTHDAY", "BYSETPOS")
"""Parts that a rule by the day or the week cannot use: it could have no occurrence, found out slowly."""
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
MOST_INTERVAL = 1000
EXPECTED = (
    "'monthly', 'yearly' or a rule of RFC 5545 by the day, such as 'FREQ=WEEKLY;INTERVAL=2' or "
    "'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1'"
)


def problem(text: str, start: datetime) -> str | None:
    """Reason why a recurrence cannot be used, None if it can.

    Args:
        text: `monthly`, `yearly` or a rule.
        start: Start of the event.
    """
    if text in MONTHS:
        return None
    parts = _parts(text)
    names = list(parts)
    if parts.get("FREQ") not in FREQUENCIES or not set(names) <= set(PARTS):
        return f"{EXPECTED}; its parts are {', '.join(PARTS)}"
    if parts["FREQ"] in FREQUENCIES[:2] and (found := [name for name in names if name in LONG_PARTS]):
        return f"{found[0]} in a rule with FREQ=MONTHLY or FREQ=YEARLY"
    interval = parts.get("INTERVAL", "1")
    if not (interval.isdecimal() and 1 <= int(interval) <= MOST_INTERVAL):
        return f"an INTERVAL from 1 to {MOST_INTERVAL}"
    try:
        rule = _rule(text, start.replace(tzinfo=None))
        known = next(iter(rule), None)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        return f"{EXPECTED} ({error})"
    return None if known is not None else "a rule that has an occurrence"


def occurrences(text: str, start: datetime, first: datetime, last: datetime) -> Iterator[datetime]:
    """Wall-clock starts of an event from `first` or a little before it, up to `last` (exclusive), ascending.

    Args:
        text: `monthly`, `yearly` or a rule.
        start: First start, in a zone; the zone of the results.
        first: Naive wall-clock time.
        last: Naive wall-clock time.
    """
    naive = start.replace(tzinfo=None)
    if text not in MONTHS:
        for found in _rule(text, naive).xafter(first, inc=True):
            if found >= last:
                return
            yield found.replace(tzinfo=start.tzinfo)
        return
    for count in range(12 * 200):
        year, month = divmod(start.year * 12 + start.month - 1 + count * MONTHS[text], 12)
        day = min(start.day, monthrange(year, month + 1)[1])
        found = start.replace(year=year, month=month + 1, day=day)
        if found.replace(tzinfo=None) >= last:
            return
        yield found


def _parts(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.removeprefix("RRULE:").split(";")]
    return {name.strip().upper(): value.strip().upper() for name, _, value in pairs}


@lru_cache(maxsize=64)
def _rule(text: str, start: datetime) -> Any:
    """The rule from a naive start. A time of the end in UTC is read as one of the wall clock."""
    module: Any = import_module("dateutil.rrule")
    parts = _parts(text)
    if "UNTIL" in parts:
        parts["UNTIL"] = parts["UNTIL"].removesuffix("Z")
    return module.rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start, cache=True)
