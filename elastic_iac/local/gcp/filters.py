"""Monitoring's filter language, as far as time series are asked for: comparisons joined by AND. What it cannot read it refuses.

Source: "Monitoring filters" of Cloud Monitoring.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from elastic_iac.local.gcp.wire import GcpError

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][\w./-]*|\d[\w./-]*)|(?P<mark>!=|=|\(|\)|,|:))'
)
_SELECTOR = re.compile(r"project|(?:metric|resource)\.type|(?:metric|resource)\.labels?\.(\w+)")
_FUNCTIONS: Mapping[str, Callable[[str, list[str]], bool]] = {
    "starts_with": lambda value, given: value.startswith(given[0]),
    "ends_with": lambda value, given: value.endswith(given[0]),
    "has_substring": lambda value, given: given[0] in value,
    "one_of": lambda value, given: value in given,
    "monitoring.regex.full_match": lambda value, given: re.fullmatch(given[0], value) is not None,
}


@dataclass(frozen=True)
class Term:
    """One comparison: `metric.type`, `resource.labels.zone`, ... against a value or a function of values."""

    selector: str
    negated: bool
    function: str
    given: tuple[str, ...]

    def matches(self, values: Mapping[str, str]) -> bool:
        """Whether it holds for a series' values, by selector."""
        value = values.get(self.selector, "")
        held = value == self.given[0] if not self.function else _FUNCTIONS[self.function](value, list(self.given))
        return held != self.negated


def parse(text: str) -> list[Term]:
    """Read a filter.

    Raises:
        GcpError: 400, it cannot be read.
    """
    tokens = _tokens(text)
    terms: list[Term] = []
    while tokens:
        if terms:
            _expect(tokens, "AND", text)
        terms.append(_term(tokens, text))
    return terms


def metric_type(terms: list[Term], text: str) -> str:
    """The one metric type that a filter for time series must name.

    Raises:
        GcpError: 400, it names none or several.
    """
    named = [
        term.given[0] for term in terms if term.selector == "metric.type" and not term.negated and not term.function
    ]
    if len(named) != 1:
        raise GcpError(400, f"Field filter had an invalid value of {text!r}: must specify a single metric.type.")
    return named[0]


def canonical(selector: str) -> str:
    """`resource.label.zone` is `resource.labels.zone`.

    Raises:
        GcpError: 400, it is no selector.
    """
    if not _SELECTOR.fullmatch(selector):
        raise GcpError(400, f"{selector!r} is not a field of a time series that can be selected")
    return selector.replace(".label.", ".labels.")


def _term(tokens: list[str], text: str) -> Term:
    if not tokens:
        raise _unreadable(text, tokens)
    selector = canonical(tokens.pop(0))
    if not tokens or tokens[0] not in {"=", "!="}:
        raise _unreadable(text, tokens)
    negated = tokens.pop(0) == "!="
    if len(tokens) > 1 and tokens[1] == "(":
        function = tokens.pop(0)
        if function not in _FUNCTIONS:
            raise _unreadable(text, [function])
        tokens.pop(0)
        given = [_value(tokens, text)]
        while tokens and tokens[0] == ",":
            tokens.pop(0)
            given.append(_value(tokens, text))
        _expect(tokens, ")", text)
        return Term(selector, negated, function, tuple(given))
    return Term(selector, negated, "", (_value(tokens, text),))


def _value(tokens: list[str], text: str) -> str:
    if not tokens or tokens[0] in {"=", "!=", "(", ")", ",", ":", "AND", "OR", "NOT"}:
        raise _unreadable(text, tokens)
    value = tokens.pop(0)
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _expect(tokens: list[str], wanted: str, text: str) -> None:
    if not tokens or tokens.pop(0) != wanted:
        raise _unreadable(text, tokens)


def _unreadable(text: str, rest: list[str]) -> GcpError:
    return GcpError(
        400, f"Field filter had an invalid value of {text!r}: it cannot be parsed near {' '.join(rest[:3])!r}."
    )


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text, [text[position:]])
        found.append(match["text"] or match["word"] or match["mark"])
        position = match.end()
    return found
