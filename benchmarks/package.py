"""Size and build time of a function's package for both processors, and how it starts and runs on this machine, as markdown tables.

    python -m benchmarks.package [--repeat N]

Builds are measured in a cache of their own: from nothing (wheels are downloaded), with the wheels kept, and after a change of the job. The package
for this machine is run by a Python of its version with nothing else to import from and no compiled modules written: a fresh process imports the
handler, runs it for one fleet against the local cloud (cold) and once more (warm). Seconds are processor time, so that other programs on the
machine count little; memory is the process's own peak.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, get_args

from elastic_iac.local.aws import local_aws
from elastic_iac.package import Arch, Package, build_package
from elastic_iac.package import build as build_module
from elastic_iac.package.base import DEFAULT_PYTHON
from elastic_iac.package.build import MIB
from elastic_iac.package.compiled import find_interpreter
from elastic_iac.package.record import cache_folder
from tests.packages import ARCH, RUNS_HERE, always, run_function, serve_job


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="processes per row; the median is printed")
    repeat = parser.parse_args(arguments).repeat
    with tempfile.TemporaryDirectory() as name:
        os.environ["ELASTIC_IAC_CACHE"] = name
        print(
            f"| Python {DEFAULT_PYTHON} | zip, MiB | unzipped, MiB | build, s | wheels kept, s | job changed, s |\n|---|---|---|---|---|---|"
        )
        built = {arch: _sizes(arch, Path(name)) for arch in get_args(Arch)}
        interpreter = find_interpreter(DEFAULT_PYTHON)
        if RUNS_HERE and interpreter:
            print(
                f"\n| {ARCH}, one fleet | import, s | cold run, s | warm run, s | peak memory, MB |\n|---|---|---|---|---|"
            )
            _speeds("as shipped", built[ARCH], interpreter, repeat)  # pyright: ignore[reportArgumentType] - a name of this machine
            build_module.find_interpreter = always(None)
            _speeds("without compiled modules", _build(ARCH, Path(name) / "sources"), interpreter, repeat)


def _build(arch: str, out: Path) -> Package:
    return build_package("aws-lambda", out, arch=arch)


def _sizes(arch: str, folder: Path) -> Package:
    seconds = [_timed(arch, folder)]
    for path in cache_folder().glob("libraries-*"):  # the wheels stay
        path.unlink()
    seconds += [_timed(arch, folder), _timed(arch, folder)]
    package = _build(arch, folder)
    told = " | ".join(f"{each:.1f}" for each in seconds)
    print(f"| {arch} | {package.size_bytes / MIB:.1f} | {package.unzipped_bytes / MIB:.1f} | {told} |", flush=True)
    return package


def _timed(arch: str, folder: Path) -> float:
    """Processor time of a build, the processes that it starts included."""
    before = os.times()
    _build(arch, folder)
    return sum(os.times()[:4]) - sum(before[:4])


def _speeds(name: str, package: Package, interpreter: str, repeat: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(package.path) as archive:
            archive.extractall(folder)
        rows = [_run(Path(folder), interpreter) for _ in range(repeat)]
    told = " | ".join(f"{median(column):.2f}" for column in zip(*rows, strict=True))
    print(f"| {name} | {told} |", flush=True)


def _run(tree: Path, interpreter: str) -> tuple[float, ...]:
    with local_aws(now=datetime.now(UTC).replace(second=0, microsecond=0)) as aws:
        serve_job(aws)
        found: dict[str, Any] = run_function(tree, aws, times=2, python=interpreter)
    cold, warm = (each["seconds"] for each in found["invocations"])
    return found["import_seconds"], cold, warm, found["peak_mb"]


if __name__ == "__main__":
    main()
