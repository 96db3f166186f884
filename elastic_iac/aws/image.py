"""The image of the instances: given by id, or by a public parameter that is resolved once and held."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.aws import InstancesArguments
from elastic_iac.common.schema.base import Value
from elastic_iac.common.validation import IMAGE_ID


@dataclass(frozen=True)
class Image:
    """The source of the image: exactly one of `id` and `parameter`."""

    id: Value[str] | None
    parameter: Value[str] | None
    refresh: bool

    @property
    def ignored_changes(self) -> list[str]:
        """Inputs of the launch template that stay as deployed: a parameter that moves must not replace instances in an unrelated update."""
        return ["imageId"] if self.parameter is not None and not self.refresh else []


def configure_image(args: InstancesArguments, problems: Problems, default: str | None = None) -> Image:
    """The source of the image; `default` is the parameter that is used without one."""
    image_id, parameter = args.ami_id, args.ami_ssm_parameter
    if image_id is not None and parameter is not None:
        problems.refuse("ami_ssm_parameter", parameter, "nothing beside ami_id: give one of the two")
    if image_id is None and parameter is None:
        parameter = default
        if default is None:
            problems.refuse("ami_id", None, "an image: give ami_id or ami_ssm_parameter")
    if args.refresh_ami and image_id is not None:
        problems.refuse("refresh_ami", True, "ami_ssm_parameter: an ami_id is taken as it is")
    return Image(image_id, parameter, args.refresh_ami)


def resolve_image(image: Image, opts: pulumi.InvokeOptions) -> pulumi.Input[str]:
    """The id of the image, as the parameter names it now."""
    if image.id is not None:
        return image.id
    found = aws.ssm.get_parameter_output(name=image.parameter, opts=opts)
    # The insecure value, because `value` is marked secret and would hide the image in every diff.
    return found.apply(lambda parameter: IMAGE_ID("ami_ssm_parameter", parameter.insecure_value))


def report_held_image(template: aws.ec2.LaunchTemplate, newest: pulumi.Input[str], parameter: Value[str]) -> None:
    """Log that the parameter names another image than the one that is kept."""

    def report(images: list[str]) -> None:
        deployed, named, source = images
        if deployed != named:
            message = f"{deployed} is kept; {source} now names {named}: set refresh_ami to take it"
            pulumi.log.info(message, template)

    pulumi.Output.all(template.image_id, newest, parameter).apply(report)
