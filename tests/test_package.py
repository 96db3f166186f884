"""What goes into a function's package: the locked requirements of its machine, pruned, checked and compiled."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.package import Arch, PackageError
from elastic_iac.package.base import MACHINES, Target, read_job
from elastic_iac.package.compiled import HOME, compile_sources, find_interpreter
from elastic_iac.package.elf import check_shared_object
from elastic_iac.package.lock import locked_requirements
from elastic_iac.package.prune import is_shipped
from forecasting.errors import SettingsError
from tests.packages import LAMBDA, always, elf

# --- target and lock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arch", "python", "field"),
    [
        ("aws", None, "3.13", "kind"),
        ("aws-lambda", "arm", "3.13", "arch"),
        ("gcp-function", "arm64", "3.13", "arch"),
        ("aws-lambda", "arm64", "3.10", "python"),
    ],
)
def test_an_unknown_target_is_refused_by_name(kind: str, arch: str | None, python: str, field: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{field}: got .*expected one of"):
        Target.of(kind, arch, python)


def test_markers_are_judged_by_the_function_not_by_this_machine() -> None:
    """The lock holds two versions of numpy, for older and newer Pythons."""
    found = {
        python: {str(each.name): each.version for each in locked_requirements(Target.of("aws-lambda", "arm64", python))}
        for python in ("3.11", "3.13")
    }
    assert found["3.11"]["numpy"] != found["3.13"]["numpy"]
    assert found["3.11"].keys() == found["3.13"].keys()
    # Nothing that only serves another system.
    assert "colorama" not in found["3.13"]


def test_a_function_is_given_what_it_imports_and_nothing_of_ours_beside() -> None:
    names = {each.name for each in locked_requirements(LAMBDA)}
    assert names >= {"boto3", "pandas", "statsmodels", "pydantic", "tenacity", "cronsim", "aws-lambda-powertools"}
    assert not {name for name in names if name.startswith(("pulumi", "google", "grpc"))}
    assert not names & {"filelock", "pyyaml", "typer", "rich", "plotly", "pyarrow"}
    google = {each.name for each in locked_requirements(Target.of("gcp-function", None, "3.13"))}
    assert google >= {"google-cloud-compute", "google-cloud-monitoring", "google-cloud-storage", "functions-framework"}
    assert not {name for name in google if name.startswith(("boto", "pulumi", "aws"))}


def test_a_line_without_a_digest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# a comment\nsix==1.17.0\n")
    monkeypatch.setattr("elastic_iac.package.lock.locked_file", always(lock))
    with pytest.raises(PackageError, match=r"'six==1.17.0' is not locked"):
        locked_requirements(LAMBDA)


# --- what is shipped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shipped"),
    [
        ("six.py", True),
        ("pandas/core/frame.py", True),
        ("pandas/tests/test_frame.py", False),
        ("pandas/_testing/__init__.py", True),
        ("numpy/f2py/__init__.py", True),
        ("numpy/_core/include/numpy/ndarraytypes.h", False),
        ("scipy/linalg/_fblas.cpython-313-aarch64-linux-gnu.so", True),
        ("scipy/linalg/cython_blas.pxd", False),
        ("statsmodels/datasets/utils.py", True),
        ("statsmodels/datasets/randhie/randhie.csv", False),
        ("botocore/data/endpoints.json", True),
        ("botocore/data/s3/2006-03-01/service-2.json.gz", True),
        ("botocore/data/ec2/2016-11-15/service-2.json.gz", False),
        ("boto3/data/s3/2006-03-01/resources-1.json", False),
        ("wrapt-stubs/__init__.pyi", False),
        ("pandas-3.1.1.dist-info/METADATA", True),
        ("pandas-3.1.1.dist-info/RECORD", False),
        ("pandas-3.1.1.dist-info/licenses/LICENSES/BOTTLENECK_LICENCE", True),
        ("tzdata/zoneinfo/Europe/Berlin", True),
    ],
)
def test_what_is_pruned(name: str, shipped: bool) -> None:
    assert is_shipped(name) is shipped


def test_the_service_models_are_those_that_the_job_asks_for() -> None:
    """Every `client("service")` of the job's own sources."""
    import re  # noqa: PLC0415

    sources = b"\n".join(read_job().values()).decode()
    called = set(re.findall(r"""\.client\(\s*["'](\w+)["']""", sources))
    assert {"autoscaling", "cloudwatch", "s3"} <= called
    assert {f"botocore/data/{service}/1/service-2.json.gz" for service in called} == {
        name for service in called if is_shipped(name := f"botocore/data/{service}/1/service-2.json.gz")
    }


# --- shared objects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", get_args(Arch))
def test_a_shared_object_of_the_target_passes(arch: Arch) -> None:
    target = Target.of("aws-lambda", arch, "3.13")
    machine = {"arm64": 183, "x86_64": 62}[arch]
    for name in (f"a.cpython-313-{MACHINES[arch]}-linux-gnu.so", "a.abi3.so", "a.libs/libgfortran-1.so.5.0.0", "a.so"):
        assert check_shared_object(name, elf(machine), target)
    assert not check_shared_object("a.py", b"import b", target)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.cpython-313-x86_64-linux-gnu.so", elf(62), r"ELF machine 62; expected 183 \(arm64\)"),
        ("a.cpython-312-aarch64-linux-gnu.so", elf(183), "built for cpython-312; expected cpython-313"),
        ("a.cpython-313t-aarch64-linux-gnu.so", elf(183), "built for cpython-313t"),
        ("a.so", elf(183, bits=1), "ELF machine"),
        ("a.so", elf(183, order=2), "ELF machine"),
        ("a.so", b"\x7fELF\x02", "ELF machine"),
        ("a.cpython-313-darwin.so", b"\xcf\xfa\xed\xfe" + bytes(40), "not a shared object of Linux"),
        ("a.pyd", b"MZ" + bytes(40), "not a shared object of Linux"),
    ],
)
def test_a_shared_object_of_another_machine_is_refused(name: str, content: bytes, told: str) -> None:
    with pytest.raises(PackageError, match=rf"^{name}: .*{told}"):
        check_shared_object(name, content, LAMBDA)


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        assert not check_shared_object("a", content, LAMBDA) or content.startswith(b"\x7fELF")
    except PackageError:
        assert content.startswith(b"\x7fELF")


# --- compiled modules --------------------------------------------------------------------------------------------------


def test_compiled_modules_depend_on_the_sources_alone() -> None:
    sources = {
        "a/__init__.py": b"from a.b import C\n",
        "a/b.py": b"C = frozenset({'x', 'y', 'z'})\ndef f(v):\n    return v in {'p', 'q', 'r'}\n",
        "a/python2.py": b"print 'no'\n",
    }
    first, second = (compile_sources(sources, sys.executable) for _ in range(2))
    assert first == second
    assert first.keys() == {"a/__init__.py", "a/b.py"}
    assert f"{HOME}/a/b.py".encode() in first["a/b.py"]
    assert first["a/b.py"][4:8] == b"\x01\x00\x00\x00"  # PEP 552: by hash, not checked


def test_an_interpreter_of_the_version_is_found_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}") == sys.executable
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_interpreter("3.99") is None
    shim = tmp_path / "python3.99"  # runs, but is another version, as pyenv's shims are
    shim.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    shim.chmod(0o755)
    assert find_interpreter("3.99") is None
