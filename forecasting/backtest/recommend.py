"""The settings that a backtest recommends, as a file that `elastic-iac plan` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from forecasting.backtest.result import Backtest, BootResult
from forecasting.settings import Fleet, Job, parse_fleet, parse_job

PLACEHOLDER_REGION = "us-east-1"
PLACEHOLDER_GROUP = "CHANGE-ME"


def csv_fleet(
    path: Path | str,
    load_per_instance: float,
    peak_load: float,
    *,
    lead_time_seconds: float = 300.0,
    model: str = "auto",
    name: str = "fleet",
) -> Fleet:
    """A fleet for a load file alone: the target's names are placeholders, the ceiling is twice what the peak needs.

    Raises:
        SettingsError: a value is out of range; names the field.
    """
    ceiling = max(round(2 * peak_load / load_per_instance), 1) if load_per_instance > 0 else 1
    return parse_fleet(
        {
            "name": name,
            "cloud": "aws",
            "target": {"region": PLACEHOLDER_REGION, "group_name": PLACEHOLDER_GROUP},
            "source": {"kind": "file", "path": str(path)},
            "load_per_instance": load_per_instance,
            "floor": 1,
            "ceiling": min(ceiling, 100_000),
            "lead_time_seconds": lead_time_seconds,
            "model": model,
        }
    )


def recommended_fleet(fleet: Fleet, boot: BootResult, goal_percent: float) -> Fleet:
    """The fleet with what the backtest recommends: lead time, reactive target, and the quantile.

    Where short runs are recommended their knob is chosen daily by the share that may stay uncovered, and so is the plan's quantile.
    """
    chosen = boot.recommended
    update: dict[str, object] = {"prices": None, "lead_time_seconds": 60.0 * boot.boot_minutes}
    if chosen.policy == "short-lead":
        update |= {"quantile": None, "uncovered_share": goal_percent / 100, "short_lead": True}
    else:
        update |= {"quantile": chosen.quantile, "uncovered_share": None, "short_lead": False}
    return fleet.model_copy(update=update | {"reactive_target": chosen.target or fleet.reactive_target})


def recommended_settings(result: Backtest, fleet: Fleet, boot: BootResult | None = None, job: Job | None = None) -> str:
    """YAML of a job with the recommended settings, verdict and reactive target in comments above.

    Args:
        result: The backtest.
        fleet: The fleet that was replayed.
        boot: Which boot time; the first one where it is not given.
        job: The job that the fleet belongs to; a new one around it where it is not given.
    """
    chosen = boot or result.boots[0]
    better = recommended_fleet(fleet, chosen, result.goal_percent)
    document: dict[str, Any]
    if job is None:
        document = {"name": fleet.name, "owner": fleet.name, "fleets": [_plain(better)]}
    else:
        fleets = [better if member.name == fleet.name else member for member in job.fleets]
        document = {**_plain(job), "fleets": [_plain(member) for member in fleets]}
    parse_job(document)
    lines = [
        f"# Recommended by a backtest of {result.start:%Y-%m-%d} to {result.end:%Y-%m-%d} UTC.",
        f"# {chosen.verdict.sentence}",
        *([f"# {chosen.objective.sentence}"] if chosen.objective.sentence else []),
        f"# In the group's own scaling policy, let target tracking hold {100 * (chosen.recommended.target or 0):.0f} % of load_per_instance:",
        f"# the floor was chosen to stand under it, for {result.goal_percent:g} % of the load uncovered.",
    ]
    if PLACEHOLDER_GROUP in better.target_key:
        lines.append("# Before `elastic-iac plan`: name the group and its region, and the metric that holds the load.")
    return "\n".join(lines) + "\n" + yaml.safe_dump(document, sort_keys=False)


def _plain(settings: Fleet | Job) -> dict[str, Any]:
    """What differs from the defaults."""
    return settings.model_dump(mode="json", exclude_defaults=True) | (
        {"floor": settings.floor, "lead_time_seconds": settings.lead_time_seconds}
        if isinstance(settings, Fleet)
        else {}
    )
