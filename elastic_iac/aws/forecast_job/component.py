"""The forecast job as functions on a schedule."""

import pulumi

from elastic_iac.aws.forecast_job.args import AwsForecastJobArgs
from elastic_iac.aws.forecast_job.config import configure
from elastic_iac.aws.forecast_job.resources import JobResources
from elastic_iac.common.publish import publish

__all__ = ["AwsForecastJob", "AwsForecastJobArgs"]


class AwsForecastJob(pulumi.ComponentResource):
    """A scheduled function that forecasts each group's load and writes the floor it will need as scheduled actions.

    One function serves up to 150 groups, more get further functions. Settings, records and code stand in one private bucket; new settings run the
    job at once. A role may change nothing but the minimum of these groups, between each one's floor and ceiling. Alarms go to a topic.
    """

    bucket_name: pulumi.Output[str]
    """The bucket with code, settings and records."""
    function_names: pulumi.Output[list[str]]
    """The functions, one for every 150 fleets."""
    function_arns: pulumi.Output[list[str]]
    """Their ARNs."""
    log_group_names: pulumi.Output[list[str]]
    """Their log groups."""
    schedule_names: pulumi.Output[list[str]]
    """Their schedules of full runs, in the default schedule group."""
    short_schedule_names: pulumi.Output[list[str]]
    """Those of short runs."""
    settings_urls: pulumi.Output[list[str]]
    """Their settings, 's3://...': what `elastic-iac --config` takes."""
    dashboard_names: pulumi.Output[list[str]]
    """Their dashboards."""
    alarm_topic_arn: pulumi.Output[str]
    """The topic that alarms go to."""
    failure_queue_url: pulumi.Output[str]
    """The queue of what could not be delivered or has failed."""

    def __init__(self, name: str, args: AwsForecastJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the job and all that it needs.

        The name has 1 to 37 lower-case letters, digits and inner hyphens; it is also the job's name.

        Raises:
            ArgumentsError: literal arguments are wrong; nothing has been registered then.
        """
        config = configure(name, args)
        super().__init__("elastic-iac:index:AwsForecastJob", name, {}, opts)
        publish(self, JobResources(config, self).declare())
