"""What the short-lead update gives on real traces, beside reactive scaling and a floor that is planned every six hours.

    python -m benchmarks.short_lead [--traces FOLDER] [--walks FOLDER] [--boots 5,10,20,30] [--out FILE]

Every policy chooses its settings each day from the trace's own past days, by one rule (`forecasting.shortlead.choose`); the update's coefficients
are learnt on the seven other traces and, daily, on the trace's own past. Costs are instance-hours over the clairvoyant policy's with the same boot
time, at the target of the rule that leaves 0.5 % of the load uncovered in the mean over the traces. Writes a Markdown page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.replay import PEAK_INSTANCES, ROOT, SETTINGS, TRACES
from benchmarks.short_lead_prior import Trace, arguments, learn, read_trace
from forecasting.backtest.floors import Predictive, fleet_at, floor_path
from forecasting.backtest.recommend import csv_fleet
from forecasting.choosing.base import DEFAULT_QUANTILE
from forecasting.models.base import FloatArray
from forecasting.replay import Case, Provider, clairvoyant_minutes, replay
from forecasting.replay.base import IntArray
from forecasting.shortlead import TAUS, DayTotals, Features, choose, day_totals, fitted, needs
from forecasting.shortlead.choice import MOST_DAYS, WARM_DAYS

BOOTS = (5, 10, 20, 30)
DAY = 288
THINNED = 3
"""Own samples are fitted at every third tick: windows that overlap say the same."""

REACTIVE_TARGETS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
FLOOR_TARGETS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SHORT_TARGETS = (0.7, 1.0)
GOALS: tuple[float, ...] = tuple(2e-4 * 100 ** (step / 29) for step in range(30))
UNCOVERED_PERCENT = 0.5
SOURCES = (
    "| trace | what | source | licence |",
    "|---|---|---|---|",
    *(f"| {name} | {' | '.join(about)} |" for name, about in TRACES.items()),
    "",
)
OR_PLAN = "short-lead or plan, quick choice"
"""The update, with "no update: the plan's floor stands" among the candidates."""
POLICIES = (
    "reactive",
    "floor + reactive",
    "short-lead",
    "short-lead, quick choice",
    OR_PLAN,
    "direct minimum",
    "predicted metric",
)


@dataclass(frozen=True, eq=False)
class Played:
    """A policy on a trace: each of its settings' days, and the days by which it chooses."""

    days: list[DayTotals]
    judged: list[DayTotals]
    clairvoyant: FloatArray

    def at(self, goal: float) -> tuple[float, float]:
        """Cost and uncovered percent, where each day's setting is chosen from the days before."""
        paid = uncovered = load = best = 0.0
        for day in range(WARM_DAYS, len(self.days)):
            chosen = choose(self.judged[:day], goal)
            assert chosen is not None
            paid += float(self.days[day].paid[chosen])
            uncovered += float(self.days[day].uncovered[chosen])
            load += self.days[day].load
            best += float(self.clairvoyant[day])
        return paid / best, 100 * uncovered / load


def short_floors(trace: Trace, found: Features, prior: FloatArray, window: int) -> FloatArray:
    """Instances asked for at each scored tick under each tau, shape (ticks, taus); the coefficients of a day know the days before only."""
    load = np.nan_to_num(trace.load)
    largest = np.maximum.accumulate(np.concatenate([load[:1], load[:-1]]))
    wanted = np.full((len(load), len(TAUS)), np.nan)
    for day in range(trace.scored, len(load), DAY):
        past = slice(max(trace.scored, day - MOST_DAYS * DAY), max(day - window, 0), THINNED)
        coefficients = fitted(found.part(past), prior)
        # From an hour before, for what is held.
        span = slice(max(day - 12, 0), day + DAY)
        wanted[day : day + DAY] = needs(found.part(span), coefficients, largest[span])[day - span.start :]
    instances = np.ceil(wanted[trace.scored :] * PEAK_INSTANCES / trace.peak - 1e-9)
    return np.nan_to_num(instances, nan=1.0)


def cases_of(trace: Trace, boot: int, short: FloatArray, direct: FloatArray) -> list[Case]:
    """All settings of all policies."""
    provider, at_once = Provider(60.0 * boot), Provider(60.0 * boot, action_jitter_minutes=0)
    cases = [Case(f"reactive/{target}", provider, 1, target, 60) for target in REACTIVE_TARGETS]
    for level in SETTINGS.walk.quantiles:
        floors = _floors(trace, boot, level)
        cases += [Case(f"floor + reactive/{level}-{t}", provider, floors, t, 60) for t in FLOOR_TARGETS]
    for place, tau in enumerate(TAUS):
        ways = (
            ("short-lead", provider, by_minute(short[:, place], 5)),
            ("direct minimum", at_once, by_minute(direct[:, place], 1)),
            ("predicted metric", at_once, tracked(direct[:, place], at_once)),
        )
        cases += [
            Case(f"{policy}/{tau}-{t}", how, floors, t, 60) for policy, how, floors in ways for t in SHORT_TARGETS
        ]
    return cases


def _floors(trace: Trace, boot: int, level: float) -> IntArray:
    """The six-hourly floor of a quantile, minute by minute."""
    levels, step = SETTINGS.walk.quantiles, SETTINGS.walk.step_minutes
    fleet = csv_fleet(trace.name, trace.peak / PEAK_INSTANCES, trace.peak)
    planner = Predictive(fleet_at(fleet, quantile=level, lead_time_seconds=60.0 * boot), levels, step)
    return floor_path(planner, trace.origins, trace.origins[0].at, len(trace.minutes), baseline=1, step_minutes=step)


def by_minute(instances: FloatArray, delay: int) -> IntArray:
    """An action starts `delay` minutes after its tick."""
    path = np.repeat(instances.astype(np.int32), 5)
    return np.concatenate([np.full(delay, path[0], np.int32), path[:-delay]])


def tracked(instances: FloatArray, provider: Provider) -> IntArray:
    """What a second target tracking policy keeps that follows a metric of the need, published a minute after each tick for the five minutes ahead.

    Its alarms are those of any other policy: three minutes above the target add instances, fifteen below 90 % of it take some away. The group scales
    in only where all policies would, so that to the reactive one it is a floor.
    """
    wanted = by_minute(instances, 1)
    kept = np.empty_like(wanted)
    standing, above, below = int(wanted[0]), 0, 0
    for minute, value in enumerate(wanted[np.maximum(np.arange(len(wanted)) - 1, 0)].tolist()):  # seen a minute later
        above = above + 1 if value > standing else 0
        below = below + 1 if value < provider.scale_in_below * standing else 0
        if above >= provider.scale_out_datapoints or below >= provider.scale_in_datapoints:
            standing, above, below = value, 0, 0
        kept[minute] = standing
    return kept


def play(trace: Trace, boot: int, short: FloatArray, direct: FloatArray) -> dict[str, Played]:
    """All policies on one trace."""
    per_instance = trace.peak / PEAK_INSTANCES
    cases = cases_of(trace, boot, short, direct)
    totals = replay(trace.minutes, per_instance, cases).days
    count = len(totals.load)
    best = clairvoyant_minutes(trace.minutes, per_instance, boot)
    clairvoyant = np.array([best[1440 * day : 1440 * (day + 1)].sum() for day in range(count)])
    played: dict[str, Played] = {}
    for policy in POLICIES:
        if policy == OR_PLAN:
            continue
        name = policy.split(",")[0]
        columns = [place for place, case in enumerate(cases) if case.name.startswith(f"{name}/")]
        days = [
            DayTotals(totals.instance_minutes[day, columns], totals.uncovered[day, columns], float(totals.load[day]))
            for day in range(count)
        ]
        judged = _quick(trace, short, boot, count) if "," in policy else days
        played[policy] = Played(days, judged, clairvoyant)
    update, plan = played["short-lead, quick choice"], played["floor + reactive"]
    stood, judged = _plan(trace, boot, plan.days)
    played[OR_PLAN] = Played(_beside(update.days, stood), _beside(update.judged, judged), clairvoyant)
    return played


def _plan(trace: Trace, boot: int, days: list[DayTotals]) -> tuple[list[DayTotals], list[DayTotals]]:
    """The six-hourly floor as one candidate of each reactive target, by the replay and by the coarse model; the days before chose its quantile."""
    levels, per_instance = SETTINGS.walk.quantiles, trace.peak / PEAK_INSTANCES
    paths = np.stack([_floors(trace, boot, level)[::5] for level in levels], axis=1).astype(np.float64)
    paths = np.concatenate([paths[1:], paths[-1:]])  # the coarse model lets a floor act a step after its tick
    replayed: list[list[DayTotals]] = []
    coarse: list[list[DayTotals]] = []
    for target in SHORT_TARGETS:
        found = day_totals(trace.load[trace.scored :], paths, per_instance, math.ceil(boot / 5), reactive_target=target)
        columns = [place * len(FLOOR_TARGETS) + FLOOR_TARGETS.index(target) for place in range(len(levels))]
        picked = [choose(found[:day]) for day in range(len(days))]
        places = [levels.index(DEFAULT_QUANTILE) if place is None else place for place in picked]
        replayed.append([_only(day, columns[place]) for day, place in zip(days, places, strict=True)])
        coarse.append([_only(day, place) for day, place in zip(found, places, strict=False)])
    return _beside(*replayed), _beside(*coarse)


def _only(day: DayTotals, column: int) -> DayTotals:
    return DayTotals(day.paid[[column]], day.uncovered[[column]], day.load)


def _beside(*candidates: list[DayTotals]) -> list[DayTotals]:
    """The same days with the candidates of all."""
    return [
        DayTotals(
            np.concatenate([day.paid for day in days]), np.concatenate([day.uncovered for day in days]), days[0].load
        )
        for days in zip(*candidates, strict=False)
    ]


def _quick(trace: Trace, short: FloatArray, boot: int, count: int) -> list[DayTotals]:
    """The days as the update's own coarse model has them, in the order of the cases: by tau, then by target."""
    load, per_instance = trace.load[trace.scored :], trace.peak / PEAK_INSTANCES
    found = [day_totals(load, short, per_instance, math.ceil(boot / 5), reactive_target=t) for t in SHORT_TARGETS]
    return [
        DayTotals(
            np.stack([days[day].paid for days in found], axis=1).ravel(),
            np.stack([days[day].uncovered for days in found], axis=1).ravel(),
            found[0][day].load,
        )
        for day in range(count)
    ]


def table(boot: int, played: dict[str, dict[str, Played]]) -> list[str]:
    """Cost and uncovered percent of each policy on each trace, at the goal that gives the stated mean; ratios of the means, with and without each."""
    columns: dict[str, list[tuple[float, float]]] = {}
    means: dict[str, list[float]] = {}
    for policy in POLICIES:
        results = np.array([[found[policy].at(goal) for found in played.values()] for goal in GOALS])
        everything = list(range(len(played)))
        subsets = [everything, *([place for place in everything if place != left] for left in everything)]
        means[policy] = [_mean_cost(results[:, subset]) for subset in subsets]
        nearest = int(np.argmin(np.abs(results[:, :, 1].mean(axis=1) - UNCOVERED_PERCENT)))
        columns[policy] = [(float(c), float(u)) for c, u in results[nearest]]
    lines = [
        f"### Boot time {boot} min",
        "",
        "| trace | " + " | ".join(POLICIES) + " |",
        "|---" * (len(POLICIES) + 1) + "|",
    ]
    for place, name in enumerate(played):
        cells = [f"{columns[policy][place][0]:.3f} ({columns[policy][place][1]:.2f} %)" for policy in POLICIES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append(
        f"| **mean at {UNCOVERED_PERCENT} %** | "
        + " | ".join(f"**{means[policy][0]:.3f}**" for policy in POLICIES)
        + " |"
    )
    for rival in POLICIES[:2]:
        ratios = {p: [ours / theirs for ours, theirs in zip(means[p], means[rival], strict=True)] for p in POLICIES}
        cells = [f"{whole:.3f} ({min(parts):.3f} to {max(parts):.3f})" for whole, *parts in ratios.values()]
        lines.append(f"| over {rival} (without any one trace) | " + " | ".join(cells) + " |")
    return lines


def _mean_cost(results: FloatArray) -> float:
    """Mean cost over traces where their mean uncovered load is as stated; `results` has the shape (goals, traces, cost and uncovered)."""
    cost, uncovered = (np.asarray(results[:, :, part].mean(axis=1), dtype=np.float64) for part in (0, 1))
    order = np.argsort(uncovered)
    return float(np.interp(UNCOVERED_PERCENT, uncovered[order], cost[order]))


def changes_per_day(short: FloatArray) -> FloatArray:
    """How often the need changes in a day, per tau: one write each."""
    return (np.diff(short, axis=0) != 0).sum(axis=0) / (len(short) / DAY)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--boots", default=",".join(map(str, BOOTS)))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "short_lead.md")
    given = parser.parse_args()
    traces = {name: read_trace(name, given.traces, given.walks) for name in TRACES}
    lines = ["# The short-lead update on real traces", "", *(__doc__ or "").split("\n\n")[2:], *SOURCES]
    for boot in (int(text) for text in given.boots.split(",")):
        played, writes = _boot(boot, traces)
        lines += [*table(boot, played), ""]
        lines.append(
            "Changes of the need a day (mean over the traces, one write each) by tau: "
            + ", ".join(f"{tau}: {count:.0f}" for tau, count in zip(TAUS, np.mean(writes, axis=0), strict=True))
            + f"; at most {np.max(writes):.0f} on a trace."
        )
        lines.append("")
        given.out.write_text("\n".join(lines), encoding="utf-8")
        print(f"boot {boot}:", *lines[-6:-3], sep="\n", flush=True)


def _boot(boot: int, traces: dict[str, Trace]) -> tuple[dict[str, dict[str, Played]], Sequence[FloatArray]]:
    played: dict[str, dict[str, Played]] = {}
    writes: list[FloatArray] = []
    for name, trace in traces.items():
        others = [other for other in traces.values() if other is not trace]
        short, direct = (
            short_floors(trace, trace.features(window), learn(others, window), window)
            for window in (math.ceil(boot / 5) + 3, math.ceil(boot / 5) + 2)
        )
        played[name] = play(trace, boot, short, direct)
        writes.append(changes_per_day(short))
    return played, writes


if __name__ == "__main__":
    main()
