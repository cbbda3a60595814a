"""What eml and msg share: headers as searchable text, the body as parts, attachments as files with safe names."""

from __future__ import annotations

import binascii
import email.errors
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.header import decode_header
from pathlib import Path

from pipeline.config import Limits
from pipeline.errors import LimitExceeded, to_failure
from pipeline.parse.charset import decode
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.html import read_html
from pipeline.parse.slices import slices
from pipeline.types import Attachment, Failure, Info, Page, Part, Picture

UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]+')
BLANK = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class File:
    """A file inside a mail, inline or attached."""

    name: str
    data: bytes
    cid: str = ""


def mail_info(subject: str, headers: Mapping[str, str]) -> Info:
    """Subject as title, sender as author, headers (`from`, `to`, `cc`, `date`) as metadata."""
    filled = {key.lower(): value[:1000] for key, value in headers.items() if value}
    return Info(subject[:500], headers.get("From", ""), metadata=filled)


def mail_pages(
    subject: str, headers: Mapping[str, str], html: str, plain: str, files: Mapping[str, File], writer: PictureWriter
) -> Iterator[Page]:
    """Heading, headers and body in slices. `files` by content id are the pictures an HTML body may show."""
    parts = [Part("heading", subject, level=1)] if subject else []
    if lines := [f"{name}: {value}" for name, value in headers.items() if value]:
        parts.append(Part("note", "\n".join(lines)))
    pictures: list[Picture] = []
    body: list[Part] = []
    if html.strip():
        _, body, pictures = read_html(html, lambda address: _by_cid(address, files), writer, whole=True)
    if not body:
        body = [Part("text", text.strip()) for text in BLANK.split(plain.replace("\r", "")) if text.strip()]
    yield from slices([*pictures, *parts, *body])


def attachments(files: list[File], work_dir: Path, limits: Limits) -> Iterator[Attachment | Failure]:
    """The files below `work_dir`, named by number; `name` is safe to show and unique within the mail.

    A `Failure` last if there are more than `limits.attachments`.
    """
    seen: set[str] = set()
    for i, file in enumerate(files[: limits.attachments]):
        name = _unique(safe_name(file.name) or f"attachment-{i + 1}", seen)
        path = work_dir / f"attachment-{i:04d}{Path(name).suffix[:16]}"
        path.write_bytes(file.data)
        yield Attachment(name, path)
    if len(files) > limits.attachments:
        more = f"{len(files) - limits.attachments} attachments after the first {limits.attachments}"
        yield to_failure(LimitExceeded(f"{more} were left out (limits.attachments)"), "parse")


def safe_name(name: str) -> str:
    """The last part of a name as people gave it, without what has a meaning in paths."""
    last = re.split(r"[/\\]", name)[-1]
    return UNSAFE.sub("_", " ".join(last.split())).strip(". ")[-120:]


def decoded_words(value: object) -> str:
    """A header with its encoded words (RFC 2047) decoded, whatever their state."""
    text = str(value)
    try:
        text = decode(text.encode("ascii", "surrogateescape"))  # raw bytes come as surrogates
    except UnicodeEncodeError:
        return text
    try:
        pieces = decode_header(text)
    except (email.errors.HeaderParseError, binascii.Error, ValueError):
        return text
    return "".join(piece if isinstance(piece, str) else decode(piece, charset) for piece, charset in pieces)


def _unique(name: str, seen: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    number, unique = 2, name
    while unique.lower() in seen:
        unique = f"{stem}-{number}{dot}{suffix}" if stem else f"{name}-{number}"
        number += 1
    seen.add(unique.lower())
    return unique


def _by_cid(address: str, files: Mapping[str, File]) -> bytes | None:
    file = files.get(address[4:].strip("<>")) if address[:4].lower() == "cid:" else None
    return file.data if file is not None else None
