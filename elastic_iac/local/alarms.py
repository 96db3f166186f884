"""CloudWatch's metric alarms, evaluated on the double's clock; their state, history and notifications are the emulator's.

Sources: API = the CloudWatch API reference, PutMetricAlarm; GUIDE = the CloudWatch user guide, "Alarm evaluation" and "Configuring how CloudWatch
alarms treat missing data"; INFERRED = not documented.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from elastic_iac.local.clock import Clock
from elastic_iac.local.metrics import Metrics
from elastic_iac.local.permissions import Clients
from elastic_iac.local.rules import stamp
from elastic_iac.local.wire import AwsError, Request, Response

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_DAY_SECONDS = 86_400
# GUIDE, missing data: more data points are retrieved than there are evaluation periods; in its examples, two more than three.
EXTRA_PERIODS = 2

_BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")


def evaluate(points: Sequence[bool | None], needed: int, periods: int, missing: str) -> str | None:
    """An alarm's new state; None: it keeps the one it has.

    Args:
        points: The evaluation range, oldest first: whether each data point breaches, None where there is none.
        needed: Data points to alarm.
        periods: Evaluation periods.
        missing: How missing data points are treated.
    """
    real = [point for point in points if point is not None]
    # GUIDE: with enough real points the most recent ones are judged, and how missing ones are treated does not matter.
    if len(real) >= periods or missing in {"breaching", "notBreaching"}:
        filled = [*real, *[missing == "breaching"] * (periods - len(real))]
        return _judge(filled[-periods:], needed)
    if not real:
        return None if missing == "ignore" else "INSUFFICIENT_DATA"
    if not all(real):
        return _judge(real, needed)
    # GUIDE, premature transitions: the oldest breaching point is as old as the data points to alarm, and all after it breach or are missing.
    age = len(points) - points.index(True)
    if len(real) >= needed or (age >= needed and missing == "missing"):
        return "ALARM"
    return None  # GUIDE for "ignore"; INFERRED for "missing"


def _judge(points: Sequence[bool], needed: int) -> str:
    return "ALARM" if sum(points) >= needed else "OK"


@dataclass(frozen=True)
class Alarm:
    """A metric alarm and the state that it is in."""

    region: str
    settings: Mapping[str, Any]
    state: str = "INSUFFICIENT_DATA"

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings["AlarmName"]

    @property
    def period(self) -> timedelta:
        """How long one data point is."""
        return timedelta(seconds=int(self.settings["Period"]))

    @property
    def periods(self) -> int:
        """Evaluation periods."""
        return int(self.settings["EvaluationPeriods"])

    @property
    def needed(self) -> int:
        """Data points to alarm."""
        return int(self.settings.get("DatapointsToAlarm", self.periods))

    def due(self, now: datetime) -> bool:
        """GUIDE: evaluated every minute; once an hour where its periods are longer than a day together."""
        if self.period * self.periods > timedelta(days=1):
            return now.minute == 0
        return True

    def stat(self) -> dict[str, Any]:
        """What it watches, as a query of GetMetricData says it."""
        settings = self.settings
        metric = {name: settings[name] for name in ("Namespace", "MetricName")}
        unit = {"Unit": settings["Unit"]} if settings.get("Unit") else {}
        statistic = settings.get("ExtendedStatistic") or settings.get("Statistic")
        return {"Metric": {**metric, "Dimensions": settings.get("Dimensions", [])}, "Stat": statistic, **unit}


class Alarms:
    """The metric alarms of all regions."""

    def __init__(self, clock: Clock, metrics: Metrics, clients: Clients) -> None:
        self._clock = clock
        self._metrics = metrics
        self._clients = clients
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._evaluated: datetime | None = None

    def handle(self, request: Request, send: Callable[[Request], Response]) -> Response:
        """Carry out a change of alarms, and remember it.

        Raises:
            AwsError: as CloudWatch refuses it.
        """
        asked: dict[str, Any] = json.loads(request.body)
        if request.action == "PutMetricAlarm":
            _check(asked)
        response = send(request)
        if response.status < 400:
            self._remember(request, asked)
        return response

    def next_evaluation(self) -> datetime | None:
        """The next whole minute, where there are alarms (GUIDE: evaluated every minute)."""
        if not self._alarms:
            return None
        now = self._clock.now()
        whole = now.replace(second=0, microsecond=0)
        return now if whole == now != self._evaluated else whole + MINUTE

    def evaluate(self) -> None:
        """Evaluate all alarms as of now; the emulator hears of each change of state, and notifies."""
        now = self._clock.now()
        self._evaluated = now
        for key, alarm in list(self._alarms.items()):
            if not alarm.due(now):
                continue
            values = self._values(alarm, now)
            state = evaluate(
                [None if value is None else _breaches(alarm, value) for value in values],
                alarm.needed,
                alarm.periods,
                alarm.settings.get("TreatMissingData", "missing"),
            )
            if state is not None and state != alarm.state:
                self._change(key, alarm, state, values)

    def reset(self) -> None:
        """Forget all alarms."""
        self._alarms.clear()
        self._evaluated = None

    def _values(self, alarm: Alarm, now: datetime) -> list[float | None]:
        """The data points of the evaluation range, oldest first. GUIDE: periods end at the minute of the evaluation."""
        return [
            self._metrics.value(alarm.region, alarm.stat(), now - back * alarm.period, now - (back - 1) * alarm.period)
            for back in range(alarm.periods + EXTRA_PERIODS, 0, -1)
        ]

    def _change(self, key: tuple[str, str], alarm: Alarm, state: str, values: list[float | None]) -> None:
        self._alarms[key] = replace(alarm, state=state)
        shown = ", ".join("no data" if value is None else f"{value:g}" for value in values[-alarm.periods :])
        threshold = f"{alarm.settings['ComparisonOperator']} {alarm.settings['Threshold']:g}"
        reason = f"Threshold Crossed: {shown} against {threshold} at {stamp(self._clock.now())}"
        self._clients("cloudwatch", alarm.region).set_alarm_state(
            AlarmName=alarm.name, StateValue=state, StateReason=reason
        )

    def _remember(self, request: Request, asked: dict[str, Any]) -> None:
        if request.action == "DeleteAlarms":
            for name in asked["AlarmNames"]:
                self._alarms.pop((request.region, name), None)
            return
        key = request.region, asked["AlarmName"]
        known = self._alarms.get(key)
        if request.action == "PutMetricAlarm":
            # API: an alarm that is put again keeps its state.
            self._alarms[key] = Alarm(request.region, asked, known.state if known else "INSUFFICIENT_DATA")
        elif known is not None:  # SetAlarmState; API: temporarily, until the next evaluation says otherwise
            self._alarms[key] = replace(known, state=asked["StateValue"])


HANDLED = frozenset({"PutMetricAlarm", "SetAlarmState", "DeleteAlarms"})


def _breaches(alarm: Alarm, value: float) -> bool:
    return _BREACHES[alarm.settings["ComparisonOperator"]](value, float(alarm.settings["Threshold"]))


def _check(asked: dict[str, Any]) -> None:
    name = asked["AlarmName"]
    if "MetricName" not in asked or asked.get("ComparisonOperator") not in _BREACHES:
        raise _invalid(f"{name}: the double evaluates alarms on one metric against a threshold, no metric math")
    if not asked.get("Statistic") and not asked.get("ExtendedStatistic"):  # API, Statistic
        raise _invalid(f"{name}: either Statistic or ExtendedStatistic must be given")
    period, periods = int(asked["Period"]), int(asked["EvaluationPeriods"])
    if period not in {10, 20, 30} and (period < 60 or period % 60):  # API, Period
        raise _invalid(f"{name}: Period {period} is not 10, 20, 30 or a multiple of 60")
    needed = int(asked.get("DatapointsToAlarm", periods))
    if not 1 <= needed <= periods:  # GUIDE, M out of N alarms
        raise _invalid(f"{name}: DatapointsToAlarm {needed} must be 1 to EvaluationPeriods {periods}")
    # API, EvaluationPeriods and Period: a day in all; seven days where a period is an hour or longer.
    most = _DAY_SECONDS * (7 if period >= 3600 else 1)
    if period * periods > most:
        raise _invalid(f"{name}: Period {period} s times EvaluationPeriods {periods} is more than {most} s")
    if asked.get("TreatMissingData", "missing") not in _TREATMENTS:  # API, TreatMissingData
        raise _invalid(f"{name}: TreatMissingData is one of {', '.join(_TREATMENTS)}")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
