"""The runs of the league: a load and a policy each, cached by content, in parallel, resumable.

A cached result is named by the digest of everything that it depends on: the load file, the code of
the product, of the harness and of the policy, and the number of days. A run that was interrupted
goes on with what is missing.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.league.loads import Load, problem_of
from benchmarks.league.policy import REGISTRY, Policy, Problem, with_forecasts
from forecasting.backtest.walk import Origin, walk
from forecasting.replay import Case, DayTotals, replay

ROOT = Path(__file__).resolve().parents[2]
HARNESS = ("policy.py", "loads.py", "jobs.py")
T = TypeVar("T")

# Imported for what it does: the policies register themselves.
import_module("benchmarks.league.policies")


@dataclass(frozen=True, eq=False)
class Outcome:
    """All settings of a policy on a load.

    Attributes:
        settings: Startup time (minutes), knob and target of each column.
        days: Sums per day and setting.
        seconds: Processor time that the policy and its simulation took.
    """

    settings: tuple[tuple[float, str, float | None], ...]
    days: DayTotals
    seconds: float

    def columns(self, startup: float) -> list[int]:
        """Columns at a startup time."""
        return [column for column, setting in enumerate(self.settings) if setting[0] == startup]


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        loads: The loads.
        policies: Keys of the policies.
        days: Newest days that are simulated.
        folder: Of the cache.
        processes: Worker processes.
        order: Seed of the order of the runs; the results do not depend on it.
    """

    loads: tuple[Load, ...]
    policies: tuple[str, ...]
    days: int
    folder: Path
    processes: int = 2
    order: int = 0


def run_all(plan: Plan, report: Callable[[str], None]) -> dict[tuple[str, str], Outcome]:
    """Run what is missing; returns the outcomes by (load, policy).

    Args:
        plan: What is run.
        report: Called with a line of progress after each run.
    """
    _in_parallel(plan, [(load, "") for load in plan.loads], report)
    pairs = [(load, policy) for load in plan.loads for policy in plan.policies]
    _in_parallel(plan, pairs, report)
    return {(load.name, policy): run_one(load, policy, plan.days, plan.folder) for load, policy in pairs}


def _in_parallel(plan: Plan, pairs: Sequence[tuple[Load, str]], report: Callable[[str], None]) -> None:
    missing = [(load, policy) for load, policy in pairs if not _path(load, policy, plan.days, plan.folder).is_file()]
    random.Random(plan.order).shuffle(missing)  # noqa: S311 - an order, not a secret
    joblib: Any = import_module("joblib")
    # A batch of one: a run is saved as soon as it is done.
    workers = joblib.Parallel(plan.processes, batch_size=1, return_as="generator_unordered")
    calls = (joblib.delayed(_fill)(load, policy, plan.days, plan.folder) for load, policy in missing)
    for done, line in enumerate(workers(calls), start=1):
        report(f"{done}/{len(missing)} {line}")


def _fill(load: Load, policy: str, days: int, folder: Path) -> str:
    """Run one pair (an empty policy: the product's forecasts) into the cache; a line of progress."""
    begun = time.process_time()
    if policy:
        run_one(load, policy, days, folder)
    else:
        _forecasts(load, days, folder)
    return f"{load.name} {policy or 'forecasts'} {time.process_time() - begun:.1f} s"


def run_one(load: Load, key: str, days: int, folder: Path) -> Outcome:
    """A policy on a load, from the cache if it is there."""
    return _cached(_path(load, key, days, folder), lambda: _outcome(load, key, days, folder))


def problem_with_forecasts(load: Load, days: int, folder: Path) -> Problem:
    """A load with the product's forecasts."""
    return with_forecasts(problem_of(load, days), _forecasts(load, days, folder))


def _forecasts(load: Load, days: int, folder: Path) -> list[Origin]:
    def made() -> list[Origin]:
        problem = problem_of(load, days)
        return walk(problem.reading, problem.origins, problem.settings.walk)

    return _cached(_path(load, "", days, folder), made)


def _outcome(load: Load, key: str, days: int, folder: Path) -> Outcome:
    begun = time.process_time()
    problem = problem_with_forecasts(load, days, folder)
    settings = list(REGISTRY[key].settings(problem))
    base = problem.settings.provider
    cases = [
        Case(
            f"{number}",
            replace(
                base,
                boot_seconds=setting.startup_minutes * 60,
                action_jitter_minutes=setting.jitter_minutes,
            ),
            setting.minimum,
            setting.target,
            problem.fleet.ceiling,
        )
        for number, setting in enumerate(settings)
    ]
    names = tuple((setting.startup_minutes, setting.knob, setting.target) for setting in settings)
    return Outcome(names, _totals(problem, cases), time.process_time() - begun)


def _totals(problem: Problem, cases: list[Case]) -> DayTotals:
    """Sums per day; empty if the policy has no setting on this load."""
    if not cases:
        return DayTotals(*(np.empty((0, 0)) for _ in fields(DayTotals)))
    return replay(problem.load, problem.fleet.load_per_instance, cases).days


def _cached(path: Path, make: Callable[[], T]) -> T:
    if path.is_file():
        kept: T = pickle.loads(path.read_bytes())  # noqa: S301 - written by the lines below on this machine
        return kept
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{random.getrandbits(48):x}")
    partial.write_bytes(pickle.dumps(made))
    partial.replace(path)
    return made


def _path(load: Load, key: str, days: int, folder: Path) -> Path:
    parts = [load.digest, f"{days}", _code(), key, platform.machine(), np.__version__]
    if key:
        parts.append(_policy_digest(key))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
    return folder / load.name / f"{key or 'forecasts'}-{digest}.pickle"


@cache
def _code() -> str:
    """Digest of the product and of the harness."""
    here = Path(__file__).parent
    files = sorted((ROOT / "forecasting").rglob("*.py")) + [here / name for name in HARNESS]
    return _digest(files)


@cache
def _policy_digest(key: str) -> str:
    """Digest of a policy: its module and its settings."""
    policy = REGISTRY[key]
    values = {field: value for field, value in vars(policy).items() if field != "differences"}
    functions = [value for value in values.values() if callable(value)]
    modules = {type(policy).__module__, *(function.__module__ for function in functions)}
    files = sorted(Path(str(import_module(name).__file__)) for name in modules)
    plain = {field: value for field, value in values.items() if not callable(value)}
    return hashlib.sha256(f"{_digest(files)}{sorted(plain.items())}".encode()).hexdigest()


def _digest(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        found.update(path.name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def policies_of(keys: Sequence[str]) -> list[Policy]:
    """The policies, in the order of the registry."""
    return [policy for key, policy in REGISTRY.items() if key in keys]
