"""The Pulumi CLI itself, with its local backend, pointed at the emulated cloud."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from elastic_iac.local.engine.deployment import Deployment, EngineError, ProjectError, Resource
from elastic_iac.local.engine.project import CHECKOUT, read_project

if TYPE_CHECKING:
    from pulumi import automation


def require_cli() -> None:
    """Refuse to begin without the CLI.

    Raises:
        ProjectError: `pulumi` is not on PATH.
    """
    if shutil.which("pulumi") is None:
        raise ProjectError(
            "--engine pulumi: the Pulumi CLI is not on PATH; install it (pulumi.com/docs/install), or leave --engine out"
        )


def open_stack(folder: Path, stack: str, environment: Mapping[str, str]) -> automation.Stack:
    """A stack of a copy of this checkout's project in `folder`: the CLI writes into a project's configuration.

    Its state is kept in `folder` too, and its program runs in this Python's virtual environment.

    Args:
        folder: An empty folder.
        stack: Name of the stack.
        environment: Variables that point the provider at the emulated cloud.
    """
    from pulumi import automation  # noqa: PLC0415 - takes a second, and only the CLI's engine needs it

    folder = folder.resolve()  # the backend is named by a URI
    shutil.copytree(CHECKOUT / "stacks", folder / "stacks", ignore=shutil.ignore_patterns("__pycache__"))
    manifest = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    manifest["runtime"]["options"]["virtualenv"] = sys.prefix
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    state = folder / "state"
    state.mkdir()
    variables = {
        **environment,
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "local",  # there are no secrets in a local cloud
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return automation.create_or_select_stack(
        stack, work_dir=str(folder), opts=automation.LocalWorkspaceOptions(env_vars=variables)
    )


def provision_with_cli(
    environment: Mapping[str, str],
    folder: Path,
    stack: str = "local",
    *,
    adjust: Mapping[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Deployment:
    """Deploy this checkout's stack with the Pulumi CLI, as `provision_stack` does without it.

    Args:
        environment: Variables that point the AWS provider at the emulated cloud (`LocalAws.environment`).
        folder: An empty folder for the copy of the project and its state.
        stack: Name of the stack.
        adjust: Configuration that replaces the stack's, by full key, structured values as JSON.
        progress: Told each line that the CLI prints.

    Raises:
        ProjectError: the CLI is not on PATH, or there is no such stack.
        EngineError: the deployment failed; the CLI's own words are in the message.
    """
    require_cli()
    read_project(stack)
    from pulumi import automation  # noqa: PLC0415 - as above

    try:
        opened = open_stack(folder, stack, environment)
        _adjust(folder / "stacks" / f"Pulumi.{stack}.yaml", adjust or {})
        outputs = opened.up(on_output=progress).outputs
        state: dict[str, Any] = dict(opened.export_stack().deployment or {})
    except automation.CommandError as error:
        raise EngineError(f"pulumi up of the stack {stack!r} failed: {str(error).strip()[-1500:]}") from error
    return Deployment(
        stack=stack,
        preview=False,
        resources=tuple(
            _resource(item) for item in state.get("resources", []) if not item["type"].startswith("pulumi:")
        ),
        outputs={name: output.value for name, output in outputs.items()},
        # The provider reads back what it makes, and fails where the cloud lost it.
        unproven=(),
        _undo=lambda: _destroy(opened),
    )


def _destroy(stack: automation.Stack) -> None:
    stack.destroy()


def _adjust(path: Path, adjust: Mapping[str, str]) -> None:
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["config"].update({key: json.loads(value) for key, value in adjust.items()})
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def _resource(item: Mapping[str, Any]) -> Resource:
    urn = str(item["urn"])
    return Resource(type=str(item["type"]), name=urn.rsplit("::", 1)[1], urn=urn, id=item.get("id"))
