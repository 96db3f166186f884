"""One scheduled job: its owner, its store and its fleets."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self, cast

from pydantic import Field, model_validator

from forecasting.settings.base import (
    BUCKET,
    GCS_BUCKET,
    PREFIX,
    SETTINGS_VERSION,
    VERSION_DESCRIPTION,
    Bool,
    Float,
    Int,
    Region,
    ScheduleExpression,
    Settings,
    Slug,
    Text,
    TimeZoneName,
    Version,
    refused,
)
from forecasting.settings.fleet import Fleet

SHORT_RUN_MINUTES = 5
"""As often as a sample of 5 min comes; measured costs are of this cadence (`designs/short-lead.md`)."""

MOST_FLEETS = 150
"""Of a job: as many as the policies of one function's role hold, and as its time serves."""

GCP_OWNER_LENGTH = 36
"""What `elastic-iac-`, a hyphen and a stamp leave of the 63 characters that a resource's name may have on Google Cloud."""


class LocalStore(Settings):
    """Records in a folder of this machine."""

    kind: Literal["local"] = Field(description="A folder.")
    path: Text = Field(default=".elastic-iac/store", description="The folder; made if it is absent.")


class S3Store(Settings):
    """Records in an S3 bucket, written with `If-Match` / `If-None-Match`."""

    kind: Literal["s3"] = Field(description="An S3 bucket.")
    bucket: str = Field(pattern=BUCKET, description="Name of the bucket.")
    prefix: str = Field(
        default="elastic-iac", pattern=PREFIX, description="What keys start with; no slash at either end."
    )
    region: Region | None = Field(
        default=None, description="Region of the bucket; the environment's where it is not given."
    )


class GcsStore(Settings):
    """Records in a Cloud Storage bucket, written with generation preconditions."""

    kind: Literal["gcs"] = Field(description="A Cloud Storage bucket.")
    bucket: str = Field(pattern=GCS_BUCKET, description="Name of the bucket.")
    prefix: str = Field(
        default="elastic-iac", pattern=PREFIX, description="What names start with; no slash at either end."
    )


StoreSettings = Annotated[LocalStore | S3Store | GcsStore, Field(discriminator="kind")]


class Job(Settings):
    """One scheduled job: who owns the actions it writes, where it keeps its records and which fleets it serves."""

    version: Version = Field(default=SETTINGS_VERSION, description=VERSION_DESCRIPTION)
    name: Slug = Field(description="Name of the job: lower-case letters, digits, hyphens.")
    owner: Slug = Field(
        description="Id of the stack that owns the scheduled actions: part of their names, so two stacks never touch each other's."
    )
    former_owners: tuple[Slug, ...] = Field(
        default=(), description="Ids this stack had before: their actions are taken over, not orphaned."
    )
    schedule: ScheduleExpression = Field(
        default="0 */6 * * *",
        description="When full runs are: five-field cron, 'rate(6 hours)', or EventBridge's 'cron(0 0/6 * * ? *)'.",
    )
    schedule_time_zone: TimeZoneName = Field(default="UTC", description="IANA zone that the schedule is read in.")
    interval_minutes: Int = Field(
        default=360,
        ge=1,
        le=1440,
        description="The longest time between two full runs that the schedule plans: a plan older than two of these is stale.",
    )
    short_run_minutes: Int = Field(
        default=SHORT_RUN_MINUTES,
        ge=0,
        le=60,
        description="Minutes between two short runs, which re-level the next slots by the newest samples; 0: there are none.",
    )
    store: StoreSettings = Field(
        default_factory=lambda: LocalStore(kind="local"),
        description="Where the job keeps its records; a folder where it is not given.",
    )
    fleets: tuple[Fleet, ...] = Field(min_length=1, max_length=MOST_FLEETS, description="What the job serves.")
    functions: Int = Field(
        default=1,
        ge=1,
        le=100,
        description="Functions that the fleets are parted into: each makes its share of the calls that the cloud grants in a second.",
    )
    time_budget_seconds: Float = Field(
        default=600, gt=0, le=900, description="The job holds what it has not finished by then."
    )
    dry_run: Bool = Field(default=False, description="Write nothing to any cloud.")
    enabled: Bool = Field(default=True, description="The kill switch of all fleets.")

    @model_validator(mode="before")
    @classmethod
    def _few_enough(cls, data: object) -> object:
        """Before each fleet is read, which takes minutes of thousands."""
        fleets: object = cast("dict[str, object]", data).get("fleets") if isinstance(data, dict) else None
        if isinstance(fleets, list | tuple) and (count := len(cast("list[object]", fleets))) > MOST_FLEETS:
            expected = (
                f"at most {MOST_FLEETS} fleets in a job: part them into {-(-count // MOST_FLEETS)} jobs, each in a file of its own "
                "with the same owner and store and a name of its own (a deployed job is parted by its component)"
            )
            raise refused("fleets", f"{count} fleets", expected)
        return data  # pyright: ignore[reportUnknownVariableType] - JSON

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_repeats("fleets", "names", [fleet.name for fleet in self.fleets])
        _refuse_repeats("fleets", "targets", [fleet.target_key for fleet in self.fleets])
        for fleet in self.fleets:
            if fleet.horizon_hours * 60 < 2 * self.interval_minutes:
                expected = f"two intervals of {self.interval_minutes} min between full runs, or more: where one fails the plan must reach the next"
                raise refused(f"fleets.{fleet.name}.horizon_hours", fleet.horizon_hours, expected)
        known = {name for fleet in self.fleets for name in (fleet.name, fleet.target_key)}
        for fleet in self.fleets:
            if fleet.similar_fleet is not None and fleet.similar_fleet not in known:
                expected = (
                    f"a fleet of the job: {', '.join(each.name for each in self.fleets if each.name != fleet.name)}"
                )
                raise refused(f"fleets.{fleet.name}.similar_fleet", fleet.similar_fleet, expected)
        if any(fleet.cloud == "gcp" for fleet in self.fleets) and len(self.owner) > GCP_OWNER_LENGTH:
            expected = f"at most {GCP_OWNER_LENGTH} characters: with the rest, a scaling schedule's name on Google Cloud has 63"
            raise refused("owner", self.owner, expected)
        if self.owner in self.former_owners:
            raise refused("former_owners", self.owner, "only earlier ids, not the present owner")
        return self


def _refuse_repeats(field: str, what: str, values: list[str]) -> None:
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise refused(field, ", ".join(repeated), f"{what} that are unique")
