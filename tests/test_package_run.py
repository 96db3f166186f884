"""A function's package for this machine: everything that the function does runs from it, with nothing else to import from."""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import shutil
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from elastic_iac.local.aws import LocalAws
from elastic_iac.package import Package, build_package, ensure_package
from elastic_iac.package.base import MACHINES, Target
from elastic_iac.package.build import MAX_UNZIPPED_BYTES
from elastic_iac.package.compiled import HOME
from elastic_iac.package.elf import check_shared_object
from elastic_iac.package.lock import locked_requirements
from elastic_iac.package.record import cache_folder
from tests.packages import ARCH, PYTHON, RUNS_HERE, always, run_function, serve_job

pytestmark = pytest.mark.skipif(
    not RUNS_HERE or PYTHON not in {"3.11", "3.12", "3.13", "3.14"}, reason="Lambda's packages run on Linux"
)
TARGET = Target("aws-lambda", ARCH, PYTHON)  # pyright: ignore[reportArgumentType] - the line above


@pytest.fixture(scope="module")
def built() -> Package:
    """Kept in the user's cache, where other tests and `up` find it too."""
    return ensure_package("aws-lambda", arch=ARCH, python=PYTHON)


@pytest.fixture(scope="module")
def tree(built: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package as Lambda unpacks it."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(folder)
    yield folder
    shutil.rmtree(folder)


def test_all_that_the_handler_uses_runs_from_the_package_alone(tree: Path, aws: LocalAws) -> None:
    """Settings and records in S3, load from CloudWatch, every model, plan, schedule, target: read, written, read back."""
    serve_job(aws)
    found = run_function(tree, aws, times=2)
    first, second = (each["summary"] for each in found["invocations"])
    assert [fleet["status"] for fleet in first["fleets"]] == ["written"]
    assert first["writes"] > 50
    assert len(aws.group("web").actions) > 50
    assert [fleet["status"] for fleet in second["fleets"]] == ["unchanged"]
    assert aws.client("s3").list_objects_v2(Bucket="package-job", Prefix="store/")["KeyCount"] > 0
    # A model whose library lacks a file is left out of a forecast without an error.
    assert found["models"]
    assert {name: reason for name, reason in found["models"].items() if reason} == {}
    _check_modules(found["modules"], tree)


def test_pulumi_and_the_command_line_are_absent(tree: Path) -> None:
    tops = {path.name.split(".")[0].split("-")[0] for path in tree.iterdir()}
    assert {"forecasting", "pandas", "boto3"} <= tops
    assert not {top for top in tops if top.startswith(("pulumi", "elastic", "stacks", "typer", "google", "grpc"))}


def test_it_is_small_enough_and_says_how_large(built: Package, tree: Path) -> None:
    sizes = [path.stat().st_size for path in tree.rglob("*") if path.is_file()]
    assert sum(sizes) == built.unzipped_bytes <= MAX_UNZIPPED_BYTES
    assert built.size_bytes == built.path.stat().st_size
    assert built.sha256 == hashlib.sha256(built.path.read_bytes()).hexdigest()


def test_every_shared_object_is_for_the_function(tree: Path) -> None:
    other = Target("aws-lambda", next(arch for arch in MACHINES if arch != ARCH), TARGET.python)
    checked = 0
    for path in tree.rglob("*"):
        if path.is_file():
            name, content = path.relative_to(tree).as_posix(), path.read_bytes()
            shared = check_shared_object(name, content, TARGET)
            checked += shared
            if shared:
                with pytest.raises(Exception, match=other.arch):
                    check_shared_object(name, content, other)
    assert checked > 20


def test_modules_are_compiled_and_name_no_folder_of_this_machine(built: Package, tree: Path) -> None:
    assert built.compiled
    here = [str(Path.home()), str(Path(__file__).parents[1]), str(cache_folder())]
    compiled = list(tree.rglob("*.pyc"))
    assert len(compiled) > 500
    for path in compiled:
        content = path.read_bytes()
        for code in _nested(marshal.loads(content[16:])):  # noqa: S302 - compiled by this Python a moment ago
            assert code.co_filename.startswith(f"{HOME}/")
        assert not [folder for folder in here if len(folder) > 1 and f"{folder}/".encode() in content]
    sources = {path.relative_to(tree).parts[0] for path in tree.rglob("*.py")}
    assert sources == {"forecasting"}  # what is ours can be read in a traceback


def test_another_build_elsewhere_gives_the_same_bytes(
    built: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = cache_folder() / "wheels"
    monkeypatch.setenv("ELASTIC_IAC_CACHE", str(tmp_path / "other"))
    shutil.copytree(wheels, cache_folder() / "wheels", copy_function=os.link)
    with zipfile.ZipFile(built.path) as archive:
        names = [name for name in archive.namelist() if name.startswith("forecasting/") and not name.endswith(".pyc")]
        job = {name: archive.read(name) for name in names}
    monkeypatch.setattr("elastic_iac.package.build.read_job", always(job))  # as it was, whoever edits it meanwhile
    again = build_package("aws-lambda", tmp_path / "out", arch=ARCH, python=PYTHON)
    assert again.stamp == built.stamp
    assert again.sha256 == built.sha256
    assert again.sbom.read_bytes() == built.sbom.read_bytes()


def test_the_list_of_contents_names_every_distribution_and_licence(built: Package, tree: Path) -> None:
    listed = json.loads(built.sbom.read_text())["components"]
    named = {f"{each['name']}=={each['version']}" for each in listed}
    assert named == {str(each) for each in locked_requirements(TARGET)}
    assert len(list(tree.glob("*.dist-info"))) == len(listed)
    unlicensed = {each["name"] for each in listed if "licenses" not in each}
    assert unlicensed <= {"scipy"}


def _check_modules(modules: dict[str, str], tree: Path) -> None:
    """Each is the package's or the standard library's."""
    standard = Path(sysconfig.get_path("stdlib"))
    assert Path(modules["json"]).is_relative_to(standard)
    assert "statsmodels" in modules
    elsewhere = {
        name: path
        for name, path in modules.items()
        if path and not Path(path).is_relative_to(tree) and "site-packages" in Path(path).parts
    }
    assert elsewhere == {}
    assert not {name for name in modules if name.split(".")[0] in {"pulumi", "elastic_iac", "filelock", "yaml"}}


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
