"""Outputs of a component."""

from collections.abc import Mapping
from typing import Any

import pulumi


def publish(component: pulumi.ComponentResource, outputs: Mapping[str, pulumi.Output[Any]]) -> None:
    """Set and register the outputs that the component's class declares."""
    declared = type(component).__annotations__
    if set(outputs) != set(declared):
        raise TypeError(f"outputs of {type(component).__name__}: {sorted(set(outputs) ^ set(declared))}")
    for name in declared:
        setattr(component, name, outputs[name])
    component.register_outputs({name: outputs[name] for name in declared})


def absent() -> pulumi.Output[Any]:
    """An output without a value."""
    return pulumi.Output.from_input(None)


def every(values: Any) -> pulumi.Output[list[str]]:
    """The values as one output."""
    return pulumi.Output.all(*values).apply(list)


def only(values: pulumi.Output[list[str]], *, alone: bool) -> pulumi.Output[str | None]:
    """The one value of a component with a single group, if it has one."""
    return values.apply(lambda known: known[0] if alone and known else None)
