"""Files that follow from the declarations of fields."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elastic_iac.common.generate import generate

ROOT = Path(__file__).resolve().parents[1]
FIELD = """    made_up_share: Float | None = Field(default=None, ge=0, le=0.5, description="A made-up share of the load.")
"""
CHECK = """
from elastic_iac.aws.gpu_pool.config import configure
from elastic_iac.common.fleet_output import fleet_json
from elastic_iac.common.parsing import ArgumentsError
from forecasting.settings import parse_fleet
from elastic_iac.aws.fleet import Place
import json

forecast = {"load_per_replica": 5, "load": {"namespace": "A", "metric_name": "B"}, "made_up_share": 0.25}
pool = {
    "vpc_id": "vpc-0a", "subnet_ids": ["subnet-0a"], "instance_types": [{"instance_type": "g6.xlarge"}],
    "min_size": 1, "max_size": 4, "forecast": forecast,
}
config = configure("llm", pool)
settings = config.fleet(config.partitions[0], Place("eu-central-1", "g", ""))
print(parse_fleet(json.loads(fleet_json(settings | {"learn_lead_time": True}))).made_up_share)
try:
    configure("llm", {**pool, "forecast": {**forecast, "made_up_share": 0.7}})
except ArgumentsError as error:
    print(error.field)
"""


@pytest.mark.parametrize("path", sorted(generate()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_generated_module_is_fresh(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate()[path], "run: make generate"


def test_a_new_field_of_the_fleet_touches_one_file_by_hand(tmp_path: Path) -> None:
    """From the argument of each component to the settings of the job, with its documents: in a copy of the tree."""
    for folder in ("elastic_iac", "forecasting", "stacks", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    fleet = tmp_path / "forecasting/settings/fleet.py"
    text = fleet.read_text(encoding="utf-8")
    marker = "    dry_run: Bool = Field("
    assert text.count(marker) == 1
    fleet.write_text(text.replace(marker, FIELD + marker), encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "elastic_iac.common.generate")
    run("docs/render_settings.py")
    for generated in (
        "elastic_iac/aws/autoscaling_group/args.py",
        "elastic_iac/aws/gpu_pool/args.py",
        "docs/settings.md",
        "docs/stack.schema.json",
    ):
        content = (tmp_path / generated).read_text(encoding="utf-8")
        assert "made_up_share" in content or "madeUpShare" in content, generated
        assert "A made-up share of the load." in content, generated
    assert run("-c", CHECK).split() == ["0.25", "forecast.made_up_share"]
