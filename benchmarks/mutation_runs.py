"""Copies of the tree, the map from tests to lines, and test runs in forked processes, for `benchmarks.mutation`.

A run is a fork of this process, which has imported the large libraries already and nothing of the project: that saves seconds a
run. Compiled files in a copy carry the hash of their source, so that two versions of equal size and time are never confused.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import hashlib
import importlib
import json
import os
import py_compile
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutants import Mutant, instrument, statement_lines

PACKAGES = ("forecasting", "elastic_iac", "tests", "benchmarks", "stacks")
_SKIPPED = shutil.ignore_patterns(
    ".git", ".venv*", "out", ".hypothesis", "build", "*.egg-info", "__pycache__", ".pytest_cache"
)
_PRELOADED = (
    "boto3",
    "botocore.session",
    "hypothesis",
    "numpy",
    "pandas",
    "pydantic",
    "requests",
    "rich.table",
    "typer",
    "yaml",
)
_GRACE_SECONDS = 5.0


def preload() -> None:
    """Import what every run needs; none of it starts a thread."""
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def copy_tree(root: Path, folder: Path) -> Path:
    """A copy of the tree whose compiled files are checked by hash."""
    copied = Path(shutil.copytree(root, folder, ignore=_SKIPPED, symlinks=True))
    if (root / ".venvs").exists():  # the emulator's environment
        (copied / ".venvs").symlink_to(root / ".venvs")
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    for package in ("forecasting", "elastic_iac"):
        for path in (copied / package).rglob("*.py"):
            with contextlib.suppress(py_compile.PyCompileError):
                py_compile.compile(str(path), doraise=True, invalidation_mode=mode)
    return copied


# One run


@dataclass
class Started:
    """A run under way: `lines` and `outcomes` files are its own."""

    pid: int
    slot: int
    deadline: float
    began: float


def start(
    tree: Path, slot: int, seconds: float, arguments: Sequence[str], plugin: object, *, write_bytecode: bool
) -> Started:
    """Begin a test run in a fork of this process.

    Args:
        tree: The copy to run in.
        slot: Which of the parallel runs it is.
        seconds: It is ended after this time.
        arguments: Of pytest.
        plugin: A pytest plugin.
        write_bytecode: Leave compiled tests behind.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _run(tree, arguments, plugin, write_bytecode=write_bytecode)
    now = time.monotonic()
    return Started(pid, slot, now + seconds, now)


def _run(tree: Path, arguments: Sequence[str], plugin: object, *, write_bytecode: bool) -> None:
    code = 3
    try:
        os.setpgid(0, 0)
        log = os.open(tree / "mutation.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]
        # The editable install comes after the path, so the copy's packages are found first.
        sys.path[:0] = [str(tree)]
        sys.dont_write_bytecode = not write_bytecode
        os.chdir(tree)
        # Equal examples in every run: Hypothesis draws them from the test alone in CI.
        os.environ |= {"CI": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        how = [
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "-n",
            "0",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]
        code = int(pytest.main([*arguments, *how], plugins=[plugin]))
    except BaseException:  # noqa: BLE001 - the child ends here, whatever happens
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(run: Started) -> int | None:
    """The exit code of a run that has ended, -1 of one that took too long, else None."""
    pid, status = os.waitpid(run.pid, os.WNOHANG)
    if pid:
        _kill(run.pid, signal.SIGKILL)  # what it left behind
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() < run.deadline:
        return None
    _kill(run.pid, signal.SIGINT)
    until = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < until and not os.waitpid(run.pid, os.WNOHANG)[0]:
        time.sleep(0.05)
    _kill(run.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(run.pid, 0)
    return -1


def _kill(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def in_parallel(
    jobs: Iterable[Any],
    trees: Sequence[Path],
    begin: Callable[[Any, Path, int], Started],
    end: Callable[[Any, Path, int, float], None],
) -> None:
    """Run the jobs, one at a time in each tree."""
    waiting, free = iter(jobs), list(range(len(trees)))
    running: list[tuple[Any, Started]] = []
    more = True
    try:
        while more or running:
            while free and more:
                job = next(waiting, None)
                if job is None:
                    more = False
                    break
                slot = free.pop()
                running.append((job, begin(job, trees[slot], slot)))
            time.sleep(0.02)
            for job, run in list(running):
                code = finish(run)
                if code is not None:
                    running.remove((job, run))
                    free.append(run.slot)
                    end(job, trees[run.slot], code, time.monotonic() - run.began)
    finally:
        for _, run in running:
            _kill(run.pid, signal.SIGKILL)


# The map


@dataclass(frozen=True)
class Covering:
    """A test that passes, how long it takes, and the statements it runs, as `path:line`."""

    test: str
    seconds: float
    lines: frozenset[str]


@dataclass
class Map:
    """Which tests run which statements; kept in a file, one entry a test file, as long as neither it nor a module it runs changes."""

    file: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def covering(self, mutant: Mutant, lines: dict[int, int | None]) -> list[Covering]:
        """The tests that run the mutant's statement, fastest first; those that run anything of its module where it is at the top level."""
        line = lines.get(mutant.line)
        found: list[Covering] = []
        for entry in self.entries.values():
            for name, (seconds, covered) in entry["tests"].items():
                mine = [each for each in covered if each.startswith(f"{mutant.path}:")]
                if f"{mutant.path}:{line}" in mine or (line is None and mine):
                    found.append(Covering(name, float(seconds), frozenset(mine)))
        return sorted(found, key=lambda each: (each.seconds, each.test))

    def save(self) -> None:
        """Keep it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.entries), encoding="utf-8")


def digest(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_map(
    root: Path, file: Path, modules: Sequence[str], tests: Sequence[str], trees: Sequence[Path], seconds: float
) -> Map:
    """The map, with what is missing or out of date measured anew on instrumented modules.

    Args:
        root: The checkout.
        file: Its file.
        modules: The modules that are mutated.
        tests: The test files.
        trees: Copies of the checkout.
        seconds: Longest time for a test file; one that takes longer is left out.
    """
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    digests = {module: digest(root / module) for module in modules}
    made = Map(
        file,
        {
            test: entry
            for test, entry in known.items()
            if test in tests and _current(entry, digest(root / test), digests)
        },
    )
    missing = [test for test in tests if test not in made.entries]
    for tree in trees:
        for module in modules:
            (tree / module).write_bytes(instrument(module, (root / module).read_bytes()))

    def begin(test: str, tree: Path, slot: int) -> Started:
        print(f"map: {test}", flush=True)
        return start(tree, slot, seconds, [test, "-q"], Recorder(tree / "covered.json"), write_bytecode=True)

    def end(test: str, tree: Path, code: int, _took: float) -> None:
        found: dict[str, Any] = {}
        if code in {0, 1} and (tree / "covered.json").exists():
            found = json.loads((tree / "covered.json").read_text(encoding="utf-8"))
        else:
            print(f"map: {test}: exit {code}, left out\n{(tree / 'mutation.log').read_text()[-2000:]}", flush=True)
        (tree / "covered.json").unlink(missing_ok=True)
        touched = {line.partition(":")[0] for _, covered in found.values() for line in covered}
        made.entries[test] = {
            "test": digest(root / test),
            "modules": {module: digests[module] for module in sorted(touched & digests.keys())},
            "complete": code in {0, 1},
            "tests": found,
        }
        made.save()

    in_parallel(missing, trees, begin, end)
    for tree in trees:
        for module in modules:
            shutil.copy(root / module, tree / module)
    made.save()
    return made


def _current(entry: dict[str, Any], test: str, digests: dict[str, str]) -> bool:
    return entry["test"] == test and all(
        digests.get(module, known) == known for module, known in entry["modules"].items()
    )


class Recorder:
    """Pytest plugin: the statements that each passing test runs, and its time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._covered: set[str] = set()
        self._passed: dict[str, bool] = {}
        self._found: dict[str, tuple[float, list[str]]] = {}
        vars(builtins)["__covered__"] = self._covered.add

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._covered.clear()
        began = time.monotonic()
        result = yield
        if self._passed.get(item.nodeid) and self._covered:
            self._found[item.nodeid] = (round(time.monotonic() - began, 3), sorted(self._covered))
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._passed[report.nodeid] = report.passed
        elif report.failed:
            self._passed[report.nodeid] = False

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(self._found), encoding="utf-8")


class Selected:
    """Pytest plugin: these tests alone, in this order; the first that fails is written down."""

    def __init__(self, names: Sequence[str], file: Path) -> None:
        self._place = {name: number for number, name in enumerate(names)}
        self._file = file

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._file.exists():
            self._file.write_text(report.nodeid, encoding="utf-8")


def module_lines(root: Path, module: str) -> dict[int, int | None]:
    """See `statement_lines`."""
    return statement_lines((root / module).read_bytes())
