"""The hosted provider: the components over Pulumi's plugin boundary, for programs in any language.

What it adds to Pulumi's own host:
- wrong arguments are reported at their properties, all at once, without a traceback;
- whole objects arrive if they are given as outputs or secrets (`wire_inputs`);
- the schema has enumerations, defaults, the namespace and the version (`schema`).
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from importlib import metadata
from typing import Any, cast

import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.provider import server
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, TypeDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.runtime.proto import provider_pb2

import elastic_iac
from elastic_iac.plugin.paths import property_path, type_of, within
from elastic_iac.plugin.schema import completed
from elastic_iac.plugin.wire_inputs import with_objects_at_hand
from forecasting.errors import SettingsError

NAME = "elastic-iac"
NAMESPACE = "elastic-iac"


class HostedProvider(ComponentProvider):
    """All components of this package under its name, namespace and version."""

    def __init__(self) -> None:
        components: list[type[pulumi.ComponentResource]] = [getattr(elastic_iac, name) for name in elastic_iac.__all__]
        super().__init__(components, NAME, namespace=NAMESPACE, version=metadata.version(NAME))
        self.schema = completed(self.schema or "")

    @property
    def types(self) -> dict[str, TypeDefinition]:
        """Definitions of the object types, by name."""
        return self._type_defs

    def definition(self, resource_type: str) -> ComponentDefinition | None:
        """Definition of a component by its token, if it is one of this package."""
        return self._component_defs.get(resource_type.removeprefix(f"{NAME}:index:"))

    def map_input_properties(
        self,
        inputs: Any,
        properties: dict[str, PropertyDefinition],
        mapping: dict[str, str],
        component_name: str,
        property_path: str,
    ) -> dict[str, Any]:
        """Rename the fields of an object, and of the objects in it.

        Missing and unknown fields are left to the component, which reports all problems at once.
        """
        given = cast("dict[str, Any]", inputs)
        return {mapping.get(key, key): self._renamed(value, properties.get(key)) for key, value in given.items()}

    def _renamed(self, value: Any, prop: PropertyDefinition | None) -> Any:
        if prop is None:
            return value
        kind = type_of(prop, self.types)
        if kind is not None and isinstance(value, dict):
            return self.map_input_properties(value, kind.properties, kind.properties_mapping, "", "")
        if prop.items is not None and isinstance(value, list):
            return [self._renamed(item, prop.items) for item in cast("list[Any]", value)]
        if prop.additional_properties is not None and isinstance(value, dict):
            values = cast("dict[str, Any]", value)
            return {key: self._renamed(item, prop.additional_properties) for key, item in values.items()}
        return value


class HostedServicer(server.ProviderServicer):
    """Pulumi's servicer, with arguments prepared and errors answered as the module's docstring describes."""

    async def _construct(self, request: provider_pb2.ConstructRequest, context: Any) -> provider_pb2.ConstructResponse:
        provider = cast("HostedProvider", self.provider)
        construct = cast("Callable[..., Awaitable[provider_pb2.ConstructResponse]]", super()._construct)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
        component = provider.definition(request.type)
        if component is None:
            return await construct(request, context)
        dependencies = {name: deps.urns for name, deps in request.inputDependencies.items()}
        given = with_objects_at_hand(request.inputs, dependencies, component, provider.types)
        request.inputs.CopyFrom(given.inputs)
        request.ClearField("inputDependencies")
        try:
            return await construct(request, context)
        except Exception as error:
            problems = problems_of(error)
            if not problems:
                raise
            raise input_errors(request.name, component, provider.types, problems, given.secrets) from error


def problems_of(error: BaseException | None) -> list[SettingsError]:
    """The wrong arguments that an error is about; none if it is about something else."""
    if isinstance(error, SettingsError):
        return list(getattr(error, "problems", (error,)))
    if isinstance(error, server.ComponentInitError):
        return problems_of(error.inner)
    return problems_of(error.__cause__) if error is not None and error.__cause__ is not None else []


def input_errors(
    name: str,
    component: ComponentDefinition,
    types: Mapping[str, TypeDefinition],
    problems: Iterable[SettingsError],
    secrets: Collection[str] = (),
) -> InputPropertiesError:
    """The answer to wrong arguments, by the paths of the schema.

    Args:
        name: Name of the component's resource.
        component: Its definition.
        types: Definitions of the object types, by name.
        problems: All wrong arguments.
        secrets: Paths of the arguments that are secrets, of which neither this nor the engine may show a value.
    """
    details: list[InputPropertyErrorDetails] = []
    for problem in problems:
        path, rest = property_path(problem.field, component, types)
        value = repr(problem.value)
        if any(within(path, secret) or within(secret, path) for secret in secrets):
            path, value = f"{path} (secret)", "a secret"  # no path of a property: the engine shows the value of those
        inside = f"{rest}: " if rest else ""
        details.append({"property_path": path, "reason": f"{inside}got {value}; expected {problem.expected}"})
    wrong = "an argument is" if len(details) == 1 else f"{len(details)} arguments are"
    return InputPropertiesError(f"{component.name} {name!r}: {wrong} wrong", details)


def host() -> None:
    """Serve the components until the engine ends this process."""
    server.ProviderServicer = HostedServicer  # Pulumi's `main` takes no servicer
    server.main(HostedProvider(), sys.argv[1:])
