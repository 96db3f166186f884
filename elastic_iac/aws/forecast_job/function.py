"""The function: its zip, its limits, what becomes of an invocation that fails."""

import base64
import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.aws_forecast_job import AwsForecastJobArgs
from elastic_iac.common.schema.base import Tags, Value
from forecasting.errors import SettingsError

RUNTIME = "python3.13"
HANDLER = "forecasting.entrypoints.aws_lambda.handler"
_LONGEST_EVENT_AGE_SECONDS = 21_600


@dataclass(frozen=True)
class Code:
    """A zip at hand; `sha256` in hexadecimal."""

    path: Path
    sha256: str


def built_code(architecture: str) -> Code:
    """Build the zip if it is missing or stale."""
    built = _package().ensure_package("aws-lambda", arch=architecture, python=RUNTIME.removeprefix("python"))
    return Code(Path(built.path), built.sha256)


def given_code(package_path: str, architecture: str) -> Code:
    """Read the zip that was given.

    Raises:
        SettingsError: there is no such zip, or it does not run on this architecture and run time.
    """
    path = Path(package_path)
    if path.suffix != ".zip" or not path.is_file():
        raise SettingsError("package_path", package_path, "a zip that `elastic-iac package aws-lambda` has built")
    _package().check_package(path, kind="aws-lambda", arch=architecture, python=RUNTIME)
    with path.open("rb") as file:
        return Code(path, hashlib.file_digest(file, "sha256").hexdigest())


def _package() -> Any:
    return importlib.import_module("elastic_iac.package")  # late: the builder is loaded for jobs only


def code_args(name: str, bucket: pulumi.Input[str], code: Code, architecture: str) -> aws.s3.BucketObjectv2Args:
    """The zip under a key that holds its digest: another zip is another object, and the function follows it."""
    return aws.s3.BucketObjectv2Args(
        bucket=bucket,
        key=f"code/{name}-{architecture}-{code.sha256[:12]}.zip",
        source=pulumi.FileAsset(str(code.path)),
        content_type="application/zip",
    )


def role_args(
    trust: pulumi.Input[str], description: str, *, tags: Tags, permissions_boundary_arn: Value[str] | None
) -> aws.iam.RoleArgs:
    """A role of the job."""
    return aws.iam.RoleArgs(
        assume_role_policy=trust, description=description, tags=tags, permissions_boundary=permissions_boundary_arn
    )


def function_args(
    job: str,
    args: AwsForecastJobArgs,
    *,
    code: Code,
    bucket: pulumi.Input[str],
    code_key: pulumi.Input[str],
    settings_url: pulumi.Input[str],
    role_arn: pulumi.Input[str],
    log_group_name: pulumi.Input[str],
    tags: Tags,
) -> aws.lambda_.FunctionArgs:
    """The function that runs the job `job`."""
    return aws.lambda_.FunctionArgs(
        description=f"Forecast job {job}: raises the floors of its groups ahead of the load",
        runtime=RUNTIME,
        handler=HANDLER,
        architectures=[args.architecture],
        s3_bucket=bucket,
        s3_key=code_key,
        source_code_hash=base64.b64encode(bytes.fromhex(code.sha256)).decode(),
        role=role_arn,
        memory_size=args.memory_mib,
        timeout=args.timeout_seconds,
        reserved_concurrent_executions=args.reserved_concurrency,
        environment=aws.lambda_.FunctionEnvironmentArgs(
            variables={
                "ELASTIC_IAC_SETTINGS": settings_url,
                "POWERTOOLS_SERVICE_NAME": "elastic-iac",
                "POWERTOOLS_METRICS_NAMESPACE": "ElasticIac",
                "POWERTOOLS_LOG_LEVEL": "INFO",
            }
        ),
        vpc_config=None
        if args.vpc_subnet_ids is None
        else aws.lambda_.FunctionVpcConfigArgs(
            subnet_ids=args.vpc_subnet_ids, security_group_ids=args.vpc_security_group_ids
        ),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log_group_name),
        tags=tags,
    )


def invoke_config_args(
    function_name: pulumi.Input[str], interval_minutes: Value[int], queue_arn: pulumi.Input[str]
) -> aws.lambda_.FunctionEventInvokeConfigArgs:
    """An invocation that waits longer than the interval is dropped, one that fails is not repeated: the next run goes on. Both are reported."""
    on_failure = aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(destination=queue_arn)
    return aws.lambda_.FunctionEventInvokeConfigArgs(
        function_name=function_name,
        maximum_event_age_in_seconds=lift(
            lambda minutes: min(minutes * 60, _LONGEST_EVENT_AGE_SECONDS), interval_minutes
        ),
        maximum_retry_attempts=0,
        destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(on_failure=on_failure),
    )
