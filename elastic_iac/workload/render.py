"""Boot scripts: what is settled, written to files by a shell script that systemd then runs from at each boot.

User data runs once in an instance's life on AWS, and an instance of a warm pool boots again: so it only installs, and units do the work.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from typing import Any, cast

import pulumi

from elastic_iac.common.validation import is_literal
from elastic_iac.workload.base import AwsPlatform, Cloud, Platform, Training, Workload
from elastic_iac.workload.settle import HIDDEN, check_values
from elastic_iac.workload.unit import serving_units, training_units
from forecasting.errors import SettingsError

AWS_LIMIT_BYTES = 16 * 1024
"""EC2's limit of user data before its base64 encoding: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html"""

PROXIES: Mapping[Cloud, str] = {
    "aws": "public.ecr.aws/nginx/nginx:1.28-alpine",
    "gcp": "mirror.gcr.io/library/nginx:1.28-alpine",
}
"""nginx, from the registry that each cloud mirrors it in."""

_END = "ELASTIC_IAC_END"


def cloud_of(platform: Platform) -> Cloud:
    """The cloud that a platform is of."""
    return "aws" if isinstance(platform, AwsPlatform) else "gcp"


def boot_script(settled: Workload | Training, platform: Platform) -> str:
    """The user data (AWS) or startup script (Google Cloud) of an instance that runs the workload.

    Pure: equal arguments give equal text. Run twice, it changes nothing the second time.

    Raises:
        SettingsError: a value that is wrong for this cloud, an output, or (on AWS) too much text for user data.
    """
    cloud = cloud_of(platform)
    for name, value in _inputs(settled):
        if not is_literal(value):
            raise SettingsError(f"{settled.field}.{name}", HIDDEN, "a known value: `boot_output` waits for outputs")
    check_values(settled, cloud)
    script = _installer(dict(_files(settled, platform)), _started(settled, platform))
    size = len(script.encode())
    if cloud == "aws" and size > AWS_LIMIT_BYTES:
        expected = f"arguments and variables that are {size - AWS_LIMIT_BYTES} bytes shorter: user data takes {AWS_LIMIT_BYTES}"
        raise SettingsError(settled.field, f"a boot script of {size} bytes", expected)
    return script


def boot_output(settled: Workload | Training, platform: pulumi.Input[Platform]) -> pulumi.Output[str]:
    """`boot_script` once all outputs are known.

    Raises:
        SettingsError: inside the deployment as `boot_script`, and for a variable whose output Pulumi holds for a secret.
    """
    field = settled.field
    secrecy = {
        name: pulumi.Output.from_input(value.is_secret())
        for name, value in settled.environment.items()
        if isinstance(value, pulumi.Output)
    }

    def render(known: list[Any]) -> str:
        for name, is_secret in known[2].items():
            if is_secret:
                expected = "no secret: name it under `secrets`, and the instance reads it at boot"
                raise SettingsError(f"{field}.environment.{name}", HIDDEN, expected)
        return boot_script(_known(settled, known[0]), known[1])

    return pulumi.Output.all(
        pulumi.Output.from_input(dict(_inputs(settled))),
        pulumi.Output.from_input(platform),
        pulumi.Output.from_input(secrecy),
    ).apply(render)


_SINGLE = ("image", "model", "checkpoint", "rendezvous", "boot_limit_seconds")


def _inputs(settled: Workload | Training) -> Iterator[tuple[str, object]]:
    """What may be an output, by its name in the arguments."""
    for name in _SINGLE:
        if getattr(settled, name, None) is not None:
            yield name, getattr(settled, name)
    for group in ("environment", "secrets"):
        for variable, value in cast("Mapping[str, object]", getattr(settled, group)).items():
            yield f"{group}.{variable}", value


def _known(settled: Workload | Training, values: Mapping[str, Any]) -> Workload | Training:
    changes: dict[str, Any] = {name: values[name] for name in _SINGLE if name in values}
    for group in ("environment", "secrets"):
        changes[group] = {variable: values[f"{group}.{variable}"] for variable in getattr(settled, group)}
    return replace(settled, **changes)


def _files(settled: Workload | Training, platform: Platform) -> Iterator[tuple[str, str]]:
    """All files of the instance, by path."""
    cloud = cloud_of(platform)
    scripts = "/opt/elastic-iac"
    yield "/etc/elastic-iac/settings", _settings(settled, platform)
    yield "/etc/elastic-iac/environment", "".join(f"{name}={value}\n" for name, value in settled.environment.items())
    if isinstance(settled, Workload):
        for path, content in settled.files.items():
            yield f"/etc/elastic-iac/files{path}", content
        agent = _script(f"agent-{cloud}") if settled.metrics_path else ""
        yield f"{scripts}/lib.sh", _script("lib") + _script(f"lib-{cloud}") + agent
        names = ["boot", "server"] + (["ready"] if _held(platform) else [])
        units = serving_units(PROXIES[cloud], held=_held(platform))
    else:
        yield f"{scripts}/lib.sh", _script("lib") + _script(f"lib-{cloud}")
        names = ["trainer", "checkpoint", "watch"]
        units = training_units(grace_seconds=90 if cloud == "aws" else 15)
    for name in names:
        yield f"{scripts}/{name}.sh", _script(name)
    for name, content in units.items():
        yield f"/etc/systemd/system/{name}", content


def _held(platform: Platform) -> bool:
    return isinstance(platform, AwsPlatform) and platform.lifecycle_hook is not None


def _started(settled: Workload | Training, platform: Platform) -> list[str]:
    """The units that start at each boot; they start the others."""
    if isinstance(settled, Training):
        return ["elastic-iac-trainer.service", "elastic-iac-watch.service"]
    return ["elastic-iac-boot.service"] + (["elastic-iac-ready.service"] if _held(platform) else [])


def _script(name: str) -> str:
    return (resources.files("elastic_iac.workload") / "scripts" / f"{name}.sh").read_text(encoding="utf-8")


def _settings(settled: Workload | Training, platform: Platform) -> str:
    """The settings as shell assignments; the only place where values meet the shell."""
    values: dict[str, object] = {"LOCAL_DISKS": str(platform.local_disks).lower()}
    if isinstance(platform, AwsPlatform):
        values |= {"AWS_REGION": platform.region, "NAMESPACE": platform.metrics_namespace}
        values |= {"HOOK": platform.lifecycle_hook or "", "HEARTBEAT_SECONDS": platform.heartbeat_seconds}
    else:
        values |= {"PROJECT": platform.project, "GROUP_LABEL": platform.group_label}
    values |= _of_workload(settled) if isinstance(settled, Workload) else _of_training(settled)
    lines = [f"{name}={_quoted(value)}\n" for name, value in values.items()]
    lists: dict[str, list[str]] = {
        "ARGUMENTS": list(settled.arguments),
        "SECRETS": [f"{name}={reference}" for name, reference in settled.secrets.items()],
    }
    if isinstance(settled, Workload):
        lists["FILES"] = list(settled.files)
    return "".join([*lines, *(f"{name}=({' '.join(map(_quoted, items))})\n" for name, items in lists.items())])


def _of_workload(workload: Workload) -> dict[str, object]:
    return {
        "IMAGE": workload.image,
        "MODEL": workload.model or "",
        "MODEL_PATH": workload.model_path,
        "PORT": workload.port,
        "HEALTH_PATH": workload.health_path,
        "METRICS_PORT": workload.metrics_port,
        "METRICS_PATH": workload.metrics_path or "",
        "LOAD_METRIC": workload.load_metric or "",
        "GPUS_PER_REPLICA": workload.gpus_per_replica,
        "BOOT_LIMIT_SECONDS": workload.boot_limit_seconds,
    }


def _of_training(training: Training) -> dict[str, object]:
    return {
        "IMAGE": training.image,
        "FRAMEWORK": training.framework,
        "MIN_NODES": training.min_nodes,
        "MAX_NODES": training.max_nodes,
        "MAX_RESTARTS": training.max_restarts,
        "RENDEZVOUS": training.rendezvous or "",
        "CHECKPOINT": training.checkpoint or "",
        "CHECKPOINT_SECONDS": training.checkpoint_seconds,
    }


def _quoted(value: object) -> str:
    return shlex.quote(str(value))


def _installer(files: Mapping[str, str], units: list[str]) -> str:
    parts = [
        "#!/usr/bin/env bash\n# Written by elastic-iac: installs what systemd runs at each boot.\n",
        "set -euo pipefail\numask 022\nroot=${ELASTIC_IAC_ROOT:-}\n",
        # Google runs it at each boot: what is running already must not be rewritten under its reader.
        'put() { # PATH MODE\n  mkdir -p "$root${1%/*}"\n  cat >"$root$1.new"\n  chmod "$2" "$root$1.new"\n  mv "$root$1.new" "$root$1"\n}\n',
    ]
    for path, content in files.items():
        if f"\n{_END}\n" in f"\n{content}":
            raise SettingsError("workload", path, f"no line {_END}: it ends the file")
        mode = "755" if path.endswith(".sh") else "644"
        parts.append(f"put {path} {mode} <<'{_END}'\n{content}{_END}\n")
    parts.append(
        f"systemctl daemon-reload\nsystemctl enable {' '.join(units)}\nsystemctl start --no-block {' '.join(units)}\n"
    )
    return "".join(parts)
