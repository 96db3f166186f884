"""Time and memory of one fleet's run, each row in processes of their own, as a markdown table.

    python -m benchmarks.job [--repeat N]

28 days of generated load at 15 min, 48 h ahead. `stages` is the job without a cloud: read a file, clean, fit all models on rolling origins,
calibrate the bands, plan, lay the slots. `job` is the whole job against the local cloud, in another process: read CloudWatch, all stages, write,
read back. The first run of a process also imports the model libraries. Seconds are processor time, so that other programs on the machine count
little; memory is the peak of the resident set, interpreter and libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.fleet_run import DAYS, STEP_MINUTES
from elastic_iac.local.aws import LocalAws, local_aws

GROUP = "bench-web"
ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
IMPORTS = {
    "`import forecasting`": "import forecasting",
    "`from forecasting import forecast, plan_capacity, Fleet`": "from forecasting import forecast, plan_capacity, Fleet",
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="processes per row; the median is printed")
    repeat = parser.parse_args(arguments).repeat
    print(
        f"| one fleet, {DAYS} days at {STEP_MINUTES} min | imports, s | first run, s | next run, s | peak memory, MB |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = _load()
        now = load.index[-1].to_pydatetime() + timedelta(minutes=STEP_MINUTES)
        (folder / "now.txt").write_text(now.isoformat(), encoding="utf-8")
        load.rename_axis("timestamp").rename("value").to_csv(folder / "load.csv", date_format="%Y-%m-%dT%H:%M:%SZ")
        _write_settings(folder / "file.yaml", {"kind": "file", "path": "load.csv"})
        _row("stages, from a file", [_run("stages", folder, {}) for _ in range(repeat)])
        found: list[dict[str, float]] = []
        for _ in range(repeat):
            with local_aws(now=now - timedelta(days=DAYS)) as aws:
                _serve(aws, folder, load)
                found.append(_run("job", folder, aws.environment()))
        _row("job, against the local cloud", found)
    print("\n| import, in a fresh process | s |\n|---|---|")
    for name, code in IMPORTS.items():
        print(f"| {name} | {median(_import_seconds(code) for _ in range(repeat)):.2f} |")


def _row(name: str, found: list[dict[str, float]]) -> None:
    middle = {key: median(each[key] for each in found) for key in found[0]}
    print(
        f"| {name} | {middle['imports']:.2f} | {middle['first']:.2f} | {middle['next']:.2f} | {middle['peak_mb']:.0f} |",
        flush=True,
    )


def _run(what: str, folder: Path, variables: dict[str, str]) -> dict[str, float]:
    environment = {**os.environ, **variables, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.fleet_run", what]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _import_seconds(code: str) -> float:
    timed = f"import time; start = time.process_time(); {code}; print(time.process_time() - start)"
    command = [sys.executable, "-c", timed]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **ONE_THREAD})
    return float(done.stdout)


def _load() -> pd.Series[float]:
    """Days, weeks and noise, to the last whole step."""
    end = pd.Timestamp(datetime.now(UTC)).floor(f"{STEP_MINUTES}min")
    index = pd.date_range(end - pd.Timedelta(days=DAYS), end, freq=f"{STEP_MINUTES}min", inclusive="left")
    random = np.random.default_rng(7)
    hour = index.hour.to_numpy() + index.minute.to_numpy() / 60
    day = 0.3 + np.exp(-(((hour - 12) / 4) ** 2))
    week = np.where(index.day_of_week.to_numpy() >= 5, 0.6, 1.0)
    return pd.Series(900 * day * week * np.exp(random.normal(0, 0.08, len(index))), index=index)


def _serve(aws: LocalAws, folder: Path, load: pd.Series[float]) -> None:
    """A group in the local cloud and its load. CloudWatch takes samples of the last two weeks only, so the clock moves on in between."""
    cloudwatch: Any = aws.client("cloudwatch")
    dimensions = [{"Name": "AutoScalingGroupName", "Value": GROUP}]
    stamps: list[datetime] = pd.DatetimeIndex(load.index).to_pydatetime().tolist()
    points = [
        {"MetricName": "Load", "Dimensions": dimensions, "Timestamp": stamp, "Value": value}
        for stamp, value in zip(stamps, load.tolist(), strict=True)
    ]
    week = 7 * 24 * 60 // STEP_MINUTES
    for first in range(0, len(points), week):
        aws.clock.advance(timedelta(days=7))
        cloudwatch.put_metric_data(Namespace="Bench", MetricData=points[first : first + week])
    autoscaling: Any = aws.client("autoscaling")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=2,
        MaxSize=60,
        AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateName": "bench", "Version": "1"},
    )
    autoscaling.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": 60.0,
        },
    )
    dimension = {"AutoScalingGroupName": GROUP}
    metric = {"namespace": "Bench", "metric_name": "Load", "dimensions": dimension, "statistic": "Average"}
    source = {"kind": "cloudwatch", "metric": metric, "period_seconds": 60 * STEP_MINUTES}
    # Records of another process's runs are another group's.
    _write_settings(folder / "cloud.yaml", source, store=f"store-{aws.id}")


def _write_settings(path: Path, source: dict[str, Any], store: str = "store") -> None:
    fleet = {
        "name": "web",
        "cloud": "aws",
        "target": {"region": "us-east-1", "group_name": GROUP},
        "source": source,
        "load_per_instance": 75,
        "floor": 2,
        "ceiling": 60,
    }
    job = {"name": "bench", "owner": "bench", "store": {"kind": "local", "path": store}, "fleets": [fleet]}
    path.write_text(yaml.safe_dump(job), encoding="utf-8")


if __name__ == "__main__":
    main()
