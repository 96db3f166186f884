"""Mutation score of the modules that decide what is written: `python -m benchmarks.mutation --seed 1`.

    python -m benchmarks.mutation --seed 1 [--mutants 300] [--paths forecasting/schedule] [--parallel 2] [--seconds 90] [--out FILE]

A mutant is one small change of one module (`benchmarks.mutants`). It is killed if a test fails or never ends, and survives if all
tests pass that run the changed statement. The checkout is not touched: mutants run in copies of it. For each mutant only the tests
run that execute the changed statement, by a map that is made once, the fastest first, as many as fit into `--seconds`. An
interrupted run goes on where it was; a mutant is tested again only if its module or a test changed.

Mutants that change no behaviour are listed by hand, with the reason, in `benchmarks/equivalent_mutants.toml`; they are left out of
the score.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.mutants import Mutant, find_mutants
from benchmarks.mutation_runs import (
    Map,
    Selected,
    Started,
    copy_tree,
    digest,
    in_parallel,
    make_map,
    module_lines,
    preload,
    start,
)

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / "out" / "mutation"
EQUIVALENT = ROOT / "benchmarks" / "equivalent_mutants.toml"
MODULES = (
    *(
        f"forecasting/schedule/{name}.py"
        for name in ("actions", "aws", "gcp", "gcp_windows", "grid", "memory", "people", "slots")
    ),
    *(f"forecasting/targets/{name}.py" for name in ("aws_rules", "gcp_rules", "reconcile")),
    "forecasting/planning/*.py",
    "forecasting/store/ledger.py",
)
_UNRELATED = (
    "aws_lambda", "backtest", "calendar", "calibrate", "capacity_block", "choosing", "cli_backtest", "component", "demo",
    "double", "e2e", "engine", "forecast", "gcp_double", "gcp_function", "gcp_settings", "gcp_source", "history", "house",
    "launches", "lead_time", "models", "pacing", "package", "plugin", "replay", "report", "settings", "shortlead",
    "similar", "sources", "stacks", "traces", "training", "workload", "write_load",
)  # fmt: skip
"""Files of tests that begin so are about other modules, or run the whole program in other processes."""


@dataclass(frozen=True)
class Outcome:
    """A mutant that was tested: `killed`, `survived`, `timeout`, `uncovered` (no test runs its statement) or `broken`."""

    mutant: Mutant
    outcome: str
    test: str
    seconds: float

    @property
    def caught(self) -> bool:
        """A test noticed."""
        return self.outcome in {"killed", "timeout"}


@dataclass(frozen=True)
class Equivalent:
    """A mutant that changes no behaviour, and why."""

    path: str
    where: str
    before: str
    after: str
    reason: str

    def matches(self, mutant: Mutant) -> bool:
        """Whether this is the mutant, wherever in the function it is now."""
        return (self.path, self.where, self.before, self.after) == (
            mutant.path,
            mutant.where,
            mutant.before,
            mutant.after,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Mutation score of the modules that decide what is written.")
    parser.add_argument("--seed", type=int, required=True, help="the draw of the mutants")
    parser.add_argument("--mutants", type=int, default=300, help="how many; 0 for all")
    parser.add_argument("--paths", nargs="*", default=[], help="only modules whose path begins so")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument(
        "--seconds", type=float, default=90.0, help="of tests for each mutant, by their own measured times"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "mutation.md")
    asked = parser.parse_args(arguments)
    modules = _modules(asked.paths)
    drawn = _draw(
        [mutant for path in modules for mutant in find_mutants(path, (ROOT / path).read_bytes())],
        asked.seed,
        asked.mutants,
    )
    preload()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trees = [copy_tree(ROOT, Path(folder) / str(number)) for number in range(asked.parallel)]
        made = make_map(ROOT, STATE / "map.json", _modules([]), _test_files(), trees, seconds=600)
        outcomes = _test(drawn, made, trees, asked.seconds)
    text = _page(outcomes, asked.seed, _equivalents())
    print(text)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(text, encoding="utf-8")


def _modules(paths: Iterable[str]) -> list[str]:
    found = [str(path.relative_to(ROOT)) for pattern in MODULES for path in sorted(ROOT.glob(pattern))]
    starts = tuple(paths)
    return [path for path in found if not path.endswith("__init__.py") and (not starts or path.startswith(starts))]


def _test_files() -> list[str]:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    unrelated = tuple(f"test_{name}" for name in _UNRELATED)
    return [str(path.relative_to(ROOT)) for path in files if not path.name.startswith(unrelated)]


def _draw(mutants: list[Mutant], seed: int, count: int) -> list[Mutant]:
    if not count or count >= len(mutants):
        return mutants
    return sorted(random.Random(seed).sample(mutants, count), key=lambda mutant: (mutant.path, mutant.start))  # noqa: S311 - a draw of examples


def _test(mutants: Sequence[Mutant], made: Map, trees: Sequence[Path], seconds: float) -> list[Outcome]:
    sources = {mutant.path: (ROOT / mutant.path).read_bytes() for mutant in mutants}
    lines = {path: module_lines(ROOT, path) for path in sources}
    tests = {path: digest(ROOT / path) for path in made.entries}
    file = STATE / "outcomes.jsonl"
    known = _read_outcomes(file)
    done: dict[str, Outcome] = {}
    jobs: list[tuple[Mutant, list[str], float, str]] = []
    for mutant in mutants:
        chosen, took = list[str](), 0.0
        for each in made.covering(mutant, lines[mutant.path]):
            if took + each.seconds > seconds:
                break
            chosen.append(each.test)
            took += each.seconds
        # A kill stands as long as its test does; a survivor until any of its tests changes.
        before = known.get(mutant.key)
        if before is not None and before["module"] == digest(ROOT / mutant.path):
            killer = str(before["test"])
            same = (
                tests.get(killer.partition("::")[0]) == before["killer_file"]
                if killer
                else before["tests"] == _tests_key(chosen, tests)
            )
            if same:
                done[mutant.key] = Outcome(mutant, before["outcome"], killer, before["seconds"])
                continue
        if not chosen:
            done[mutant.key] = Outcome(mutant, "uncovered", "", 0.0)
            continue
        jobs.append((mutant, chosen, took, _tests_key(chosen, tests)))
    print(f"{len(mutants)} mutants, {len(done)} of them known; {len(jobs)} to test", flush=True)

    def begin(job: tuple[Mutant, list[str], float, str], tree: Path, slot: int) -> Started:
        mutant, chosen, took, _ = job
        (tree / mutant.path).write_bytes(mutant.apply(sources[mutant.path]))
        (tree / "killer").unlink(missing_ok=True)
        files = list(dict.fromkeys(name.partition("::")[0] for name in chosen))
        return start(
            tree, slot, 60 + 5 * took, [*files, "-x", "-q"], Selected(chosen, tree / "killer"), write_bytecode=False
        )

    def end(job: tuple[Mutant, list[str], float, str], tree: Path, code: int, took: float) -> None:
        mutant, _, _, key = job
        (tree / mutant.path).write_bytes(sources[mutant.path])
        outcome = {0: "survived", 1: "killed", 2: "killed", 4: "killed", -1: "timeout"}.get(code, "broken")
        killer = (tree / "killer").read_text(encoding="utf-8") if (tree / "killer").exists() else ""
        if outcome == "broken":
            print((tree / "mutation.log").read_text(encoding="utf-8")[-1500:])
        done[mutant.key] = Outcome(mutant, outcome, killer, round(took, 1))
        line = {
            "key": mutant.key, "module": digest(ROOT / mutant.path), "outcome": outcome, "test": killer,
            "killer_file": tests.get(killer.partition("::")[0], ""), "tests": key, "seconds": round(took, 1),
            "mutant": asdict(mutant),
        }  # fmt: skip
        with file.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(line) + "\n")
        print(
            f"{len(done)}/{len(mutants)} {outcome} {took:.0f} s {mutant.path}:{mutant.line} {_one_line(mutant)} {killer}",
            flush=True,
        )

    in_parallel(jobs, trees, begin, end)
    return [done[mutant.key] for mutant in mutants]


def _tests_key(chosen: Sequence[str], tests: dict[str, str]) -> str:
    return "".join(sorted({tests[name.partition("::")[0]][:8] for name in chosen}))


def _read_outcomes(file: Path) -> dict[str, dict[str, str | float]]:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        return {}
    return {line["key"]: line for line in map(json.loads, file.read_text(encoding="utf-8").splitlines())}


def _equivalents() -> list[Equivalent]:
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", []) if EQUIVALENT.exists() else []
    return [Equivalent(**each) for each in listed]


# The page


def _one_line(mutant: Mutant) -> str:
    before, after = (" ".join(text.split()) for text in (mutant.before, mutant.after))
    return f"`{before}` -> `{after}`"


def _page(outcomes: Sequence[Outcome], seed: int, equivalents: Sequence[Equivalent]) -> str:
    judged = [each for each in outcomes if not any(known.matches(each.mutant) for known in equivalents)]
    left_out = [each for each in outcomes if each not in judged]
    modules: dict[str, list[Outcome]] = defaultdict(list)
    for each in judged:
        modules[each.mutant.path].append(each)
    lines = [
        "# Mutation score",
        "",
        f"`python -m benchmarks.mutation --seed {seed} --mutants {len(outcomes)}`, {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"**{_score(judged)}** of the mutants are killed.",
        f"{len(left_out)} more change no behaviour and are left out (`benchmarks/equivalent_mutants.toml`).",
        "",
        "| module | killed | of | score |",
        "|---|---|---|---|",
        *(
            f"| `{path}` | {sum(each.caught for each in held)} | {len(held)} | {_percent(held)} |"
            for path, held in sorted(modules.items())
        ),
        "",
        f"Outcomes: {', '.join(f'{name} {count}' for name, count in sorted(Counter(each.outcome for each in judged).items()))}.",
        "",
        "## Survivors",
        "",
        *(
            f"- `{each.mutant.path}:{each.mutant.line}` ({each.mutant.where}, {each.mutant.kind}, {each.outcome}): {_one_line(each.mutant)}"
            for each in judged
            if not each.caught
        ),
        "",
        "## Equivalent mutants in this draw",
        "",
        *(
            f"- `{each.mutant.path}:{each.mutant.line}`: {_one_line(each.mutant)}: "
            + next(known.reason for known in equivalents if known.matches(each.mutant))
            + (" **Yet a test fails.**" if each.outcome == "killed" else "")
            for each in left_out
        ),
        "",
    ]
    return "\n".join(lines)


def _score(held: Sequence[Outcome]) -> str:
    return f"{_percent(held)} ({sum(each.caught for each in held)} of {len(held)})"


def _percent(held: Sequence[Outcome]) -> str:
    return f"{100 * sum(each.caught for each in held) / len(held):.1f} %" if held else "n/a"


if __name__ == "__main__":
    main()
