"""The function: its source, its limits, its address."""

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import lift
from elastic_iac.common.schema.gcp_forecast_job import GcpForecastJobArgs
from forecasting.errors import SettingsError

RUNTIME = "python313"
_PYTHON, _ARCHITECTURE = "3.13", "x86_64"
ENTRY_POINT = "handle"
_ONE_CPU_MIB = 4096
"""What one CPU may have: https://cloud.google.com/run/docs/configuring/services/memory-limits"""


@dataclass(frozen=True)
class Code:
    """A zip at hand; `sha256` in hexadecimal."""

    path: Path
    sha256: str


def built_code() -> Code:
    """Build the zip if it is missing or stale."""
    built = _package().ensure_package("gcp-function")
    return Code(Path(built.path), built.sha256)


def given_code(package_path: str) -> Code:
    """Read the zip that was given.

    Raises:
        SettingsError: there is no such zip, or it is for another Python or cloud.
    """
    path = Path(package_path)
    if path.suffix != ".zip" or not path.is_file():
        raise SettingsError("package_path", package_path, "a zip that `elastic-iac package gcp-function` has made")
    _package().check_package(path, kind="gcp-function", arch=_ARCHITECTURE, python=_PYTHON)
    return Code(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _package() -> Any:
    return importlib.import_module("elastic_iac.package")  # late: the builder is loaded for jobs only


def code_args(name: str, bucket: pulumi.Input[str], code: Code) -> gcp.storage.BucketObjectArgs:
    """The zip under a name of its own for each content: a function's update is a new object."""
    return gcp.storage.BucketObjectArgs(
        bucket=bucket,
        name=f"code/{name}-{code.sha256[:12]}.zip",
        source=pulumi.FileAsset(str(code.path)),
        content_type="application/zip",
    )


def function_args(
    job: str,
    args: GcpForecastJobArgs,
    *,
    location: pulumi.Input[str],
    bucket: pulumi.Input[str],
    code_object: pulumi.Input[str],
    settings_url: pulumi.Input[str],
    runtime_account: pulumi.Input[str],
    build_account: pulumi.Input[str],
) -> gcp.cloudfunctionsv2.FunctionArgs:
    """The function that runs the job `job`: one instance with one request, so two runs never meet; from within the project only."""
    return gcp.cloudfunctionsv2.FunctionArgs(
        location=location,
        description=f"Forecast job {job}: raises the floors of its groups ahead of the load",
        build_config=gcp.cloudfunctionsv2.FunctionBuildConfigArgs(
            runtime=RUNTIME,
            entry_point=ENTRY_POINT,
            service_account=build_account,
            source=gcp.cloudfunctionsv2.FunctionBuildConfigSourceArgs(
                storage_source=gcp.cloudfunctionsv2.FunctionBuildConfigSourceStorageSourceArgs(
                    bucket=bucket, object=code_object
                )
            ),
        ),
        service_config=gcp.cloudfunctionsv2.FunctionServiceConfigArgs(
            available_memory=lift(lambda mib: f"{mib}Mi", args.memory_mib),
            available_cpu=lift(
                lambda mib: "1" if mib <= _ONE_CPU_MIB else "2" if mib <= 2 * _ONE_CPU_MIB else "4", args.memory_mib
            ),
            timeout_seconds=args.timeout_seconds,
            min_instance_count=0,
            max_instance_count=1,
            max_instance_request_concurrency=1,
            ingress_settings="ALLOW_INTERNAL_ONLY",
            all_traffic_on_latest_revision=True,
            service_account_email=runtime_account,
            environment_variables={"ELASTIC_IAC_SETTINGS": settings_url},
        ),
        labels=args.labels,
    )
