"""One HTML page of small multiples: cost against unserved load, a panel for each load and startup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.league.measures import ORACLE, RECOMMENDED, Cell, Judged
from benchmarks.league.page import label

WIDTH, HEIGHT, EDGE = 250, 180, 28
LEAST_UNSERVED, MOST_UNSERVED = 0.01, 30.0
MOST_COST = 4.0
COLOURS = ("#7a7a7a", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#bcbd22", "#e377c2")
STYLE = """
body { font: 14px system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff }
figure { display: inline-block; margin: 0 10px 14px 0 } figcaption { font-size: 12px }
svg { border: 1px solid #ccc; background: #fff } li { display: inline-block; margin-right: 14px }
ul { padding: 0 } .dot { display: inline-block; width: 10px; height: 10px; border-radius: 5px }
"""


def document(found: Sequence[Judged], note: str) -> str:
    """The page; it loads nothing.

    Args:
        found: The judged cases.
        note: Shown under the title.
    """
    policies = [key for key in {key: None for each in found for key in each.past} if key != ORACLE]
    colours = {
        key: "#d62728" if key == RECOMMENDED else COLOURS[number % len(COLOURS)] for number, key in enumerate(policies)
    }
    legend = "".join(
        f'<li><span class="dot" style="background:{colours[key]}"></span> {escape(label(key))}</li>' for key in policies
    )
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>The league</title>",
        f"<style>{STYLE}</style></head><body><h1>The league</h1><p>{escape(note)}</p>",
        (
            "<p>Each panel: cost over the oracle (across, 1 to 4, logarithmic) and unserved load in percent "
            "(up, logarithmic, 0.01 at the bottom) at the setting tuned on the past. Lower left is better. "
            f"The ring is the cheapest at equal unserved load.</p><ul>{legend}</ul>"
        ),
    ]
    for startup in sorted({each.startup for each in found}):
        parts.append(f"<h2>Startup {startup:g} min</h2>")
        parts += [
            _panel(each, colours) for each in sorted(found, key=lambda each: each.load) if each.startup == startup
        ]
    return "".join(parts) + "</body></html>\n"


def _panel(each: Judged, colours: dict[str, str]) -> str:
    cells = [cell for key, cell in each.past.items() if key != ORACLE]
    best = min(cells, key=lambda cell: (round(cell.equal_cost, 4), cell.policy))
    # Ours last, so that it is on top.
    ordered = sorted(cells, key=lambda cell: (cell.policy == RECOMMENDED, cell.policy))
    marks = "".join(_mark(cell, colours[cell.policy]) for cell in ordered)
    x, y = _place(best)
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" stroke="#000"/>'
    goal = _height(0.5)
    line = f'<line x1="{EDGE}" x2="{WIDTH}" y1="{goal:.1f}" y2="{goal:.1f}" stroke="#ddd"/>'
    texts = (
        f'<text x="{EDGE}" y="{HEIGHT - 4}" font-size="10">1</text>'
        f'<text x="{WIDTH - 10}" y="{HEIGHT - 4}" font-size="10">4</text>'
        f'<text x="2" y="{goal + 3:.1f}" font-size="10">0.5</text>'
    )
    caption = f"{escape(each.load)}: {escape(label(best.policy))}; verdict {each.verdict.outcome.value}"
    return (
        f'<figure><svg width="{WIDTH}" height="{HEIGHT}" role="img">{line}{texts}{marks}{ring}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _mark(cell: Cell, colour: str) -> str:
    x, y = _place(cell)
    text = f"{label(cell.policy)}: cost {cell.cost:.4f}, {cell.unserved:.4f} % unserved"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(text)}</title></circle>'


def _place(cell: Cell) -> tuple[float, float]:
    across = math.log(min(max(cell.cost, 1.0), MOST_COST)) / math.log(MOST_COST)
    return EDGE + across * (WIDTH - EDGE - 6), _height(cell.unserved)


def _height(unserved: float) -> float:
    share = min(max(unserved, LEAST_UNSERVED), MOST_UNSERVED)
    up = math.log(share / LEAST_UNSERVED) / math.log(MOST_UNSERVED / LEAST_UNSERVED)
    return HEIGHT - EDGE - up * (HEIGHT - EDGE - 8)
