"""Whole invocations of one fleet, interleaved at random: `python -m benchmarks.interleavings [--count 20000]`.

Two that start together and a stale one, each with a plan of its own, share a group with AWS's rules and a store with conditional writes, both in
memory. Everything between is the job's own code: claim, lease, intent, fence, writes, read-back, commit. At every call to the store or the group any
of them may be stopped in favour of another, for seconds, for longer than its lease, or for good. One seed gives one interleaving.

What must hold: the group ends with the plan of the highest generation, if that one got through. The documented window is the exception: a process
that is stopped between its fence and its call, for longer than its lease, makes that single write afterwards. The next run mends it, always.
"""

from __future__ import annotations

import argparse
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, cast

from elastic_iac.local.rules import Group, Sizes
from forecasting.history import History
from forecasting.job import Pipeline
from forecasting.models.base import Forecast
from forecasting.run import FleetResult, Run
from forecasting.schedule.actions import GroupState, ScheduledAction, slot_name
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.memory import Memory, Observation
from forecasting.settings import Job, parse_job
from forecasting.store.base import Item
from forecasting.store.ledger import Ledger
from forecasting.store.records import TargetState
from forecasting.targets.aws import AutoScalingTarget
from forecasting.targets.base import Diff
from forecasting.turn import Planner
from tests.stores import MemoryStore

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
SLOTS = 5
BUDGET_SECONDS = 600.0
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

    def __init__(self, world: World, number: int, *, stale: bool = False, mortal: bool = False) -> None:
        self.world = world
        self.turn = threading.Semaphore(0)
        self.over = False
        self.wakes_at = world.now
        self.result: FleetResult | None = None
        self.generation = 0
        self.plan = make_plan(world.dice)
        # Where it is stopped for long, and where for good.
        self._freezes_at = world.dice.randint(1, 40) if stale else 0
        self._dies_at = world.dice.randint(1, 40) if mortal else 0
        self._steps = 0
        self.thread = threading.Thread(target=self._live, args=(number,), daemon=True)

    def _live(self, number: int) -> None:
        self.turn.acquire()
        try:
            pipeline = SmallPipeline(self, f"run-{number}")
            self.result = pipeline.guarded()
            self.generation = pipeline.claim.generation if pipeline.claim else 0
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


def make_plan(dice: random.Random) -> tuple[Slot, ...]:
    """Hours ahead, so that no slot runs meanwhile; which of the starts are used differs, and the last restores the baseline."""
    grid = [NOW + timedelta(hours=3, minutes=15 * number - 7) for number in range(SLOTS)]
    used = [start for start in grid[:-1] if dice.random() < 0.8]
    floors = [*(dice.randint(3, 30) for _ in used), 2]
    return tuple(
        Slot(start, floor, slot_name("prod", start)) for start, floor in zip([*used, grid[-1]], floors, strict=True)
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


class SmallPipeline(Pipeline):
    """The job's pipeline with a plan that is given instead of forecast."""

    def __init__(self, actor: Actor, run_id: str) -> None:
        world, began = actor.world, actor.world.now
        run = Run(
            JOB,
            began,
            run_id=run_id,
            session=cast("Any", object()),
            clock=world.clock,
            time_left=lambda: BUDGET_SECONDS - (world.now - began).total_seconds(),
        )
        vars(run)["store"] = world.store
        super().__init__(run, JOB.fleets[0])
        self.target = MemoryTarget(actor)
        self._actor = actor

    @cached_property
    def ledger(self) -> Ledger:
        world = self._actor.world
        return Ledger(world.store, self.fleet.target_key, clock=world.clock, sleep=self._actor.sleep)

    def _read(self) -> Any:
        return None

    def _history(self, reading: Any) -> Any:
        return reading

    def _forecast(self, history: Any) -> Any:
        return history

    def _score(self, history: History) -> None:
        del history

    def _planner(self, history: History, load: Forecast) -> Any:
        del history, load

    def _schedule(
        self, planner: Planner, group: GroupState, memory: Memory | None
    ) -> tuple[Schedule, Diff, Observation]:
        del planner, memory
        self._actor.generation = self.claim.generation if self.claim else 0
        schedule, seen = Schedule(self._actor.plan), Observation(0, 2)
        diff = self.target.rules.diff(group, schedule, self.run.owners, self.run.clock())
        self._note(schedule=schedule, diff=diff, group=group, observation=seen)
        return schedule, diff, seen


@dataclass
class Counts:
    """What became of many interleavings.

    Attributes:
        outcomes: Invocations by status and code.
        highest_through: Interleavings whose highest generation got through.
        late_writes: Writes that arrived after their lease.
        window: Interleavings where such a write changed the final state.
        lost: Interleavings that ended otherwise than the highest generation planned, without such a write. Must be 0.
        unmended: Interleavings that the next run did not put right. Must be 0.
    """

    interleavings: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    highest_through: int = 0
    late_writes: int = 0
    window: int = 0
    lost: int = 0
    unmended: int = 0


def simulate(count: int, first_seed: int = 0) -> Counts:
    """Play `count` interleavings, from this seed on."""
    counts = Counts()
    for seed in range(first_seed, first_seed + count):
        _one(seed, counts)
    return counts


def _one(seed: int, counts: Counts) -> None:
    world = World(seed)
    world.play([Actor(world, 0)])  # a plan stands
    world.late_writes = 0
    mortal = world.dice.random() < 0.2
    actors = [Actor(world, 1), Actor(world, 2, mortal=mortal), Actor(world, 3, stale=True)]
    if world.dice.random() < 0.5:  # the next scheduled one, which may find the lease of the stale one run out
        actors[0].wakes_at += timedelta(seconds=world.dice.uniform(0, STALE_SECONDS))
    world.play(actors)
    counts.interleavings += 1
    counts.late_writes += world.late_writes
    for actor in actors:
        result = actor.result
        counts.outcomes["killed" if result is None else f"{result.status} {result.code}".strip()] += 1
    highest = max(actors, key=lambda actor: actor.generation)
    if highest.result is not None and highest.result.ok:
        counts.highest_through += 1
        if _standing(world) != _planned(highest):
            counts.window += bool(world.late_writes)
            counts.lost += not world.late_writes
    world.now += timedelta(seconds=BUDGET_SECONDS)  # whatever lease a dead one holds
    mender = Actor(world, 4)
    world.play([mender])
    counts.unmended += mender.result is None or not mender.result.ok or _standing(world) != _planned(mender)


def _standing(world: World) -> dict[str, int | None]:
    return {name: action.min_size for name, action in world.group.actions.items()}


def _planned(actor: Actor) -> dict[str, int | None]:
    return {slot.name: slot.floor for slot in actor.plan}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts = simulate(options.count, options.seed)
    print(f"{counts.interleavings} interleavings of two invocations and a stale one")
    print(f"  invocations: {', '.join(f'{number} {outcome}' for outcome, number in counts.outcomes.most_common())}")
    print(f"  the highest generation got through in {counts.highest_through}")
    print(
        f"  writes that arrived after their lease: {counts.late_writes}; final states that they changed: {counts.window}"
    )
    print(f"  updates lost otherwise: {counts.lost}; final states that the next run did not mend: {counts.unmended}")
    if counts.lost or counts.unmended:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
