"""The command line, run in this process against the double."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from elastic_iac.cli.main import main
from elastic_iac.local.aws import LocalAws
from tests.fleets import fleet_data


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Shell:
    """Runs `elastic-iac` in a folder of its own, with its environment pointed at the double."""

    folder: Path
    aws: LocalAws
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Done:
        self.capsys.readouterr()
        code = main(arguments)
        captured = self.capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def settings(self, *fleets: dict[str, Any], **changes: Any) -> str:
        """Write the job's settings; returns the file's name. The quick model: its choice is tested elsewhere."""
        quick = [{"model": "seasonal-naive-day", "horizon_hours": 6, **fleet} for fleet in fleets or [fleet_data()]]
        store = {"kind": "local", "path": "store"}
        job = {"name": "job", "owner": "prod", "interval_minutes": 15, "store": store, "fleets": quick, **changes}
        Path("job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")
        return "job.yaml"

    def mutations(self) -> list[str]:
        """Calls of Auto Scaling that the double was asked to write with, by name."""
        return [call.action for call in self.aws.calls if call.mutating and call.service == "autoscaling"]


def write_load(path: Path | str, lines: Sequence[str] | None = None, *, days: float = 3) -> None:
    """A load file: these lines below the header, or a daily wave of 15-min samples that ends now."""
    if lines is None:
        now = pd.Timestamp(datetime.now(UTC)).floor("15min")
        index = pd.date_range(now - timedelta(days=days), now, freq="15min", inclusive="left")
        wave = 100 + 80 * np.sin(2 * np.pi * (index.hour + index.minute / 60) / 24)
        lines = [f"{stamp:%Y-%m-%dT%H:%M:%SZ},{value:.2f}" for stamp, value in zip(index, wave, strict=True)]
    Path(path).write_text("\n".join(["timestamp,value", *lines]) + "\n", encoding="utf-8")
