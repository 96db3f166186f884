"""The demo's local clouds on one clock, and the stack in them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from elastic_iac.cli.demo.side import CEILING, PEAK_INSTANCES, AwsSide, CloudName, GcpSide, Side
from elastic_iac.cli.demo.trace import Trace
from elastic_iac.local.aws import LocalAws, local_aws
from elastic_iac.local.clock import Clock
from elastic_iac.local.engine import Deployment, EngineError, GoogleCloud, provision_stack, read_project
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from forecasting.settings import Fleet, parse_fleet

Engine = Literal["embedded", "pulumi"]
"""The engine of this package, or the Pulumi CLI."""

STACK = "local"

_POINTED = ("AWS_", "GOOGLE_", "CLOUDSDK_", "GCLOUD_", "STORAGE_EMULATOR_HOST")
_PROXIES = frozenset({"http_proxy", "https_proxy", "grpc_proxy", "all_proxy"})


@dataclass(frozen=True)
class Clouds:
    """The clouds that run, one at least, on one clock."""

    aws: LocalAws | None
    gcp: LocalGcp | None

    @property
    def sides(self) -> tuple[Side, ...]:
        """One for each."""
        return (*([AwsSide(self.aws)] if self.aws else []), *([GcpSide(self.gcp)] if self.gcp else []))

    @property
    def clock(self) -> Clock:
        """Drives them all."""
        running = self.aws or self.gcp
        if running is None:
            raise ValueError("clouds: got none; expected 'aws', 'gcp' or both")
        return running.clock

    def environment(self) -> dict[str, str]:
        """The variables that point every client here."""
        running = [cloud for cloud in (self.aws, self.gcp) if cloud]
        return {name: value for cloud in running for name, value in cloud.environment().items()}


class _NoAws:
    """For a stack on Google Cloud alone."""

    region = ""

    def client(self, service: str) -> Any:
        raise EngineError(f"the stack asks for {service} of AWS, and only Google Cloud was started")


@dataclass(frozen=True)
class Stack:
    """What serves the load.

    Attributes:
        deployment: What the stack made.
        fleets: The first fleet of each cloud, as the stack exports it for the job.
        engine: What ran the program.
    """

    deployment: Deployment
    fleets: tuple[Fleet, ...]
    engine: Engine


@contextmanager
def local_clouds(names: Sequence[CloudName], now: datetime) -> Generator[Clouds]:
    """Start the clouds on one clock; they end with the block. No client made inside reaches any other cloud."""
    with ExitStack() as running:
        aws = running.enter_context(local_aws(now=now)) if "aws" in names else None
        gcp = running.enter_context(local_gcp(now=now, clock=aws.clock if aws else None)) if "gcp" in names else None
        clouds = Clouds(aws, gcp)
        running.enter_context(only_local(clouds.environment()))
        yield clouds


@contextmanager
def only_local(environment: Mapping[str, str]) -> Generator[None]:
    """Every client made inside reaches the local clouds: nobody's profile, keys, region, project or proxy has a say."""
    before = dict(os.environ)
    try:
        for name in before:
            if name.startswith(_POINTED) or name.lower() in _PROXIES:
                del os.environ[name]
        os.environ.update(environment)
        os.environ.update(
            AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, NO_PROXY="*", no_proxy="*"
        )
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def provision(clouds: Clouds, trace: Trace, engine: Engine, folder: Path) -> Stack:
    """The stack `local` of this checkout in these clouds, the first group of each sized for the trace.

    The Pulumi CLI keeps its copy of the project and its state in a folder of its own under `folder`.

    The trace does not say what one instance serves: it is chosen so that the largest sample of the history needs `PEAK_INSTANCES`.
    """
    adjust = _adjusted(clouds, trace)
    if engine == "pulumi":
        from elastic_iac.local.engine.pulumi_cli import provision_with_cli  # noqa: PLC0415 - only where it is asked for

        project = Path(tempfile.mkdtemp(prefix="stack-", dir=folder))
        deployment = provision_with_cli(clouds.environment(), project, STACK, adjust=adjust)
    else:
        deployment = _embedded(clouds, adjust)
    fleets = [
        side.reading(trace, parse_fleet(json.loads(deployment.outputs[side.fleets_key][0]))) for side in clouds.sides
    ]
    return Stack(deployment, tuple(fleets), engine)


def _adjusted(clouds: Clouds, trace: Trace) -> dict[str, str]:
    """The stack's configuration for the trace, by key; the demo runs the job itself."""
    load_per_instance = float(f"{trace.history.max() / PEAK_INSTANCES:.3g}")
    config = read_project(STACK).config
    adjust = {"elastic-iac:clouds": json.dumps([side.name for side in clouds.sides])}
    for side in clouds.sides:
        group: dict[str, Any] = json.loads(config[side.groups_key])[0]
        group |= {
            **side.sized(group, load_per_instance),
            "maxSize": CEILING,
            "forecast": {
                **group["forecast"],
                "loadPerInstance": load_per_instance,
                "periodSeconds": trace.sample_seconds,
                "stepMinutes": trace.step_minutes,
            },
        }
        adjust |= {side.groups_key: json.dumps([group]), side.job_key: "{}"}
    return adjust


def _embedded(clouds: Clouds, adjust: Mapping[str, str]) -> Deployment:
    gcp = clouds.gcp
    google = GoogleCloud(gcp.url, gcp.project, read_project(STACK).config["gcp:region"]) if gcp else None
    return provision_stack(clouds.aws or _NoAws(), STACK, google=google, adjust=adjust)
