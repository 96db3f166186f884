"""What the engine makes, and what it cannot vouch for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forecasting.errors import ElasticIacError, UsageError

if TYPE_CHECKING:
    from elastic_iac.local.engine.google import GoogleCloud

Inputs = Mapping[str, Any]
"""A resource's properties under Pulumi's own (camelCase) names; whole numbers are ints."""


class EngineError(ElasticIacError):
    """The program declares something that the embedded engine does not know, or the emulator refuses it."""


class ProjectError(UsageError):
    """The project's files cannot be read, or there is no such stack."""


@dataclass(frozen=True)
class Resource:
    """One resource of the program; `id` is None for components and in previews."""

    type: str
    name: str
    urn: str
    id: str | None


@dataclass(frozen=True)
class Unproven:
    """A declared input that the emulator did not give back on reading: that it works is not shown here."""

    resource: str
    input: str


@dataclass(frozen=True)
class Deployment:
    """One run of a program."""

    stack: str
    preview: bool
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]
    unproven: tuple[Unproven, ...]
    _undo: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def destroy(self) -> None:
        """Remove everything the run made, last first."""
        self._undo()


@dataclass(frozen=True)
class Made:
    """A resource in the emulator: its id there, and its outputs."""

    id: str
    outputs: Inputs


@dataclass(frozen=True)
class Handler:
    """How one resource type is made, read back (as inputs) and removed through the cloud's SDK.

    `untagged` types take no tags, so the provider's default tags do not reach them.
    """

    create: Callable[[Cloud, str, Inputs], Made]
    read: Callable[[Cloud, Made], Inputs]
    delete: Callable[[Cloud, Made], None]
    untagged: bool = False


@dataclass(frozen=True)
class Cloud:
    """The emulated clouds: SDK clients by service (`client("ec2")`) and the region of AWS; and Google Cloud, where there is one."""

    client: Callable[[str], Any]
    region: str
    google: GoogleCloud | None = None
