"""The page and the picture of `benchmarks.lead_time`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from forecasting.models.base import FloatArray

TITLES = {
    "llm_qwen_large_tokens_5min": "LLM tokens/s, large model",
    "llm_qwen_small_5min": "LLM requests/s, small model",
}
POOLS = tuple(TITLES)
SPREAD = 1.5
PEAK_INSTANCES = 40
GOALS = (0.002, 0.005, 0.01, 0.02)
GOAL = 0.005
EQUAL = 0.01
"""Costs are compared at this uncovered share, read off a policy's goals."""


@dataclass(frozen=True)
class Policy:
    """A lead time that is guessed, or learnt from a guess; the guess is a multiple of the true p90."""

    guess: float
    learns: bool
    short_runs: bool = True
    goal: float = GOAL

    @property
    def name(self) -> str:
        """Of its case."""
        return f"{self.guess}/{self.learns}/{self.short_runs}/{self.goal}"


KINDS = {
    "half": (0.5, False),
    "known": (1.0, False),
    "double": (2.0, False),
    "learnt from half": (0.5, True),
    "learnt from double": (2.0, True),
}


def policies() -> list[Policy]:
    """All: with short runs at every goal, without at one."""
    return [Policy(*kind, True, goal) for kind in KINDS.values() for goal in GOALS] + [
        Policy(*kind, False, GOAL) for kind in KINDS.values()
    ]


@dataclass(frozen=True)
class Point:
    """Cost over the clairvoyant's, and the share of the load uncovered."""

    cost: float
    uncovered: float

    @property
    def price(self) -> float:
        """Both in one, by the rule that every setting is chosen by: the cost, times 1 + half of the excess over the goal."""
        return self.cost * (1 + 0.5 * max(self.uncovered - GOAL, 0) / GOAL)


Seed = dict[str, Point]
"""By policy, and `reactive/GOAL`."""
Results = dict[tuple[str, int], list[Seed]]
"""By trace and median minutes of boot: the seeds."""


def page(results: Results) -> str:
    """The Markdown page."""
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    seeds = len(next(iter(results.values())))
    lines = [
        "# The lead time, learnt or guessed",
        "",
        f"Made by `python -m benchmarks.lead_time` ({machine}); do not edit by hand.",
        "",
        f"Two pools that serve language models ({PEAK_INSTANCES} instances at the peak, two weeks), replayed minute by minute as",
        "the job would run them: a plan every 6 h, the short-lead update every 5 min, quantile and knob chosen daily from the",
        f"past for a goal of 0.5 % uncovered, reactive scaling above. Boots are drawn per launch, log-normal, p90 = {SPREAD:g} x",
        f"median; {seeds} seeds, mean ± standard deviation. *Half* and *double* believe in a fixed lead time twofold off the",
        "true p90, *known* in the p90 itself. *Learnt* starts from a guess as its prior and knows only boots of its own",
        "launches that were over before each run. A job that believes in a wrong lead time also judges its past by it. Cost:",
        "instance-hours over those of a clairvoyant policy. Days after the first three. Traces: alibaba/ServeGen (Apache-2.0);",
        "their dates are invented.",
        "The update's shipped coefficients were learnt on these traces too, and",
        "are drawn to each trace's own past; `short_lead.md` has the figures without the trace at hand.",
        "",
        "![Cost and uncovered load of guessed and learnt lead times](../docs/lead-time.svg)",
        "",
        *_promised(results),
        *_verdict(results),
        *_equal(results),
        *_pays(results),
        *_without_short_runs(results),
    ]
    return "\n".join(lines) + "\n"


def _points(seeds: Sequence[Seed], kind: str, goal: float = GOAL, *, short_runs: bool = True) -> list[Point]:
    name = Policy(*KINDS[kind], short_runs, goal).name
    return [seed[name] for seed in seeds]


def _promised(results: Results) -> list[str]:
    lines = [
        "## Cost and uncovered load",
        "",
        "| trace | boot, median | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 2) + "|",
    ]
    for (name, minutes), seeds in results.items():
        cells = [_both(_points(seeds, kind)) for kind in KINDS]
        lines.append(f"| {TITLES[name]} | {minutes} min | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _verdict(results: Results) -> list[str]:
    lines = [
        "## Both in one",
        "",
        "`cost x (1 + 0.5 x excess over the goal / goal)`, the rule that settings are chosen by. What the guess is worse by",
        "than the lead time learnt from it (negative: the guess is better), and in how many seeds; then what learning loses",
        "against knowing the p90 from the start.",
        "",
        "| trace | boot, median | half, over learnt (%) | worse in | double, over learnt (%) | worse in | from half, over known (%) | from double |",
        "|---|---|---|---|---|---|---|---|",
    ]
    beaten: list[str] = []
    lost: list[str] = []
    for (name, minutes), seeds in results.items():
        price = {kind: np.array([point.price for point in _points(seeds, kind)]) for kind in KINDS}
        cells: list[str] = []
        for guess in ("half", "double"):
            more = 100 * (price[guess] / price[f"learnt from {guess}"] - 1)
            cells += [_spread(more, 1), f"{(more > 0).sum()} of {len(more)}"]
            (beaten if more.mean() > 0 else lost).append(f"{guess}, {TITLES[name]}, {minutes} min")
        cells += [_spread(100 * (price[f"learnt from {g}"] / price["known"] - 1), 1) for g in ("half", "double")]
        lines.append(f"| {TITLES[name]} | {minutes} min | " + " | ".join(cells) + " |")
    losses = f" It does not beat: {'; '.join(lost)}." if lost else ""
    return [
        *lines,
        "",
        f"Learnt beats the guess in the mean in {len(beaten)} of {len(beaten) + len(lost)} cases.{losses}",
        "",
    ]


def _equal(results: Results) -> list[str]:
    lines = [
        f"## Cost at {100 * EQUAL:g} % uncovered",
        "",
        "Read off four goals (0.2, 0.5, 1 and 2 %), so that every policy leaves the same load uncovered. Somebody who sees what",
        "stays uncovered can make up for a wrong lead time by another goal; this is what the rest of it costs. In brackets:",
        "seeds in which the policy's goals do not reach the share (its nearest end is taken).",
        "",
        "| trace | boot, median | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 2) + "|",
    ]
    for (name, minutes), seeds in results.items():
        cells: list[str] = []
        for kind in KINDS:
            found = [_at_equal([_points([seed], kind, goal)[0] for goal in GOALS]) for seed in seeds]
            beyond = sum(not inside for _, inside in found)
            cells.append(_spread([cost for cost, _ in found], 3) + (f" ({beyond})" if beyond else ""))
        lines.append(f"| {TITLES[name]} | {minutes} min | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _pays(results: Results) -> list[str]:
    lines = [
        "## Prediction pays where boots are slow",
        "",
        "Reactive scaling alone, its target chosen daily from the past by the same rule, beside the job that learns its lead",
        f"time from a guess of half. Both at a goal of 0.5 %, and cost at {100 * EQUAL:g} % uncovered.",
        "",
        "| trace | boot, median | reactive alone | learnt from half | reactive, at equal | learnt, at equal | saved (%) |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, minutes), seeds in results.items():
        reactive = np.array([_at_equal([seed[f"reactive/{goal}"] for goal in GOALS])[0] for seed in seeds])
        ours = np.array(
            [_at_equal([_points([seed], "learnt from half", goal)[0] for goal in GOALS])[0] for seed in seeds]
        )
        alone = _both([seed[f"reactive/{GOAL}"] for seed in seeds])
        lines.append(
            f"| {TITLES[name]} | {minutes} min | {alone} | {_both(_points(seeds, 'learnt from half'))} | {_spread(reactive, 3)} | {_spread(ours, 3)} "
            f"| {_spread(100 * (1 - ours / reactive), 1)} |"
        )
    return [*lines, ""]


def _without_short_runs(results: Results) -> list[str]:
    lines = [
        "## Without short runs",
        "",
        "The plan of every 6 h alone: cost and uncovered load at a goal of 0.5 %. It sees a lead time in whole steps of 15 min.",
        "The past is judged on a coarse grid that takes the load for better covered than it is, so more is left uncovered than",
        "the goal says, and a lead time that is too long makes up for that.",
        "",
        "| trace | boot, median | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 2) + "|",
    ]
    for (name, minutes), seeds in results.items():
        cells = [_both(_points(seeds, kind, short_runs=False)) for kind in KINDS]
        lines.append(f"| {TITLES[name]} | {minutes} min | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _at_equal(points: Sequence[Point]) -> tuple[float, bool]:
    """Cost where `EQUAL` stays uncovered, and whether the points reach it."""
    left = np.array([point.uncovered for point in points])
    cost = np.array([point.cost for point in points])
    order = np.argsort(left)
    return float(np.interp(EQUAL, left[order], cost[order])), bool(left.min() <= EQUAL <= left.max())


def _both(points: Sequence[Point]) -> str:
    return (
        f"{_spread([point.cost for point in points], 3)}; {_spread([100 * point.uncovered for point in points], 2)} %"
    )


def _spread(values: Sequence[float] | FloatArray, digits: int) -> str:
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


# The picture

PANEL, GAP, LEFT, TOP = (220, 190), (88, 78), 62, 64
LOOKS = {
    "half": ("#c2410c", "half the p90"),
    "double": ("#7c3aed", "double the p90"),
    "known": ("#6b7280", "the p90, known"),
    "learnt from half": ("#0f766e", "learnt from half"),
    "learnt from double": ("#0ea5e9", "learnt from double"),
}


def picture(results: Results) -> str:
    """An SVG: a panel per trace and boot time, cost across, uncovered load upwards."""
    width = LEFT + 3 * PANEL[0] + 2 * GAP[0] + 40
    height = TOP + 2 * PANEL[1] + GAP[1] + 58
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="11" fill="#374151">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for place, (kind, (colour, words)) in enumerate(LOOKS.items()):
        x = LEFT + place * 160
        parts.append(_mark(kind, x, 18, colour))
        parts.append(f'<text x="{x + 11}" y="22" font-size="12">{escape(words)}</text>')
    for number, ((name, minutes), seeds) in enumerate(results.items()):
        x = LEFT + (number % 3) * (PANEL[0] + GAP[0])
        y = TOP + (number // 3) * (PANEL[1] + GAP[1])
        parts += _panel(f"{TITLES[name]}: {minutes} min", seeds, x, y)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _panel(title: str, seeds: Sequence[Seed], left: float, top: float) -> list[str]:
    points = {kind: _points(seeds, kind) for kind in LOOKS}
    cost = {kind: float(np.mean([point.cost for point in each])) for kind, each in points.items()}
    shares = {kind: 100 * np.array([point.uncovered for point in each]) for kind, each in points.items()}
    low, high = min(cost.values()), max(cost.values())
    low, high = low - 0.08 * (high - low), high + 0.08 * (high - low)
    most = max(1.2 * 100 * GOAL, *(float(each.max()) * 1.08 for each in shares.values()))

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * PANEL[0]

    def up(value: float) -> float:
        return top + PANEL[1] * (1 - value / most)

    parts = [
        f'<text x="{left}" y="{top - 8}" font-size="12" font-weight="600">{escape(title)}</text>',
        f'<path d="M{left} {top}V{top + PANEL[1]}H{left + PANEL[0]}" fill="none" stroke="#9ca3af"/>',
        f'<path d="M{left} {up(100 * GOAL):.1f}h{PANEL[0]}" stroke="#9ca3af" stroke-dasharray="4 3"/>',
        f'<text x="{left + PANEL[0] + 3}" y="{up(100 * GOAL) + 4:.1f}" fill="#6b7280">goal</text>',
        f'<text x="{left + PANEL[0] / 2}" y="{top + PANEL[1] + 32}" text-anchor="middle">cost over the clairvoyant</text>',
        f'<text transform="translate({left - 36} {top + PANEL[1] / 2}) rotate(-90)" text-anchor="middle">uncovered load, %</text>',
    ]
    parts += [
        f'<text x="{across(value):.1f}" y="{top + PANEL[1] + 15}" text-anchor="middle">{value:.2f}</text>'
        for value in np.linspace(low, high, 4)
    ]
    parts += [
        f'<text x="{left - 5}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        for value in np.linspace(0, most, 4)
    ]
    for kind, (colour, _) in LOOKS.items():
        x, values = across(cost[kind]), shares[kind]
        parts.append(
            f'<path d="M{x:.1f} {up(values.min()):.1f}V{up(values.max()):.1f}" stroke="{colour}" stroke-width="1.5"/>'
        )
        parts.append(_mark(kind, x, up(float(values.mean())), colour))
    return parts


def _mark(kind: str, x: float, y: float, colour: str) -> str:
    if kind == "half":
        return f'<path d="M{x - 6:.1f} {y - 5:.1f}h12l-6 10z" fill="{colour}"/>'
    if kind == "double":
        return f'<path d="M{x - 6:.1f} {y + 5:.1f}h12l-6 -10z" fill="{colour}"/>'
    if kind == "known":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7.5" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    radius = 5 if kind == "learnt from half" else 3
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'
