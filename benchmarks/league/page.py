"""The Markdown page of the league: defeats first, then the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.league.measures import ORACLE, OURS, RECOMMENDED, Cell, Judged
from benchmarks.league.policy import REGISTRY
from benchmarks.league.summary import DIGITS, Row, rank, rows, winner
from forecasting.backtest import Outcome

LABELS = {RECOMMENDED: "elastic-iac, recommended", ORACLE: "perfect foresight (oracle)"}


@dataclass(frozen=True)
class About:
    """What the page states of the run.

    Attributes:
        command: The command line.
        days: Newest days simulated at most.
        goal_percent: Load that may stay unserved.
        absent: Policies that were not run, with the reason.
        loads: Loads that ran, and loads in the table.
    """

    command: str
    days: int
    goal_percent: float
    absent: tuple[str, ...]
    loads: tuple[int, int]


def label(policy: str) -> str:
    """Name of a policy in tables."""
    return LABELS[policy] if policy in LABELS else REGISTRY[policy].label


def page(found: Sequence[Judged], about: About) -> str:
    """The whole page."""
    startups = sorted({each.startup for each in found})
    policies = [RECOMMENDED, *REGISTRY, ORACLE]
    tables = {startup: rows([each for each in found if each.startup == startup], policies) for startup in startups}
    parts = [
        "# The league: policies on public loads",
        "",
        f"Written by `{about.command}`; do not edit by hand.",
        "",
        *_scope(found, about),
        "## Defeats",
        "",
        *[line for startup in startups for line in _standing(tables[startup], startup)],
        *_defeats(found),
        *_verdicts(found),
        "## Tables",
        "",
        *_legend(),
        *[line for startup in startups for line in _table(tables[startup], startup)],
        *_every(found),
        *_sources(policies),
    ]
    return "\n".join(parts) + "\n"


def _scope(found: Sequence[Judged], about: About) -> list[str]:
    ran, listed = about.loads
    sources = len({each.source for each in found})
    lines = [
        f"{ran} of {listed} loads of {sources} sources, at most the newest {about.days} days, sized to 40",
        "instances at the highest sample. Every policy is a minimum under target tracking. Settings are",
        "tuned on the first half of the days and measured on the second, for a goal of",
        f"{about.goal_percent:g} % of the load unserved. Loads of one source count as one.",
        "",
    ]
    if ran < listed or about.absent:
        lines += ["**This table is partial.**", ""]
        lines += [f"- loads: {ran} of {listed}"] if ran < listed else []
        lines += [f"- not run: {text}" for text in about.absent] + [""]
    return lines


def _standing(table: Sequence[Row], startup: float) -> list[str]:
    """One sentence on the mean: is ours first, and if not, by how much."""
    most = max(row.loads for row in table)
    left_out = {ORACLE, RECOMMENDED, *OURS}
    rivals = [row for row in table if row.policy not in left_out and row.loads == most]
    ours = next(row for row in table if row.policy == RECOMMENDED)
    best = rivals[0]
    gap = 100 * (ours.cost.value / best.cost.value - 1)
    place = 1 + sum(round(row.cost.value, DIGITS) < round(ours.cost.value, DIGITS) for row in rivals)
    verdict = "first" if place == 1 else f"**not first (place {place})**"
    compared = "cheaper than" if gap < 0 else "dearer than"
    return [
        (
            f"- **Startup {startup:g} min**: ours is {verdict} in the mean, {abs(gap):.1f} % {compared}"
            f" {label(best.policy)}; first on {ours.first} of {ours.loads} loads, mean rank {ours.rank:.1f}."
        )
    ]


def _defeats(found: Sequence[Judged]) -> list[str]:
    lost = [each for each in found if rank(each, RECOMMENDED) > 1]
    if not lost:
        return ["", "Ours is first everywhere.", ""]
    winners = Counter(label(winner(each).policy) for each in lost)
    told = sum(each.verdict.outcome is not Outcome.PAYS for each in lost)
    lines = [
        "",
        f"Ours is beaten in {len(lost)} of {len(found)} cases (load and startup time). In {told} of them the",
        "verdict from the days before had not said that prediction pays.",
        "The winners: " + ", ".join(f"{name} {count}" for name, count in winners.most_common()) + ".",
        "",
        "| load | startup | rank | winner | ours dearer by (%) | verdict before | saved against target tracking (%) | observed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ordered = sorted(lost, key=lambda each: (-_loss(each), each.load, each.startup))
    return [*lines, *[_defeat(each) for each in ordered], ""]


def _defeat(each: Judged) -> str:
    observed = "; ".join([_difference(each), *each.traits])
    return (
        f"| {each.load} | {each.startup:g} min | {rank(each, RECOMMENDED)} "
        f"| {label(winner(each).policy)} | {100 * _loss(each):.1f} | {each.verdict.outcome.value} "
        f"| {each.realised_percent:.1f} | {observed} |"
    )


def _loss(each: Judged) -> float:
    return each.past[RECOMMENDED].equal_cost / winner(each).equal_cost - 1


def _difference(each: Judged) -> str:
    """Ours beside the winner, in hours and in unserved load."""
    ours, best = each.past[RECOMMENDED], winner(each)
    hours = 100 * (ours.cost / best.cost - 1)
    return f"{hours:+.1f} % hours, {ours.unserved:.2f} % unserved against {best.unserved:.2f} %"


def _verdicts(found: Sequence[Judged]) -> list[str]:
    """The verdict from the days before against the saving that followed."""
    decided = [each for each in found if each.verdict.outcome is not Outcome.UNDECIDED]
    clear = [each for each in decided if abs(each.realised_percent) > 2]
    right = sum((each.verdict.outcome is Outcome.PAYS) == (each.realised_percent > 0) for each in clear)
    wrong = [
        f"{each.load} at {each.startup:g} min ({each.verdict.outcome.value}, {each.realised_percent:.1f} %)"
        for each in clear
        if (each.verdict.outcome is Outcome.PAYS) != (each.realised_percent > 0)
    ]
    return [
        "### The verdict",
        "",
        (
            f"Against target tracking, the verdict from the days before was decided in {len(decided)} of"
            f" {len(found)} cases. Among those with a saving beyond 2 % its sign was right in {right} of {len(clear)}."
        ),
        *(["Wrong: " + "; ".join(wrong) + "."] if wrong else []),
        "",
    ]


def _legend() -> list[str]:
    return [
        "- **cost**: instance-hours over the oracle's at equal unserved load (the goal), tuned on the past,",
        "  geometric mean with its 90 % interval over sources; **hindsight**: tuned on the measured days.",
        "- **unserved at equal hours**: percent of the load, at the hours at which the best target tracking",
        "  or constant minimum of the measured days leaves the goal unserved.",
        "- **own**: cost, unserved percent and minutes a day at the tuned setting itself; **penalised**:",
        "  that cost x (1 + half of the excess over the goal, in goals).",
        "- A policy that ran on fewer loads than others stands last: its means are of other loads.",
        "- **rank** among the other projects' policies and ours as recommended; an `ours` row is ranked in",
        "  place of the recommended one. `designs/league.md` has the definitions.",
        "",
    ]


def _table(table: Sequence[Row], startup: float) -> list[str]:
    lines = [
        f"### Startup {startup:g} min",
        "",
        (
            "| policy | loads | rank | first on | cost | 90 % interval | hindsight | unserved at equal hours (%) | own cost "
            "| own unserved (%) | own minutes/day | penalised | utilisation (%) | scaling events/day | worst day (%) |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        plain = row.plain
        name = f"**{label(row.policy)}**" if row.policy == RECOMMENDED else label(row.policy)
        place = ("", "") if row.policy == ORACLE else (f"{row.rank:.2f}", f"{row.first}")
        lines.append(
            f"| {name} | {row.loads} | {place[0]} | {place[1]} | {row.cost.value:.4f} "
            f"| {row.cost.low:.4f} to {row.cost.high:.4f} | {row.hindsight:.4f} | {row.equal_unserved:.4f} "
            f"| {plain['cost']:.4f} | {plain['unserved']:.4f} | {plain['minutes']:.1f} | {plain['penalised']:.4f} "
            f"| {plain['utilisation']:.1f} | {plain['events']:.1f} | {plain['worst_day']:.2f} |"
        )
    return [*lines, ""]


def _every(found: Sequence[Judged]) -> list[str]:
    """The three cheapest and ours, for each load and startup time."""
    lines = [
        "## Every load",
        "",
        "Cost at equal unserved load, tuned on the past, with the chosen setting.",
        "",
        "| load | startup | first | second | third | ours | verdict before |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in sorted(found, key=lambda each: (each.load, each.startup)):
        cells = [cell for key, cell in each.past.items() if key != ORACLE and key not in OURS]
        ordered = sorted(cells, key=lambda cell: (round(cell.equal_cost, DIGITS), cell.policy))
        ours = each.past[RECOMMENDED]
        lines.append(
            f"| {each.load} | {each.startup:g} min | "
            + " | ".join(_named(cell) for cell in [*ordered[:3], ours])
            + f" | {each.verdict.outcome.value} |"
        )
    return [*lines, ""]


def _named(cell: Cell) -> str:
    setting = ", ".join(text for text in (cell.knob, f"target {cell.target:g}" if cell.target else "") if text)
    return f"{label(cell.policy)} {cell.equal_cost:.4f} ({setting})"


def _sources(policies: Sequence[str]) -> list[str]:
    lines = [
        "## Policies and their sources",
        "",
        "Written anew from public descriptions.",
        "",
        "| policy | source | differences |",
        "|---|---|---|",
    ]
    lines += [
        f"| {REGISTRY[key].label} | {REGISTRY[key].source} | {REGISTRY[key].differences} |"
        for key in policies
        if key in REGISTRY
    ]
    return lines
