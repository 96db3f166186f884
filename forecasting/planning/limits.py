"""How fast a floor may change."""

from __future__ import annotations

from collections.abc import Sequence


def limit_changes(
    required: Sequence[int],
    *,
    start: int | None,
    lower: int,
    upper: int | Sequence[int],
    max_increase: int | None,
    max_decrease: int | None,
) -> list[int]:
    """The floors closest to `required` that keep to the limits of change, one element a slot.

    A rise that one slot may not make is begun earlier; only what would have to begin before the first slot is cut. A fall is spread out.
    Both passes are monotone, so a higher requirement never gives a lower floor.

    Args:
        required: Instances wanted per slot.
        start: The floor in force before the first slot; None where nothing is known, so that the first slot is free.
        lower: Never below this: the fleet's floor outranks the limits.
        upper: Never above this, or never above this in the slot: the ceiling outranks them too.
        max_increase: Largest rise from a slot to the next; None for no limit.
        max_decrease: Largest fall from a slot to the next; None for no limit.
    """
    most = [upper] * len(required) if isinstance(upper, int) else upper
    wanted = [min(max(value, lower), top) for value, top in zip(required, most, strict=True)]
    if max_increase is not None:
        for index in range(len(wanted) - 2, -1, -1):
            wanted[index] = min(max(wanted[index], wanted[index + 1] - max_increase), most[index])
    floors: list[int] = []
    before = start
    for value, top in zip(wanted, most, strict=True):
        floor = value
        if before is not None and max_decrease is not None:
            floor = max(floor, before - max_decrease)
        if before is not None and max_increase is not None:
            floor = min(floor, before + max_increase)
        before = min(max(floor, lower), top)
        floors.append(before)
    return floors
