"""One file of this machine by its URI, as it is now. Applies no rules of what is left out."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

from pipeline.sources.local import revision_of
from pipeline.types import Found


def path_of(uri: str) -> Path:
    """The path that a `file://` URI names.

    >>> path_of("file:///data/%C3%A9t%C3%A9%21.pdf").as_posix()
    '/data/été!.pdf'
    """
    return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))


def look_up(uri: str) -> Found:
    """The file of a `file://` URI; one that cannot be looked at has no revision and no size."""
    path = path_of(uri)
    try:
        status = path.stat()
        modified = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
        return Found(uri, revision_of(path), status.st_size, modified, path)
    except (OSError, ValueError, OverflowError):
        return Found(uri, "", 0, None, path)
