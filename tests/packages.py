"""A function's package for this machine, and what it needs to run."""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from elastic_iac.local.aws import LocalAws
from elastic_iac.package.base import Target
from tests.fleets import REGION, fleet_data, make_group

LAMBDA = Target.of("aws-lambda", "arm64", "3.13")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCH = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
RUNS_HERE = sys.platform == "linux"
"""Whether a package for Lambda can be run by this system."""

SCRIPT = Path(__file__).with_name("function_process.py")
BUCKET, SETTINGS_KEY = "package-job", "settings/job.json"
STEP_MINUTES = 15


def always(value: Any) -> Callable[..., Any]:
    """A stand-in that answers this, whatever it is asked."""

    def answer(*_: object, **__: object) -> Any:
        return value

    return answer


def elf(machine: int, *, bits: int = 2, order: int = 1) -> bytes:
    """The head of an ELF file."""
    return b"\x7fELF" + bytes([bits, order, 1]) + bytes(9) + struct.pack("<HH", 3, machine) + bytes(44)


def serve_job(aws: LocalAws, days: float = 13) -> None:
    """A group, its load in CloudWatch, and the settings of a job in a bucket: what a function finds."""
    make_group(aws)
    now = aws.clock.now()
    count = int(days * 24 * 60 / STEP_MINUTES)
    stamps = [now - timedelta(minutes=STEP_MINUTES * (count - number)) for number in range(count)]
    dimensions = [{"Name": "AutoScalingGroupName", "Value": "web"}]
    points = [
        {"MetricName": "Load", "Dimensions": dimensions, "Timestamp": stamp, "Value": load_at(stamp)}
        for stamp in stamps
    ]
    cloudwatch: Any = aws.client("cloudwatch")
    for first in range(0, count, 1000):
        cloudwatch.put_metric_data(Namespace="App", MetricData=points[first : first + 1000])
    s3: Any = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    metric = {
        "namespace": "App",
        "metric_name": "Load",
        "dimensions": {"AutoScalingGroupName": "web"},
        "statistic": "Average",
    }
    source = {"kind": "cloudwatch", "metric": metric, "period_seconds": 60 * STEP_MINUTES}
    job = {
        "name": "job",
        "owner": "prod",
        "store": {"kind": "s3", "bucket": BUCKET, "prefix": "store", "region": REGION},
        "fleets": [fleet_data(source=source)],
    }
    s3.put_object(Bucket=BUCKET, Key=SETTINGS_KEY, Body=json.dumps(job).encode())


def load_at(stamp: datetime) -> float:
    """A day's wave, with a little that looks like noise and is the same each time."""
    hour = stamp.hour + stamp.minute / 60
    return float(110 + 70 * np.sin((hour - 9) / 24 * 2 * np.pi) + 3 * np.sin(stamp.timestamp() / 997))


def run_function(tree: Path, aws: LocalAws, *, times: int, python: str = sys.executable) -> dict[str, Any]:
    """Run the handler of an unpacked package in a process of its own, against the double; what `function_process` printed."""
    variables = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "LD_LIBRARY_PATH"}},
        **aws.environment(),
        "ELASTIC_IAC_SETTINGS": f"s3://{BUCKET}/{SETTINGS_KEY}",
        "POWERTOOLS_SERVICE_NAME": "elastic-iac",
        "POWERTOOLS_METRICS_NAMESPACE": "ElasticIac",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [python, "-I", "-S", "-B", str(SCRIPT), str(tree), str(times)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=tree, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
