"""Run the league: `python -m benchmarks.league [--quick]`. See `designs/league.md`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.league.html import document
from benchmarks.league.jobs import Outcome, Plan, problem_with_forecasts, run_all
from benchmarks.league.loads import ROOT, Load, default_folder, read_loads
from benchmarks.league.measures import REFERENCE, Judged, judged
from benchmarks.league.page import About, page
from benchmarks.league.policy import REGISTRY, installed
from forecasting.errors import ElasticIacError, SettingsError

DAYS, QUICK_DAYS = 28, 14
NEEDED = (*REFERENCE, "ours")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the league; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ElasticIacError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.league", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 loads, 14 days, no slow policy")
    parser.add_argument("--data", type=Path, help="folder of the loads (default: out/traces)")
    parser.add_argument("--load", action="append", metavar="NAME", help="only this load; may repeat")
    parser.add_argument("--policy", action="append", metavar="KEY", help="only this policy; may repeat")
    parser.add_argument("--cache", type=Path, default=ROOT / "out" / "league" / "cache")
    parser.add_argument("--out", type=Path, help="the Markdown page; the HTML page is beside it")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--order", type=int, default=0, help="seed of the order of the runs")
    return parser


def _run(options: argparse.Namespace) -> int:
    begun = time.perf_counter()
    if options.processes < 1:
        raise SettingsError("--processes", options.processes, "a whole number >= 1")
    every = read_loads(options.data or default_folder())
    loads = _selected(every, options)
    policies, absent = _policies(options)
    plan = Plan(
        loads=tuple(loads),
        policies=policies,
        days=QUICK_DAYS if options.quick else DAYS,
        folder=options.cache,
        processes=options.processes,
        order=options.order,
    )
    outcomes = run_all(plan, lambda line: print(line, file=sys.stderr, flush=True))
    found = _judged(plan, outcomes)
    command = "python -m benchmarks.league" + (" --quick" if options.quick else "")
    goal = problem_with_forecasts(loads[0], plan.days, plan.folder).settings.goal_percent
    about = About(command, plan.days, goal, absent, (len(loads), len(every)))
    name = "league-quick.md" if options.quick else "league.md"
    out = options.out or ROOT / "out" / "league" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(found, about), encoding="utf-8")
    note = f"{len(loads)} of {len(every)} loads, {len(policies)} policies; written by {command}"
    out.with_suffix(".html").write_text(document(found, note), encoding="utf-8")
    print(f"wrote {out} and {out.with_suffix('.html').name} in {time.perf_counter() - begun:.0f} s")
    return 0


def _selected(every: Sequence[Load], options: argparse.Namespace) -> list[Load]:
    loads = [load for load in every if load.quick] if options.quick else list(every)
    if options.load:
        names = [load.name for load in every]
        for name in options.load:
            if name not in names:
                raise SettingsError("--load", name, f"one of {names}")
        loads = [load for load in every if load.name in options.load]
    return loads


def _policies(options: argparse.Namespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Keys of the policies to run, and those left out with the reason."""
    wanted = set(options.policy or REGISTRY) | set(NEEDED)
    unknown = sorted(wanted - set(REGISTRY))
    if unknown:
        raise SettingsError("--policy", unknown[0], f"one of {sorted(REGISTRY)}")
    keys: list[str] = []
    absent: list[str] = []
    for key, policy in REGISTRY.items():
        if key not in wanted:
            absent.append(f"{policy.label} (not selected)")
        elif policy.slow and options.quick:
            absent.append(f"{policy.label} (slow)")
        elif not installed(policy):
            absent.append(f"{policy.label} ({policy.library} is not installed)")
        else:
            keys.append(key)
    return tuple(keys), tuple(absent)


def _judged(plan: Plan, outcomes: dict[tuple[str, str], Outcome]) -> list[Judged]:
    found: list[Judged] = []
    for load in plan.loads:
        problem = problem_with_forecasts(load, plan.days, plan.folder)
        mine = {key: outcomes[load.name, key] for key in plan.policies}
        found += [judged(problem, load.source, startup, mine) for startup in problem.settings.boot_minutes]
    return found


if __name__ == "__main__":
    sys.exit(main())
