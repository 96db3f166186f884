"""Processor architectures of EC2's instance types, by their names.

A `g` among the attributes behind the generation is Graviton: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
"""

import re
from typing import Literal

Architecture = Literal["x86_64", "arm64"]
_GRAVITON = re.compile(r"(a1|[a-z]+\d+[a-fh-z]*g[a-z0-9-]*)\.")


def architecture_of(instance_type: str) -> Architecture:
    """The architecture of an instance type."""
    return "arm64" if _GRAVITON.match(instance_type) else "x86_64"
