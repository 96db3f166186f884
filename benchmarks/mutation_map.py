"""The map from tests to the statements that they run, for `benchmarks.mutation`.

It is measured once, on instrumented modules, one fork a test file, and kept as long as neither the file nor a module it runs changes.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutants import Mutant, instrument
from benchmarks.mutation_runs import Emulators, Started, copy_tree, in_parallel, in_session, start


@dataclass
class Map:
    """The tests by file, with their seconds and statements (`path:line`)."""

    file: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    _found: dict[str, list[tuple[float, str]]] = field(default_factory=dict[str, list[tuple[float, str]]])

    def covering(self, mutant: Mutant, lines: dict[int, int | None]) -> list[tuple[float, str]]:
        """The tests that run the mutant's statement, with their seconds, fastest first; for one at the top level those that run its module."""
        if not self._found:
            self._index()
        line = lines.get(mutant.line)
        return self._found.get(mutant.path if line is None else f"{mutant.path}:{line}", [])

    def _index(self) -> None:
        for entry in self.entries.values():
            for name, (seconds, covered) in entry["tests"].items():
                for place in {*covered, *(each.partition(":")[0] for each in covered)}:
                    self._found.setdefault(place, []).append((float(seconds), name))
        for tests in self._found.values():
            tests.sort()

    def save(self) -> None:
        """Keep it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.entries), encoding="utf-8")


def digest(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_map(root: Path, folder: Path, file: Path, modules: Sequence[str], tests: Sequence[str], parallel: int) -> Map:
    """The map, with what is missing or out of date measured anew.

    Args:
        root: The checkout.
        folder: Where a copy of it may be made.
        file: The map's file.
        modules: The modules that are mutated.
        tests: The test files.
        parallel: Runs at a time.
    """
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    digests = {module: digest(root / module) for module in modules}
    current = {
        test: entry
        for test, entry in known.items()
        if test in tests and _is_current(entry, digest(root / test), digests)
    }
    missing = [test for test in tests if test not in current]
    if missing:
        setattr(builtins, "__covered__", Covered())  # noqa: B010 - a name that no type stub knows
        tree = copy_tree(root, folder)
        for module in modules:
            (tree / module).write_bytes(instrument(module, (root / module).read_bytes()))
        in_session(
            tree, missing, lambda session: _measure(session, tree, root, digests, missing, Map(file, current), parallel)
        )
        current = json.loads(file.read_text(encoding="utf-8"))
    return Map(file, {test: current[test] for test in tests if test in current})


def _measure(
    session: pytest.Session,
    tree: Path,
    root: Path,
    digests: dict[str, str],
    tests: Sequence[str],
    made: Map,
    parallel: int,
) -> None:
    items = {test: [item for item in session.items if item.nodeid.partition("::")[0] == test] for test in tests}
    results = {test: tree / f"covered-{number}.json" for number, test in enumerate(tests)}

    emulators = Emulators(parallel)

    def begin(test: str, place: int) -> Started:
        def run() -> int:
            emulators.lend(place)
            return _record(session, items[test], results[test])

        return start(1200, run)

    def end(test: str, code: int, took: float) -> None:
        found: dict[str, Any] = json.loads(results[test].read_text(encoding="utf-8")) if results[test].exists() else {}
        print(f"map: {test}: {len(found)} tests, {took:.0f} s{f', exit {code}' if code else ''}", flush=True)
        touched = {line.partition(":")[0] for _, covered in found.values() for line in covered}
        made.entries[test] = {
            "test": digest(root / test),
            "modules": {module: digests[module] for module in sorted(touched & digests.keys())},
            "tests": found,
        }
        made.save()

    in_parallel(tests, parallel, begin, end)
    emulators.stop()


def _is_current(entry: dict[str, Any], test: str, digests: dict[str, str]) -> bool:
    return entry["test"] == test and all(
        digests.get(module, known) == known for module, known in entry["modules"].items()
    )


def _record(session: pytest.Session, items: Sequence[pytest.Item], file: Path) -> int:
    """Run the tests; write down what those that pass have run."""
    covered: set[str] = set()
    getattr(builtins, "__covered__").target = covered  # noqa: B009 - see Covered
    passed: dict[str, bool] = {}

    class Watch:
        """Pytest plugin: how each test ended."""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call" or report.failed:
                passed[report.nodeid] = report.passed

    session.config.pluginmanager.register(Watch())
    found: dict[str, tuple[float, list[str]]] = {}
    for number, item in enumerate(items):
        covered.clear()
        began = time.monotonic()
        following = items[number + 1] if number + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if passed.get(item.nodeid) and covered:
            found[item.nodeid] = (round(time.monotonic() - began, 3), sorted(covered))
        file.write_text(json.dumps(found), encoding="utf-8")
    return 0


class Covered:
    """The function that instrumented modules call: it notes a statement where somebody watches."""

    def __init__(self) -> None:
        self.target: set[str] = set()

    def __call__(self, place: str) -> None:
        self.target.add(place)
