"""Run a Pulumi program in this process, against Pulumi's own testing monitor."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.config import set_all_config
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func


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


class Monitor(mocks.MockMonitor):
    """Pulumi's testing monitor, whose worker threads close the event loops they need."""

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the monitor's protocol
        """Answer a function."""
        with _event_loop():
            return super().Invoke(request)  # pyright: ignore[reportUnknownMemberType] - the SDK leaves the request untyped

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the monitor's protocol
        """Register a resource."""
        with _event_loop():
            return super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType] - as above


def run_program(
    program: Callable[[], object],
    monitor: Monitor,
    *,
    project: str,
    stack: str,
    config: Mapping[str, str] | None = None,
    preview: bool = False,
) -> dict[str, Any]:
    """Run `program` to its end and return what it exports; an output that is not known in a preview is None.

    It runs in a thread and a context of its own, where Pulumi's runtime keeps its settings and its event loop. What the program, an `apply` or
    the monitor raises is raised here.
    """

    async def run() -> dict[str, Any]:
        # Else the runtime would wait for outputs that were made outside, on another loop. (The SDK types its context variables as functions.)
        SETTINGS.outputs = set()  # pyright: ignore[reportAttributeAccessIssue]
        set_all_config(dict(config or {}))
        mocks.set_mocks(monitor.mocks, project=project, stack=stack, preview=preview, monitor=monitor)
        await run_pulumi_func(declare)
        root = cast("Stack", get_root_resource())
        return {name: await pulumi.Output.from_input(value).future() for name, value in root.outputs.items()}

    def declare() -> None:
        program()

    with ThreadPoolExecutor(1, thread_name_prefix="pulumi") as thread:
        return thread.submit(contextvars.Context().run, asyncio.run, run()).result()
