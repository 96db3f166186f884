"""A console on which no text can forge a line, move the cursor or show a URL's secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from forecasting.safe_text import printable, redacted, safe_text

_RenderableT = TypeVar("_RenderableT", bound=RenderableType)


class SafeConsole(Console):
    """Make each text safe before it is laid out: rich renders every cell and every part through `render`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `rich.console.Console.render`."""
        if isinstance(renderable, str):
            renderable = safe_text(renderable)
        elif isinstance(renderable, Text) and (safe := safe_text(renderable.plain)) != renderable.plain:
            renderable = _with(renderable, safe)
        return super().render(renderable, options)


def one_line(part: _RenderableT) -> _RenderableT | Text:
    """Escape line breaks as well, of a text that is one line of a page."""
    plain = part.plain if isinstance(part, Text) else part
    if not isinstance(plain, str) or (safe := printable(redacted(plain))) == plain:
        return part
    return _with(part, safe) if isinstance(part, Text) else Text(safe)


def _with(text: Text, plain: str) -> Text:
    changed = text.copy()
    changed.plain = plain
    return changed
