"""The function: its zip, its limits, what becomes of an invocation that fails."""

import base64
import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.job_args import AwsForecastJobArgs
from elastic_iac.common.validation import checked, one_of, whole
from forecasting.errors import SettingsError

RUNTIME = "python3.13"
HANDLER = "forecasting.entrypoints.aws_lambda.handler"
_ONE_CPU_MIB = 1769
_MARGIN_SECONDS = 30
"""Of a run's time, for writing the records and the metrics once the work is held."""

_LONGEST_EVENT_AGE_SECONDS = 21_600
_LOG_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
"""What CloudWatch Logs takes (PutRetentionPolicy)."""


@dataclass(frozen=True)
class Code:
    """A zip at hand; `sha256` in hexadecimal."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Function:
    """The checked arguments that a function is made of."""

    architecture: str
    memory_mib: pulumi.Output[int]
    timeout_seconds: pulumi.Output[int]
    log_retention_days: pulumi.Output[int]
    reserved_concurrency: pulumi.Output[int] | None

    @property
    def time_budget_seconds(self) -> pulumi.Output[float]:
        """What a run may work before it holds what is left."""
        return self.timeout_seconds.apply(lambda seconds: float(seconds - _MARGIN_SECONDS))


def settle_function(args: AwsForecastJobArgs) -> Function:
    """Check the function's own arguments.

    Raises:
        SettingsError: the first wrong literal.
    """
    reserved = args.get("reserved_concurrency")
    return Function(
        architecture=one_of("arm64", "x86_64")("architecture", args.get("architecture", "arm64")),
        memory_mib=checked("memory_mib", args.get("memory_mib", _ONE_CPU_MIB), whole(512, 10_240)),
        timeout_seconds=checked("timeout_seconds", args.get("timeout_seconds", 900), whole(60, 900)),
        log_retention_days=checked("log_retention_days", args.get("log_retention_days", 30), _log_days),
        reserved_concurrency=None if reserved is None else checked("reserved_concurrency", reserved, whole(1, 1000)),
    )


def _log_days(field: str, value: object) -> int:
    days = whole(1, max(_LOG_DAYS))(field, value)
    if days not in _LOG_DAYS:
        raise SettingsError(field, value, f"what CloudWatch takes: {', '.join(map(str, sorted(_LOG_DAYS)))} days")
    return days


def find_code(package_path: str | None, architecture: str) -> Code:
    """The zip that was given, or else the one that is built where it is missing or stale.

    Raises:
        SettingsError: there is no such zip.
    """
    if package_path is None:
        # Only here: whoever brings a zip needs no builder.
        package: Any = importlib.import_module("elastic_iac.package")
        built = package.ensure_package("aws-lambda", arch=architecture, python=RUNTIME.removeprefix("python"))
        return Code(Path(built.path), built.sha256)
    path = Path(package_path)
    if path.suffix != ".zip" or not path.is_file():
        raise SettingsError("package_path", package_path, "a zip that `elastic-iac package aws-lambda` has built")
    with path.open("rb") as file:
        return Code(path, hashlib.file_digest(file, "sha256").hexdigest())


def code_args(name: str, bucket: pulumi.Input[str], code: Code, architecture: str) -> aws.s3.BucketObjectv2Args:
    """The zip under a key that holds its digest: another zip is another object, and the function follows it."""
    return aws.s3.BucketObjectv2Args(
        bucket=bucket,
        key=f"code/{name}-{architecture}-{code.sha256[:12]}.zip",
        source=pulumi.FileAsset(str(code.path)),
        content_type="application/zip",
    )


def function_args(
    job: str,
    function: Function,
    *,
    code: Code,
    bucket: pulumi.Input[str],
    code_key: pulumi.Input[str],
    settings_url: pulumi.Input[str],
    role_arn: pulumi.Input[str],
    log_group_name: pulumi.Input[str],
    tags: pulumi.Output[Mapping[str, str]],
) -> aws.lambda_.FunctionArgs:
    """The function that runs the job `job`."""
    return aws.lambda_.FunctionArgs(
        description=f"Forecast job {job}: raises the floors of its groups ahead of the load",
        runtime=RUNTIME,
        handler=HANDLER,
        architectures=[function.architecture],
        s3_bucket=bucket,
        s3_key=code_key,
        source_code_hash=base64.b64encode(bytes.fromhex(code.sha256)).decode(),
        role=role_arn,
        memory_size=function.memory_mib,
        timeout=function.timeout_seconds,
        reserved_concurrent_executions=function.reserved_concurrency,
        environment=aws.lambda_.FunctionEnvironmentArgs(
            variables={
                "ELASTIC_IAC_SETTINGS": settings_url,
                "POWERTOOLS_SERVICE_NAME": "elastic-iac",
                "POWERTOOLS_METRICS_NAMESPACE": "ElasticIac",
                "POWERTOOLS_LOG_LEVEL": "INFO",
            }
        ),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log_group_name),
        tags=tags,
    )


def invoke_config_args(
    function_name: pulumi.Input[str], interval_minutes: pulumi.Output[int], queue_arn: pulumi.Input[str]
) -> aws.lambda_.FunctionEventInvokeConfigArgs:
    """An invocation that waits longer than the interval is dropped, one that fails is not repeated: the next run goes on. Both are reported."""
    on_failure = aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(destination=queue_arn)
    return aws.lambda_.FunctionEventInvokeConfigArgs(
        function_name=function_name,
        maximum_event_age_in_seconds=interval_minutes.apply(
            lambda minutes: min(minutes * 60, _LONGEST_EVENT_AGE_SECONDS)
        ),
        maximum_retry_attempts=0,
        destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(on_failure=on_failure),
    )
