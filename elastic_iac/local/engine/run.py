"""Run a Pulumi program without the Pulumi CLI: its testing monitor hands each declared resource to the emulated cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from pulumi.runtime import mocks

from elastic_iac.local.engine import (
    autoscaling,
    ec2,
    functions,
    gcp,
    iam,
    load_balancing,
    messaging,
    monitoring,
    s3,
    scheduling,
)
from elastic_iac.local.engine.deployment import (
    Cloud,
    Deployment,
    EngineError,
    Handler,
    Inputs,
    Made,
    Resource,
    Unproven,
)
from elastic_iac.local.engine.invokes import INVOKES
from elastic_iac.local.engine.program import Monitor, run_program
from elastic_iac.local.engine.shapes import lost, native, physical_name
from elastic_iac.package import functions_run_here

_ROOMS = (autoscaling, ec2, functions, gcp, iam, load_balancing, messaging, monitoring, s3, scheduling)
HANDLERS: Mapping[str, Handler] = {kind: handler for room in _ROOMS for kind, handler in room.HANDLERS.items()}


def up(
    program: Callable[[], object],
    *,
    cloud: Cloud,
    project: str,
    stack: str,
    config: Mapping[str, str] | None = None,
    default_tags: Mapping[str, str] | None = None,
    preview: bool = False,
) -> Deployment:
    """Run `program` and create what it declares in the emulated cloud.

    There is no state: an `up` is a creation, and `Deployment.destroy` its end. If the program or the cloud fails, what was made is removed.

    Args:
        program: Declares resources and exports outputs, as Pulumi's entry point does.
        cloud: Where it is created.
        project: Name of the project; with `stack` it keeps names in the cloud apart.
        stack: Name of the stack.
        config: Configuration by full key (`project:key`), structured values as JSON.
        default_tags: The provider's default tags.
        preview: Declare only: functions are answered, nothing is written, and outputs that the cloud would give are None.

    Raises:
        EngineError: the program declares or calls what the engine does not know.
    """

    def emulated() -> None:
        with functions_run_here():
            program()

    creator = _Creator(cloud, project, stack, default_tags or {}, preview=preview)
    monitor = Monitor(creator)
    try:
        outputs = run_program(emulated, monitor, project=project, stack=stack, config=config, preview=preview)
    except BaseException:
        creator.remove()
        raise
    resources = [_resource(urn, made.id) for urn, made in monitor.get_registered_resources().items()]
    return Deployment(
        stack=stack,
        preview=preview,
        resources=tuple(sorted(resources, key=lambda resource: resource.urn)),
        outputs=outputs,
        unproven=tuple(creator.unproven()),
        _undo=creator.remove,
    )


def _resource(urn: str, resource_id: str | None) -> Resource:
    kinds, name = urn.split("::")[2:4]
    return Resource(type=kinds.split("$")[-1], name=name, urn=urn, id=resource_id or None)


class _Creator(mocks.Mocks):
    """Creates each registered resource, and remembers it for reading and removing."""

    def __init__(
        self, cloud: Cloud, project: str, stack: str, default_tags: Mapping[str, str], *, preview: bool
    ) -> None:
        self._cloud = cloud
        self._project = project
        self._stack = stack
        self._default_tags = default_tags
        self._preview = preview
        self._lock = threading.Lock()
        self._made: list[tuple[str, str, Inputs, Made]] = []

    def call(self, args: mocks.MockCallArgs) -> Any:
        """Answer a function."""
        answer = INVOKES.get(args.token)
        if answer is None:
            known = ", ".join(sorted(INVOKES))
            raise EngineError(f"the embedded engine does not know the function {args.token}; it knows {known}")
        return dict(answer(self._cloud, native(cast("Inputs", args.args))))

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Create a resource; a component has nothing to create."""
        if not args.custom:
            return None, {}
        handler = HANDLERS.get(args.typ)
        if handler is None:
            known = ", ".join(sorted(HANDLERS))
            raise EngineError(
                f"the embedded engine does not know the resource type {args.typ} ({args.name}); it knows {known}"
            )
        inputs: dict[str, Any] = native(cast("Inputs", args.inputs))
        if not handler.untagged:
            inputs["tags"] = {**self._default_tags, **inputs.get("tags", {})}
        if self._preview:
            return None, inputs
        made = handler.create(self._cloud, physical_name(self._project, self._stack, args.typ, args.name), inputs)
        with self._lock:
            self._made.append((args.typ, args.name, inputs, made))
        return made.id, dict(made.outputs)

    def unproven(self) -> list[Unproven]:
        """Inputs that reading does not give back."""
        return [
            Unproven(resource=name, input=path)
            for kind, name, inputs, made in sorted(self._made, key=lambda item: item[:2])
            for path in lost(inputs, HANDLERS[kind].read(self._cloud, made))
        ]

    def remove(self) -> None:
        """Remove what was made, last first."""
        with self._lock:
            while self._made:
                kind, _, _, made = self._made[-1]
                HANDLERS[kind].delete(self._cloud, made)
                self._made.pop()
