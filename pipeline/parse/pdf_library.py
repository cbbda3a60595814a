"""PyMuPDF as this package uses it: without its layout network, which nothing here asks.

PyMuPDF 2.0 loads its models when it is imported, half a second and 54 MB for every parse worker, and does without them
where their package is missing. Import it from here.
"""

from __future__ import annotations

import sys

LAYOUT = "pymupdf.layout"

if LAYOUT not in sys.modules:
    sys.modules[LAYOUT] = None  # type: ignore[assignment]  # Python's way to make an import fail
    import pymupdf

    del sys.modules[LAYOUT]
else:
    import pymupdf

__all__ = ["pymupdf"]
