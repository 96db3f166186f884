"""The world of `benchmarks.interleavings`: a clock, a store and a group in memory, and actors that take turns at every call."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, cast

import pandas as pd

from elastic_iac.local.rules import Group, Sizes
from forecasting.history import History
from forecasting.job import Pipeline
from forecasting.leadtime.launches import Launches, Watch
from forecasting.models.base import Forecast
from forecasting.planning.base import Plan
from forecasting.run import FleetResult, Kind, Run
from forecasting.schedule.actions import GroupState, ScheduledAction, slot_name
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.memory import Memory, Observation
from forecasting.settings import Job, parse_job
from forecasting.shortlead.features import LEVELS
from forecasting.shortrun import ShortRun
from forecasting.store.base import Item
from forecasting.store.basis import Basis, Quantiles, Series
from forecasting.store.ledger import Ledger
from forecasting.store.records import TargetState
from forecasting.targets.aws import AutoScalingTarget
from forecasting.targets.base import Diff
from forecasting.turn import Planner, Turn
from tests.stores import MemoryStore

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
FIRST = NOW + timedelta(hours=2, minutes=53)
"""Hours ahead, so that no slot runs meanwhile."""

SLOTS = 5
BUDGET_SECONDS = 600.0
SHORT_SECONDS = 300.0
STALE_SECONDS = 1500.0
JOB: Job = parse_job(
    {
        "name": "job",
        "owner": "prod",
        "fleets": [
            {
                "name": "web",
                "cloud": "aws",
                "target": {"region": "us-east-1", "group_name": "web"},
                "source": {"kind": "file", "path": "none.csv"},
                "load_per_instance": 10,
                "floor": 2,
                "ceiling": 40,
            }
        ],
    }
)


class Killed(BaseException):
    """The process is gone."""


class World:
    """The clock, the store, the group, and whose turn it is."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a simulation
        self.now = NOW
        self.store = SteppedStore(self)
        self.group = Group("web", "us-east-1", Sizes(2, 60, 2))
        self.late_writes = 0
        self.actors: list[Actor] = []
        self._idle = threading.Semaphore(0)

    def clock(self) -> datetime:
        return self.now

    def play(self, actors: list[Actor]) -> None:
        """Give turns until all are through."""
        self.actors = actors
        for actor in actors:
            actor.thread.start()
        while waiting := [actor for actor in actors if not actor.over]:
            awake = [actor for actor in waiting if actor.wakes_at <= self.now]
            if not awake:
                self.now = min(actor.wakes_at for actor in waiting)
                continue
            self.now += timedelta(seconds=self.dice.expovariate(1))
            actor = self.dice.choice(awake)
            actor.turn.release()
            self._idle.acquire()

    def yield_turn(self) -> None:
        self._idle.release()


class Actor:
    """One invocation, in a thread that runs only in its turns."""

    def __init__(
        self, world: World, number: int, kind: Kind = "full", *, stale: bool = False, mortal: bool = False
    ) -> None:
        self.world = world
        self.kind: Kind = kind
        self.turn = threading.Semaphore(0)
        self.over = False
        self.wakes_at = world.now
        self.result: FleetResult | None = None
        self.generation = 0
        # What it plans, and from how much time: a full run may have served others before.
        self.plan = make_plan(world.dice)
        self.needed = world.dice.randint(3, 30)
        self.seconds = SHORT_SECONDS if kind == "short" else BUDGET_SECONDS * world.dice.choice((1, 1, 0.1))
        self.planned: tuple[Slot, ...] = ()
        # Where it is stopped for long, and where for good.
        self._freezes_at = world.dice.randint(1, 40) if stale else 0
        self._dies_at = world.dice.randint(1, 40) if mortal else 0
        self._steps = 0
        self.thread = threading.Thread(target=self._live, args=(number,), daemon=True)

    def _live(self, number: int) -> None:
        self.turn.acquire()
        try:
            turn = (SmallPipeline if self.kind == "full" else SmallShortRun)(self, f"run-{number}")
            self.result = turn.guarded()
            self.generation = turn.claim.generation if turn.claim else 0
        except Killed:
            pass
        finally:
            self.over = True
            self.world.yield_turn()

    def step(self) -> None:
        """Somebody else may go first."""
        self._steps += 1
        if self._steps == self._freezes_at:
            self.wakes_at = self.world.now + timedelta(seconds=self.world.dice.uniform(1, STALE_SECONDS))
        self.world.yield_turn()
        self.turn.acquire()
        if self._steps == self._dies_at:
            raise Killed

    def sleep(self, seconds: float) -> None:
        self.wakes_at = self.world.now + timedelta(seconds=seconds)
        self.step()


def make_plan(dice: random.Random) -> Plan:
    """Steps of a quarter of an hour."""
    index = pd.date_range(FIRST, periods=SLOTS - 1, freq="15min")
    floor = pd.Series([dice.randint(3, 8) for _ in index], index=index)
    return Plan(floor=floor, need=floor, load=floor.astype(float), baseline=2)


def slots_of(plan: Plan) -> tuple[Slot, ...]:
    """A slot where the floor changes, so that plans differ in their starts too; the last one restores the baseline."""
    starts: list[datetime] = [stamp.to_pydatetime() for stamp in pd.DatetimeIndex(plan.floor.index)]
    levels = [*plan.floor.tolist(), plan.baseline]
    return tuple(
        Slot(start, level, slot_name("prod", start))
        for start, level, before in zip(
            [*starts, starts[-1] + timedelta(minutes=15)], levels, [None, *levels[:-1]], strict=True
        )
        if level != before
    )


def current(world: World) -> Actor:
    """Whose turn it is."""
    return next(actor for actor in world.actors if actor.thread is threading.current_thread())


class SteppedStore:
    """A store in memory where others may go first at each call."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = MemoryStore()
        self.items = self._store.items

    def get(self, key: str) -> Item | None:
        current(self._world).step()
        return self._store.get(key)

    def put(self, key: str, body: bytes, *, if_version: str | None) -> str:
        current(self._world).step()
        return self._store.put(key, body, if_version=if_version)

    def keys(self, prefix: str) -> list[str]:
        return self._store.keys(prefix)

    def delete(self, key: str) -> None:
        current(self._world).step()
        self._store.delete(key)


class MemoryTarget(AutoScalingTarget):
    """The group with AWS's rules, without AWS."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(JOB.fleets[0], cast("Any", object()))
        self._actor = actor

    def read(self) -> GroupState:
        self._actor.step()
        group = self._actor.world.group
        actions = [ScheduledAction(each.name, each.start, each.min_size) for each in group.actions.values()]
        return GroupState(group.sizes.minimum, group.sizes.maximum, group.sizes.desired, tuple(actions))

    def launches(self, watch: Watch | None, now: datetime) -> Launches:
        """None: the group is all minimum."""
        return Launches(watch or Watch(), (), None, 0, to_answer=False)

    def put(self, slot: Slot) -> None:
        asked = {"ScheduledActionName": slot.name, "StartTime": slot.start, "MinSize": slot.floor}
        self._write(lambda group: group.put(asked, self._actor.world.now))

    def delete(self, name: str) -> None:
        self._write(lambda group: group.actions.pop(name, None))

    def _write(self, change: Callable[[Group], object]) -> None:
        """The fence has been asked; here the process may be stopped before its call arrives."""
        self._actor.step()
        world = self._actor.world
        (key,) = [key for key in world.store.items if key.endswith("state.json")]
        lease = TargetState.from_bytes(key, world.store.items[key]).lease
        if lease is None or lease.generation != self._actor.generation or lease.until <= world.now:
            world.late_writes += 1
        change(world.group)


class Small(Turn):
    """A turn of the job with a plan that is given instead of forecast."""

    def __init__(self, actor: Actor, run_id: str) -> None:
        world, began = actor.world, actor.world.now
        run = Run(
            JOB,
            began,
            run_id=run_id,
            session=cast("Any", object()),
            clock=world.clock,
            time_left=lambda: actor.seconds - (world.now - began).total_seconds(),
        )
        vars(run)["store"] = world.store
        super().__init__(run, JOB.fleets[0])
        self.target = MemoryTarget(actor)
        self._actor = actor

    @cached_property
    def ledger(self) -> Ledger:
        world = self._actor.world
        return Ledger(world.store, self.fleet.target_key, clock=world.clock, sleep=self._actor.sleep)

    def _schedule(
        self, planner: Planner, group: GroupState, memory: Memory | None
    ) -> tuple[Schedule, Diff, Observation]:
        del memory
        self._actor.generation = self.claim.generation if self.claim else 0
        plan = planner(group.min_size)
        schedule, seen = Schedule(slots_of(plan)), Observation(0, 2)
        diff = self.target.rules.diff(group, schedule, self.run.owners, self.run.clock())
        self._actor.planned = schedule.slots
        self._note(plan=plan, schedule=schedule, diff=diff, group=group, observation=seen)
        return schedule, diff, seen


class SmallPipeline(Small, Pipeline):
    """A full run."""

    def _read(self) -> Any:
        return None

    def _history(self, reading: Any) -> Any:
        return reading

    def _trusted(self, own: Any) -> Any:
        return own

    def _choose(self, history: History) -> None:
        del history

    def _forecast(self, history: Any) -> Any:
        return history

    def _score(self, history: History) -> None:
        del history

    def _needed(self, reading: Any, load: Forecast) -> int | None:
        del reading, load
        return None

    def _planner(self, history: History, load: Forecast, needed: int | None) -> Planner:
        del history, load, needed
        return lambda _in_force: self._actor.plan

    def _leave_basis(self) -> None:
        assert self.claim
        self.ledger.leave_basis(basis_of(self._actor.plan, self.claim.generation, self.run.now))


class SmallShortRun(Small, ShortRun):
    """A short run, whose need is given: it sets the first slot of the basis to it."""

    def _needed(self, basis: Basis) -> int | None:
        del basis
        return self._actor.needed

    def _planner(self, basis: Basis, needed: int | None) -> Planner:
        plan = super()._planner(basis, None)(0)
        plan.floor.iloc[0] = max(needed or 0, plan.floor.iloc[0] if self.raise_only else 0)
        return lambda _in_force: plan


def basis_of(plan: Plan, generation: int, now: datetime) -> Basis:
    """What a full run leaves of its plan."""
    nothing = Quantiles(start=FIRST, step_minutes=15, levels=tuple((0.0, 0.0) for _ in LEVELS))
    floors = Series.of(plan.floor.astype(float))
    return Basis(
        generation=generation,
        made_at=now,
        floors=floors,
        baseline=plan.baseline,
        raise_only=False,
        quantiles=nothing,
    )
