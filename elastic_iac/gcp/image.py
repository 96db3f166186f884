"""The image of the instances: given by name, or by a family that is resolved once and held."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpInstancesArguments

_PUBLIC = re.compile(
    r"projects/(deeplearning-platform-release|(cos|centos|debian|fedora|fedora-coreos|opensuse|rhel|rhel-sap|rocky-linux|suse|suse-sap|windows)-cloud"
    r"|ubuntu-os(-pro)?-cloud|(ubuntu-os|rocky-linux)-accelerator-(images|cloud))/"
)
"""Projects of images that start no server: https://cloud.google.com/compute/docs/images/os-details"""

_FAMILY_PATH = r"projects/([a-z0-9.:-]+)/global/images/family/([a-z0-9-]+)"


@dataclass(frozen=True)
class Image:
    """Where the image comes from; exactly one of `name` and `family` is given."""

    name: Value[str] | None
    family: Value[str] | None
    refresh: bool

    @property
    def ignored_changes(self) -> list[str]:
        """What the template keeps as deployed: a family that moves on must not replace instances in an unrelated update."""
        return ["disks[0].sourceImage"] if self.family is not None and not self.refresh else []


def configure_image(args: GcpInstancesArguments, problems: Problems) -> Image:
    """The source of the image: exactly one."""
    if args.image is None and args.image_family is None:
        problems.refuse("image", None, "an image: give image or image_family")
    if args.image is not None and args.image_family is not None:
        problems.refuse("image_family", args.image_family, "nothing beside image: give one of the two")
    if args.refresh_image and args.image_family is None:
        problems.refuse("refresh_image", args.refresh_image, "image_family: an image is taken as it is")
    return Image(args.image, args.image_family, args.refresh_image)


def resolve_image(image: Image, opts: pulumi.InvokeOptions) -> pulumi.Output[str]:
    """The image, as the family names it now."""
    if image.name is not None or image.family is None:
        return pulumi.Output.from_input(image.name or "")
    parts = pulumi.Output.from_input(image.family).apply(_parts)
    project, family = parts.apply(lambda known: known[0]), parts.apply(lambda known: known[1])
    return gcp.compute.get_image_output(project=project, family=family, opts=opts).self_link


def _parts(family: str) -> tuple[str, str]:
    """Project and name of a family."""
    found = re.search(_FAMILY_PATH, family)
    return found.group(1, 2) if found else ("", "")  # pyright: ignore[reportReturnType] - two groups, which the stub does not count


def report_held_image(template: gcp.compute.InstanceTemplate, newest: pulumi.Output[str], family: Value[str]) -> None:
    """Say in the deployment's log that the family names another image than the one that is kept."""

    def report(images: list[str]) -> None:
        deployed, named, source = images
        if deployed.rsplit("/projects/", 1)[-1] != named.rsplit("/projects/", 1)[-1]:
            message = f"{deployed} is kept; {source} now names {named}: set refresh_image to take it"
            pulumi.log.info(message, template)

    pulumi.Output.all(template.disks.apply(lambda disks: disks[0].source_image or ""), newest, family).apply(report)


def warn_if_nothing_answers(
    image: Image, metadata: Value[Mapping[str, Any]], template: gcp.compute.InstanceTemplate
) -> None:
    """Warn of instances under a health check that start nothing: each fails it and is replaced, forever."""
    source = image.name or image.family
    boots = isinstance(metadata, pulumi.Output) or {"startup-script", "user-data"} & set(metadata)
    if not boots and isinstance(source, str) and _PUBLIC.search(source):
        message = (
            f"no program answers the health check: the image {source} has none and startup_script is not given, so that "
            "every instance is replaced again and again; give startup_script or an image of your own"
        )
        pulumi.log.warn(message, template)
