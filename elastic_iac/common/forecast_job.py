"""What a forecast job's component has in common on every cloud: its fleets, how they are sharded and the settings that it writes."""

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pulumi

from elastic_iac.common.fleet_output import check_literals, fleet_json
from elastic_iac.common.parsing import Problems, lift
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.forecast_job import FLEETS_PER_SHARD, MOST_FLEETS, JobArguments
from elastic_iac.common.validation import Check, checked, is_literal, plain_list, whole
from forecasting.errors import SettingsError
from forecasting.settings import SETTINGS_VERSION, Fleet, parse_fleet, parse_job
from forecasting.settings import job as job_settings

_MARGIN_SECONDS = 30
"""Of a run's time, for writing the records and the metrics once the work is held."""

STORE_PREFIX = "store"
SETTINGS_PREFIX = "settings/"
DAYS_OF_FORMER = {f"{STORE_PREFIX}/": 7, SETTINGS_PREFIX: 365, "code/": 90}
"""How long former versions of records, settings and code can be had back, by prefix in the bucket."""


def settings_key(job: str) -> str:
    """The place of a job's settings in the bucket."""
    return f"{SETTINGS_PREFIX}{job}.json"


_A_FLEET = "a fleet's settings as JSON: the `fleet` output of a group's component"
_STAND_IN: Mapping[str, Any] = {
    "name": "unknown",
    "cloud": "aws",
    "target": {"region": "us-east-1", "group_name": "unknown"},
    "source": {"kind": "cloudwatch", "metric": {"namespace": "unknown", "metric_name": "unknown"}},
    "load_per_instance": 1,
    "floor": 0,
    "ceiling": 1,
}
"""In the early check, for fleets that are not known yet; their number is not what is checked there."""

_ARGUMENT_OF = {"schedule_time_zone": "time_zone", "time_budget_seconds": "timeout_seconds"}
"""Fields of a job that a component's argument has another name for."""


@dataclass(frozen=True)
class Shard:
    """The fleets of one function."""

    name: str
    """Name of the job that it runs: the component's, then NAME-2, NAME-3, ..."""
    fleets: Sequence[pulumi.Output[Fleet]]
    """Each known as soon as its group is."""
    settled: pulumi.Output[list[Fleet]]
    """The same fleets once all of the component's are known and different."""
    functions: int
    """Functions of the component."""

    @property
    def settings(self) -> dict[str, Any]:
        """What its job's settings say of it. A single function says nothing of others."""
        return {"name": self.name, **({"functions": self.functions} if self.functions > 1 else {})}


def settle_shards(
    name: str, fleets: object, fleet_count: object, *, cloud: str, more: Sequence[pulumi.Output[str]] = ()
) -> list[Shard]:
    """Check the fleets, and those of groups that no component declared (`more`), and distribute them over functions.

    Raises:
        SettingsError: the first wrong literal; a wrong output raises the same inside the deployment.
    """
    items = [*_items(fleets, fleet_count, len(more)), *more]
    check = _fleet_on(cloud)
    _tell_apart([check(f"fleets[{index}]", item) for index, item in enumerate(items) if is_literal(item)])
    known = [checked(f"fleets[{index}]", item, check) for index, item in enumerate(items)]
    apart = pulumi.Output.all(*known).apply(_tell_apart)
    starts = range(0, len(known), FLEETS_PER_SHARD)
    return [
        Shard(
            name=name if number == 1 else f"{name}-{number}",
            fleets=known[start : start + FLEETS_PER_SHARD],
            settled=apart.apply(lambda fleets, start=start: fleets[start : start + FLEETS_PER_SHARD]),
            functions=len(starts),
        )
        for number, start in enumerate(starts, start=1)
    ]


def _items(fleets: object, fleet_count: object, more: int) -> list[Any]:
    count = None if fleet_count is None else whole(1, MOST_FLEETS)("fleet_count", fleet_count)
    if is_literal(fleets):
        if fleets is None:
            raise SettingsError("fleets", None, "a value: the field is required")
        items = plain_list("fleets", fleets)
        if not 1 <= len(items) + more <= MOST_FLEETS:
            raise SettingsError("fleets", f"{len(items) + more} fleets", f"1 to {MOST_FLEETS} fleets")
        if count not in {None, len(items)}:
            raise SettingsError("fleet_count", count, f"the number of fleets ({len(items)}), or nothing beside a list")
        return items
    if count is None:
        expected = "how many fleets there are: `fleets` is one output, and their number decides what is declared"
        raise SettingsError("fleet_count", None, expected)
    return _known_later(pulumi.Output.from_input(fleets), count)


def _known_later(fleets: pulumi.Output[Any], count: int) -> list[Any]:
    def counted(items: object) -> list[Any]:
        found = plain_list("fleets", items)
        if len(found) != count:
            raise SettingsError("fleets", f"{len(found)} fleets", f"as many as fleet_count says: {count}")
        return found

    whole_list = fleets.apply(counted)

    def item(index: int) -> pulumi.Output[Any]:
        return whole_list.apply(lambda items: items[index])

    return [item(index) for index in range(count)]


def _fleet_on(cloud: str) -> Check[Fleet]:
    def check(field: str, value: object) -> Fleet:
        try:
            fleet = parse_fleet(json.loads(value)) if isinstance(value, str) else None
        except ValueError as error:
            raise SettingsError(field, value, _A_FLEET) from error
        except SettingsError as error:
            raise SettingsError(f"{field}.{error.field}", error.value, error.expected) from error
        if fleet is None:
            raise SettingsError(field, value, _A_FLEET)
        if fleet.cloud != cloud:
            raise SettingsError(
                f"{field}.cloud", fleet.cloud, f"{cloud!r}: another cloud's groups have a job of their own"
            )
        return fleet

    return check


def _tell_apart(fleets: list[Fleet]) -> list[Fleet]:
    """Refuse what would meet in the records, across shards too."""
    for what, values in (
        ("names", [fleet.name for fleet in fleets]),
        ("targets", [fleet.target_key for fleet in fleets]),
    ):
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise SettingsError("fleets", ", ".join(repeated), f"{what} that are unique")
    return fleets


@dataclass(frozen=True)
class Schedule:
    """The checked schedule of a job."""

    expression: Value[str]
    """In the cloud's own form."""
    time_zone: Value[str]
    interval_minutes: Value[int]
    """The longest time between two full runs."""
    short_run_minutes: int
    """Between two short runs; 0 for none."""


SHORT_RUN_MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
"""Divisors of an hour: what cron can say."""

_ALARM_MINUTES = 15
"""Beside short runs, alarms look at quarters of an hour: a single run that was held tells nobody."""


def settle_short_runs(given: object, interval: object) -> int:
    """Minutes between two short runs; 0 for none. By default 5 beside full runs that are further apart.

    Raises:
        SettingsError: no schedule can express it, or it is not less than the interval between full runs.
    """
    apart = interval if isinstance(interval, int) else None
    if given is None:
        return job_settings.SHORT_RUN_MINUTES if apart is None or apart > job_settings.SHORT_RUN_MINUTES else 0
    minutes = whole(0, 60)("short_run_minutes", given)
    if minutes not in {0, *SHORT_RUN_MINUTES}:
        raise SettingsError(
            "short_run_minutes", given, f"0 for none, or one of {', '.join(map(str, SHORT_RUN_MINUTES))}"
        )
    if apart is not None and minutes >= apart:
        raise SettingsError(
            "short_run_minutes", given, f"0 for none, or less than the {apart} minutes between full runs"
        )
    return minutes


def watched_minutes(interval: int, short_run_minutes: int) -> int:
    """The period of alarms on what both kinds of run measure."""
    return min(interval, max(_ALARM_MINUTES, short_run_minutes)) if short_run_minutes else interval


@dataclass(frozen=True)
class Code:
    """A zip at hand; `sha256` in hexadecimal."""

    path: Path
    sha256: str

    def key(self, name: str) -> str:
        """Its place in the bucket: another zip is another object, and the function follows it."""
        return f"code/{name}-{self.sha256[:12]}.zip"


@dataclass(frozen=True)
class Package:
    """The kind of the function's zip: its cloud, processor and Python."""

    kind: str
    arch: str
    python: str

    def built(self) -> Code:
        """Build the zip if it is missing or stale."""
        options = {} if self.kind == "gcp-function" else {"arch": self.arch, "python": self.python}
        built = _builder().ensure_package(self.kind, **options)
        return Code(Path(built.path), built.sha256)

    def given(self, package_path: str) -> Code:
        """Read the zip that was given.

        Raises:
            SettingsError: there is no such zip, or it does not run on this processor and Python.
        """
        path = Path(package_path)
        if path.suffix != ".zip" or not path.is_file():
            raise SettingsError("package_path", package_path, f"a zip that `elastic-iac package {self.kind}` has built")
        _builder().check_package(path, kind=self.kind, arch=self.arch, python=self.python)
        with path.open("rb") as file:
            return Code(path, hashlib.file_digest(file, "sha256").hexdigest())


def _builder() -> Any:
    return importlib.import_module("elastic_iac.package")  # late: the builder is loaded for jobs only


ArgsT = TypeVar("ArgsT", bound=JobArguments)
ScheduleT = TypeVar("ScheduleT", bound=Schedule)


class ExistingGroup(Protocol):
    """A group that no component declared."""

    @property
    def forecast(self) -> Any:
        """Its forecast, as of a group's component."""
        ...


GroupT = TypeVar("GroupT", bound=ExistingGroup)


@dataclass(frozen=True)
class JobConfig(Generic[ArgsT, ScheduleT]):
    """All arguments of a job, checked."""

    name: str
    args: ArgsT
    shards: list[Shard]
    schedule: ScheduleT
    settings: Mapping[str, pulumi.Input[Any]]
    """The job's own but for its name, store and fleets."""
    code: Code

    def shard_settings(
        self, shard: Shard, store: Mapping[str, pulumi.Input[str]], fleets: pulumi.Output[list[Fleet]] | None = None
    ) -> pulumi.Output[str]:
        """The settings that the function of a shard reads, once its fleets are known."""
        settings = {**shard.settings, "store": store, **self.settings}
        fleets = shard.settled if fleets is None else fleets
        return pulumi.Output.all(settings, fleets).apply(lambda known: job_json(known[0], known[1]))


def configure_job(
    name: str,
    args: ArgsT,
    problems: Problems,
    *,
    cloud: str,
    schedule: ScheduleT,
    existing: Sequence[pulumi.Output[str]],
    package: Package,
) -> JobConfig[ArgsT, ScheduleT]:
    """What a job's configuration is on every cloud.

    Raises:
        ArgumentsError: every problem of a literal, those of the cloud among them.
    """
    shards: list[Shard] = []
    with problems.collect():
        fleets = [] if args.fleets is None and existing else args.fleets
        shards = settle_shards(name, fleets, args.fleet_count, cloud=cloud, more=existing)
    settings = _own_settings(name, args, schedule, problems)
    if len(set(args.alarm_emails)) < len(args.alarm_emails):
        problems.refuse("alarm_emails", ", ".join(args.alarm_emails), "each address once")
    code: Code | None = None
    with problems.collect():
        code = None if args.package_path is None else package.given(args.package_path)
    problems.report()
    return JobConfig(name, args, shards, schedule, settings, code or package.built())


def existing_fleets(
    groups: Sequence[GroupT], settings_of: Callable[[GroupT], dict[str, Any]], balancer: str, problems: Problems
) -> list[pulumi.Output[str]]:
    """Groups that no component declared, as the JSON that a component's `fleet` output is.

    A group has either a metric of its load or, in the field `balancer`, the load balancer whose requests are the load.
    """
    fleets: list[pulumi.Output[str]] = []
    for index, group in enumerate(groups):
        at, load = f"existing_groups[{index}]", group.forecast.load
        if (load is None) == (getattr(group, balancer) is None):
            expected = f"a metric of the group's load, or {balancer}; one of the two"
            problems.refuse(f"{at}.forecast.load", load and "given", expected)
            continue
        settings = settings_of(group)
        with problems.collect(at):
            check_literals(settings)
            fleets.append(pulumi.Output.from_input(settings).apply(fleet_json))
    return fleets


def _own_settings(name: str, args: JobArguments, schedule: Schedule, problems: Problems) -> dict[str, Any]:
    """A job's settings but for its name, store and fleets; literals are checked together against the job's contract."""
    settings: dict[str, Any] = {
        "owner": name if args.owner is None else args.owner,
        "former_owners": [] if args.former_owners is None else args.former_owners,
        "schedule": schedule.expression,
        "schedule_time_zone": schedule.time_zone,
        "interval_minutes": schedule.interval_minutes,
        "short_run_minutes": schedule.short_run_minutes,
        "time_budget_seconds": lift(lambda seconds: float(seconds - _MARGIN_SECONDS), args.timeout_seconds),
        "dry_run": args.dry_run,
        "enabled": args.enabled,
    }
    known = {
        field: settings[field] for field in ("owner", "schedule", "schedule_time_zone") if is_literal(settings[field])
    }
    if isinstance(args.former_owners, list) and "owner" in known:
        known["former_owners"] = [owner for owner in args.former_owners if is_literal(owner)]
    with problems.collect():
        job_json({"name": name, "owner": name, **known}, [parse_fleet(_STAND_IN)])
    return settings


def job_json(settings: Mapping[str, Any], fleets: Sequence[Fleet]) -> str:
    """A job's settings as the JSON that the function reads.

    Raises:
        SettingsError: a value that the job would refuse, by the argument's name.
    """
    try:
        plain = [fleet.model_dump(mode="json", exclude_unset=True) for fleet in fleets]
        job = parse_job({"version": SETTINGS_VERSION, **settings, "fleets": plain})
    except SettingsError as error:
        raise SettingsError(_argument(error.field), error.value, error.expected) from error
    return job.model_dump_json(exclude_unset=True)


def _argument(field: str) -> str:
    return re.sub(r"\.(\d+)\b", r"[\1]", _ARGUMENT_OF.get(field, field))
