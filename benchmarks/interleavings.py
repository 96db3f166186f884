"""Whole invocations of one fleet, interleaved at random: `python -m benchmarks.interleavings [--count 20000]`.

Two that start together and a stale one share a group with AWS's rules and a store with conditional writes, both in memory. Each is a full run with a
plan of its own, or a short one with a need of its own for the next slot. Everything between is the job's own code: basis, claim, lease, intent,
fence, writes, read-back, commit. At every call to the store or the group any of them may be stopped in favour of another, for seconds, for longer
than its lease, or for good; a full run may come to the group with little of its time left. One seed gives one interleaving.

What must hold: the group ends with the plan of the highest generation, if that one got through, and a short one's is the newest full plan but for the
next slot. The documented window is the exception: a process that is stopped between its fence and its call, for longer than its lease, makes that
single write afterwards. The next run mends it, full or short, always.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from benchmarks.interleaved import (
    BUDGET_SECONDS,
    FIRST,
    SLOTS,
    STALE_SECONDS,
    Actor,
    World,
    slots_of,
)
from forecasting.run import Kind
from forecasting.schedule.base import Slot


@dataclass
class Counts:
    """What became of many interleavings.

    Attributes:
        outcomes: Invocations by kind, status and code.
        highest_through: Interleavings whose highest generation got through.
        shorts_through: Those among them where that was a short run.
        late_writes: Writes that arrived after their lease.
        window: Interleavings where such a write changed the final state.
        lost: Interleavings that ended otherwise than the highest generation planned, without such a write. Must be 0.
        undone: Interleavings in which a short run that got through left slots of an older full plan than the newest written one. Must be 0.
        unmended: Interleavings that the next run did not put right. Must be 0.
    """

    interleavings: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    highest_through: int = 0
    shorts_through: int = 0
    late_writes: int = 0
    window: int = 0
    lost: int = 0
    undone: int = 0
    unmended: int = 0


def simulate(count: int, first_seed: int = 0) -> Counts:
    """Play `count` interleavings, from this seed on."""
    counts = Counts()
    for seed in range(first_seed, first_seed + count):
        _one(seed, counts)
    return counts


def _one(seed: int, counts: Counts) -> None:
    world = World(seed)
    first = Actor(world, 0)
    first.seconds = BUDGET_SECONDS
    world.play([first])  # a plan stands
    world.now += timedelta(seconds=BUDGET_SECONDS)
    world.late_writes = 0
    kinds: list[Kind] = [world.dice.choice(("full", "short")) for _ in range(3)]
    mortal = world.dice.random() < 0.2
    actors = [
        Actor(world, 1, kinds[0]),
        Actor(world, 2, kinds[1], mortal=mortal),
        Actor(world, 3, kinds[2], stale=True),
    ]
    if world.dice.random() < 0.5:  # the next scheduled one, which may find the lease of the stale one run out
        actors[0].wakes_at += timedelta(seconds=world.dice.uniform(0, STALE_SECONDS))
    world.play(actors)
    counts.interleavings += 1
    counts.late_writes += world.late_writes
    for actor in actors:
        result = actor.result
        outcome = "killed" if result is None else f"{result.status} {result.code}".strip()
        counts.outcomes[f"{actor.kind} {outcome}"] += 1
    highest = max([first, *actors], key=lambda actor: actor.generation)
    if highest.result is not None and highest.result.ok:
        counts.highest_through += 1
        counts.shorts_through += highest.kind == "short"
        if _standing(world) != _planned(highest.planned):
            counts.window += bool(world.late_writes)
            counts.lost += not world.late_writes
        elif highest.kind == "short":
            counts.undone += _far(highest.planned) not in _newest_far([first, *actors])
    world.now += timedelta(seconds=BUDGET_SECONDS)  # whatever lease a dead one holds
    mender = Actor(world, 4, world.dice.choice(("full", "short")))
    mender.seconds = BUDGET_SECONDS
    world.play([mender])
    mended = mender.result is not None and mender.result.ok and _standing(world) == _planned(mender.planned)
    if mender.kind == "short":
        mended &= _far(mender.planned) in _newest_far([first, *actors])
    counts.unmended += not mended


def _standing(world: World) -> dict[str, int | None]:
    return {name: action.min_size for name, action in world.group.actions.items()}


def _planned(slots: tuple[Slot, ...]) -> dict[str, int | None]:
    return {slot.name: slot.floor for slot in slots}


def _far(slots: tuple[Slot, ...]) -> list[int]:
    """What holds in each quarter of an hour from the second on."""
    starts = [FIRST + timedelta(minutes=15 * number) for number in range(1, SLOTS)]
    return [next(slot.floor for slot in reversed(slots) if slot.start <= start) for start in starts]


def _newest_far(actors: list[Actor]) -> list[list[int]]:
    """The plans that a short run may leave: the newest one that a full run got through with, or one that died or was stopped after it."""
    fulls = [actor for actor in actors if actor.kind == "full" and actor.generation]
    newest = max(actor.generation for actor in fulls if actor.result is not None and actor.result.ok)
    return [_far(slots_of(actor.plan)) for actor in fulls if actor.generation >= newest]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts = simulate(options.count, options.seed)
    print(f"{counts.interleavings} interleavings of two invocations and a stale one, full and short")
    print(f"  invocations: {', '.join(f'{number} {outcome}' for outcome, number in counts.outcomes.most_common())}")
    print(
        f"  the highest generation got through in {counts.highest_through}, a short run in {counts.shorts_through} of them"
    )
    print(
        f"  writes that arrived after their lease: {counts.late_writes}; final states that they changed: {counts.window}"
    )
    print(
        f"  updates lost otherwise: {counts.lost}; full plans undone by a short run: {counts.undone};"
        f" final states that the next run did not mend: {counts.unmended}"
    )
    if counts.lost or counts.undone or counts.unmended:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
