"""How long a year takes: `python -m benchmarks.replay_speed [DAYS]`. All policies, each at one setting, on one core; the forecasts are given."""

from __future__ import annotations

import sys
import time

import numpy as np

from forecasting.replay import Case, Provider, clairvoyant_minutes, measures, replay


def main(days: int = 365) -> None:
    minutes = days * 1440
    hour = np.arange(minutes) / 60
    noise = np.repeat(np.random.default_rng(0).normal(0, 8, minutes // 5), 5)
    load = np.maximum(100 + 60 * np.sin(hour / 24 * 2 * np.pi) + 20 * np.sin(hour / 168 * 2 * np.pi) + noise, 1)
    quarter = np.ceil(load.reshape(-1, 15).mean(axis=1) / 5).astype(np.int32)
    plan, hourly = np.repeat(quarter, 15), np.repeat(quarter[::4], 60)
    week = np.roll(plan, 7 * 1440)
    group = Provider(boot_seconds=900)
    cases = [
        Case("static", group, 40),
        *(Case(f"reactive {target:g}", group, 1, target) for target in (0.5, 0.7, 0.9)),
        Case("constant", group, 15, 0.9),
        Case("seasonal naive", group, week, 0.9),
        Case("AWS-like", group, hourly, 0.9),
        Case("elastic-iac", group, plan, 0.9),
    ]
    started = time.perf_counter()
    found = replay(load, 5.0, cases)
    best = float(clairvoyant_minutes(load, 5.0, 15).sum())
    table = [(case.name, measures(found.days, column, best)) for column, case in enumerate(cases)]
    seconds = time.perf_counter() - started
    for name, each in table:
        print(f"{name:16} cost {each.cost_ratio:.2f}  uncovered {each.under_provisioned_percent:.3f} %")
    print(f"{days} days at 1 min (load at 5 min), {len(cases) + 1} policies: {seconds:.1f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
