"""Mail as it travels (RFC 822): headers, body, attachments. Forgives broken encodings; fetches nothing."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

from pipeline.errors import PasswordNeeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.charset import decode
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.mail_parts import File, attachments, decoded_words, mail_info, mail_pages
from pipeline.types import Blob, Event

LONGEST_HEADER = 200_000  # characters; decoding takes the square of it
MOST_HEADERS = 10  # of one name
HEADERS = ("From", "To", "Cc", "Bcc", "Date")
ENCRYPTED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted")


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, pages without number, `Attachment`s. Raises `Unreadable`, or `PasswordNeeded` for encrypted mail."""
    try:
        message = email.message_from_bytes(blob.path.read_bytes(), policy=email.policy.compat32)
        subject = header(message, "Subject")
        headers = {name: header(message, name) for name in HEADERS}
        html, plain, files = _contents(message)
    except RecursionError as error:
        raise Unreadable(f"{blob.name}: nests mails in mails without end; it is damaged or hostile") from error
    if not subject and not any(headers.values()) and not files and not (html.strip() and len(message.keys())):
        raise Unreadable(f"{blob.name}: has no mail headers; it is cut off or no mail")
    info = mail_info(subject, headers)
    yield info
    if _is_encrypted(message):
        raise PasswordNeeded(f"{blob.name}: is an encrypted mail; decrypt it in a mail program and save it again")
    writer = PictureWriter(work_dir, options.limits)
    shown = {file.cid: file for file in files if file.cid}
    yield from mail_pages(subject, headers, html, plain, shown, writer)
    yield from writer.left_out()
    attached = [file for file in files if not (file.cid and f"cid:{file.cid}" in html)]
    yield from attachments(attached, work_dir, options.limits)


def header(message: Message, name: str) -> str:
    """A header as text on one line, encoded words decoded, whatever their state; of a huge one its beginning."""
    values = [decoded_words(str(value)[:LONGEST_HEADER]) for value in message.get_all(name, [])[:MOST_HEADERS]]
    return " ".join(", ".join(values).split())


def _is_encrypted(message: Message) -> bool:
    if message.get_content_type() not in ENCRYPTED:
        return False
    return str(message.get_param("smime-type") or "").lower() not in ("signed-data", "certs-only")


def _contents(message: Message) -> tuple[str, str, list[File]]:
    """HTML body, plain body, and every other part as a file; parts of attached mails stay in those."""
    html: list[str] = []
    plain: list[str] = []
    files: list[File] = []
    for part in _leaves(message):
        kind, name = part.get_content_type(), _file_name(part)
        attached = "attachment" in str(part.get("Content-Disposition", "")).lower()[:30]
        if kind == "message/rfc822" or attached or name or not kind.startswith(("text/", "multipart/")):
            data = _inner_mail(part) if kind == "message/rfc822" else payload(part)
            default = "message.eml" if kind == "message/rfc822" else ""
            cid = str(part.get("Content-ID", "")).strip().strip("<>")
            if data and not kind.startswith("application/pkcs7-signature"):
                files.append(File(name or default, data, cid))
        elif kind == "text/html":
            html.append(_text(part))
        elif kind != "text/calendar":
            plain.append(_text(part))
    return "\n".join(html), "\n\n".join(plain), files


def _leaves(message: Message) -> Iterator[Message]:
    """Parts that hold no parts, in order; an attached mail is one of them."""
    stack: list[object] = [message]
    while stack:
        part = stack.pop()
        if not isinstance(part, Message):
            continue
        inner = part.get_payload()
        if part.is_multipart() and isinstance(inner, list) and part.get_content_type() != "message/rfc822":
            stack.extend(reversed(inner))
        else:
            yield part


def _inner_mail(part: Message) -> bytes:
    inner = part.get_payload()
    first = inner[0] if isinstance(inner, list) and inner else None
    try:
        return first.as_bytes() if isinstance(first, Message) else payload(part)
    except (UnicodeError, LookupError, KeyError, AttributeError):
        return b""


def payload(part: Message) -> bytes:
    """The decoded bytes of a part; as much as can be had when its transfer encoding is broken."""
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        data = None
    if data is None:
        raw = part.get_payload()
        return raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else b""
    return data if isinstance(data, bytes) else b""


def _text(part: Message) -> str:
    try:
        charset = part.get_content_charset()
    except (LookupError, ValueError):
        charset = None
    return decode(payload(part), charset)


def _file_name(part: Message) -> str:
    try:
        return decoded_words(part.get_filename() or "")
    except (LookupError, ValueError, TypeError):
        return ""
