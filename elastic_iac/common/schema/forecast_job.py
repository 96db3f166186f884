"""Arguments that the forecast jobs of both clouds share."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, PlainFlag, Value, of
from elastic_iac.common.validation import TEXT, matching, whole
from forecasting.settings import Job

Email = Annotated[str, matching(r"[^\s@]+@[^\s@]+\.[^\s@]+", "an address such as 'oncall@example.com'")]


class JobArguments(Arguments):
    """Arguments that the forecast jobs of both clouds share."""

    short_run_minutes: Annotated[int, of(Job, "short_run_minutes")] | None = None
    """Minutes between two short runs, which update the next slots from the newest samples; a divisor of 60, 0 for none."""
    time_zone: Annotated[Value[str], of(Job, "schedule_time_zone")] = "UTC"
    """IANA zone of a cron schedule."""
    package_path: Annotated[str, TEXT] | None = None
    """A zip built beforehand by `elastic-iac package`; by default it is built when it is missing or stale."""
    owner: Annotated[Value[str], of(Job, "owner")] | None = None
    """Owner of the scheduled actions, part of their names; the component's name by default."""
    former_owners: Value[list[Value[str]]] | None = None
    dry_run: Annotated[Value[bool], of(Job, "dry_run")] = False
    enabled: Annotated[Value[bool], of(Job, "enabled")] = True
    """The kill switch of all fleets. False: the job still runs and reports it, writes nothing, and its alarms send nothing."""
    alarm_emails: list[Email] = []
    """Addresses that alarms go to; each must confirm by the mail that the cloud sends."""
    store_retention_days: Annotated[Value[int], whole(61, 3650)] = 90
    """Records of runs and forecasts are deleted after that much time. The job itself reads 60 days back."""
    force_destroy: PlainFlag = False
    """Let a removal of the component empty the bucket, records and all."""
