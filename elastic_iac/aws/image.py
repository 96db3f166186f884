"""The image of the instances: given by id, or by a public parameter that is resolved once and held."""

import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.aws import InstancesArguments
from elastic_iac.common.schema.base import Value
from elastic_iac.common.validation import IMAGE_ID

_ROOT_DEVICES = (
    (r"/aws/service/.*(ubuntu|windows).*", "/dev/sda1"),
    (r"/aws/service/(canonical|suse|freebsd)/.*", "/dev/sda1"),
    (r"/aws/service/(ami-amazon-linux-latest|bottlerocket|debian|deeplearning|ecs|eks)/.*", "/dev/xvda"),
)
"""Root devices of AWS's public images by their parameter (DescribeImages, `RootDeviceName`); the first match counts."""
_PUBLIC = "/aws/service/"


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
    device = args.root_volume and args.root_volume.device_name
    known = _known_root_device(parameter)
    if known is not None and isinstance(device, str) and device != known:
        expected = f"{known!r}, the root device of {parameter}: another device is a second volume"
        problems.refuse("root_volume.device_name", device, expected)
    return Image(image_id, parameter, args.refresh_ami)


def _known_root_device(parameter: Value[str] | None) -> str | None:
    if not isinstance(parameter, str):
        return None
    return next((device for pattern, device in _ROOT_DEVICES if re.fullmatch(pattern, parameter)), None)


def root_device(
    image: Image, image_id: pulumi.Input[str], given: Value[str] | None, opts: pulumi.InvokeOptions
) -> pulumi.Input[str]:
    """Return the device of the image's root volume: as given, as the parameter's images have it, or looked up."""
    device = _known_root_device(image.parameter) if given is None else given
    if device is not None:
        return device
    of_image = pulumi.Output.from_input(image_id).apply(_of_image)
    return aws.ec2.get_ami_output(filters=of_image, include_deprecated=True, opts=opts).root_device_name


def _of_image(image_id: str) -> list[aws.ec2.GetAmiFilterArgs]:
    return [aws.ec2.GetAmiFilterArgs(name="image-id", values=[image_id])]


def warn_if_nothing_answers(image: Image, user_data: object, resource: pulumi.Resource) -> None:
    """Warn of instances behind a load balancer that start nothing: each fails its health check and is replaced, forever."""
    if user_data is None and isinstance(image.parameter, str) and image.parameter.startswith(_PUBLIC):
        message = (
            f"no program answers the load balancer's health check: the image of {image.parameter} has none and user_data "
            "is not given, so that every instance is replaced again and again; give user_data or an image of your own"
        )
        pulumi.log.warn(message, resource)


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
