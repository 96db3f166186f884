"""The Pulumi project of this checkout, read as the Pulumi CLI reads it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from elastic_iac.local.engine.deployment import Cloud, Deployment, ProjectError
from elastic_iac.local.engine.google import GoogleCloud
from elastic_iac.local.engine.run import up

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Project:
    """A project's program and one stack's configuration, by full key (`project:key`); structured values as JSON."""

    name: str
    program: Path
    config: Mapping[str, str]

    @property
    def default_tags(self) -> Mapping[str, str]:
        """The AWS provider's default tags."""
        tags: Mapping[str, str] = json.loads(self.config.get("aws:defaultTags", "{}")).get("tags", {})
        return tags

    def run(self) -> object:
        """Run the program as Pulumi's Python host does: the folder's `__main__`."""
        return runpy.run_path(str(self.program), run_name="__main__")


def read_project(stack: str, root: Path = CHECKOUT) -> Project:
    """Read `Pulumi.yaml` and the stack's configuration beside it.

    Raises:
        ProjectError: there is no project or no such stack, or a key without a default is not given.
    """
    manifest = _read(root / "Pulumi.yaml", f"the Pulumi project of the checkout; none stands in {root}")
    name, main = str(manifest["name"]), root / manifest.get("main", ".")
    folder = root / manifest.get("stackConfigDir", ".")
    stacks = ", ".join(sorted(path.name.split(".")[1] for path in folder.glob("Pulumi.*.yaml")))
    given = _read(folder / f"Pulumi.{stack}.yaml", f"a stack of this project: {stacks}").get("config", {})
    config: dict[str, Any] = dict(given)
    for key, declared in manifest.get("config", {}).items():
        full = key if ":" in key else f"{name}:{key}"
        if full not in config:
            if "default" not in declared:
                raise ProjectError(f"config {full}: not given in Pulumi.{stack}.yaml, and it has no default")
            config[full] = declared["default"]
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return Project(name=name, program=main, config=texts)


def _read(path: Path, expected: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - only here

    try:
        return cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ProjectError(f"{path.name}: {error.__class__.__name__}; expected {expected}") from error
    except yaml.YAMLError as error:
        raise ProjectError(f"{path.name}: not YAML ({error})") from error


class Clients(Protocol):
    """An emulated cloud: `elastic_iac.local.aws.LocalAws` is one."""

    region: str

    def client(self, service: str) -> Any:
        """An SDK client of the service."""
        ...


def provision_stack(
    aws: Clients,
    stack: str = "local",
    *,
    google: GoogleCloud | None = None,
    preview: bool = False,
    adjust: Mapping[str, str] | None = None,
) -> Deployment:
    """Run this checkout's stack against the emulated clouds; its `fleets` and `gcpFleets` outputs are lists of fleets as JSON.

    Args:
        aws: The emulated AWS.
        stack: Name of the stack.
        google: The emulated Google Cloud, for stacks whose `clouds` name it.
        preview: Declare only, write nothing.
        adjust: Configuration that replaces the stack's, by full key.

    Raises:
        ProjectError: there is no such project or stack.
        EngineError: the stack declares what the engine does not know.
    """
    project = read_project(stack)
    client: Callable[[str], Any] = aws.client
    return up(
        project.run,
        cloud=Cloud(client, aws.region, google),
        project=project.name,
        stack=stack,
        config={**project.config, **(adjust or {})},
        default_tags=project.default_tags,
        preview=preview,
    )
