"""Draws docs/models.svg, the catalog of models as `docmill models` shows it in a wide terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from cli.models import table_of
from pipeline.embed.catalog import TASKS, catalog

OUT = Path(__file__).parents[1] / "docs" / "models.svg"
COLUMNS = 184


def main() -> None:
    out = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False, markup=False, emoji=False)
    for task in TASKS:
        out.print(table_of(task, catalog(task), is_wide=True))
        out.print()
    # Without the fonts that the template would fetch from elsewhere.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.S)
    template = template.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")
    svg = out.export_svg(title="docmill models", theme=DEFAULT_TERMINAL_THEME, code_format=template, unique_id="models")
    OUT.write_text(svg + "\n", encoding="utf-8")
    print(f"{OUT.name}: {len(svg):,} characters")


if __name__ == "__main__":
    main()
