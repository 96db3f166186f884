"""The demo: a local cloud, a group, a forecast, its schedule, and 48 hours of it."""
