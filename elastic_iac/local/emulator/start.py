"""Run ministack until standard input ends: it does when its parent dies, however suddenly, so that no emulator is left behind.

Run as a script by ministack's own Python, which has nothing of this package. With `ELASTIC_IAC_DOUBLE` set (the double's URL), what ministack would
do by itself on the machine's clock is left to the double: asynchronous invocations are handed over to it, schedules do not fire, alarms are not
evaluated.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import sys
import threading
import urllib.request
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

DOUBLE = os.environ.get("ELASTIC_IAC_DOUBLE", "")


def hand_over(_module: Any, _original: Any, function: Mapping[str, Any], event: Any) -> None:
    """Give the double an asynchronous invocation instead of carrying it out; it only takes note, so this may wait for it."""
    configuration = function.get("config") or function
    body = json.dumps({"arn": configuration["FunctionArn"], "event": event}).encode()
    handed = urllib.request.Request(f"{DOUBLE}/_double/invocations", data=body, method="POST")  # noqa: S310 - our own URL
    urllib.request.urlopen(handed, timeout=60).close()  # noqa: S310 - as above


def notify_at_once(module: Any, _original: Any, bucket: str, key: str, event: str, *details: Any, **more: Any) -> None:
    """Fire an S3 notification before the call that causes it is answered: who waits for its effects need not guess how long."""
    if bucket in module._bucket_notifications:
        sequencer = module._next_event_sequencer(event)
        module._fire_s3_event(bucket, key, event, *details, sequencer=sequencer, **more)


def nothing(*_: Any) -> None:
    """Leave it."""


def with_sizes(_module: Any, original: Any, service: str, action: str, body: bytes, parameters: Any) -> dict[str, Any]:
    """The condition keys of a request, with those that bound the sizes of a group (Service Authorization Reference, EC2 Auto Scaling)."""
    keys: dict[str, Any] = original(service, action, body, parameters)
    if service == "autoscaling":
        for name in ("MinSize", "MaxSize"):
            if name in parameters:
                keys[f"autoscaling:{name}"] = parameters[name][0]
    return keys


REPLACED: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "ministack.services.lambda_svc": {"invoke_async_with_retry": hand_over},
    "ministack.services.s3": {"_fire_s3_event_async": notify_at_once},
    "ministack.services.scheduler": {"start_scheduler": nothing},
    "ministack.services.cloudwatch": {"_evaluate_alarm": nothing},
    # Signatures are checked, their age is not: a client signs on the machine's clock.
    "ministack.core.sigv4": {"request_time_failure": nothing},
    "ministack.core.iam_actions": {"request_tag_context": with_sizes},
}


class _Patcher(MetaPathFinder, Loader):
    """Replaces functions of a module as it is imported: ministack imports most services when they are first used."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in REPLACED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            self._loaders[fullname] = spec.loader
            spec.loader = self
        return spec

    def __init__(self) -> None:
        self._loaders: dict[str, Loader] = {}

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loaders[spec.name].create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loaders[module.__name__].exec_module(module)
        for name, replacement in REPLACED[module.__name__].items():
            original = getattr(module, name)  # ministack is pinned: there is one
            setattr(module, name, partial(replacement, module, original))


def main() -> None:
    """Run it."""
    orphaned = threading.Event()

    def end_with_parent() -> None:
        os.read(0, 1)
        orphaned.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()
    if DOUBLE:
        sys.meta_path.insert(0, _Patcher())
    try:
        runpy.run_module("ministack", run_name="__main__", alter_sys=True)
    finally:
        if orphaned.is_set():
            shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


if __name__ == "__main__":
    main()
