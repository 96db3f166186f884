"""Count the lines of components, stacks and settings: `python -m benchmarks.hand_written_lines [COMMIT ...]`.

Every line of every module counts, blank lines and docstrings too. Modules that say that they are generated are counted
apart. Without a commit the files of the checkout are counted.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (*("elastic_iac/aws", "elastic_iac/gcp", "elastic_iac/common"), "stacks", "forecasting/settings")
COMMON_BEFORE = tuple(f"elastic_iac/{name}.py" for name in ("fleet", "forecast_args", "job", "validation"))
"""Modules of `elastic_iac/common` until that folder was made."""


def count(commit: str | None = None) -> tuple[int, int]:
    """Lines by hand, and generated lines."""
    by_hand = generated = 0
    for text in _modules(commit):
        if "Generated from `" in text[:400]:
            generated += text.count("\n")
        else:
            by_hand += text.count("\n")
    return by_hand, generated


def _modules(commit: str | None) -> Iterator[str]:
    if commit is None:
        for folder in FOLDERS:
            yield from (path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py"))
        return
    names = _git("ls-tree", "-r", "--name-only", commit, *FOLDERS, *COMMON_BEFORE).splitlines()
    yield from (_git("show", f"{commit}:{name}") for name in names if name.endswith(".py"))


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main() -> None:
    for commit in sys.argv[1:] or [None]:
        by_hand, generated = count(commit)
        print(f"{commit or 'checkout'}: {by_hand} lines by hand, {generated} generated")


if __name__ == "__main__":
    main()
