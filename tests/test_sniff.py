"""Content sniffing: what a file is, whatever it is called."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest

from pipeline.parse.sniff import sniff

DEV = Path(__file__).parents[1] / "../shared/data/dev"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def packed(**members: bytes | str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def ooxml(main: str) -> bytes:
    return packed(**{"[Content_Types].xml": f'<Types><Override PartName="/x" ContentType="{main}"/></Types>'})


def ole(*streams: str) -> bytes:
    """A compound file of one directory sector."""
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = (0).to_bytes(4, "little")
    header[76:512] = b"\xff" * 436
    entries = b""
    for name in streams:
        wide = name.encode("utf-16-le")
        entries += wide + bytes(64 - len(wide)) + (len(wide) + 2).to_bytes(2, "little") + bytes(62)
    return bytes(header) + entries.ljust(512, b"\0")


MAIL = "Received: by x\nFrom: a@example.org\nTo: b@example.org\nSubject: hi\n\nHello: you\n"
CASES = [
    (b"", "a.png", "application/x-empty"),
    (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "a.html", "application/pdf"),
    (b"\r\njunk\x00\x01" * 20 + b"%PDF-1.4\n1 0 obj", "a.bin", "application/pdf"),
    (b"# Magic\nA file starts with `%PDF-1.4`.\n", "a.md", "text/markdown"),
    (b"<!DOCTYPE html><html><p>x</p></html>", "a.pdf", "text/html"),
    (b"<!-- saved --><HTML><body>x", "a", "text/html"),
    ("<html><body>Füße</body></html>".encode("utf-16"), "a.txt", "text/html"),
    (b"\xef\xbb\xbf<html>", "a", "text/html"),
    (b"Hello <b>you</b>", "a.html", "text/html"),
    (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">', "a", "application/xhtml+xml"),
    (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "a.png", "image/svg+xml"),
    (b'<?xml version="1.0"?><feed/>', "a.txt", "application/xml"),
    (b'<p align="center"><img></p>\n\n# Title\n', "README.md", "text/markdown"),
    (b"# Title\n", "a.md", "text/markdown"),
    (b"# Title\n", "a.txt", "text/plain"),
    (b"a,b,c\n1,2,3\n", "a.csv", "text/csv"),
    (b"a\tb\n1\t2\n", "a.tsv", "text/tab-separated-values"),
    (b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n", "table", "text/csv"),
    (MAIL.encode(), "a.txt", "message/rfc822"),
    (MAIL.replace("\n", "\r\n").encode(), "a", "message/rfc822"),
    (b"Note: one\nTodo: two\n\nText", "a.txt", "text/plain"),
    ("naïve".encode("latin-1") * 40, "a.txt", "text/plain"),
    ("これは日本語の文章です。".encode("shift_jis") * 30, "a.txt", "text/plain"),
    ("text".encode("utf-16-le"), "a.txt", "text/plain"),
    (bytes(range(256)) * 4, "a.txt", "application/octet-stream"),
    (b"{\\rtf1 x}", "a.doc", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n....", "a.jpg", "image/png"),
    (b"\xff\xd8\xff\xe0", "a.png", "image/jpeg"),
    (b"RIFF\0\0\0\0WEBPVP8 ", "a", "image/webp"),
    (b"BM" + bytes(12) + b"\x28" + bytes(20), "a", "image/bmp"),
    (b"BMW makes cars.\n" * 3, "a.txt", "text/plain"),
    (b"\0\0\0\x18ftypheic", "a.jpg", "image/heic"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a.pdf", "application/pdf"),
    (bytes(range(256)) * 4, "a.png", "image/png"),
    (gzip.compress(b"x", mtime=0), "a.pdf", "application/gzip"),
    (packed(a="b"), "a.docx", "application/zip"),
    (b"PK\x03\x04 cut off", "a.docx", WORD),
    (packed(mimetype="application/epub+zip"), "a.zip", "application/epub+zip"),
    (packed(mimetype="application/vnd.oasis.opendocument.text"), "a", "application/vnd.oasis.opendocument.text"),
    (ooxml(WORD + ".main+xml"), "a.zip", WORD),
    (ooxml("application/vnd.ms-word.document.macroEnabled.main+xml"), "a", WORD),
    (ooxml("application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml"), "a", SLIDES),
    (ooxml("application/vnd.ms-excel.sheet.macroEnabled.main+xml"), "a", SHEET),
    (ole("Root Entry", "__nameid_version1.0", "__properties_version1.0"), "a.doc", "application/vnd.ms-outlook"),
    (ole("Root Entry", "WordDocument"), "a.docx", "application/msword"),
    (ole("Root Entry", "Workbook"), "a", "application/vnd.ms-excel"),
    (ole("Root Entry", "EncryptionInfo", "EncryptedPackage"), "a.xlsx", SHEET),
    (ole("Root Entry")[:400], "a.bin", "application/x-ole-storage"),
]


@pytest.mark.parametrize(("content", "name", "expected"), CASES)
def test_content_decides_what_a_file_is(tmp_path: Path, content: bytes, name: str, expected: str) -> None:
    """Magic bytes, archive members and markup count; the name only where they leave a choice."""
    file = tmp_path / "blob"
    file.write_bytes(content)

    assert sniff(file, name) == expected


@pytest.mark.skipif(not DEV.exists(), reason="needs the development data")
def test_real_files_are_recognised() -> None:
    """Files of the development data are what their names say, but for those that were misnamed on purpose."""
    kinds = {".pdf": "application/pdf", ".docx": WORD, ".pptx": SLIDES, ".eml": "message/rfc822", ".html": "text/html"}
    files = [path for folder in ("pdf", "office_mail_md", "html") for path in (DEV / "corpus" / folder).iterdir()]
    wrong = {path.name: sniff(path, path.name) for path in files if path.suffix in kinds}
    wrong = {name: kind for name, kind in wrong.items() if kind != kinds[Path(name).suffix]}

    assert not wrong


def test_damaged_archives_never_raise(tmp_path: Path) -> None:
    """Whatever is wrong with a file, sniffing it is an answer: this runs outside of the workers."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types><Override ContentType="{WORD}.main+xml"/></Types>' * 9)
        archive.writestr("mimetype", "application/epub+zip")
    whole = {"a.docx": buffer.getvalue(), "b.msg": ole("__properties_version1.0")}
    chance = random.Random(5)
    damaged = tmp_path / "damaged"
    for _ in range(400):
        name, content = chance.choice(sorted(whole.items()))
        broken = bytearray(content)
        for _ in range(chance.choice((1, 4))):
            broken[chance.randrange(min(len(broken), 700))] = chance.randrange(256)
        damaged.write_bytes(broken)

        assert "/" in sniff(damaged, name)


def test_sectors_without_a_size_end_the_search(tmp_path: Path) -> None:
    """A compound file that claims sectors of one byte is an unknown one."""
    content = bytearray(ole("__properties_version1.0"))
    content[30:32] = b"\0\0"
    (tmp_path / "a.doc").write_bytes(content)

    assert sniff(tmp_path / "a.doc", "a.doc") == "application/x-ole-storage"


def test_an_endless_directory_is_not_read(tmp_path: Path) -> None:
    """An archive whose directory is said to be huge is left to its parser, which has limits."""
    content = bytearray(packed(mimetype="application/epub+zip"))
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "a.docx").write_bytes(content)

    assert sniff(tmp_path / "a.docx", "a.docx") == WORD
