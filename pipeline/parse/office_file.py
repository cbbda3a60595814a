"""What Word, PowerPoint and Excel files share: opening (encrypted ones too), properties, foreign errors translated."""

from __future__ import annotations

import datetime as dt
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.errors import PasswordNeeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.archive import Archive
from pipeline.types import Blob, Info

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
KEYS = ("subject", "keywords", "category", "comments", "description", "language", "created", "modified")
FOREIGN = (  # what the office libraries and lxml answer to damaged files
    AttributeError, ArithmeticError, AssertionError, EOFError, IndexError, KeyError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, etree.LxmlError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def opened(blob: Blob, work_dir: Path, options: ParseOptions) -> Path:
    """Path of a file that is safe to open as a zip: the blob's own, or its decrypted copy.

    Raises `PasswordNeeded`, `Unreadable` or `LimitExceeded`.
    """
    with blob.path.open("rb") as file:
        encrypted = file.read(8) == OLE
    path = _decrypted(blob, work_dir, options.passwords) if encrypted else blob.path
    Archive(path, blob.name, options.limits).close()
    return path


def document_info(core: Any, path: Path, author: str, page_count: int | None = None) -> Info:
    """Properties as the libraries read them, dates in ISO 8601; nothing where the file has none of its own.

    Without the check, a file without properties would get the libraries' defaults: a made-up title, and today's date.
    """
    with zipfile.ZipFile(path) as archive:
        if not any(name.lower().endswith(("core.xml", ".psmdcp")) for name in archive.namelist()):
            return Info(page_count=page_count)
    found = {key: getattr(core, key, None) for key in KEYS}
    metadata = {
        key: value.isoformat() if isinstance(value, dt.datetime) else " ".join(str(value).split())[:1000]
        for key, value in found.items()
        if value
    }
    return Info(" ".join((core.title or "").split())[:500], author, page_count, metadata=metadata)


@contextmanager
def damaged_is_unreadable(blob: Blob) -> Iterator[None]:
    """Translates what the libraries raise for a damaged file into one `Unreadable`."""
    try:
        yield
    except FOREIGN as error:
        kind = blob.name.rpartition(".")[2] or "office"
        raise Unreadable(
            f"{blob.name}: is damaged, no {kind} reader can open it ({type(error).__name__}: {error})"
        ) from error
    except Exception as error:
        if type(error).__module__.startswith(("docx", "pptx", "openpyxl")):
            raise Unreadable(f"{blob.name}: is damaged ({type(error).__name__}: {error})") from error
        raise


def _decrypted(blob: Blob, work_dir: Path, passwords: tuple[str, ...]) -> Path:
    import msoffcrypto  # type: ignore[import-untyped]
    from msoffcrypto.exceptions import (  # type: ignore[import-untyped]
        DecryptionError,
        FileFormatError,
        InvalidKeyError,
        ParseError,
    )

    target = work_dir / "decrypted.zip"
    with blob.path.open("rb") as file:
        try:
            locked = msoffcrypto.OfficeFile(file)
            if not locked.is_encrypted():
                raise Unreadable(f"{blob.name}: is an old binary Office file; save it in the current format")
            for password in (*passwords, "VelvetSweatshop"):  # Excel's own default
                try:
                    locked.load_key(password=password)
                    with target.open("wb") as plain:
                        locked.decrypt(plain)
                    return target
                except (InvalidKeyError, DecryptionError):
                    continue
        except (FileFormatError, ParseError, *FOREIGN) as error:
            raise Unreadable(f"{blob.name}: is neither a sound nor an encrypted Office file ({error})") from error
    raise PasswordNeeded(f"{blob.name}: is encrypted; add its password to sources.passwords")
