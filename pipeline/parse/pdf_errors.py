"""What MuPDF says of a damaged file, in a few words that name no path of this machine."""

from __future__ import annotations

import re

from pipeline.parse.pdf_library import pymupdf

# what it did about the damage, and that it did so again, says nothing of what is wrong
NOISE = re.compile(r"trying to repair|repairing pdf|^\.\.\. repeated|^failed to open file|^cannot open", re.I)
PREFIX = re.compile(r"^(?:code=\d+: |(?:format|syntax|library|argument|generic) error: )+", re.I)
LONGEST = 120  # characters


def cause(error: BaseException | None = None) -> str:
    """The first thing that tells what is wrong, as the end of a message; "" if there is none.

    >>> cause(RuntimeError("code=7: Invalid number of pages"))
    ' (MuPDF: Invalid number of pages)'
    >>> cause(RuntimeError("Failed to open file '/tmp/a.pdf' as type pdf."))
    ''
    """
    lines = [str(error)] if error is not None else []
    lines += (pymupdf.TOOLS.mupdf_warnings() or "").splitlines()
    told = (PREFIX.sub("", line.strip()) for line in lines if line.strip() and not NOISE.search(line.strip()))
    first = next((line for line in told if line), "")
    return f" (MuPDF: {first[:LONGEST]})" if first else ""
