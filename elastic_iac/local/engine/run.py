"""Run a Pulumi program without the Pulumi CLI: its testing monitor hands each declared resource to the emulated cloud."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.config import set_all_config
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from elastic_iac.local.engine import autoscaling, ec2, iam, load_balancing
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
from elastic_iac.local.engine.shapes import lost, native, physical_name

HANDLERS: Mapping[str, Handler] = {**ec2.HANDLERS, **iam.HANDLERS, **autoscaling.HANDLERS, **load_balancing.HANDLERS}


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

    def run() -> tuple[mocks.MockMonitor, dict[str, Any]]:
        """In a thread and a context of its own: Pulumi's runtime keeps its settings and its event loop there."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            set_all_config(dict(config or {}))
            monitor = _Monitor(creator)
            mocks.set_mocks(creator, project=project, stack=stack, preview=preview, monitor=monitor)
            outputs = loop.run_until_complete(_outputs_of(program))
            return monitor, outputs
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    creator = _Creator(cloud, project, stack, default_tags or {}, preview=preview)
    with ThreadPoolExecutor(1, thread_name_prefix="engine") as thread:
        try:
            monitor, outputs = thread.submit(contextvars.Context().run, run).result()
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


async def _outputs_of(program: Callable[[], object]) -> dict[str, Any]:
    def run() -> None:
        program()

    await run_pulumi_func(run)
    root = cast("Stack", get_root_resource())
    return {name: await pulumi.Output.from_input(value).future() for name, value in root.outputs.items()}


def _resource(urn: str, resource_id: str | None) -> Resource:
    kinds, name = urn.split("::")[2:4]
    return Resource(type=kinds.split("$")[-1], name=name, urn=urn, id=resource_id or None)


@contextmanager
def _event_loop() -> Generator[None, None, None]:
    """An event loop for a worker thread in which the monitor answers: it makes one if there is none, and leaves it unclosed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Monitor(mocks.MockMonitor):
    """Pulumi's testing monitor, whose worker threads close the event loops they need."""

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the monitor's protocol
        with _event_loop():
            return super().Invoke(request)  # pyright: ignore[reportUnknownMemberType] - the SDK leaves the request untyped

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the monitor's protocol
        with _event_loop():
            return super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType] - as above


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
