"""Build the loads: `python -m benchmarks.traces [NAME ...]`.

Downloads the public files that `benchmarks/traces.toml` names, derives each load and checks its
digest. Files that are there already are not downloaded again.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tomllib
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from benchmarks.traces.derive import DERIVATIONS, load_file
from benchmarks.traces.public import public_files
from forecasting.errors import ElasticIacError, InputError

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "benchmarks" / "traces.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the named loads, or all; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.traces",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="loads; all if none is given")
    parser.add_argument("--raw", type=Path, default=ROOT / "out" / "raw", help="the public files")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "traces", help="the loads")
    options = parser.parse_args(arguments)
    document = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    unknown = [name for name in options.names if name not in document["loads"]]
    if unknown:
        print(f"error: NAME {unknown[0]!r}: expected one of {list(document['loads'])}", file=sys.stderr)
        return 2
    failed = 0
    for name in options.names or document["loads"]:
        failed += not _built(name, document, options.raw, options.out)
    return int(failed > 0)


def _built(name: str, document: dict[str, Any], raw: Path, out: Path) -> bool:
    entry = document["loads"][name]
    try:
        text = derived(entry, document["sources"][entry["source"]], raw)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest != entry["sha256"]:
            raise InputError(f"SHA-256 is {digest}; expected {entry['sha256']}")
    except (ElasticIacError, urllib.error.URLError, CalledProcessError, TimeoutError) as error:
        print(f"error: {name}: {error}", file=sys.stderr)
        return False
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.csv").write_text(text, encoding="utf-8")
    print(f"built {name}")
    return True


def derived(entry: dict[str, Any], source: dict[str, Any], raw: Path) -> str:
    """The text of a load file, from the public files in `raw`.

    Args:
        entry: Of `[loads]`.
        source: Of `[sources]`.
        raw: Folder of the public files, one folder a source in it.
    """
    paths = public_files(source, entry["files"], raw / entry["source"])
    load = DERIVATIONS[entry["derive"]](paths, entry.get("options", {}))
    how = entry.get("step_is", "mean")
    return load_file(load, entry["first"], entry["step"], entry["samples"], how)


if __name__ == "__main__":
    sys.exit(main())
