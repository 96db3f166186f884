"""How much of the schedule a run six hours later writes anew: `python -m benchmarks.rewrites --data DIR`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.scheduling import plain_request
from forecasting.history import build_history
from forecasting.models.tournament import forecast
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import Headroom
from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Slot
from forecasting.schedule.slots import Request
from forecasting.settings import Fleet, parse_fleet
from forecasting.sources.base import Reading
from forecasting.sources.files import read_csv
from forecasting.targets.aws_rules import make_diff

TRACES = (
    "llm_qwen_small_5min.csv",
    "llm_qwen_large_5min.csv",
    "wc98_5min.csv",
    "nyc_taxi_1h.csv",
    "tweets_amzn_5min.csv",
    "azurevm_5min.csv",
    "google2019_5min.csv",
)
INSTANCES_AT_PEAK = 40


@dataclass(frozen=True)
class Rewrite:
    """One run six hours after another: how many of its slots it wrote or deleted, and why."""

    now: datetime
    slots: int
    new: int
    raised: int
    lowered: int
    deleted: int

    @property
    def share(self) -> float:
        return (self.new + self.raised + self.lowered + self.deleted) / self.slots


def rewrites(reading: Reading, *, first: datetime, runs: int, hours: int = 6) -> Iterator[Rewrite]:
    """Walk a trace: run, let `hours` pass, run again; the first run writes everything and is not counted."""
    fleet = _fleet(reading)
    standing: tuple[Slot, ...] = ()
    for number in range(runs + 1):
        now = first + number * timedelta(hours=hours)
        due = [slot for slot in standing if slot.start <= now]
        pending = [slot for slot in standing if slot.start > now]
        min_size = due[-1].floor if due else fleet.floor
        owned = {slot.start: ScheduledAction(slot.name, slot.start, slot.floor) for slot in pending}
        schedule = build_schedule(
            _request(fleet, reading, now, GroupState(min_size, 100, min_size, tuple(owned.values())))
        )
        diff = make_diff(owned, schedule, now)
        standing = schedule.slots
        if number:
            yield Rewrite(
                now,
                slots=len(schedule.slots),
                new=sum(change.before is None for change in diff.puts),
                raised=sum(change.before is not None and change.slot.floor > change.before for change in diff.puts),
                lowered=sum(change.before is not None and change.slot.floor < change.before for change in diff.puts),
                deleted=len(diff.deletes),
            )


def _fleet(reading: Reading) -> Fleet:
    return parse_fleet(
        {
            "name": "bench",
            "cloud": "aws",
            "target": {"region": "us-east-1", "group_name": "bench"},
            "source": {"kind": "file", "path": "trace.csv"},
            "load_per_instance": float(reading.load.max()) / INSTANCES_AT_PEAK,
            "floor": 1,
            "ceiling": 2 * INSTANCES_AT_PEAK,
            "lead_time_seconds": 600,
        }
    )


def _request(fleet: Fleet, reading: Reading, now: datetime, group: GroupState) -> Request:
    seen = reading.load[(reading.load.index >= now - timedelta(days=28)) & (reading.load.index < now)]
    history = build_history(Reading(seen, reading.sample_seconds), now=now, step_minutes=fleet.step_minutes)
    quantiles = forecast(history.load, 192, (0.5, fleet.plan_quantile), censored=history.censored)
    plan = plan_capacity(
        quantiles, fleet, headroom=Headroom.of(history, fleet.plan_quantile), current_floor=group.min_size
    )
    return plain_request(fleet, plan, group, now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the load traces")
    parser.add_argument("--runs", type=int, default=12)
    arguments = parser.parse_args()
    print(
        "| trace | runs | slots | new | raised | lowered | deleted | mean share | largest share |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name in TRACES:
        reading = read_csv(arguments.data / name)
        last = reading.load.index[-1].to_pydatetime()
        first = last - timedelta(hours=6 * arguments.runs)
        done = list(rewrites(reading, first=first, runs=arguments.runs))
        mean = {
            field: sum(getattr(item, field) for item in done) / len(done)
            for field in ("slots", "new", "raised", "lowered", "deleted", "share")
        }
        print(
            f"| {name} | {len(done)} | {mean['slots']:.0f} | {mean['new']:.1f} | {mean['raised']:.1f} | {mean['lowered']:.1f}"
            f" | {mean['deleted']:.1f} | {mean['share']:.0%} | {max(item.share for item in done):.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
