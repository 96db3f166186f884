"""One self-contained HTML page: text, tables and figures, with plotly's library inside."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

Figure = dict[str, Any]
"""A figure as plotly's JSON schema has it; a colour `@name` is looked up in the page's light or dark palette."""


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the row numbers in `strong` stand out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Note:
    """A sentence in a box; `tone` is `pays`, `does-not-pay` or `undecided`."""

    text: str
    tone: str


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, and what stands under it in this order."""

    title: str
    text: str
    notes: Sequence[Note] = ()
    figure: Figure | None = None
    table: Table | None = None


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: Its heading.
        lead: A line under it.
        notes: What matters most.
        sections: The rest.
    """

    title: str
    lead: str
    notes: Sequence[Note]
    sections: Sequence[Section] = field(default_factory=tuple)


def render(page: Page) -> str:
    """The page as HTML. Nothing in it is fetched from anywhere; all text is escaped."""
    figures = {f"figure-{number}": section.figure for number, section in enumerate(page.sections) if section.figure}
    body = [f"<h1>{escape(page.title)}</h1>", f'<p class="soft">{escape(page.lead)}</p>', *map(_note, page.notes)]
    body += [_section(number, section) for number, section in enumerate(page.sections)]
    # A script element ends at the first `</script`, whatever the string it stands in.
    data = json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    template = Template(files("elastic_iac.report").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(page.title), body="\n".join(body), plotly=_plotly(), figures=data)


def _plotly() -> str:
    offline: Any = importlib.import_module("plotly.offline")
    return str(offline.get_plotlyjs())


def _note(note: Note) -> str:
    return f'<div class="verdict {escape(note.tone)}">{escape(note.text)}</div>'


def _section(number: int, section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>", f"<p>{escape(section.text)}</p>", *map(_note, section.notes)]
    if section.figure:
        parts.append(f'<div class="figure" id="figure-{number}" role="img" aria-label="{escape(section.title)}"></div>')
    if section.table:
        parts.append(_table(section.table))
    return f"<section>{''.join(parts)}</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    rows = "".join(
        f"<tr{' class=ours' if number in table.strong else ''}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for number, row in enumerate(table.rows)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
