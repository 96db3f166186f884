from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_written_from_the_schema() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "render_components.py"))["render"]()
    assert (ROOT / "docs" / "components.md").read_text(encoding="utf-8") == page, "run: make generate"
