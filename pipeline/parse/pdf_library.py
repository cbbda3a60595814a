"""PyMuPDF as this package uses it: without its layout network and its Markdown, which nothing here asks.

PyMuPDF 2.0 loads both when it is imported, half a second and 54 MB for every parse worker, and does without them
where their packages are missing. Import it from here.
"""

from __future__ import annotations

import sys

UNASKED = [name for name in ("pymupdf.layout", "pymupdf4llm") if name not in sys.modules]

sys.modules.update(dict.fromkeys(UNASKED))  # type: ignore[arg-type]  # None is Python's way to make an import fail
import pymupdf  # noqa: E402

for name in UNASKED:
    del sys.modules[name]

pymupdf.TOOLS.unset_quad_corrections(True)  # lines as high as MuPDF says; PyMuPDF's Markdown sets it, too

__all__ = ["pymupdf"]
