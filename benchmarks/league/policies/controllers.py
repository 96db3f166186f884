"""Controllers that predict the next samples: NVIDIA Dynamo's planner, predictive-HPA, ARIMA."""

from __future__ import annotations

import numpy as np

from benchmarks.league.policy import Controller, register
from forecasting.models.base import FloatArray

DYNAMO = "NVIDIA Dynamo planner, load predictors (ai-dynamo/dynamo, planner/core/load, 260b6ae)"
PHPA = "Predictive Horizontal Pod Autoscaler, user guide 'Models' (jthomperoo, c91d060)"
AS_MINIMUM = "the prediction is a minimum under target tracking, with a headroom"
DYNAMO_DIFFERENCES = f"{AS_MINIMUM}; one prediction a sample (5 min or more) instead of every 180 s"

LINEAR_SAMPLES = 6
HOLT_WINTERS = ((0.9, 0.9, 0.9), (0.5, 0.1, 0.5), (0.2, 0.02, 0.3))
"""The smoothing constants of the guide's example, and two calmer sets."""

MOST_LAGS = 5
AR_DAYS = 7


def constant(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """The newest sample."""
    return load[first - 1 :, None]


def kalman(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """Local linear trend with fixed variances: level 1, trend 0.1, measurement 10."""
    level, trend = float(load[0]), 0.0
    p11, p12, p22 = 1000.0, 0.0, 1000.0
    found = np.empty(len(load) + 1)
    found[:2] = level
    for position, value in enumerate(load[1:].tolist(), start=1):
        level += trend
        p11, p12, p22 = p11 + 2 * p12 + p22 + 1.0, p12 + p22, p22 + 0.1
        miss, total = value - level, p11 + 10.0
        level, trend = level + p11 / total * miss, trend + p12 / total * miss
        p11, p12, p22 = p11 * 10.0 / total, p12 * 10.0 / total, p22 - p12 * p12 / total
        found[position + 1] = level + trend
    return found[first:, None]


def arima(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """ARIMA(p, d, 0) for one step ahead, chosen and fitted anew each day."""
    return _daily(load, first, 1, steps_per_day)[:, None]


def seasonal_arima(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """ARIMA(p, d, 0) of the change from the day before; the greatest load as far as an instance starts."""
    if first <= 2 * steps_per_day:
        return load[first - 1 :, None]
    change = np.concatenate([np.zeros(steps_per_day), load[steps_per_day:] - load[:-steps_per_day]])
    found = np.full(len(load) + 1 - first, -np.inf)
    for lead in range(1, ahead + 1):
        above = _daily(change, first, lead, steps_per_day)
        positions = np.arange(first, len(load) + 1) + lead - 1 - steps_per_day
        found = np.maximum(found, load[positions] + above)
    return found[:, None]


def _daily(load: FloatArray, first: int, lead: int, per_day: int) -> FloatArray:
    """Predictions `lead` samples ahead at each tick, with coefficients of the day's beginning."""
    found = np.empty(len(load) + 1 - first)
    for start in range(first, len(load) + 1, per_day):
        stop = min(start + per_day, len(load) + 1)
        known = load[max(start - AR_DAYS * per_day, 0) : start]
        found[start - first : stop - first] = _ar_ahead(load, known, start, stop, lead)
    return found


def _ar_ahead(load: FloatArray, known: FloatArray, start: int, stop: int, lead: int) -> FloatArray:
    """An autoregression of `known` (levels or first differences), iterated to `lead` at each tick."""
    differenced, coefficients = _fitted(known)
    lags = len(coefficients) - 1
    series = np.diff(load, prepend=load[0]) if differenced else load
    ticks = np.arange(start, stop)
    recent = series[ticks[:, None] - 1 - np.arange(lags)] if lags else np.empty((len(ticks), 0))
    total = load[ticks - 1].copy()
    step = np.zeros(len(ticks))
    for _ in range(lead):
        step = coefficients[0] + recent @ coefficients[1:]
        total += step
        recent = np.column_stack([step, recent[:, :-1]]) if lags else recent
    return total if differenced else step


def _fitted(known: FloatArray) -> tuple[bool, FloatArray]:
    """(differenced, constant and lag coefficients) with the least corrected AIC.

    Differenced if that makes the series less variable, which stands in for a unit root test.
    """
    changes = np.diff(known)
    differenced = bool(changes.std() < known.std())
    series = changes if differenced else known
    best: float = np.inf
    chosen = np.array([series.mean()], np.float64)
    target = series[MOST_LAGS:]
    count = len(target)
    if count <= 3 * MOST_LAGS:
        return differenced, chosen
    for lags in range(MOST_LAGS + 1):
        past = [series[MOST_LAGS - lag : len(series) - lag] for lag in range(1, lags + 1)]
        terms = np.column_stack([np.ones(count), *past])
        ridge = 1e-9 * (terms**2).sum(axis=0).max() * np.eye(lags + 1)
        normal, right = terms.T @ terms + ridge, terms.T @ target
        found = np.asarray(np.linalg.solve(normal, right), np.float64)
        error = float(((target - terms @ found) ** 2).mean())
        parameters = lags + 2
        penalty = 2 * parameters * count / max(count - parameters - 1, 1)
        criterion = count * np.log(error + 1e-12 * float((target**2).mean()) + 1e-300) + penalty
        if criterion < best - 1e-9:
            best, chosen = criterion, found
    return differenced, chosen


def linear(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """A line through the last six samples, read `ahead` samples after the newest."""
    times = np.arange(LINEAR_SAMPLES) - (LINEAR_SAMPLES - 1.0)
    centred = times - times.mean()
    weights = 1 / LINEAR_SAMPLES + (ahead - times.mean()) * centred / (centred**2).sum()
    windows = np.lib.stride_tricks.sliding_window_view(load, LINEAR_SAMPLES)
    return (windows[first - LINEAR_SAMPLES :] @ weights)[:, None]


def holt_winters(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """Additive Holt-Winters with a daily season, one sample ahead, at each set of constants."""
    columns = [_smoothed(load, steps_per_day, *constants) for constants in HOLT_WINTERS]
    return np.column_stack(columns)[first:]


def _smoothed(load: FloatArray, period: int, alpha: float, beta: float, gamma: float) -> FloatArray:
    found = np.empty(len(load) + 1)
    found[:period] = load[0]
    if len(load) <= period:
        found[period:] = load[-1]
        return found
    level, trend = float(load[:period].mean()), 0.0
    season = (load[:period] - level).tolist()
    found[period] = level + season[0]
    for position, value in enumerate(load[period:].tolist(), start=period):
        phase = position % period
        before = level
        level = alpha * (value - season[phase]) + (1 - alpha) * (level + trend)
        trend = beta * (level - before) + (1 - beta) * trend
        season[phase] = gamma * (value - level) + (1 - gamma) * season[phase]
        found[position + 1] = level + trend + season[(position + 1) % period]
    return found


POLICIES = (
    Controller(
        key="dynamo-constant",
        label="Dynamo planner, constant",
        source=DYNAMO,
        differences=DYNAMO_DIFFERENCES,
        predict=constant,
    ),
    Controller(
        key="dynamo-arima",
        label="Dynamo planner, ARIMA",
        source=DYNAMO,
        differences=f"{DYNAMO_DIFFERENCES}; ARIMA(p, d, 0) by least squares, chosen daily on 7 days, for "
        "pmdarima's auto_arima; no log1p fallback",
        predict=arima,
    ),
    Controller(
        key="dynamo-kalman",
        label="Dynamo planner, Kalman",
        source=DYNAMO,
        differences=DYNAMO_DIFFERENCES,
        predict=kalman,
    ),
    Controller(
        key="phpa-holt-winters",
        label="predictive-HPA, Holt-Winters",
        source=PHPA,
        differences=f"{AS_MINIMUM}; of the load, not of replica counts; the recursion runs on instead of "
        "being fitted to 4 stored seasons each time",
        predict=holt_winters,
        variants=tuple("/".join(f"{value:g}" for value in constants) for constants in HOLT_WINTERS),
        headrooms=(1.0, 1.15, 1.3, 1.5),
    ),
    Controller(
        key="phpa-linear",
        label="predictive-HPA, linear",
        source=PHPA,
        differences=f"{AS_MINIMUM}; of the load, not of replica counts; looks ahead by the startup time",
        predict=linear,
        looks_ahead=True,
    ),
    Controller(
        key="arima-headroom",
        label="ARIMA plus headroom",
        source="Calheiros et al. 2015 (IEEE Transactions on Cloud Computing 3(4)): ARIMA ahead of the startup time",
        differences=f"{AS_MINIMUM}; ARIMA(p, d, 0) of the change from the day before, fitted daily",
        predict=seasonal_arima,
        looks_ahead=True,
    ),
)

for policy in POLICIES:
    register(policy)
