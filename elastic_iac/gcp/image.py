"""The image of the instances: given by name, or by a family that is resolved once and held."""

import re
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.validation import checked, matching
from elastic_iac.gcp.args import GcpAutoscalingGroupArgs
from forecasting.errors import SettingsError

_HOST = r"(https://www\.googleapis\.com/compute/v1/)?"
_FAMILY_PATH = r"projects/([a-z0-9.:-]+)/global/images/family/([a-z0-9-]+)"
_IMAGE = matching(
    _HOST + r"projects/[a-z0-9.:-]+/global/images/[a-z0-9-]+", "an image, 'projects/PROJECT/global/images/NAME'"
)
_FAMILY = matching(_HOST + _FAMILY_PATH, "a family, 'projects/PROJECT/global/images/family/FAMILY'")


@dataclass(frozen=True)
class Image:
    """Where the image comes from; exactly one of `name` and `family` is given."""

    name: pulumi.Output[str] | None
    family: pulumi.Output[str] | None
    refresh: bool

    @property
    def ignored_changes(self) -> list[str]:
        """What the template keeps as deployed: a family that moves on must not replace instances in an unrelated update."""
        return ["disks[0].sourceImage"] if self.family is not None and not self.refresh else []


def settle_image(args: GcpAutoscalingGroupArgs) -> Image:
    """Check where the image comes from.

    Raises:
        SettingsError: neither or both sources, or a malformed one.
    """
    name, family, refresh = args.get("image"), args.get("image_family"), args.get("refresh_image", False)
    if name is None and family is None:
        raise SettingsError("image", None, "an image: give image or image_family")
    if name is not None and family is not None:
        raise SettingsError("image_family", family, "nothing beside image: give one of the two")
    if refresh and family is None:
        raise SettingsError("refresh_image", refresh, "image_family: an image is taken as it is")
    return Image(
        name=None if name is None else checked("image", name, _IMAGE),
        family=None if family is None else checked("image_family", family, _FAMILY),
        refresh=refresh,
    )


def resolve_image(image: Image, opts: pulumi.InvokeOptions) -> pulumi.Output[str]:
    """The image, as the family names it now."""
    if image.name is not None or image.family is None:
        return pulumi.Output.from_input(image.name or "")
    project = image.family.apply(lambda family: _parts(family)[0])
    family = image.family.apply(lambda family: _parts(family)[1])
    return gcp.compute.get_image_output(project=project, family=family, opts=opts).self_link


def _parts(family: str) -> tuple[str, str]:
    """Project and name of a family."""
    found = re.search(_FAMILY_PATH, family)
    return found.group(1, 2) if found else ("", "")  # pyright: ignore[reportReturnType] - two groups, which the stub does not count


def report_held_image(
    template: gcp.compute.InstanceTemplate, newest: pulumi.Output[str], family: pulumi.Output[str]
) -> None:
    """Say in the deployment's log that the family names another image than the one that is kept."""

    def report(images: list[str]) -> None:
        deployed, named, source = images
        if deployed.rsplit("/projects/", 1)[-1] != named.rsplit("/projects/", 1)[-1]:
            message = f"{deployed} is kept; {source} now names {named}: set refresh_image to take it"
            pulumi.log.info(message, template)

    pulumi.Output.all(template.disks.apply(lambda disks: disks[0].source_image or ""), newest, family).apply(report)
