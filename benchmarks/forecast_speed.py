"""Processor time and memory of one forecast, in a process of its own with one BLAS thread: 28 days at 15 and at 5 min, 48 h ahead.

python -m benchmarks.forecast_speed
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

PROGRAM = """
import json, resource, sys, time
import numpy as np, pandas as pd
started = time.process_time()
from forecasting.models.tournament import forecast
imported = time.process_time() - started
minutes = int(sys.argv[1])
days = np.arange(28 * 1440 // minutes) * minutes / 1440
load = 100 + 40 * np.sin(2 * np.pi * days) + 20 * np.cos(2 * np.pi * days / 7) + np.random.default_rng(1).normal(0, 4, len(days))
series = pd.Series(load, index=pd.date_range("2026-01-05T00:00Z", periods=len(load), freq=f"{minutes}min"))
times = []
for _ in range(6):
    started = time.process_time()
    forecast(series, 2880 // minutes)
    times.append(time.process_time() - started)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"import": imported, "first": times[0], "next": sorted(times[1:])[2], "mb": peak, "statsmodels": "statsmodels" in sys.modules}))
"""


def main() -> None:
    print(
        "| step | import of the models, s | first forecast, s | next ones (median of 5), s | peak of the process, MB | statsmodels loaded |"
    )
    print("|---|---|---|---|---|---|")
    for minutes in (15, 5):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(minutes)], capture_output=True, text=True, check=True, env=environment
        )
        found = json.loads(done.stdout)
        times = " | ".join(f"{found[key]:.3f}" for key in ("import", "first", "next"))
        print(f"| {minutes} min | {times} | {found['mb']:.0f} | {'yes' if found['statsmodels'] else 'no'} |")


if __name__ == "__main__":
    main()
