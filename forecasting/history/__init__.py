"""One clean, regular series of the load and a verdict on its quality."""

from __future__ import annotations

from forecasting.history.base import Finding as Finding
from forecasting.history.base import History as History
from forecasting.history.base import Verdict as Verdict
from forecasting.history.build import build_history as build_history
