"""Arguments that are a fleet's own: declared in `forecasting.settings`, here by name only."""

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import Field, create_model

from elastic_iac.common.schema.base import Arguments, Value, of, of_items
from forecasting.settings import Event, Exclusion, Fleet, Prices, Settings

_COMPONENTS_OWN = frozenset({
    "version", "name", "cloud", "target", "source", "load_per_instance", "floor", "ceiling", "learn_lead_time", "pool", "revision"
})  # fmt: skip
"""Fields of a fleet that the components fill in from other arguments."""

FORECAST_FIELDS = tuple(name for name in Fleet.model_fields if name not in _COMPONENTS_OWN)
"""All others: a forecast has each under the same name, and the fleet gets those that are given."""


def arguments_of(model: type[Settings], name: str, fields: tuple[str, ...]) -> Any:
    """The fields of a settings model as arguments of the type `name`."""
    declared: dict[str, Any] = {field: _declared(model, field) for field in fields}
    return create_model(name, __base__=Arguments, __doc__=model.__doc__, __module__=__name__, **declared)


def _declared(model: type[Settings], name: str) -> tuple[Any, Any]:
    """One field: optional unless it is required there, an object of the same shape where it is one."""
    info = model.model_fields[name]
    annotation: Any = Annotated[Value[Any], of(model, name)]
    members = (info.annotation, *get_args(info.annotation))
    nested = next((_OBJECTS[member] for member in members if member in _OBJECTS), None)
    if get_origin(info.annotation) is tuple:
        annotation = list[nested if nested is not None else Annotated[Value[Any], of_items(model, name)]]
    elif nested is not None:
        annotation = nested
    if info.is_required():
        return annotation, Field(description=info.description)
    return annotation | None, Field(default=None, description=info.description)


_OBJECTS: dict[Any, Any] = {}
LoadPrices = _OBJECTS[Prices] = arguments_of(Prices, "LoadPrices", tuple(Prices.model_fields))
LoadEvent = _OBJECTS[Event] = arguments_of(Event, "LoadEvent", tuple(Event.model_fields))
LoadExclusion = _OBJECTS[Exclusion] = arguments_of(Exclusion, "LoadExclusion", tuple(Exclusion.model_fields))

if TYPE_CHECKING:

    class ForecastFields(Arguments):
        """`FORECAST_FIELDS`, with the types of those that a component reads."""

        lead_time_seconds: Any
        quantile: Value[float] | None
        prices: Arguments | None

else:
    ForecastFields = arguments_of(Fleet, "ForecastFields", FORECAST_FIELDS)
