"""What prediction would have given on a fleet's own past."""

from forecasting.backtest.result import Backtest, BootResult, Row
from forecasting.backtest.run import BacktestSettings, backtest
from forecasting.backtest.verdict import Outcome, Verdict

__all__ = ["Backtest", "BacktestSettings", "BootResult", "Outcome", "Row", "Verdict", "backtest"]
