"""How a function's package is fetched, built, listed, and found again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from elastic_iac.package import Package, PackageError, build_package, ensure_package
from elastic_iac.package import build as build_module
from elastic_iac.package.base import Target, locked_file, read_job
from elastic_iac.package.build import MAX_UNZIPPED_BYTES, MIB, check_size
from elastic_iac.package.lock import Requirement
from elastic_iac.package.stamp import stamp_of
from elastic_iac.package.wheels import fetch_wheels
from tests.commands import Shell
from tests.packages import LAMBDA, always, elf


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here reads or writes the user's packages."""
    monkeypatch.setenv("ELASTIC_IAC_CACHE", str(tmp_path / "cache"))


# --- wheels ------------------------------------------------------------------------------------------------------------


def make_wheel(folder: Path, name: str, tag: str, files: dict[str, bytes] | None = None) -> str:
    """A wheel of version 1.0; returns its digest."""
    path = folder / f"{name}-1.0-{tag}.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nLicense: MIT\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
        for each, content in (files or {f"{name}/__init__.py": b""}).items():
            archive.writestr(each, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, instead of any registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wanted(*digests: str, name: str = "thing") -> Requirement:
    return Requirement(name, "1.0", frozenset(digests))  # pyright: ignore[reportArgumentType] - a name as it is normalised


def test_the_wheel_for_the_functions_machine_is_fetched_once(registry: Path, tmp_path: Path) -> None:
    tags = (
        "cp313-cp313-manylinux_2_34_aarch64",
        "cp313-cp313-manylinux_2_34_x86_64",
        "cp312-cp312-manylinux_2_28_aarch64",
    )
    requirement = wanted(*(make_wheel(registry, "thing", tag) for tag in tags))
    found = fetch_wheels([requirement], LAMBDA, tmp_path / "kept")
    assert found[requirement].name == f"thing-1.0-{tags[0]}.whl"
    for path in registry.iterdir():
        path.unlink()
    assert fetch_wheels([requirement], LAMBDA, tmp_path / "kept") == found
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [found[requirement].name]


def test_a_kept_wheel_that_was_damaged_is_fetched_anew(registry: Path, tmp_path: Path) -> None:
    requirement = wanted(make_wheel(registry, "thing", "py3-none-any"))
    kept = fetch_wheels([requirement], LAMBDA, tmp_path / "kept")[requirement]
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    assert fetch_wheels([requirement], LAMBDA, tmp_path / "kept")[requirement].read_bytes() == whole


@pytest.mark.parametrize(
    "tag", ["cp313-cp313-manylinux_2_35_aarch64", "cp313-cp313-musllinux_1_2_aarch64", "cp313-cp313-win_arm64"]
)
def test_a_wheel_that_would_not_load_is_missing(registry: Path, tmp_path: Path, tag: str) -> None:
    requirement = wanted(make_wheel(registry, "thing", tag))
    with pytest.raises(PackageError, match=r"^thing==1.0: the registry has no wheel for Python 3.13 on arm64"):
        fetch_wheels([requirement], LAMBDA, tmp_path / "kept")


def test_a_python_without_pip_uses_the_one_that_python_brings(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", always(None))
    requirement = wanted(make_wheel(registry, "thing", "py3-none-any"))
    assert fetch_wheels([requirement], LAMBDA, tmp_path / "kept")[requirement].is_file()


def test_a_file_that_is_not_the_locked_one_is_refused(registry: Path, tmp_path: Path) -> None:
    make_wheel(registry, "thing", "py3-none-any")
    with pytest.raises(PackageError, match="digest is not the locked one"):
        fetch_wheels([wanted("0" * 64)], LAMBDA, tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


def test_a_registry_that_is_out_of_reach_is_told_without_its_address(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter2@127.0.0.1:9/simple")
    with pytest.raises(PackageError, match="could not be reached") as raised:
        fetch_wheels([wanted("0" * 64)], LAMBDA, tmp_path / "kept")
    assert "hunter2" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)


# --- build and find again ----------------------------------------------------------------------------------------------


def test_an_unzipped_size_that_lambda_would_refuse_is_refused() -> None:
    check_size(MAX_UNZIPPED_BYTES)
    with pytest.raises(PackageError, match=r"unzipped size: 236.0 MiB; expected at most 235 MiB"):
        check_size(236 * MIB)


def test_the_source_for_google_cloud(tmp_path: Path) -> None:
    """`main.py` at the root, the job, and its locked requirements: what Cloud Build takes."""
    package = build_package("gcp-function", tmp_path)
    with zipfile.ZipFile(package.path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    assert files.pop("requirements.txt") == locked_file("gcp-function").read_bytes()
    assert b"from forecasting.entrypoints.gcp_function import handle" in files.pop("main.py")
    assert files == read_job()
    assert list(files) == sorted(files)
    assert hashlib.sha256(package.path.read_bytes()).hexdigest() == package.sha256
    assert package.unzipped_bytes > package.size_bytes


def test_two_builds_have_one_digest(tmp_path: Path) -> None:
    packages = [build_package("gcp-function", tmp_path / name) for name in ("one", "two")]
    assert packages[0].sha256 == packages[1].sha256
    assert packages[0].sbom.read_bytes() == packages[1].sbom.read_bytes()


@pytest.fixture
def small_lambda(tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Package]:
    """Builds of a function of two small distributions and a job of one module."""
    for module in ("build", "ensure"):
        monkeypatch.setattr(f"elastic_iac.package.{module}.read_job", always({"forecasting/job.py": b"A = 1\n"}))
        monkeypatch.setattr(f"elastic_iac.package.{module}.find_interpreter", always(sys.executable))
    shared = f"thing/fast.cpython-313-{LAMBDA.machine}-linux-gnu.so"
    data = "thing-1.0.data/purelib/thing/moved.py"
    thing = make_wheel(
        registry,
        "thing",
        f"cp313-cp313-manylinux_2_28_{LAMBDA.machine}",
        {"thing/__init__.py": b"A = 1\n", shared: elf(183), data: b""},
    )
    pure = make_wheel(registry, "pure", "py3-none-any")
    lock = tmp_path / "aws-lambda.txt"
    lock.write_text(f"pure==1.0 \\\n    --hash=sha256:{pure}\nthing==1.0 \\\n    --hash=sha256:{thing}\n")
    for module in ("lock", "stamp"):
        monkeypatch.setattr(f"elastic_iac.package.{module}.locked_file", always(lock))

    def ensure(folder: Path = tmp_path / "out") -> Package:
        return ensure_package("aws-lambda", arch="arm64", folder=folder)

    return ensure


def test_what_a_wheel_installs_is_in_the_package(
    small_lambda: Callable[..., Package], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "find_interpreter", always(None))
    package = small_lambda()
    with zipfile.ZipFile(package.path) as archive:
        names = set(archive.namelist())
    assert not package.compiled
    assert {"thing/__init__.py", "thing/moved.py", "pure/__init__.py", "thing-1.0.dist-info/METADATA"} <= names
    assert not {name for name in names if name.endswith((".pyc", "RECORD"))}


def test_a_package_is_built_once_and_found_again(
    small_lambda: Callable[..., Package], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = [asked.result() for asked in [pool.submit(small_lambda) for _ in range(2)]]
    assert first == second
    monkeypatch.setattr(build_module, "build_package", _no_build)
    assert small_lambda() == first
    os.utime(first.path)  # copied, or checked out: its bytes are read
    assert small_lambda() == first


def test_a_damaged_or_missing_package_is_built_anew(small_lambda: Callable[..., Package]) -> None:
    package = small_lambda()
    whole = package.path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 1
    for harm in (
        lambda: package.path.write_bytes(spoilt),
        lambda: package.path.write_bytes(whole[:-1]),
        package.path.unlink,
        package.sbom.unlink,
        lambda: package.path.with_suffix(".json").write_text("{"),
    ):
        harm()
        assert small_lambda().sha256 == package.sha256
        assert package.path.read_bytes() == whole
        assert package.sbom.exists()


@pytest.mark.parametrize("kind", ["aws-lambda", "gcp-function"])
def test_any_change_of_what_goes_in_is_another_stamp(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = read_job()
    stamps = [stamp_of(Target.of(kind, None, "3.13"), job), stamp_of(Target.of(kind, None, "3.12"), job)]
    stamps.append(stamp_of(Target.of(kind, None, "3.13"), {**job, "forecasting/job.py": b"changed"}))
    stamps.append(stamp_of(Target.of(kind, None, "3.13"), {**job, "forecasting/new.py": b""}))
    if kind == "aws-lambda":
        stamps.append(stamp_of(Target.of(kind, "x86_64", "3.13"), job))
    lock = tmp_path / "lock.txt"
    lock.write_text("six==1.16.0")
    monkeypatch.setattr("elastic_iac.package.stamp.locked_file", always(lock))
    stamps.append(stamp_of(Target.of(kind, None, "3.13"), job))
    monkeypatch.setattr("elastic_iac.package.stamp._BUILDER", tmp_path)
    stamps.append(stamp_of(Target.of(kind, None, "3.13"), job))
    assert len(set(stamps)) == len(stamps)


def test_a_package_without_compiled_modules_is_built_again_once_they_can_be_made(
    small_lambda: Callable[..., Package], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("build", "ensure"):
        monkeypatch.setattr(f"elastic_iac.package.{module}.find_interpreter", always(None))
    assert not small_lambda().compiled
    assert not small_lambda().compiled
    for module in ("build", "ensure"):
        monkeypatch.setattr(f"elastic_iac.package.{module}.find_interpreter", always(sys.executable))
    assert small_lambda().compiled


def test_packages_of_earlier_sources_do_not_pile_up(
    small_lambda: Callable[..., Package], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        changed = {"forecasting/job.py": str(number).encode()}
        for module in ("build", "ensure"):
            monkeypatch.setattr(f"elastic_iac.package.{module}.read_job", always(changed))
        small_lambda()
    newest = small_lambda()
    kept = list((tmp_path / "out").glob("*.zip"))
    assert len(kept) == 4
    assert newest.path in kept
    assert len(list((tmp_path / "out").glob("*.cdx.json"))) == 4


def test_asking_for_a_package_imports_nothing_heavy() -> None:
    code = "import sys, elastic_iac.package; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"pulumi", "pandas", "numpy", "boto3", "pydantic", "packaging", "filelock"}


def _no_build(*_: object, **__: object) -> None:
    raise AssertionError("a package that stands was built again")


# --- the list of contents ----------------------------------------------------------------------------------------------


def check_bill(document: dict[str, Any]) -> None:
    """The essentials of CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/."""
    assert document["bomFormat"] == "CycloneDX"
    assert document["specVersion"] == "1.6"
    assert document["version"] >= 1
    assert uuid.UUID(document["serialNumber"].removeprefix("urn:uuid:"))
    components = [document["metadata"]["component"], *document["components"]]
    references = [each["bom-ref"] for each in components]
    assert len(set(references)) == len(references)
    for each in components:
        assert each["type"] in {"application", "library"}
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" or each["type"] == "application"
        for digest in each.get("hashes", []):
            assert digest["alg"] == "SHA-256"
            assert len(bytes.fromhex(digest["content"])) == 32
        for licence in each.get("licenses", []):
            assert ("expression" in licence) != ("license" in licence)
            assert licence.get("expression") or licence["license"].get("id") or licence["license"]["name"]
        # An expression stands alone.
        assert len(each.get("licenses", [])) == 1 or all("license" in one for one in each.get("licenses", []))
    for dependency in document["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= set(references)


def test_the_contents_are_listed(small_lambda: Callable[..., Package], tmp_path: Path, registry: Path) -> None:
    package = small_lambda()
    document = json.loads(package.sbom.read_text())
    check_bill(document)
    listed = {each["name"]: each for each in document["components"]}
    assert listed.keys() == {"thing", "pure"}
    (wheel,) = registry.glob("pure-*.whl")
    assert listed["pure"]["hashes"][0]["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert listed["pure"]["licenses"] == [{"license": {"name": "MIT"}}]
    assert document["metadata"]["component"]["hashes"][0]["content"] == package.sha256
    google = build_package("gcp-function", tmp_path)
    check_bill(json.loads(google.sbom.read_text()))


# --- the command -------------------------------------------------------------------------------------------------------


def test_the_command_builds_and_tells_a_person_and_a_program(shell: Shell) -> None:
    done = shell.run("package", "gcp-function", "--out", "dist", "--json")
    assert done.code == 0
    assert Path(done.document["path"]).stat().st_size == done.document["size_bytes"]
    assert Path(done.document["sbom"]).is_file()
    again = shell.run("package", "gcp-function", "--out", "dist")
    assert done.document["sha256"] in again.stdout
    assert "MiB unzipped" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("package", "azure", "--out", "dist"), 2),
        (("package", "gcp-function", "--out", "d", "--arch", "arm64"), 2),
        (("package", "aws-lambda"), 2),
    ],
)
def test_wrong_usage_of_the_command(shell: Shell, arguments: tuple[str, ...], code: int) -> None:
    assert shell.run(*arguments).code == code


def test_the_command_names_the_wheel_that_is_missing(shell: Shell, registry: Path) -> None:
    done = shell.run("package", "aws-lambda", "--out", "dist", "--json")
    assert done.code == 1
    assert done.document["error"]["message"].startswith("annotated-types==")
    assert not list(registry.iterdir())


def test_the_command_says_what_lacks_without_an_interpreter(
    shell: Shell, small_lambda: Callable[..., Package], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("build", "ensure"):
        monkeypatch.setattr(f"elastic_iac.package.{module}.find_interpreter", always(None))
    done = shell.run("package", "aws-lambda", "--out", "dist", "--json")
    assert done.code == 0
    assert not done.document["compiled"]
    assert "uv python install 3.13" in done.document["note"]
    assert small_lambda(Path("dist")).path.exists()
