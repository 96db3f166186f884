"""What of a distribution is shipped: what a running function reads, and its licence."""

from __future__ import annotations

from pathlib import PurePosixPath

AWS_SERVICES = ("autoscaling", "cloudwatch", "s3", "sts")
"""The service models of botocore that stay: what the job calls, and what credentials are exchanged through."""

_FOLDERS = {"tests", "include", "__pycache__"}
_SUFFIXES = {
    *(
        ".c",
        ".cc",
        ".cpp",
        ".f",
        ".f90",
        ".h",
        ".hpp",
        ".pxd",
        ".pyx",
        ".src",
        ".tmpl",
        ".in",
        ".build",
    ),  # sources of compiled modules
    *(".a", ".lib", ".pc", ".cmake"),  # what other modules are built with
    *(".pyi", ".pyc", ".css", ".js", ".html"),  # types, compiled for another Python, pages of documentation
}
_METADATA = {"METADATA", "entry_points.txt"}
_LEGAL = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")


def is_shipped(name: str) -> bool:
    """Whether a file of a wheel belongs in the package.

    Args:
        name: Its path as it is installed, parts separated by `/`.
    """
    path = PurePosixPath(name)
    top, *folders = path.parts[:-1] or (path.name,)
    if top.endswith(".dist-info"):  # versions, plugins of pandas, licences
        return path.name in _METADATA or "licenses" in folders or path.name.upper().startswith(_LEGAL)
    if top.endswith("-stubs") or _FOLDERS & set(folders) or path.suffix in _SUFFIXES:
        return False
    if top == "boto3" and folders[:1] in (["data"], ["examples"]):  # resources: the job uses clients
        return False
    if top == "botocore" and folders[:1] == ["data"] and len(folders) > 1:
        return folders[1] in AWS_SERVICES and not path.name.startswith("examples")
    if top == "statsmodels" and folders[:1] == ["datasets"]:  # statsmodels imports the modules, never the data
        return path.suffix == ".py"
    return True
