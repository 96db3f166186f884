"""Pictures in text: the floor beside the load that came, at one glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ROWS = 10


@dataclass(frozen=True)
class Glyphs:
    """What the chart is drawn with."""

    covered: str
    beyond: str
    floor: str
    axis: str
    corner: str
    line: str


BLOCKS = Glyphs(covered="█", beyond="▒", floor="━", axis="│", corner="└", line="─")
ASCII = Glyphs(covered="#", beyond="!", floor="=", axis="|", corner="+", line="-")


def sparkline(values: Sequence[float], columns: int) -> str:
    """The values as one line of at most `columns` blocks, the largest of each block, from zero to the largest of all."""
    top = max([*values, 1e-9])
    return "".join(_EIGHTHS[round(8 * value / top)] for value in _blocks(values, columns))


def floor_chart(
    floors: Sequence[int], needs: Sequence[float], start: datetime, hours: int, *, columns: int, glyphs: Glyphs = BLOCKS
) -> Text:
    """MinSize as a line over the instances that the load needed as bars; what stands above the line is shown in another colour.

    Args:
        floors: MinSize, evenly spaced over `hours`.
        needs: Instances needed, evenly spaced over the same time; NaN where the load is not known.
        start: Of the first value (aware); the axis is in UTC.
        hours: Length of time shown.
        columns: Width at most, the axis' numbers included.
        glyphs: What it is drawn with.
    """
    width = hours * max(1, (columns - 6) // hours) if columns - 6 >= hours else columns - 6
    floor, need = _blocks(floors, width), _blocks(needs, width)
    top = max(*floor, *(value for value in need if value == value), 1)  # noqa: PLR0124 - NaN is not itself
    unit = max(1, int(np.ceil(top / _ROWS)))
    rows = int(np.ceil(top / unit))
    text = Text()
    for row in range(rows, 0, -1):
        low, high = (row - 1) * unit, row * unit
        text.append(f"{high:>4} {glyphs.axis}", style="dim")
        for least, wanted in zip(floor, need, strict=True):
            if low < least <= high:
                text.append(glyphs.floor, style="bold green")
            elif wanted > low:
                text.append(*((glyphs.covered, "blue") if high <= least else (glyphs.beyond, "bold yellow")))
            else:
                text.append(" ")
        text.append("\n")
    text.append(f"   0 {glyphs.corner}{_ticks(start, hours, width, glyphs)}\n", style="dim")
    return text


def _ticks(start: datetime, hours: int, width: int, glyphs: Glyphs) -> str:
    """The axis: a label every six hours, on the hour."""
    line = [glyphs.line] * width
    first = (start + timedelta(minutes=59)).replace(minute=0, second=0, microsecond=0)
    for hour in range(hours):
        moment = first + timedelta(hours=hour)
        at = round((moment - start) / timedelta(hours=hours) * width)
        if moment.hour % 6 == 0:
            label = f"{moment:%H:%M}" if moment.hour else f"{moment:%a}"
            if at + len(label) <= width:
                line[at : at + len(label)] = label
    return "".join(line)


def _blocks(values: Sequence[float], count: int) -> list[float]:
    """The largest known value of each of `count` equal parts; NaN for a part with none."""
    array = np.asarray(values, dtype=float)
    if not len(array):
        return []
    parts = np.array_split(array, min(count, len(array)))
    return [float(np.nanmax(part)) if np.isfinite(part).any() else float("nan") for part in parts]
