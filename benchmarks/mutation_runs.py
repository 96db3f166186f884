"""Test runs in forked processes, for `benchmarks.mutation`: a session that has imported and collected everything forks once for each mutant.

A mutant of a function replaces the code of that function in the fork, so that a run costs the tests alone. A mutant at the top level
of a module, or in a default value, needs a session of its own on a copy of the tree.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast

import pytest

from benchmarks.mutants import Mutant

PACKAGES = ("forecasting", "elastic_iac", "tests", "benchmarks", "stacks")
_SKIPPED = shutil.ignore_patterns(".git", ".venv*", "out", ".hypothesis", "build", "*.egg-info", "__pycache__")
_GRACE_SECONDS = 5.0
TIMED_OUT = -1
_REGION, _NOWHERE = "us-east-1", "http://127.0.0.1:9"
_Job = TypeVar("_Job")


def copy_tree(root: Path, folder: Path) -> Path:
    """A copy of the tree, with the emulator's environment of the original."""
    copied = Path(shutil.copytree(root, folder, ignore=_SKIPPED, symlinks=True))
    if (root / ".venvs").exists():
        (copied / ".venvs").symlink_to(root / ".venvs")
    return copied


# Sessions


def in_session(tree: Path, arguments: Sequence[str], work: Callable[[pytest.Session], None]) -> None:
    """Collect tests in a fork of this process, then do `work` with the session in place of running them.

    Args:
        tree: The copy of the tree whose packages and tests are imported.
        arguments: Of pytest.
        work: Called once; an exception ends this process too.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            code = _host(tree, arguments, work)
        except BaseException:  # noqa: BLE001 - the fork ends here, whatever happens
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"the tests could not be collected: see {tree / 'mutation.log'}")


def _host(tree: Path, arguments: Sequence[str], work: Callable[[pytest.Session], None]) -> int:
    # pytest prints to a file; what `work` prints goes where it went before.
    told = os.fdopen(os.dup(1), "w", buffering=1)
    log = os.open(tree / "mutation.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
        del sys.modules[name]
    # The editable install comes after the path, so the copy's packages are found first.
    sys.path[:0] = [str(tree)]
    os.chdir(tree)
    # Equal examples in every run: Hypothesis draws them from the test alone in CI. A fork has no use for gRPC's threads.
    os.environ |= {"CI": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GRPC_ENABLE_FORK_SUPPORT": "0"}
    how = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0"]

    class Loop:
        """Pytest plugin: `work` in place of the tests."""

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            if session.testsfailed:
                raise session.Interrupted("not collected")
            with contextlib.redirect_stdout(told):
                work(session)
            return True

    return int(pytest.main([*arguments, *how], plugins=[Loop()]))


# One run in a fork of the session


@dataclass
class Started:
    """A run under way."""

    pid: int
    deadline: float
    began: float


def start(seconds: float, run: Callable[[], int]) -> Started:
    """Begin a run in a fork; its result is the exit code. It is ended after this time."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            os.setpgid(0, 0)
            code = run()
        except BaseException:  # noqa: BLE001 - the fork ends here, whatever happens
            traceback.print_exc()
        finally:
            os._exit(code)
    now = time.monotonic()
    return Started(pid, now + seconds, now)


def finish(run: Started) -> int | None:
    """The exit code of a run that has ended, `TIMED_OUT`, or None as long as it goes on."""
    pid, status = os.waitpid(run.pid, os.WNOHANG)
    if pid:
        _kill(run.pid, signal.SIGKILL)  # what it left behind
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() < run.deadline:
        return None
    _kill(run.pid, signal.SIGINT)
    until = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < until:
        if os.waitpid(run.pid, os.WNOHANG)[0]:
            break
        time.sleep(0.05)
    _kill(run.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(run.pid, 0)
    return TIMED_OUT


def _kill(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def in_parallel(
    jobs: Iterable[_Job],
    parallel: int,
    begin: Callable[[_Job, int], Started],
    end: Callable[[_Job, int, float], None],
) -> None:
    """Run the jobs, so many at a time; `begin` gets the place among these, `end` the exit code and the seconds."""
    waiting, free = iter(jobs), list(range(parallel))
    running: list[tuple[_Job, int, Started]] = []
    more = True
    try:
        while more or running:
            while more and free:
                job = next(waiting, None)
                if job is None:
                    more = False
                else:
                    place = free.pop()
                    running.append((job, place, begin(job, place)))
            time.sleep(0.01)
            for job, place, run in list(running):
                code = finish(run)
                if code is not None:
                    running.remove((job, place, run))
                    free.append(place)
                    end(job, code, time.monotonic() - run.began)
    finally:
        for _, _, run in running:
            _kill(run.pid, signal.SIGKILL)


class Emulators:
    """Emulated AWS, started once in a session and lent to its forks, each of which wipes it before each test.

    Args:
        count: Runs at a time.
    """

    def __init__(self, count: int) -> None:
        self._aws: Any = importlib.import_module("elastic_iac.local.aws")
        self._own: Any = self._aws.Ministack
        self._held: list[Any] = [self._own(_REGION, _NOWHERE, policies=False) for _ in range(count)]

    def lend(self, place: int) -> None:
        """In a fork: let the tests use the emulator of this place. What enforces policies is started anew: it runs functions."""

        def made(region: str, double: str, *, policies: bool) -> Any:
            if policies or region != _REGION:
                return self._own(region, double, policies=policies)
            lent = self._held[place]
            lent.stop = lambda: None
            return lent

        self._aws.Ministack = made

    def stop(self) -> None:
        """End them."""
        for each in self._held:
            each.stop()


class Verdict:
    """Pytest plugin: the first test that fails is written to a file."""

    def __init__(self, file: Path) -> None:
        self.failed = ""
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember and write down the first failure."""
        if report.failed and not self.failed:
            self.failed = report.nodeid
            self._file.write_text(report.nodeid, encoding="utf-8")


def run_tests(session: pytest.Session, items: Sequence[pytest.Item], killer: Path) -> int:
    """Run these tests in this order until one fails; 1 if one did, else 0. Fixtures are torn down."""
    verdict = Verdict(killer)
    session.config.pluginmanager.register(verdict)
    for number, item in enumerate(items):
        following = items[number + 1] if number + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if verdict.failed:
            session._setupstate.teardown_exact(None)  # pyright: ignore[reportPrivateUsage] - what pytest's own loop does
            return 1
    return 0


# Mutants in place


class NotInPlaceError(Exception):
    """The mutant is not within the code of one function."""


def mutate_in_place(mutant: Mutant, source: bytes) -> None:
    """Replace the code of the function that contains the mutant, whoever has imported it.

    Args:
        mutant: The mutant.
        source: The module's source without it.

    Raises:
        NotInPlaceError: it changes no function's code, or one that cannot be found.
    """
    name = mutant.path.removesuffix(".py").replace("/", ".")
    module = importlib.import_module(name)
    changed = compile(mutant.apply(source), str(module.__file__), "exec", dont_inherit=True)
    place: Mapping[str, Any] = vars(module)
    names = mutant.where.split(".")
    for number, part in enumerate(names):
        found = _function_of(place.get(part))
        if found is not None:
            code = _code_of(changed, ".".join(names[: number + 1]))
            if code is None or _same(code, found.__code__) or code.co_freevars != found.__code__.co_freevars:
                raise NotInPlaceError
            found.__code__ = code
            return
        holder = place.get(part)
        if not isinstance(holder, type):
            raise NotInPlaceError
        place = vars(cast("type[object]", holder))
    raise NotInPlaceError


def _function_of(value: object) -> FunctionType | None:
    """The plain function within a method, a property or a decorated function."""
    for name in ("__func__", "fget", "func", "__wrapped__"):
        inner = getattr(value, name, None)
        if inner is not None and not isinstance(value, type | FunctionType):
            return _function_of(inner)
    if isinstance(value, FunctionType):
        wrapped = getattr(value, "__wrapped__", None)
        return _function_of(wrapped) if wrapped is not None else value
    return None


def _code_of(module: CodeType, qualname: str) -> CodeType | None:
    found = [code for code in _codes(module) if code.co_qualname == qualname]
    return found[0] if len(found) == 1 else None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same, wherever their lines are."""
    if (one.co_code, one.co_names, len(one.co_consts)) != (other.co_code, other.co_names, len(other.co_consts)):
        return False
    return all(
        _same(mine, theirs)
        if isinstance(mine, CodeType) and isinstance(theirs, CodeType)
        else repr(mine) == repr(theirs)
        for mine, theirs in zip(one.co_consts, other.co_consts, strict=True)
    )


def any_items(session: pytest.Session, names: Sequence[str]) -> list[Any]:
    """The collected tests of these names, in their order."""
    by_name = {item.nodeid: item for item in session.items}
    return [by_name[name] for name in names if name in by_name]
