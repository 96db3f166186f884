"""The image of the instances: given by id, or by a public parameter that is resolved once and held."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.validation import IMAGE_ID, checked, matching
from forecasting.errors import SettingsError

_PARAMETER = matching(r"/[A-Za-z0-9_.\-/]+", "the path of a public parameter, '/aws/service/...'")


@dataclass(frozen=True)
class Image:
    """Where the image comes from; exactly one of `id` and `parameter` is given."""

    id: pulumi.Output[str] | None
    parameter: pulumi.Output[str] | None
    refresh: bool

    @property
    def ignored_changes(self) -> list[str]:
        """What the launch template keeps as deployed: a parameter that moves must not replace instances in an unrelated update."""
        return ["imageId"] if self.parameter is not None and not self.refresh else []


def settle_image(args: Mapping[str, Any]) -> Image:
    """Check where the image comes from.

    Raises:
        SettingsError: neither or both sources, or a malformed one.
    """
    image_id, parameter, refresh = args.get("ami_id"), args.get("ami_ssm_parameter"), args.get("refresh_ami", False)
    if image_id is None and parameter is None:
        raise SettingsError("ami_id", None, "an image: give ami_id or ami_ssm_parameter")
    if image_id is not None and parameter is not None:
        raise SettingsError("ami_ssm_parameter", parameter, "nothing beside ami_id: give one of the two")
    if refresh and parameter is None:
        raise SettingsError("refresh_ami", refresh, "ami_ssm_parameter: an ami_id is taken as it is")
    return Image(
        id=None if image_id is None else checked("ami_id", image_id, IMAGE_ID),
        parameter=None if parameter is None else checked("ami_ssm_parameter", parameter, _PARAMETER),
        refresh=refresh,
    )


def resolve_image(image: Image, opts: pulumi.InvokeOptions) -> pulumi.Output[str]:
    """The id of the image, as the parameter names it now."""
    if image.id is not None:
        return image.id
    found = aws.ssm.get_parameter_output(name=image.parameter, opts=opts)
    # The insecure value, because `value` is marked secret and would hide the image in every diff.
    return found.apply(lambda parameter: IMAGE_ID("ami_ssm_parameter", parameter.insecure_value))


def report_held_image(
    template: aws.ec2.LaunchTemplate, newest: pulumi.Output[str], parameter: pulumi.Output[str]
) -> None:
    """Say in the deployment's log that the parameter names another image than the one that is kept."""

    def report(images: list[str]) -> None:
        deployed, named, source = images
        if deployed != named:
            message = f"{deployed} is kept; {source} now names {named}: set refresh_ami to take it"
            pulumi.log.info(message, template)

    pulumi.Output.all(template.image_id, newest, parameter).apply(report)
