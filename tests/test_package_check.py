"""A package that is given as `package_path` is for the function's processor, Python and cloud, or it is refused."""

from __future__ import annotations

import platform
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastic_iac.package import check_package, functions_run_here
from forecasting.errors import SettingsError
from tests import gcp_job_args, job_args
from tests.packages import elf

MACHINES = {"arm64": 183, "x86_64": 62}
ARCHES, PYTHONS = sorted(MACHINES), ["3.11", "3.12", "3.13", "3.14"]
ENTRY = "forecasting/entrypoints/aws_lambda.py"


def package(folder: Path, arch: str, python: str, *, shared: bool = True, compiled: bool = True) -> Path:
    tag = f"cpython-{python.replace('.', '')}"
    path = folder / "job.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ENTRY, "")
        if compiled:
            archive.writestr(f"forecasting/entrypoints/__pycache__/aws_lambda.{tag}.pyc", b"x")
        if shared:
            archive.writestr(f"numpy/core/_multiarray.{tag}-{arch}-linux-gnu.so", elf(MACHINES[arch]))
            archive.writestr("numpy.libs/libopenblas.so.0", elf(MACHINES[arch]))
    return path


@given(
    built=st.tuples(st.sampled_from(ARCHES), st.sampled_from(PYTHONS)),
    wanted=st.tuples(st.sampled_from(ARCHES), st.sampled_from(PYTHONS)),
    named_as_lambda_does=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_taken_if_and_only_if_it_is_for_that_processor_and_python(
    tmp_path: Path, built: tuple[str, str], wanted: tuple[str, str], named_as_lambda_does: bool
) -> None:
    path = package(tmp_path, *built)
    python = f"python{wanted[1]}" if named_as_lambda_does else wanted[1]
    if built == wanted:
        check_package(path, kind="aws-lambda", arch=wanted[0], python=python)
        return
    with pytest.raises(SettingsError, match="package_path: got ") as raised:
        check_package(path, kind="aws-lambda", arch=wanted[0], python=python)
    assert f"elastic-iac package aws-lambda --arch {wanted[0]} --python {wanted[1]}" in str(raised.value)


@pytest.mark.parametrize("shared", [True, False])
def test_either_sign_is_enough(tmp_path: Path, shared: bool) -> None:
    path = package(tmp_path, "x86_64", "3.11", shared=shared, compiled=not shared)
    with pytest.raises(SettingsError, match=r"3\.13"):
        check_package(path, kind="aws-lambda", arch="x86_64", python="3.13")


def test_another_cloud_s_package_and_any_other_file_are_refused(tmp_path: Path) -> None:
    path = package(tmp_path, "x86_64", "3.13")
    with pytest.raises(SettingsError, match=r"main\.py is not in it"):
        check_package(path, kind="gcp-function", arch="x86_64", python="3.13")
    source = tmp_path / "source.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("main.py", "")
    check_package(source, kind="gcp-function", arch="x86_64", python="3.12")
    for content in (b"", b"not a zip", path.read_bytes()[:-30]):
        path.write_bytes(content)
        with pytest.raises(SettingsError, match="not a readable zip"):
            check_package(path, kind="aws-lambda", arch="x86_64", python="3.13")
    with pytest.raises(SettingsError, match="not a readable zip"):
        check_package(tmp_path / "absent.zip", kind="aws-lambda", arch="x86_64", python="3.13")


@pytest.mark.parametrize("built", [("x86_64", "3.11"), ("x86_64", "3.13"), ("arm64", "3.11")])
def test_a_job_refuses_a_package_for_another_processor_or_python_by_its_field(
    tmp_path: Path, built: tuple[str, str]
) -> None:
    path = str(package(tmp_path, *built))
    with pytest.raises(SettingsError, match=r"package_path: got .*--arch arm64 --python 3\.13"):
        job_args.declare(job_args.changed(job_args.MINIMAL, package_path=path))
    with pytest.raises(SettingsError, match=r"package_path: got .*main\.py is not in it"):
        gcp_job_args.declare(gcp_job_args.changed(gcp_job_args.MINIMAL, package_path=path))


def test_a_job_takes_the_package_that_fits_and_reports_all_problems_at_once(tmp_path: Path) -> None:
    fits = str(package(tmp_path, "x86_64", "3.13"))
    recorder, _ = job_args.declare(job_args.changed(job_args.MINIMAL, package_path=fits, architecture="x86_64"))
    assert recorder.one(":Function").inputs["architectures"] == ["x86_64"]
    with pytest.raises(SettingsError, match=r"(?s)alarm_emails.*package_path|package_path.*alarm_emails"):
        job_args.declare(job_args.changed(job_args.MINIMAL, package_path=fits, alarm_emails=["a@b.example"] * 2))


def test_an_emulated_cloud_runs_functions_on_this_machine(tmp_path: Path) -> None:
    other = "arm64" if "x86" in platform.machine().lower() or platform.machine() == "AMD64" else "x86_64"
    mine = next(arch for arch in ARCHES if arch != other)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    with functions_run_here():
        check_package(package(tmp_path, mine, python), kind="aws-lambda", arch="arm64", python="python3.13")
        with pytest.raises(SettingsError, match=f"for {mine} and Python {python}"):
            check_package(package(tmp_path, other, python), kind="aws-lambda", arch="arm64", python="python3.13")
