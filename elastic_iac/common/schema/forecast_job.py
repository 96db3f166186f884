"""Arguments that the forecast jobs of both clouds share."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from elastic_iac.common.schema.base import Arguments, PlainFlag, Value, of
from elastic_iac.common.validation import TEXT, Kind, Later, distinct, matching, whole
from forecasting.settings import Job

FLEETS_PER_SHARD = 150
"""Beyond that many a second function with a role and a schedule of its own: what a role's policies can hold, and one run can serve."""
MOST_FLEETS = 10 * FLEETS_PER_SHARD

_OWNER = of(Job, "owner")


def _fleets(_field: str, value: object) -> Any:
    """The fleets, which `common.forecast_job` checks: an output of all of them is as good as a list."""
    if not isinstance(value, list | tuple):
        return value
    return [item.output if isinstance(item, Later) else item for item in cast("Sequence[object]", value)]


FLEETS = Kind(_fleets, {"type": "array", "items": {"type": "string"}})
OWNERS = distinct(_OWNER, at_least=0, expected="different owners")
EMAIL = matching(r"[^\s@]+@[^\s@]+\.[^\s@]+", "an address such as 'oncall@example.com'")


class JobArguments(Arguments):
    """Arguments that the forecast jobs of both clouds share."""

    fleets: Annotated[Value[list[Value[str]]], FLEETS] | None = None
    """The `fleet` outputs of the groups; every 150 of them get a function of their own."""
    fleet_count: Annotated[int, whole(1, MOST_FLEETS)] | None = None
    """Number of fleets; needed only if `fleets` as a whole is an output (YAML programs make it one)."""
    short_run_minutes: Annotated[int, whole(0, 60)] | None = None
    """Minutes between two short runs, which update the next slots from the newest samples; 5 by default, a divisor of 60, 0 for none."""
    time_zone: Annotated[Value[str], of(Job, "schedule_time_zone")] = "UTC"
    """IANA zone of a cron schedule."""
    package_path: Annotated[str, TEXT] | None = None
    """A zip built beforehand by `elastic-iac package`; by default it is built when it is missing or stale."""
    owner: Annotated[Value[str], _OWNER] | None = None
    """Owner of the scheduled actions, part of their names; the component's name by default."""
    former_owners: Annotated[Value[list[Value[str]]], OWNERS] | None = None
    """Owners before: their actions are taken over, not orphaned."""
    dry_run: Annotated[Value[bool], of(Job, "dry_run")] = False
    """Plan and record, write nothing to the groups."""
    enabled: Annotated[Value[bool], of(Job, "enabled")] = True
    """The kill switch of all fleets. False: the job still runs and reports it, writes nothing, and its alarms send nothing."""
    timeout_seconds: Annotated[Value[int], whole(60, 900)] = 900
    """A run's time. What does not fit goes first in the next run."""
    alarm_emails: list[Annotated[str, EMAIL]] = []
    """Addresses that alarms go to; each must confirm by the mail that the cloud sends."""
    store_retention_days: Annotated[Value[int], whole(61, 3650)] = 90
    """Records of runs and forecasts are deleted after that much time. The job itself reads 60 days back."""
    force_destroy: PlainFlag = False
    """Let a removal of the component empty the bucket, records and all."""
