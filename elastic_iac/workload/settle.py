"""Arguments checked and completed: a `Workload` or a `Training`."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import pulumi

from elastic_iac.common.parsing import parse
from elastic_iac.common.schema.workload import GpuTraining, GpuWorkload
from elastic_iac.common.validation import PORT, Check, is_literal, matching, one_of
from elastic_iac.workload.base import Cloud, Training, Workload
from elastic_iac.workload.preset import MODEL_PATH, PRESETS, Preset, Serving
from elastic_iac.workload.secret import looks_secret, secret_arguments
from forecasting.errors import SettingsError

T = TypeVar("T")

HIDDEN = "(hidden)"
"""Shown in place of a value that may be a secret."""

_IMAGE = matching(
    r"[a-z0-9][\w.:/-]*[\w](:[\w][\w.-]*|@sha256:[0-9a-f]{64})",
    "an image with its tag or digest, such as 'vllm/vllm-openai:v0.11.0'",
)
_PATH = matching(r"/[\w./%~:-]*", "a path such as '/health'")
_COUNTER = matching(r"[A-Za-z_:][A-Za-z0-9_:]*", "the name of a Prometheus counter such as 'requests_total'")
_VARIABLE = matching(r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name: letters, digits and underscores")
_ENDPOINT = matching(
    r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:\d{1,5}", "'HOST:PORT', such as 'rendezvous.internal:29400'"
)
_FOLDERS: Mapping[Cloud, Check[str]] = {
    "aws": matching(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.!~()/+=@:-]*)?", "a folder such as 's3://BUCKET/PREFIX'"
    ),
    "gcp": matching(
        r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[\w.!~()/+=@:-]*)?", "a folder such as 'gs://BUCKET/PREFIX'"
    ),
}
_SECRETS: Mapping[Cloud, Check[str]] = {
    "aws": matching(
        r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+",
        "the ARN of a Secrets Manager secret, 'arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME'",
    ),
    "gcp": matching(
        r"projects/[a-z0-9:.-]+/secrets/[\w-]{1,255}(/versions/(latest|\d+))?",
        "a secret of Secret Manager, 'projects/PROJECT/secrets/NAME'",
    ),
}
_CHOICE: Mapping[Cloud, str] = {
    "aws": "no secret: give the ARN of a Secrets Manager secret under `secrets`; the instance's role reads it at boot",
    "gcp": "no secret: give the name of a Secret Manager secret under `secrets`; the instance's account reads it at boot",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def settle_workload(field: str, raw: object, *, cloud: Cloud) -> Workload:
    """Check a model server's raw arguments; raises as `resolve_workload` does."""
    return resolve_workload(field, parse(GpuWorkload, raw, field), cloud=cloud)


def resolve_workload(field: str, args: GpuWorkload, *, cloud: Cloud) -> Workload:
    """Check a model server's arguments and fill in what its preset knows.

    Args:
        field: Name of the argument in the component, for messages: 'workload'.
        args: The parsed arguments. `image`, `model` and the values of `environment` and `secrets` may be outputs, and are then checked by
            `boot_output`.
        cloud: Decides where models and secrets may be.

    Raises:
        SettingsError: the first wrong literal.
    """
    name = args.preset
    preset = None if name is None else PRESETS[one_of(*PRESETS)(f"{field}.preset", name)]
    for missing in ("port", "health_path"):
        if preset is None and getattr(args, missing) is None:
            raise SettingsError(f"{field}.{missing}", None, "a value, or a `preset` that knows it")
    port = PORT(f"{field}.port", _or(args.port, preset and preset.port))
    gpus = args.gpus_per_replica
    arguments = _arguments(field, args, cloud)
    if arguments and preset and preset.own_arguments:
        raise SettingsError(f"{field}.arguments", list(arguments), preset.own_arguments)
    metrics_port = _metrics_port(field, args, preset, port)
    model_path = _model_path(field, args, preset)
    serving = Serving(port, metrics_port, gpus, None if args.model is None else model_path)
    metrics_path, load_metric = _metrics(field, args, preset)
    workload = Workload(
        field=field,
        image=args.image,
        port=port,
        health_path=_PATH(f"{field}.health_path", _or(args.health_path, preset and preset.health_path)),
        metrics_port=metrics_port,
        metrics_path=metrics_path,
        load_metric=load_metric,
        gpus_per_replica=gpus,
        model=args.model,
        model_path=model_path,
        arguments=(*(preset.arguments(serving) if preset else []), *arguments),
        files=preset.files(serving) if preset else {},
        environment=_variables(field, "environment", args),
        secrets=_variables(field, "secrets", args),
        boot_limit_seconds=_or(args.boot_limit_seconds, 1800),
    )
    check_values(workload, cloud)
    return workload


def _metrics_port(field: str, args: GpuWorkload, preset: Preset | None, port: int) -> int:
    """Where the metrics are: at a port that the preset can move, or at the server's own."""
    own = PORT(f"{field}.metrics_port", _or(args.metrics_port, (preset and preset.metrics_port) or port))
    if preset and preset.metrics_port is None and own != port:
        raise SettingsError(
            f"{field}.metrics_port", own, f"nothing, or {port}: this server has its metrics at its port"
        )
    if preset and preset.metrics_port is not None and own == port:
        raise SettingsError(
            f"{field}.metrics_port", own, "another port than `port`: this server has its metrics at a port of their own"
        )
    return own


def _model_path(field: str, args: GpuWorkload, preset: Preset | None) -> str:
    path = _PATH(f"{field}.model_path", _or(args.model_path, preset.model_path if preset else MODEL_PATH))
    if preset and preset.fixed_model_path and path != preset.model_path:
        raise SettingsError(
            f"{field}.model_path", path, f"nothing, or {preset.model_path!r}: this server looks nowhere else"
        )
    return path


def _metrics(field: str, args: GpuWorkload, preset: Preset | None) -> tuple[str | None, str | None]:
    path = _or(args.metrics_path, preset and preset.metrics_path)
    counter = _or(args.load_metric, preset and preset.load_metric)
    if (path is None) != (counter is None):
        missing, given = ("metrics_path", "load_metric") if path is None else ("load_metric", "metrics_path")
        raise SettingsError(f"{field}.{missing}", None, f"a value: it goes with {given}")
    if path is None or counter is None:
        return None, None
    return _PATH(f"{field}.metrics_path", path), _COUNTER(f"{field}.load_metric", counter)


def settle_training(field: str, raw: object, *, cloud: Cloud) -> Training:
    """Check a trainer's raw arguments; raises as `resolve_training` does."""
    return resolve_training(field, parse(GpuTraining, raw, field), cloud=cloud)


def resolve_training(field: str, args: GpuTraining, *, cloud: Cloud) -> Training:
    """Check a trainer's arguments.

    Args:
        field: Name of the argument in the component, for messages: 'training'.
        args: The parsed arguments. `image`, `rendezvous`, `checkpoint` and the values of `environment` and `secrets` may be outputs, and are
            then checked by `boot_output`.
        cloud: Decides where checkpoints and secrets may be.

    Raises:
        SettingsError: the first wrong literal.
    """
    least = args.min_nodes
    most = least if args.max_nodes is None else args.max_nodes
    if most < least:
        raise SettingsError(f"{field}.max_nodes", most, f"at least min_nodes, {least}")
    if args.framework == "tensorflow":
        if most != least:
            raise SettingsError(
                f"{field}.max_nodes", most, f"min_nodes, {least}: TF_CONFIG names a fixed number of workers"
            )
        if args.rendezvous is not None:
            raise SettingsError(f"{field}.rendezvous", args.rendezvous, "nothing: TF_CONFIG names all workers")
    arguments = _arguments(field, args, cloud)
    if not arguments:
        raise SettingsError(f"{field}.arguments", [], "the training script and its arguments")
    training = Training(
        field=field,
        image=args.image,
        framework="pytorch" if args.framework == "pytorch" else "tensorflow",
        arguments=arguments,
        min_nodes=least,
        max_nodes=most,
        rendezvous=args.rendezvous,
        checkpoint=args.checkpoint,
        checkpoint_seconds=args.checkpoint_seconds,
        max_restarts=args.max_restarts,
        environment=_variables(field, "environment", args),
        secrets=_variables(field, "secrets", args),
    )
    check_values(training, cloud)
    return training


def _arguments(field: str, args: GpuWorkload | GpuTraining, cloud: Cloud) -> tuple[str, ...]:
    arguments = tuple(args.arguments or ())
    for position, argument in enumerate(arguments):
        if not isinstance(argument, str) or _CONTROL.search(argument):  # pyright: ignore[reportUnnecessaryIsInstance] - checked here
            raise SettingsError(f"{field}.arguments[{position}]", argument, "a text of one line")
    for position in secret_arguments(arguments):
        raise SettingsError(f"{field}.arguments[{position}]", HIDDEN, _CHOICE[cloud])
    return arguments


def _variables(field: str, name: str, args: GpuWorkload | GpuTraining) -> Mapping[str, pulumi.Input[str]]:
    variables = (args.secrets if name == "secrets" else args.environment) or {}
    for variable in variables:
        _VARIABLE(f"{field}.{name}", variable)
        if name == "secrets" and variable in (args.environment or {}):
            raise SettingsError(f"{field}.secrets.{variable}", HIDDEN, "another name: `environment` has it too")
    return dict(variables)


def _or(given: T | None, default: T) -> T:
    return default if given is None else given


def check_values(settled: Workload | Training, cloud: Cloud) -> None:
    """Check what may have been an output; what still is one is left alone.

    Raises:
        SettingsError: the first wrong value. One that may be a secret is not shown.
    """
    field = settled.field
    values: list[tuple[str, Any, Check[str]]] = [("image", settled.image, _IMAGE)]
    if isinstance(settled, Workload):
        values += [("model", settled.model, _FOLDERS[cloud])]
    else:
        values += [("checkpoint", settled.checkpoint, _FOLDERS[cloud]), ("rendezvous", settled.rendezvous, _ENDPOINT)]
    for name, value, check in values:
        if value is not None and is_literal(value):
            check(f"{field}.{name}", value)
    for variable, value in settled.environment.items():
        if is_literal(value):
            _check_variable(f"{field}.environment.{variable}", variable, value, cloud)
    for variable, value in settled.secrets.items():
        if is_literal(value):
            _check_secret(f"{field}.secrets.{variable}", value, cloud)


def _check_variable(field: str, name: str, value: object, cloud: Cloud) -> None:
    if isinstance(value, str) and looks_secret(name, value):
        raise SettingsError(field, HIDDEN, _CHOICE[cloud])
    if not isinstance(value, str) or _CONTROL.search(value):
        raise SettingsError(field, value, "a text of one line")


def _check_secret(field: str, value: object, cloud: Cloud) -> None:
    try:
        _SECRETS[cloud](field, value)
    except SettingsError as error:  # what stands there may be the secret itself
        raise SettingsError(field, HIDDEN, error.expected) from None
