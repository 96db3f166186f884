"""What is built, and for which machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, cast, get_args

from forecasting.errors import ElasticIacError, SettingsError

Kind = Literal["aws-lambda", "gcp-function"]
Arch = Literal["arm64", "x86_64"]
PythonVersion = Literal["3.11", "3.12", "3.13", "3.14"]

DEFAULT_PYTHON: PythonVersion = "3.13"
MACHINES: dict[Arch, str] = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Each architecture as Linux and the names of wheels call it."""

NEWEST_GLIBC = 34
"""Amazon Linux 2023, which Lambda's Python 3.12 and later run on, has glibc 2.34: wheels for a newer one do not load there."""

OLDEST_GLIBC = 5
"""The oldest that wheels are built for (manylinux1): https://peps.python.org/pep-0600/."""


class PackageError(ElasticIacError):
    """The package could not be built."""


@dataclass(frozen=True)
class Target:
    """Where a package runs.

    Attributes:
        kind: Which cloud's function.
        arch: The processor.
        python: The run time's Python, major and minor.
    """

    kind: Kind
    arch: Arch
    python: PythonVersion

    @classmethod
    def of(cls, kind: str, arch: str | None, python: str) -> Target:
        """The target that the words name.

        Args:
            kind: `aws-lambda` or `gcp-function`.
            arch: `arm64` or `x86_64`; where it is not given, the one that costs less on that cloud.
            python: Major and minor version.

        Raises:
            SettingsError: a word is none of them, or the cloud has no such function.
        """
        _check("kind", kind, get_args(Kind))
        _check("python", python, get_args(PythonVersion))
        arches: tuple[str, ...] = get_args(Arch) if kind == "aws-lambda" else ("x86_64",)
        _check("arch", arch or arches[0], arches)
        return cls(cast("Kind", kind), cast("Arch", arch or arches[0]), cast("PythonVersion", python))

    def __str__(self) -> str:
        return f"{self.kind}-{self.arch}-py{self.python}"

    @property
    def machine(self) -> str:
        """The architecture as Linux calls it."""
        return MACHINES[self.arch]

    @property
    def abi(self) -> str:
        """The tag of compiled modules: `cp313`."""
        return "cp" + self.python.replace(".", "")

    @property
    def platforms(self) -> list[str]:
        """The platform tags of wheels that run there, best first."""
        newest_first = range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)
        return [*(f"manylinux_2_{minor}_{self.machine}" for minor in newest_first), f"manylinux2014_{self.machine}"]

    @cached_property
    def marker_environment(self) -> dict[str, str]:
        """What environment markers are judged by: the function's machine, not the one that builds (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


@dataclass(frozen=True)
class Package:
    """A built package.

    Attributes:
        path: The zip.
        sha256: Its digest, in hex.
        size_bytes: Of the zip.
        unzipped_bytes: Of the files in it.
        sbom: What is in it, as CycloneDX JSON.
        stamp: Digest of all that it was built from; the same on every machine.
        compiled: Whether compiled modules are in it (a cold start takes nearly three times as long without). Always False for Google Cloud,
            which installs the requirements itself.
    """

    path: Path
    sha256: str
    size_bytes: int
    unzipped_bytes: int
    sbom: Path
    stamp: str
    compiled: bool


def locked_file(kind: Kind) -> Path:
    """The locked requirements of a function."""
    return Path(__file__).with_name(f"{kind}.txt")


def read_job() -> dict[str, bytes]:
    """The files of the job by their path in a package."""
    import forecasting  # noqa: PLC0415 - only its place is needed

    root = Path(str(forecasting.__file__)).parent
    found = (path for path in root.rglob("*") if path.suffix in {".py", ".json", ".typed"} and path.is_file())
    return {f"forecasting/{path.relative_to(root).as_posix()}": path.read_bytes() for path in sorted(found)}


def _check(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(field, value, f"one of {', '.join(known)}")
