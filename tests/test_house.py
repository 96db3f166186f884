"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import elastic_iac
import forecasting
from benchmarks import argument_stops

ROOT = Path(__file__).resolve().parents[1]

HEAVY = (
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "boto3",
    "botocore",
    "pydantic",
    "pulumi",
    "elastic_iac",
    "typer",
    "plotly",
)

BLOCK_PULUMI = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith(("pulumi", "elastic_iac", "stacks")):
            raise ModuleNotFoundError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_forecasting_imports_nothing_heavy() -> None:
    loaded = python("import sys, forecasting; print(*sorted({name.split('.')[0] for name in sys.modules}))").split()
    assert "forecasting" in loaded
    assert not set(loaded) & set(HEAVY)


def test_settings_need_only_pydantic() -> None:
    """A component writes settings, and is installed without the job's requirements."""
    loaded = python(
        "import sys, forecasting.settings; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    ).split()
    assert not set(loaded) & (set(HEAVY) - {"pydantic"} | {"yaml", "cronsim", "tenacity", "filelock"})


def test_forecasting_runs_without_pulumi() -> None:
    every = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "forecasting").rglob("*.py")
    )
    code = (
        f"{BLOCK_PULUMI}\nimport importlib\nfor name in {every!r}: importlib.import_module(name)\nimport forecasting\n"
    )
    python(code + "for name in forecasting.__all__: getattr(forecasting, name)\n")


def test_the_blocker_of_pulumi_blocks() -> None:
    with pytest.raises(AssertionError, match="pulumi is blocked"):
        python(f"{BLOCK_PULUMI}\nimport pulumi")


def test_every_public_name_resolves_and_no_other() -> None:
    assert sorted(forecasting.__all__) == forecasting.__all__ == dir(forecasting)
    for name in forecasting.__all__:
        assert getattr(forecasting, name).__module__.startswith("forecasting.")
    with pytest.raises(AttributeError, match="nonsense"):
        _ = forecasting.nonsense  # pyright: ignore[reportAttributeAccessIssue] - that is the test


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_the_machine_that_it_was_written_on() -> None:
    """Home and scratch folders by absolute path, and package indexes other than the public default."""
    home = re.compile(r"(?<![\w.$}~/])/(?:root|home/\w+|Users/\w+|work|tmp/\w{1,2})/[\w.-]+|[A-Z]:\\Users\\\w+")
    index = re.compile(
        r"(?:--index-url|--extra-index-url|--find-links|index-url\s*=|UV_(?:DEFAULT_)?INDEX\w*=|PIP_INDEX_URL=)"
    )
    found: list[str] = []
    for path in tracked_files():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {match.group()}" for rule in (home, index) for match in rule.finditer(text)
        ]
    assert not found


@pytest.mark.parametrize("component", elastic_iac.__all__)
def test_raw_arguments_are_parsed_in_one_place(component: str) -> None:
    trail = argument_stops.follow(ROOT, component)
    assert len(trail.stops) <= 25
    assert trail.entered_twice == {}
    assert trail.back_up == 0
