"""Values that look like secrets: they would stand in user data, which everybody who may describe the instance can read."""

import re
from collections.abc import Iterator

_NAMES = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|(API|ACCESS|PRIVATE|SECRET)_?KEY)(_|$)", re.I
)
_HARMLESS = re.compile(r"\s*(\d{1,12}(\.\d{1,12})?|true|false|yes|no|on|off|none|/\S*)?\s*", re.I)
"""A number, a switch or a path says nothing."""

_FORMS = (
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS access keys
    r"-----BEGIN [A-Z ]*PRIVATE KEY",
    r"\bhf_[A-Za-z0-9]{20,}",  # Hugging Face
    r"\b(gh[opsur]_|github_pat_|glpat-)[A-Za-z0-9_-]{20,}",
    r"\bsk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google API keys
    r"\bya29\.[A-Za-z0-9_-]{20,}",  # Google access tokens
    r"\bnvapi-[A-Za-z0-9_-]{20,}",  # NVIDIA
    r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.",  # JSON web tokens
    r"://[^/\s:@]+:[^/\s@]+@",  # user:password@host
)
_VALUES = re.compile("|".join(_FORMS))
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][\w-]*)(=(?P<value>.*))?", re.S)


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable's value has a secret's form, or its name says that it is one."""
    named = _NAMES.search(name.replace("-", "_")) is not None and _HARMLESS.fullmatch(value) is None
    return named or _VALUES.search(value) is not None


def secret_arguments(arguments: tuple[str, ...]) -> Iterator[int]:
    """Positions of the arguments that look like secrets, by their own form or by the option before them."""
    option = ""
    for position, argument in enumerate(arguments):
        found = _OPTION.fullmatch(argument)
        value = (found["value"] or "") if found else argument
        if looks_secret(found["name"] if found else option, value):
            yield position
        option = found["name"] if found and found["value"] is None else ""
