"""Mutation score of the modules that decide what is written: `python -m benchmarks.mutation --seed 1`.

    python -m benchmarks.mutation --seed 1 [--mutants 300] [--paths forecasting/schedule] [--parallel 2] [--seconds 40] [--out FILE]

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
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutants import ASSERTION, Mutant, find_mutants, statement_lines
from benchmarks.mutation_map import Map, digest, make_map
from benchmarks.mutation_runs import (
    TIMED_OUT,
    Emulators,
    NotInPlaceError,
    Started,
    any_items,
    copy_tree,
    in_parallel,
    in_session,
    mutate_in_place,
    run_tests,
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
    line: str = ""

    def matches(self, mutant: Mutant) -> bool:
        """Whether this is the mutant, wherever in the function it is now; `line` is a part of its line where the rest is not enough."""
        if (
            self.line
            and self.line not in (ROOT / mutant.path).read_text(encoding="utf-8").splitlines()[mutant.line - 1]
        ):
            return False
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
        "--seconds", type=float, default=40.0, help="of tests for each mutant, by their own measured times"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "mutation.md")
    asked = parser.parse_args(arguments)
    modules = _modules(asked.paths)
    drawn = _draw(
        [mutant for path in modules for mutant in find_mutants(path, (ROOT / path).read_bytes())],
        asked.seed,
        asked.mutants,
    )
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        every = _modules([])
        made = make_map(ROOT, Path(folder) / "map", STATE / "map.json", every, _test_files(), asked.parallel)
        outcomes = _Campaign(drawn, made, Path(folder), asked.parallel, asked.seconds).run()
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


@dataclass(frozen=True)
class _Job:
    """A mutant, the tests it is put to, and the seconds they take without it."""

    mutant: Mutant
    tests: tuple[str, ...]
    seconds: float


_OUTCOMES = {0: "survived", 1: "killed", TIMED_OUT: "timeout"}
_NOT_IN_PLACE = 9


class _Campaign:
    """Every drawn mutant put to its tests; what is known from an earlier run is not run again."""

    def __init__(self, mutants: Sequence[Mutant], made: Map, folder: Path, parallel: int, seconds: float) -> None:
        self.mutants = mutants
        self.sources = {mutant.path: (ROOT / mutant.path).read_bytes() for mutant in mutants}
        self.digests = {path: digest(ROOT / path) for path in (*self.sources, *made.entries)}
        self.folder, self.parallel, self.seconds = folder, parallel, seconds
        self.done: dict[str, Outcome] = {}
        self.file = STATE / "outcomes.jsonl"
        self.jobs = self._jobs(made)

    def run(self) -> list[Outcome]:
        """The outcome of each mutant, in the order of the mutants."""
        print(f"{len(self.mutants)} mutants, {len(self.done)} of them known; {len(self.jobs)} to test", flush=True)
        if self.jobs:
            tree = copy_tree(ROOT, self.folder / "tree")
            files = sorted({name.partition("::")[0] for job in self.jobs for name in job.tests})
            in_session(tree, files, lambda session: self._in_place(session, self.jobs))
            self.jobs = [job for job in self.jobs if job.mutant.key not in self._known()]
            for job in self.jobs:
                self._in_a_session_of_its_own(job, tree)
            self._take_known()
        return [self.done[mutant.key] for mutant in self.mutants]

    def _jobs(self, made: Map) -> list[_Job]:
        known = self._known()
        lines = {path: statement_lines(source) for path, source in self.sources.items()}
        jobs: list[_Job] = []
        for mutant in self.mutants:
            chosen, took = list[str](), 0.0
            for needed, test in made.covering(mutant, lines[mutant.path]):
                if chosen and took + needed > self.seconds:
                    break
                chosen.append(test)
                took += needed
            before = known.get(mutant.key)
            if before is not None and self._stands(before, chosen):
                self._take(mutant, before)
            elif not chosen:
                self.done[mutant.key] = Outcome(mutant, "uncovered", "", 0.0)
            else:
                jobs.append(_Job(mutant, tuple(chosen), took))
        random.Random(len(jobs)).shuffle(jobs)  # noqa: S311 - so that an interrupted run is a fair sample
        return jobs

    def _stands(self, before: Mapping[str, Any], chosen: Sequence[str]) -> bool:
        """A kill stands as long as its test does, a survivor until any of its tests changes, both until the module changes."""
        if before["module"] != self.digests[before["mutant"]["path"]]:
            return False
        if before["test"]:
            return before["tests"] == self._tests_key([before["test"]])
        return before["outcome"] == "timeout" or before["tests"] == self._tests_key(chosen)

    def _tests_key(self, names: Sequence[str]) -> str:
        return "".join(sorted({self.digests.get(name.partition("::")[0], "")[:8] for name in names}))

    def _in_place(self, session: pytest.Session, jobs: Sequence[_Job]) -> None:
        killers = {job.mutant.key: self.folder / f"killer-{job.mutant.key}" for job in jobs}
        count, emulators = len(self.done), Emulators(self.parallel)

        def run(job: _Job, place: int) -> int:
            emulators.lend(place)
            try:
                mutate_in_place(job.mutant, self.sources[job.mutant.path])
            except NotInPlaceError:
                return _NOT_IN_PLACE
            return run_tests(session, any_items(session, job.tests), killers[job.mutant.key])

        def begin(job: _Job, place: int) -> Started:
            return start(30 + 4 * job.seconds, lambda: run(job, place))

        def end(job: _Job, code: int, took: float) -> None:
            nonlocal count
            if code == _NOT_IN_PLACE:
                return
            count += 1
            self._keep(job, _OUTCOMES.get(code, "broken"), killers[job.mutant.key], took, count)

        in_parallel(jobs, self.parallel, begin, end)
        emulators.stop()

    def _in_a_session_of_its_own(self, job: _Job, tree: Path) -> None:
        """On the mutated source; a module that cannot be imported is a kill."""
        path, killer = tree / job.mutant.path, self.folder / f"killer-{job.mutant.key}"
        path.write_bytes(job.mutant.apply(self.sources[job.mutant.path]))
        began, outcomes = time.monotonic(), self.folder / "outcome"

        def work(session: pytest.Session) -> None:
            def end(_job: _Job, code: int, _took: float) -> None:
                outcomes.write_text(_OUTCOMES.get(code, "broken"), encoding="utf-8")

            def begin(job: _Job, _place: int) -> Started:
                return start(30 + 4 * job.seconds, lambda: run_tests(session, any_items(session, job.tests), killer))

            in_parallel([job], 1, begin, end)

        outcome = "killed"
        with suppress(SystemExit):
            in_session(tree, sorted({name.partition("::")[0] for name in job.tests}), work)
            outcome = outcomes.read_text(encoding="utf-8")
        path.write_bytes(self.sources[job.mutant.path])
        known = self._known()
        count = sum(mutant.key in known for mutant in self.mutants) + 1
        self._keep(job, outcome, killer, time.monotonic() - began, count)

    def _keep(self, job: _Job, outcome: str, killer: Path, took: float, count: int) -> None:
        mutant, test = job.mutant, killer.read_text(encoding="utf-8") if killer.exists() else ""
        line = {
            "key": mutant.key,
            "module": self.digests[mutant.path],
            "outcome": outcome,
            "test": test,
            "tests": self._tests_key([test] if test else job.tests),
            "seconds": round(took, 1),
            "mutant": asdict(mutant),
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(line) + "\n")
        place = f"{mutant.path}:{mutant.line}"
        print(f"{count}/{len(self.mutants)} {outcome} {took:.0f} s {place} {_one_line(mutant)} {test}", flush=True)

    def _known(self) -> dict[str, dict[str, Any]]:
        if not self.file.exists():
            return {}
        return {line["key"]: line for line in map(json.loads, self.file.read_text(encoding="utf-8").splitlines())}

    def _take_known(self) -> None:
        known = self._known()
        for mutant in self.mutants:
            if mutant.key not in self.done:
                self._take(mutant, known[mutant.key])

    def _take(self, mutant: Mutant, line: Mapping[str, Any]) -> None:
        self.done[mutant.key] = Outcome(mutant, str(line["outcome"]), str(line["test"]), float(line["seconds"]))


def _equivalents() -> list[Equivalent]:
    if not EQUIVALENT.exists():
        return []
    listed: list[dict[str, str]] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    return [Equivalent(**each) for each in listed]


# The page


def _one_line(mutant: Mutant) -> str:
    before, after = (" ".join(text.split()) for text in (mutant.before, mutant.after))
    return f"`{before}` -> `{after}`"


def _page(outcomes: Sequence[Outcome], seed: int, equivalents: Sequence[Equivalent]) -> str:
    counted = [each for each in outcomes if each.mutant.kind != ASSERTION]
    judged = [each for each in counted if not any(known.matches(each.mutant) for known in equivalents)]
    left_out = [each for each in counted if each not in judged]
    modules: dict[str, list[Outcome]] = defaultdict(list)
    for each in judged:
        modules[each.mutant.path].append(each)
    lines = [
        "# Mutation score",
        "",
        f"`python -m benchmarks.mutation --seed {seed} --mutants {len(outcomes)}`, {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"**{_score(judged)}** of the mutants are killed.",
        f"{len(left_out)} more change no behaviour and are left out (`benchmarks/equivalent_mutants.toml`),",
        f"as are {len(outcomes) - len(counted)} that only drop `strict=True`, a check of the program's own.",
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
