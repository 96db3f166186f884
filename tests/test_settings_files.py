"""Settings from files: YAML and JSON, and what is wrong with a file."""

from __future__ import annotations

import json
import runpy
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting.errors import SettingsError
from forecasting.settings import load_job, parse_job
from tests.test_settings import JOB

ROOT = Path(__file__).resolve().parents[1]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    text = json.dumps(JOB)  # JSON is YAML too
    jobs = [load_job(written(tmp_path, f"job.{suffix}", text)) for suffix in ("json", "yaml", "yml")]
    assert jobs == [parse_job(JOB)] * 3


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(JOB).encode())
    assert load_job(path) == parse_job(JOB)


def test_yaml_takes_a_number_with_an_exponent_and_a_time_without_quotes(tmp_path: Path) -> None:
    text = (
        (ROOT / "examples" / "job.yaml")
        .read_text(encoding="utf-8")
        .replace("load_per_instance: 120", "load_per_instance: 1e3")
    )
    fleet = load_job(written(tmp_path, "job.yaml", text)).fleets[0]
    assert fleet.load_per_instance == 1000
    assert fleet.events[0].start == datetime.fromisoformat("2027-01-02T08:00:00+01:00")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("job.toml", "", ".yaml, .yml or .json"),
        ("job.yaml", "", "fields with their values"),
        ("job.yaml", "a: [", "YAML"),
        ("job.yaml", "name: a\nname: b\n", "'name' is there twice"),
        ("job.yaml", "name: a\n---\nname: b\n", "single document"),
        ("job.yaml", "!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("job.yaml", "[" * 1_000, "recursion"),
        ("job.json", "{", "JSON"),
        ("job.json", '{"name": 1, "name": 2}', "'name' is there twice"),
        ("job.json", '{"version": ' + "9" * 5000 + "}", "JSON"),
        ("job.json", "[" * 100_000, "recursion"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_job(written(tmp_path, name, text))
    assert expected in caught.value.expected
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_absent_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml.*FileNotFoundError"):
        load_job(tmp_path / "nowhere.yaml")
    (tmp_path / "job.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_job(tmp_path / "job.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["job.yaml", "job.json"]), st.text(alphabet="{}[]:,-\"'!&*?|>% \nabc0.\t#<", max_size=40))
def test_no_text_is_more_than_a_settings_error(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError):
        load_job(written(tmp_path, name, text))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    assert load_job(path).fleets


def test_the_documents_are_what_the_settings_say() -> None:
    files = runpy.run_path(str(ROOT / "docs" / "render_settings.py"))["render"]()
    assert set(files) == {"settings.md", "settings.schema.json", "stack.schema.json"}
    for name, text in files.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run: make generate"
