"""The alarms of a forecast job: their metrics and sentences, on every cloud the same."""

from collections.abc import Mapping
from dataclasses import dataclass

FAILED = "The job failed."
FAILURE_QUEUE = "The failure queue holds events of runs that failed or could not be delivered."
PLAN_OLD = "The oldest plan has not been confirmed for two intervals, or the job is silent."


@dataclass(frozen=True)
class Alarm:
    """An alarm on a metric of the job above zero.

    Attributes:
        metric: Name of the metric.
        says: Its sentence; `{cloud}` is the name of the cloud.
        lasting: It fires only if two intervals are above zero: a single run may pass.
        of_full_runs: Full runs alone measure it, so that it is evaluated in their interval.
    """

    metric: str
    says: str
    lasting: bool = False
    of_full_runs: bool = False


ALARMS: Mapping[str, Alarm] = {
    "fleets-held": Alarm(
        "FleetsHeld", "Fleets are held: nothing is written for them, the old plan runs on.", lasting=True
    ),
    "writes-refused": Alarm("WritesRefused", "{cloud} refused what the job asked for: permissions, limits or values."),
    "worse-than-naive": Alarm(
        "FleetsWorseThanNaive",
        "For a day forecasts have been worse than repeating the last season.",
        of_full_runs=True,
    ),
    "uncovered-load": Alarm(
        "FleetsUncovered", "Fleets carry more load than their instances are meant for.", lasting=True
    ),
    "capacity-limited": Alarm(
        "FleetsCapacityLimited", "The cloud, a quota or a group's own maximum gives less than the plan needs."
    ),
    "launches-failing": Alarm(
        "FleetsLaunchesFailing", "Launches fail: a higher minimum adds nothing until their cause is removed."
    ),
    "pinned": Alarm("FleetsPinned", "A minimum that was raised by hand stands; nothing lower is scheduled."),
}


def sentence(job: str, key: str, says: str, cloud: str, bucket: str) -> str:
    """Return the text of an alarm with its section of the runbook.

    The bucket distinguishes jobs of one name: two stacks of one program in one account or project.
    """
    return f"{job} ({bucket}): {says.format(cloud=cloud)} docs/runbook.md#{anchor(key)}"


def anchor(key: str) -> str:
    """The runbook's section of an alarm."""
    return f"alarm-{key}"
