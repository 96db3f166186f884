"""The report: one HTML file, readable in light and dark, on a phone and on paper."""

from elastic_iac.report.build import backtest_report, comparison_report, forecast_report, write_report

__all__ = ["backtest_report", "comparison_report", "forecast_report", "write_report"]
