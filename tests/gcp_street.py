"""A street for tests on Google Cloud: a job with one fleet, its group in the stand-in, and its load in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elastic_iac.local.gcp.cloud import LocalGcp
from forecasting.job import run_job
from forecasting.run import FleetResult, Run
from forecasting.settings import Job
from tests.fleets import make_job
from tests.gcp_fleets import gcp_fleet_data, make_autoscaler
from tests.street import write_load


class Road:
    """A job with one fleet on Google Cloud, its group in the stand-in, and its load in a file."""

    def __init__(self, gcp: LocalGcp, folder: Path) -> None:
        self.gcp = gcp
        self.folder = folder
        self.load = folder / "load.csv"
        self.series = write_load(self.load)
        make_autoscaler(gcp)

    def job(self, *fleets: dict[str, Any], **more: Any) -> Job:
        return make_job(self.folder, *(fleets or (self.fleet(),)), **more)

    def fleet(self, **more: Any) -> dict[str, Any]:
        return gcp_fleet_data(source={"kind": "file", "path": str(self.load)}, **more)

    def make_run(self, job: Job | None = None, **more: Any) -> Run:
        return Run(job or self.job(), self.gcp.clock.now(), clock=self.gcp.clock.now, **more)

    def run(self, job: Job | None = None, **more: Any) -> FleetResult:
        self.gcp.calls.clear()
        return run_job(self.make_run(job, **more))[0]

    def store_items(self) -> dict[str, bytes]:
        """What the store holds, by its path."""
        return {str(path): path.read_bytes() for path in (self.folder / "store").rglob("*") if path.is_file()}
