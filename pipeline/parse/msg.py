"""Outlook messages (.msg): headers, body, attachments, read with python-oxmsg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.charset import declared_in_html, decode
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.mail_parts import File, attachments, decoded_words, mail_info, mail_pages
from pipeline.types import Blob, Event

CONTENT_ID = 0x3712  # PidTagAttachContentId
HTML_BODY = 0x1013  # PidTagBodyHtml
DISPLAY_TO, DISPLAY_CC = 0x0E04, 0x0E03
FOREIGN = (
    AttributeError, EOFError, IndexError, KeyError, LookupError, NotImplementedError, OSError, OverflowError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, pages without number, `Attachment`s. Raises `Unreadable`."""
    from oxmsg import Message

    try:
        message = Message.load(str(blob.path))
        subject = " ".join((message.subject or "").split())
        text = message.properties.str_prop_value
        people = {"To": text(DISPLAY_TO) or _addresses(message), "Cc": text(DISPLAY_CC) or ""}
        sent = message.sent_date
        headers = {"From": message.sender or "", **people, "Date": sent.isoformat() if sent else ""}
        html, plain = _html(message), message.body or ""
        files = [_file(attached) for attached in message.attachments]
    except FOREIGN as error:
        raise Unreadable(f"{blob.name}: is damaged or no Outlook message ({type(error).__name__}: {error})") from error
    if not subject and not html.strip() and not plain.strip() and not files:
        raise Unreadable(f"{blob.name}: holds no message; it may be another kind of Outlook item")
    headers = {name: " ".join(decoded_words(value.replace("\0", "")).split()) for name, value in headers.items()}
    yield mail_info(subject, headers)
    writer = PictureWriter(work_dir, options.limits)
    yield from mail_pages(subject, headers, html, plain, {f.cid: f for f in files if f.cid}, writer)
    yield from writer.left_out()
    attached = [file for file in files if file.data and not (file.cid and f"cid:{file.cid}" in html)]
    yield from attachments(attached, work_dir, options.limits)


def _html(message: object) -> str:
    found = getattr(message, "html_body", None)
    if isinstance(found, str):
        return found
    raw = message.properties.binary_prop_value(HTML_BODY)  # type: ignore[attr-defined]
    return decode(raw, declared_in_html(raw)) if raw else ""


def _addresses(message: object) -> str:
    recipients = getattr(message, "recipients", [])
    return ", ".join(f"{one.name} <{one.email_address}>" for one in recipients)


def _file(attached: object) -> File:
    data = getattr(attached, "file_bytes", None) or b""
    cid = attached.properties.str_prop_value(CONTENT_ID) or ""  # type: ignore[attr-defined]
    return File(getattr(attached, "file_name", "") or "", data, cid.strip("<>"))
