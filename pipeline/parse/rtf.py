"""Rich Text Format: its paragraphs as plain text; pictures and styles are not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LimitExceeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.markdown_table import table_parts
from pipeline.parse.slices import slices
from pipeline.types import Blob, Event, Info, Part

HEX = re.compile(rb"(?<=[\s\w}])[0-9a-fA-F\s]{4000,}+(\}|\Z)?")  # a picture, if its group ends there
TITLE = re.compile(r"\{\\title\s+([^{}\\]{1,500})\}")
AUTHOR = re.compile(r"\{\\author\s+([^{}\\]{1,500})\}")


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:  # noqa: ARG001
    """`Info`, then pages without number. Raises `Unreadable` or `LimitExceeded`."""
    from striprtf.striprtf import rtf_to_text

    if blob.size_bytes > 2 * options.limits.text_mb * 1024 * 1024:
        raise LimitExceeded(
            f"{blob.name}: {blob.size_bytes} bytes of RTF are too many; raise limits.text_mb to read it"
        )
    data = blob.path.read_bytes()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise Unreadable(f"{blob.name}: does not begin like an RTF file; it is damaged or something else")
    source = HEX.sub(_no_picture, data).decode("latin-1")
    try:
        text = rtf_to_text(source, errors="replace")
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, LookupError, OverflowError) as error:
        raise Unreadable(f"{blob.name}: is damaged ({error})") from error
    title, author = TITLE.search(source), AUTHOR.search(source)
    yield Info(title[1].strip() if title else "", author[1].strip() if author else "")
    if not text.strip():
        raise Unreadable(f"{blob.name}: holds no text; check that the file is complete")
    yield from slices(_parts(text))


def _no_picture(run: re.Match[bytes]) -> bytes:
    return run[0] if run[1] is None else run[1]


def _parts(text: str) -> Iterator[Part]:
    """Lines as paragraphs; neighbouring lines with cell bars are the rows of one table."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.rstrip().endswith("|") and line.count("|") > 1:
            rows.append(line.rstrip().rstrip("|").split("|"))
            continue
        yield from table_parts(rows)
        rows = []
        if line.strip():
            yield Part("text", line.strip())
