"""Sizes of a group."""

from dataclasses import dataclass
from operator import itemgetter

from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from forecasting.errors import SettingsError


@dataclass(frozen=True)
class Sizes:
    """Minimum, maximum, and desired size at creation."""

    minimum: Value[int]
    maximum: Value[int]
    desired: Value[int] = 0


def ordered_sizes(
    minimum: Value[int], maximum: Value[int], problems: Problems, at: str = "", desired: Value[int] | None = None
) -> Sizes:
    """The sizes, refused out of order: now if all are at hand, else when they are known."""

    def in_order(least: int, most: int, start: int) -> tuple[int, int, int]:
        if most < max(least, 1):
            raise SettingsError(f"{at}max_size", most, f"at least min_size ({least}) and 1")
        if not least <= start <= most:
            raise SettingsError("desired_capacity", start, f"between min_size ({least}) and max_size ({most})")
        return least, most, start

    start = minimum if desired is None else desired
    with problems.collect():
        ordered = lift(in_order, minimum, maximum, start)
        return Sizes(*(lift(itemgetter(place), ordered) for place in range(3)))
    return Sizes(minimum, maximum, start)
