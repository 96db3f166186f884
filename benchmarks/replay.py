"""What prediction gives on real traces, beside what people have; and whether the verdict holds on later data.

    python -m benchmarks.replay [--traces FOLDER] [--walks FOLDER] [--out FILE] [NAME ...]

Writes a Markdown page. The walks (forecasts from rolling origins) take the time, about 0.5 to 2 s an origin; `--walks` keeps them for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from forecasting.backtest import Backtest, BacktestSettings, Outcome
from forecasting.backtest.choice import Days, choose, savings
from forecasting.backtest.recommend import csv_fleet
from forecasting.backtest.run import OURS, assess, origin_times, seen_ticks, window
from forecasting.backtest.sweep import Sweep, sweep
from forecasting.backtest.verdict import AHEAD_DAYS, Traits, Verdict, judge
from forecasting.backtest.walk import Origin, walk
from forecasting.settings import Fleet
from forecasting.sources.base import Reading
from forecasting.sources.files import read_csv

ROOT = Path(__file__).resolve().parents[1]
TRACES = {
    "llm_qwen_small_5min": ("LLM requests/s, small model", "alibaba/ServeGen, m-small", "Apache-2.0"),
    "llm_qwen_large_5min": ("LLM requests/s, large model", "alibaba/ServeGen, m-large", "Apache-2.0"),
    "llm_qwen_large_tokens_5min": ("LLM tokens/s, large model", "alibaba/ServeGen, m-large", "Apache-2.0"),
    "wc98_5min": (
        "World Cup 1998 web site, requests/s",
        "nimamahmoudi/worldcup98-dataset",
        "freely redistributable; MIT",
    ),
    "nyc_taxi_1h": ("New York taxi passengers/s", "numenta/NAB, realKnownCause/nyc_taxi", "MIT"),
    "tweets_amzn_5min": ("tweets that name AMZN/s", "numenta/NAB, realTweets/Twitter_volume_AMZN", "MIT"),
    "azurevm_5min": ("CPU of Azure VMs", "alejandrofdez-us/DataCenter-Traces-Datasets, azure_v2", "CC-BY-4.0"),
    "google2019_5min": (
        "CPU of a Google cluster",
        "alejandrofdez-us/DataCenter-Traces-Datasets, google2019",
        "CC-BY-4.0",
    ),
}
BOOTS = (5.0, 15.0, 30.0)
PEAK_INSTANCES = 40
CLEAR_PERCENT = 2.0
SPLITS = (0.5, 0.6, 0.7, 0.8)
SETTINGS = BacktestSettings(boot_minutes=BOOTS, days=28)
GOAL = SETTINGS.goal_percent / 100


@dataclass(frozen=True)
class Later:
    """A verdict and what came after it."""

    trace: str
    boot_minutes: float
    split: float
    verdict: Verdict
    realised_percent: float

    @property
    def decided(self) -> bool:
        return self.verdict.outcome is not Outcome.UNDECIDED

    @property
    def right(self) -> bool:
        return (self.verdict.outcome is Outcome.PAYS) == (self.realised_percent > 0)

    @property
    def inside(self) -> bool:
        low, high = self.verdict.low_percent, self.verdict.high_percent
        return low is not None and high is not None and low <= self.realised_percent <= high


def main() -> None:
    arguments = _arguments()
    results: dict[str, Backtest] = {}
    later: list[Later] = []
    for name in arguments.names or TRACES:
        started = time.perf_counter()
        reading = read_csv(arguments.traces / f"{name}.csv")
        peak = float(reading.load.max())
        fleet = csv_fleet(f"{name}.csv", peak / PEAK_INSTANCES, peak)
        origins = kept_walk(name, reading, fleet, arguments.walks)
        results[name] = assess(reading, origins, fleet, SETTINGS)
        load = window(reading, origins)
        ticks = seen_ticks(reading, origins, fleet, SETTINGS)
        found = sweep(load, origins[0].at, origins, fleet, BOOTS, SETTINGS.walk, ticks=ticks)
        later += _later(name, found, results[name])
        print(f"{name}: {len(origins)} origins, {time.perf_counter() - started:.0f} s", flush=True)
    arguments.out.write_text(_page(results, later), encoding="utf-8")
    print(f"wrote {arguments.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *TRACES], metavar="NAME")
    parser.add_argument("--traces", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--walks", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "replay.md")
    return parser.parse_args()


def kept_walk(name: str, reading: Reading, fleet: Fleet, folder: Path | None) -> list[Origin]:
    """The walk, from this machine's own earlier run where there is one."""
    times, how = origin_times(reading, fleet, SETTINGS)
    if folder is None:
        return walk(reading, times, how)
    digest = hashlib.sha256(json.dumps([name, asdict(how), str(times)]).encode()).hexdigest()[:12]
    kept = folder / f"{name}-{digest}.pickle"
    if kept.exists():
        origins: list[Origin] = pickle.loads(kept.read_bytes())  # noqa: S301 - written by the lines below on this machine
        return origins
    origins = walk(reading, times, how)
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(origins))
    return origins


def _later(name: str, found: Sweep, result: Backtest) -> list[Later]:
    """Verdicts from the days before each split, and what the recommended setting saved in the (at most 14) days after it."""
    records: list[Later] = []
    for boot in BOOTS:
        ours, reactive = (
            Days.of(
                found.days, [column for each in names for column in found.columns(each, boot)], found.clairvoyant[boot]
            )
            for names in (OURS, ("reactive",))
        )
        for share in SPLITS:
            split = int(len(ours) * share)
            end = min(split + AHEAD_DAYS, len(ours))
            column = choose(ours.between(0, split), GOAL)
            # Only the words of the reason depend on how flat the load is.
            traits = Traits(boot, split, 2.0, result.accuracy.overall.mase if result.accuracy else None)
            verdict = judge(
                ours.only(column).between(0, split), reactive.between(0, split), traits, GOAL, ahead_days=end - split
            )
            realised = 100 * savings(ours.only(column).between(split, end), reactive.between(split, end), None, GOAL)
            records.append(Later(name, boot, share, verdict, float(realised[0])))
    return records


# The page


def _page(results: dict[str, Backtest], later: Sequence[Later]) -> str:
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    parts = [
        "# What prediction gives, beside what people have",
        "",
        f"Made by `python -m benchmarks.replay` ({machine}); do not edit by hand.",
        "",
        "Public traces, each sized to 40 instances at its highest sample. Replay with AWS's semantics (`docs/backtest.md`), the newest 28 days",
        "at most, forecasts from origins every 6 h with at most 28 days of history. Ours is the floor of every 6 h or the short-lead update of every",
        "5 min, whichever the first half of the days would have chosen; of hourly samples there is no such update. **Settings are chosen on the",
        f"first half of the days and measured on the second**, for a goal of {SETTINGS.goal_percent:g} % of the load uncovered. Cost:",
        "instance-hours over those of the",
        "clairvoyant policy with the same boot time.",
        "The update's shipped coefficients were learnt on these traces too, and",
        "are drawn to each trace's own past; `short_lead.md` has the figures without the trace at hand.",
        "",
        *_equal_hours(results),
        *_verdicts(later),
        *_tables(results),
        *_sources(results),
    ]
    return "\n".join(parts) + "\n"


def _equal_hours(results: dict[str, Backtest]) -> list[str]:
    lines = [
        "## At equal instance-hours",
        "",
        "Load uncovered (%) by ours, by reactive scaling alone with its target lowered until the hours match, and by the best constant floor",
        "under reactive scaling at those hours. Bold: the least.",
        "",
        "| trace | boot | elastic-iac | reactive | constant floor |",
        "|---|---|---|---|---|",
    ]
    slow: list[tuple[float, float, float]] = []
    for name, result in results.items():
        for boot in result.boots:
            equal = boot.equal_hours
            values = (equal.predictive_percent, equal.reactive_percent, equal.constant_percent)
            if boot.boot_minutes >= 15:
                slow.append(values)
            lines.append(f"| {name} | {boot.boot_minutes:g} min | {_bold_least(values, 3)} |")
    table = np.array(slow)
    below = int((table[:, 0] < table[:, 1]).sum())
    beaten = int((table[:, 0] < table[:, 2]).sum())
    mean = table.mean(axis=0)
    return [
        *lines,
        "",
        f"Boots of 15 min and more: ours leaves less uncovered than reactive scaling in **{below} of {len(table)}** cases",
        f"and less than the constant floor in **{beaten} of {len(table)}**; means {mean[0]:.3f} % (ours), {mean[1]:.3f} % (reactive),",
        f"{mean[2]:.3f} % (constant floor). The others are the cases where ours loses.",
        "",
    ]


def _bold_least(values: Sequence[float], digits: int) -> str:
    least = min(round(value, digits) for value in values)
    cells = [f"{value:.{digits}f}" for value in values]
    return " | ".join(
        f"**{cell}**" if round(value, digits) == least else cell for value, cell in zip(values, cells, strict=True)
    )


def _verdicts(later: Sequence[Later]) -> list[str]:
    shares = ", ".join(f"{100 * share:.0f}" for share in SPLITS)
    lines = [
        "## The verdict against later data",
        "",
        f"Verdicts from the first part of the days, compared with what the recommended setting saved over the at most {AHEAD_DAYS} days after,",
        "which neither choice nor verdict had seen. The constants of the verdict were set on these traces (`designs/verdict.md`).",
        "",
        *_quality(
            "One verdict per trace and boot, from the first half",
            [record for record in later if record.split == SPLITS[0]],
        ),
        *_short_boots(later),
        *_quality(f"All verdicts, from the first {shares} % (they overlap: not independent)", later),
        "",
        "| trace | boot | days before | verdict | saving (%) | 90 % interval | realised (%) | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for record in later:
        verdict = record.verdict
        wrong = abs(record.realised_percent) > CLEAR_PERCENT and record.decided and not record.right
        remark = ", ".join(text for text, shown in (("wrong sign", wrong), ("outside", not record.inside)) if shown)
        lines.append(
            f"| {record.trace} | {record.boot_minutes:g} min | {100 * record.split:.0f} % | {verdict.outcome.value} | {verdict.saving_percent:.1f} "
            f"| {verdict.low_percent:.1f} to {verdict.high_percent:.1f} | {record.realised_percent:.1f} | {remark} |"
        )
    return [*lines, ""]


def _quality(title: str, records: Sequence[Later]) -> list[str]:
    clear = [record for record in records if abs(record.realised_percent) > CLEAR_PERCENT]
    decided = [record for record in clear if record.decided]
    right = sum(record.right for record in decided)
    open_ = sum(not record.decided for record in records)
    inside = sum(record.inside for record in records)
    return [
        f"- {title}: {len(clear)} of {len(records)} realised savings are beyond {CLEAR_PERCENT:g} %.",
        f"  Where there is a verdict on these, its sign is right in **{right} of {len(decided)}** ({_share(right, len(decided))}).",
        f"  No verdict in **{open_} of {len(records)}** ({_share(open_, len(records))}).",
        f"  The 90 % intervals hold **{_share(inside, len(records))}** of the realised savings.",
    ]


def _short_boots(records: Sequence[Later]) -> list[str]:
    """Where ours was dearer than reactive scaling with the shortest boot, and what the verdict had said."""
    short = [record for record in records if record.boot_minutes == BOOTS[0] and record.split == SPLITS[0]]
    dearer = [record for record in short if record.realised_percent < 0]
    told = [record for record in dearer if record.verdict.outcome is not Outcome.PAYS]
    said = "; ".join(
        f"{record.trace} {record.realised_percent:.1f} % ({record.verdict.outcome.value})" for record in dearer
    )
    return [
        f"- With a boot of {BOOTS[0]:g} min, ours was dearer than reactive scaling at equal uncovered load on {len(dearer)} of {len(short)} traces:",
        f"  {said or 'none'}.",
        f"  The verdict from the days before had not said that it pays in **{len(told)} of {len(dearer)}** of these.",
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.0f} %"


def _tables(results: dict[str, Backtest]) -> list[str]:
    lines = ["## Every policy", ""]
    for name, result in results.items():
        scores = result.accuracy.overall if result.accuracy else None
        lines += [f"### {name}: {TRACES[name][0]}", ""]
        if scores and scores.mase is not None:
            coverage = ", ".join(f"{level:g}: {share:.3f}" for level, share in scores.coverage.items())
            lines += [
                f"Forecasts: MASE {scores.mase:.2f}, weighted quantile loss {scores.weighted_quantile_loss:.3f}, coverage {coverage}.",
                "",
            ]
        for boot in result.boots:
            lines += [
                f"**Boot {boot.boot_minutes:g} min.** {boot.verdict.sentence}",
                "",
                "| policy | target | quantile | instance-hours | cost | uncovered % | uncovered min | utilisation % | changes/day | late min |",
                "|---|---|---|---|---|---|---|---|---|---|",
            ]
            for row in boot.rows:
                each = row.measures
                lines.append(
                    f"| {row.label} | {_or_dash(row.target)} | {_or_dash(row.quantile)} | {each.instance_hours:,.0f} | {each.cost_ratio:.2f} "
                    f"| {each.under_provisioned_percent:.3f} | {each.under_provisioned_minutes:,.0f} | {each.mean_utilisation_percent:.0f} "
                    f"| {each.capacity_changes_per_day:.0f} | {each.lead_time_violation_minutes:,.0f} |"
                )
            lines.append("")
    return lines


def _or_dash(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _sources(results: dict[str, Backtest]) -> list[str]:
    return [
        "## Sources",
        "",
        "| trace | what | source | licence |",
        "|---|---|---|---|",
        *(f"| {name} | {TRACES[name][0]} | {TRACES[name][1]} | {TRACES[name][2]} |" for name in results),
    ]


if __name__ == "__main__":
    main()
