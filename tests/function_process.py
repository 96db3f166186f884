"""Run by `python -I -S -B` with a package unpacked: everything that a function does, with that folder and the standard library to import from.

Arguments: the folder, and how many times the handler is invoked. Prints one JSON document as its last line.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

tree, times = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, tree)
before = time.process_time()

from forecasting.entrypoints.aws_lambda import handler  # noqa: E402 - found in the folder above

imported = time.process_time() - before

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from forecasting import forecast  # noqa: E402
from forecasting.models.tournament import MODELS  # noqa: E402


@dataclass
class Context:
    """What the handler uses of Lambda's."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


def invoke(number: int) -> dict[str, object]:
    """The handler as Lambda calls it."""
    started = time.process_time()
    summary = handler({"source": "manual"}, Context(f"request-{number}"))
    return {"seconds": time.process_time() - started, "summary": summary}


def left_out() -> dict[str, dict[str, str]]:
    """What kept any of the models from serving four weeks of load: a library that lacks a file would be told here only."""
    index = pd.date_range("2026-01-05", periods=28 * 24, freq="1h", tz="UTC")
    noise = np.random.default_rng(3).normal(0, 4, len(index))
    load = pd.Series(100 + 60 * np.sin(np.arange(len(index)) / 24 * 2 * np.pi) + noise, index=index)
    return {model.name: dict(forecast(load, 24, model=model.name).model.left_out) for model in MODELS}


def peak_mb() -> float:
    """The most memory that was resident. (`getrusage` would count what the parent had when it started this process.)"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


result: dict[str, object] = {
    "import_seconds": imported,
    "invocations": [invoke(number) for number in range(times)],
    "peak_mb": peak_mb(),
    "models": left_out(),
    "modules": {name: str(getattr(module, "__file__", None) or "") for name, module in sys.modules.items()},
}
sys.stdout.write("\n" + json.dumps(result, default=str) + "\n")
