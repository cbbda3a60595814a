"""Media type of a file from its content. The name decides only what content cannot (Markdown or plain text).

Reads the head, and the directory of zip and OLE2 files; it decodes and unpacks nothing else.
"""

from __future__ import annotations

import csv
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePath

from pipeline.parse.charset import decode

DIRECTORY_BYTES = 4 << 20  # of a zip archive, some 50,000 names; a larger one is not read outside of a worker
END_BYTES = 22 + (1 << 16)  # the last record of a zip archive with the longest comment
DAMAGED_ZIP = (  # what the standard library raises for one
    zipfile.BadZipFile, zlib.error, struct.error, lzma.LZMAError,
    ValueError, LookupError, RuntimeError, NotImplementedError, EOFError, OverflowError,
)  # fmt: skip
HEAD_BYTES = 64 * 1024
DAMAGED_TEXT = 0.05  # share of control characters in a text that a disc or a network has damaged
PDF_HEADER = re.compile(rb"%PDF-\d")
PDF_HEADER_WITHIN = 1024  # ISO 32000 readers accept that much in front
MIMETYPE_BYTES = 100
CONTENT_TYPES_BYTES = 1 << 20
UNKNOWN, EMPTY = "application/octet-stream", "application/x-empty"
OOXML = "application/vnd.openxmlformats-officedocument."
WORD, SLIDES, SHEET = (OOXML + kind for kind in ("wordprocessingml.document", "presentationml.presentation",
                                                 "spreadsheetml.sheet"))  # fmt: skip
OUTLOOK = "application/vnd.ms-outlook"

MAGIC = (  # (offset, bytes, media type); the first that fits
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"II+\x00", "image/tiff"),
    (0, b"MM\x00+", "image/tiff"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"7z\xbc\xaf'\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\x00\x00\x00\x0cjP  ", "image/jp2"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
)
BRANDS = {  # of ISO media files, at byte 8
    b"heic": "image/heic", b"heix": "image/heic", b"heim": "image/heic", b"hevc": "image/heic",
    b"mif1": "image/heic", b"msf1": "image/heic", b"avif": "image/avif", b"avis": "image/avif",
}  # fmt: skip
OOXML_PARTS = (  # main parts in [Content_Types].xml; macro-enabled and template variants are the same format
    (b"wordprocessingml.", WORD),
    (b"ms-word.", WORD),
    (b"presentationml.", SLIDES),
    (b"ms-powerpoint.", SLIDES),
    (b"spreadsheetml.", SHEET),
    (b"ms-excel.sheet.macroEnabled", SHEET),
    (b"ms-excel.template.macroEnabled", SHEET),
)
OOXML_FOLDERS = (("word/", WORD), ("ppt/", SLIDES), ("xl/", SHEET))
OOXML_SUFFIXES = {
    ".docx": WORD, ".docm": WORD, ".dotx": WORD,
    ".pptx": SLIDES, ".pptm": SLIDES, ".ppsx": SLIDES, ".potx": SLIDES,
    ".xlsx": SHEET, ".xlsm": SHEET, ".xltx": SHEET,
}  # fmt: skip
OLE_STREAMS = (  # names of streams, as they stand in the directory
    ("EncryptedPackage", "encrypted"),
    ("__properties_version1.0", OUTLOOK),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
)
TEXT_SUFFIXES = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".mkd": "text/markdown", ".mdx": "text/markdown",
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".tab": "text/tab-separated-values",
    ".eml": "message/rfc822", ".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml",
}  # fmt: skip
ZIP_SUFFIXES = OOXML_SUFFIXES | {
    ".epub": "application/epub+zip", ".odt": "application/vnd.oasis.opendocument.text",
}  # fmt: skip
BINARY_SUFFIXES = ZIP_SUFFIXES | {  # content that says nothing: a damaged file of the kind that it claims to be
    ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".tif": "image/tiff", ".tiff": "image/tiff", ".gif": "image/gif", ".webp": "image/webp", ".bmp": "image/bmp",
    ".msg": OUTLOOK,
}  # fmt: skip
HTML_START = re.compile(r"<(?:!doctype\s+html|html|head|body|title|meta|script|style|table|div|p|h[1-6]|a|br)\b", re.I)
WHOLE_HTML = re.compile(r"<(?:!doctype\s+html|html)\b", re.I)
XHTML = re.compile(r"<html\b[^>]*\bxmlns\s*=", re.I)
MAIL_HEADER = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):(?=[ \t\r\n])", re.M)
MAIL_FIELDS = {
    "from", "to", "cc", "subject", "date", "message-id", "mime-version", "received", "return-path", "delivered-to",
    "content-type", "content-transfer-encoding", "reply-to", "sender", "x-mailer", "in-reply-to", "references",
    "dkim-signature", "authentication-results", "user-agent", "thread-topic", "bcc",
}  # fmt: skip
MARKDOWN = re.compile(r"^(?:#{1,6} \S|```|[-*] \[[ x]\] |\|?[ :]*-{3,}[ :]*\|)|\[[^\]\n]+\]\([^)\s]+\)", re.M)


def sniff(path: Path, name: str) -> str:
    """The media type of the file at `path`; `name` is what people call it. OSError if it cannot be read.

    An unknown binary is `application/octet-stream`, a file of 0 bytes `application/x-empty`. Where the content shows
    no format at all, a name such as `report.pdf` counts, so that its parser can tell that the file is damaged.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return EMPTY
    suffix = PurePath(name).suffix.lower()
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip(path, suffix)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole(path, suffix)
    return _magic(head) or _text(head, suffix)


def _magic(head: bytes) -> str | None:
    for offset, magic, media_type in MAGIC:
        if head.startswith(magic, offset):
            return media_type
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"BM") and len(head) >= 26 and head[14] in (12, 40, 52, 56, 64, 108, 124):
        return "image/bmp"  # its second header tells its own size
    return None


def _zip(path: Path, suffix: str) -> str:
    try:
        if _directory_bytes(path) > DIRECTORY_BYTES:
            return ZIP_SUFFIXES.get(suffix, "application/zip")  # its parser has limits, this process has none
        with zipfile.ZipFile(path) as archive:
            return _zip_kind(archive)
    except (*DAMAGED_ZIP, OSError):
        return ZIP_SUFFIXES.get(suffix, "application/zip")  # damaged: its parser will say so


def _directory_bytes(path: Path) -> int:
    """Size of the archive's directory as its last record tells it; 4 GB for one that only zip64 can tell."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_BYTES))
        end = file.read()
    start = end.rfind(b"PK\x05\x06")
    return int.from_bytes(end[start + 12 : start + 16], "little") if start >= 0 else 0


def _zip_kind(archive: zipfile.ZipFile) -> str:
    names = set(archive.namelist())
    if "mimetype" in names:
        declared = _member(archive, "mimetype", MIMETYPE_BYTES).decode("ascii", "replace").strip()
        if re.fullmatch(r"[\w.+-]+/[\w.+-]+", declared):
            return declared
    if "META-INF/container.xml" in names:
        return "application/epub+zip"
    if "[Content_Types].xml" in names:
        types = _member(archive, "[Content_Types].xml", CONTENT_TYPES_BYTES)
        mains = re.findall(rb"""ContentType\s*=\s*["']([^"']*main\+xml)["']""", types)
        for part, media_type in OOXML_PARTS:
            if any(part in main for main in mains):
                return media_type
        for folder, media_type in OOXML_FOLDERS:
            if any(member.startswith(folder) for member in names):
                return media_type
    return "application/zip"


def _member(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    with archive.open(name) as member:
        return member.read(most_bytes)


def _ole(path: Path, suffix: str) -> str:
    """By the names of the root's streams; the directory is a chain of sectors anywhere in the file."""
    names = set(_ole_names(path))
    for stream, media_type in OLE_STREAMS:
        if any(name.startswith(stream) for name in names):
            if media_type == "encrypted":
                return OOXML_SUFFIXES.get(suffix, WORD)
            return media_type
    return OUTLOOK if suffix == ".msg" else "application/x-ole-storage"


def _ole_names(path: Path) -> Iterable[str]:
    """Names of the first directory sectors (MS-CFB 2.6): 128-byte entries, UTF-16, the length at byte 64."""
    with path.open("rb") as file:
        header = file.read(512)
        if len(header) < 512:
            return
        size = {9: 512, 12: 4096}.get(int.from_bytes(header[30:32], "little"))
        if size is None:
            return
        sector = int.from_bytes(header[48:52], "little")
        fat = [int.from_bytes(header[76 + 4 * i : 80 + 4 * i], "little") for i in range(109)]
        for _ in range(64):
            file.seek((sector + 1) * size)
            entries = file.read(size)
            for start in range(0, len(entries) - 127, 128):
                length = int.from_bytes(entries[start + 64 : start + 66], "little")
                yield entries[start : start + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
            index, offset = divmod(sector, size // 4)
            if index >= len(fat) or fat[index] >= 0xFFFFFFFA:
                return
            file.seek((fat[index] + 1) * size + 4 * offset)
            sector = int.from_bytes(file.read(4), "little")
            if sector >= 0xFFFFFFFA:
                return


def _text(head: bytes, suffix: str) -> str:
    named = TEXT_SUFFIXES | {".txt": "text/plain"}
    textual = _is_text(head, DAMAGED_TEXT if suffix in named else 0)
    header = PDF_HEADER.search(head[:PDF_HEADER_WITHIN])
    if header and (header.start() == 0 or not textual or b" obj" in head):  # not a text that speaks of PDF
        return "application/pdf"
    if not textual:
        return BINARY_SUFFIXES.get(suffix, UNKNOWN)
    text = decode(head).lstrip("\ufeff \t\r\n\x00")
    if not text:
        return TEXT_SUFFIXES.get(suffix, "text/plain")
    return _markup(text, suffix) or _mail(text, suffix) or _plain(text, suffix)


def _is_text(head: bytes, damage: float) -> bool:
    """Few control characters, once decoded, and no zero among them; UTF-16 is told by its mark or by its zero bytes.

    A share of `damage` is forgiven to a file that is named a text.
    """
    text = decode(head)
    controls = sum(1 for c in text if (c < " " and c not in "\t\n\r\f\x1b") or c in "\x7f\ufffd")
    if controls <= damage * len(text):
        return True
    return "\x00" not in text.rstrip("\x00") and controls <= 0.02 * len(text)


def _markup(text: str, suffix: str) -> str | None:
    if not text.startswith("<"):
        return None
    start = _behind_comments(text)
    if XHTML.search(start[:4096]) and text.startswith("<?xml"):
        return "application/xhtml+xml"
    if start[:4].lower() == "<svg" or re.match(r"<!doctype\s+svg", start, re.I):
        return "image/svg+xml"
    if TEXT_SUFFIXES.get(suffix) == "text/markdown" and not WHOLE_HTML.match(start):
        return None  # Markdown may begin with a tag
    if HTML_START.match(start) or re.search(r"<(?:html|body)\b", start[:8192], re.I):
        return "text/html"
    if text.startswith("<?xml"):
        return "application/xml"
    if suffix in (".html", ".htm", ".xhtml"):
        return "text/html"
    return "application/xml" if suffix == ".xml" else None


def _behind_comments(text: str) -> str:
    """From the first tag that is neither an XML declaration, a comment nor a foreign doctype."""
    while match := re.match(r"\s*(?:<\?[^>]*>|<!--.*?-->|<!doctype\s+(?!html|svg)[^>\[]*>)\s*", text, re.I | re.S):
        text = text[match.end() :]
    return text


def _mail(text: str, suffix: str) -> str | None:
    head = re.sub(r"\AFrom [^\n]*\n", "", text)  # the separator of an mbox
    block = re.split(r"\r?\n\r?\n", head, maxsplit=1)[0]
    if not MAIL_HEADER.match(block):
        return "message/rfc822" if suffix == ".eml" else None
    fields = {field.lower() for field in MAIL_HEADER.findall(block)} & MAIL_FIELDS
    if suffix == ".eml" or len(fields) >= 3:
        return "message/rfc822"
    return None


def _plain(text: str, suffix: str) -> str:
    if suffix in (".html", ".htm", ".xhtml") and re.search(r"</?[a-z][a-z0-9]*[\s>/]", text[:8192], re.I):
        return "text/html"
    named = TEXT_SUFFIXES.get(suffix)
    if named and named not in ("text/html", "application/xhtml+xml"):
        return named
    if suffix in BINARY_SUFFIXES:
        return BINARY_SUFFIXES[suffix]
    if suffix == "" and len(MARKDOWN.findall(text)) >= 3:
        return "text/markdown"
    if suffix == "" and _is_table(text):
        return "text/csv"
    return "text/plain"


def _is_table(text: str) -> bool:
    lines = text.splitlines()[:20][:-1]
    if len(lines) < 3 or any("," not in line for line in lines):
        return False
    widths = {len(row) for row in csv.reader(io.StringIO("\n".join(lines)))}
    return len(widths) == 1 and widths.pop() >= 3
