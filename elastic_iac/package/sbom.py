"""What is in a package, as a CycloneDX document: https://cyclonedx.org/docs/1.6/json/."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import version
from typing import Any

from elastic_iac.package.base import Target
from elastic_iac.package.lock import Requirement

_CLASSIFIER = "License :: OSI Approved :: "


def component(requirement: Requirement, sha256: str | None = None, metadata: bytes = b"") -> dict[str, Any]:
    """A distribution, as the document lists it.

    Args:
        requirement: Name and version.
        sha256: Of its wheel; None where the cloud chooses it among the locked files.
        metadata: Its METADATA; empty likewise.
    """
    address = f"pkg:pypi/{requirement.name}@{requirement.version}"
    stated: dict[str, Any] = {
        "type": "library",
        "bom-ref": address,
        "name": str(requirement.name),
        "version": requirement.version,
    }
    if sha256:
        stated["hashes"] = _hashes(sha256)
    licences = _licences(HeaderParser().parsestr(metadata.decode()))
    if licences:
        stated["licenses"] = licences
    return {**stated, "purl": address}


def software_bill(target: Target, components: Sequence[Mapping[str, Any]], *, sha256: str) -> dict[str, Any]:
    """The document; it has no time in it, so that the same package has the same one.

    Args:
        target: Where the package runs.
        components: What is in it, besides the job itself, each as `component` gives it.
        sha256: The package's own digest.
    """
    own = version("elastic-iac")
    subject = {
        "type": "application",
        "bom-ref": f"pkg:pypi/elastic-iac@{own}#{target}",
        "name": f"elastic-iac-{target.kind}",
        "version": own,
        "hashes": _hashes(sha256),
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "purl": f"pkg:pypi/elastic-iac@{own}",
    }
    listed = sorted(components, key=lambda each: str(each["name"]))
    seed = hashlib.sha256(json.dumps([subject, listed], sort_keys=True).encode()).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, seed)}",
        "version": 1,
        "metadata": {
            "component": subject,
            "properties": [
                {"name": "elastic-iac:arch", "value": target.arch},
                {"name": "elastic-iac:python", "value": target.python},
            ],
        },
        "components": listed,
        "dependencies": [{"ref": subject["bom-ref"], "dependsOn": [each["bom-ref"] for each in listed]}],
    }


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]


def _licences(metadata: Message) -> list[Mapping[str, Any]]:
    """As the distribution states them: an SPDX expression, else its classifiers, else a line of free text."""
    expression = metadata.get("License-Expression")
    if expression:
        return [{"expression": expression}]
    classifiers = [each for each in metadata.get_all("Classifier", []) if each.startswith(_CLASSIFIER)]
    names = [each.removeprefix(_CLASSIFIER) for each in classifiers]
    text = (metadata.get("License") or "").strip()
    names = names or ([text] if text and "\n" not in text and len(text) <= 100 else [])
    return [{"license": {"name": name}} for name in names]
