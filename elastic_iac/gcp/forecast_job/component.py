"""The forecast job as functions on a schedule."""

import pulumi

from elastic_iac.common.publish import publish
from elastic_iac.gcp.forecast_job.args import GcpForecastJobArgs
from elastic_iac.gcp.forecast_job.config import configure
from elastic_iac.gcp.forecast_job.resources import JobResources

__all__ = ["GcpForecastJob", "GcpForecastJobArgs"]


class GcpForecastJob(pulumi.ComponentResource):
    """A scheduled function that forecasts each group's load and writes the floor it will need as scaling schedules.

    One function serves up to 150 groups, more get further functions. Settings, records and source stand in one private bucket; new settings run the
    job at once. Its account may do what the job does, in custom roles, and nothing else. Alerts go to the channels that are named.
    """

    bucket_name: pulumi.Output[str]
    """The bucket with source, settings and records."""
    function_names: pulumi.Output[list[str]]
    """The functions, one for every 150 fleets."""
    function_urls: pulumi.Output[list[str]]
    """Where they answer, within the project and to the invokers' accounts alone."""
    schedule_names: pulumi.Output[list[str]]
    """Their schedules of full runs."""
    short_schedule_names: pulumi.Output[list[str]]
    """Those of short runs."""
    settings_urls: pulumi.Output[list[str]]
    """Their settings, 'gs://...': what `elastic-iac --config` takes."""
    runtime_account_emails: pulumi.Output[list[str]]
    """The accounts that they run as."""
    dashboard_ids: pulumi.Output[list[str]]
    """Their dashboards."""

    def __init__(self, name: str, args: GcpForecastJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the job and all that it needs.

        The name has 1 to 28 lower-case letters, digits and inner hyphens, a letter first; it is also the job's name.

        Raises:
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:GcpForecastJob", name, {}, opts)
        publish(self, JobResources(config, self).declare())
