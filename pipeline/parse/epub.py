"""Books in EPUB: each chapter of the spine through the HTML parser, pictures from inside the archive only."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import etree

from pipeline.errors import PasswordNeeded, Unreadable, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.archive import Archive
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.html import read_html
from pipeline.parse.slices import slices
from pipeline.types import Blob, Event, Info, Part, Picture

CONTAINER = "META-INF/container.xml"
FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then pages without number, chapter by chapter. Raises `Unreadable`, `PasswordNeeded`, `LimitExceeded`."""
    archive = Archive(blob.path, blob.name, options.limits)
    if "META-INF/encryption.xml" in archive and _is_locked(archive):
        raise PasswordNeeded(f"{blob.name}: is protected by DRM; docmill cannot open it")
    package = _package(archive, blob.name)
    root = archive.xml(package)
    yield _info(root)
    writer = PictureWriter(work_dir, options.limits)
    yield from slices(_chapters(archive, root, posixpath.dirname(package), writer))
    yield from writer.left_out()
    yield from (to_failure(Unreadable(problem), "parse") for problem in archive.damage)
    archive.close()


def _is_locked(archive: Archive) -> bool:
    methods = [
        e.get("Algorithm", "") for e in archive.xml("META-INF/encryption.xml").iter() if _is(e, "EncryptionMethod")
    ]
    return any(method not in FONTS for method in methods)


def _is(element: etree._Element, name: str) -> bool:
    return isinstance(element.tag, str) and etree.QName(element).localname == name


def _package(archive: Archive, name: str) -> str:
    with suppress(Unreadable):  # there is a package all the same
        for element in archive.xml(CONTAINER).iter():
            if _is(element, "rootfile") and element.get("full-path") in archive.names():
                return str(element.get("full-path"))
    found = next((member for member in archive.names() if member.lower().endswith(".opf")), None)
    if found is None:
        raise Unreadable(f"{name}: names no chapters (no package file inside); it is damaged or not an EPUB")
    return found


def _info(root: etree._Element) -> Info:
    found: dict[str, list[str]] = {}
    for element in root.iter():
        if isinstance(element.tag, str) and "purl.org/dc/elements" in element.tag and element.text:
            found.setdefault(etree.QName(element).localname, []).append(" ".join(element.text.split()))
    keys = ("language", "date", "publisher", "description", "subject", "identifier")
    metadata = {key: ", ".join(found[key])[:1000] for key in keys if key in found}
    return Info(" ".join(found.get("title", [])[:1]), ", ".join(found.get("creator", [])), metadata=metadata)


def _chapters(archive: Archive, root: etree._Element, folder: str, writer: PictureWriter) -> Iterator[Part | Picture]:
    files = {e.get("id"): e.get("href", "") for e in root.iter() if _is(e, "item")}
    for item in (e for e in root.iter() if _is(e, "itemref")):
        member = _resolve(folder, files.get(item.get("idref"), ""))
        if member not in archive or not member.lower().endswith((".xhtml", ".html", ".htm", ".xml")):
            continue
        try:
            data = archive.read(member)
        except Unreadable:
            yield Part("note", f"[chapter {posixpath.basename(member)} is damaged]")
            continue
        base = posixpath.dirname(member)
        _, parts, pictures = read_html(data, lambda href, base=base: _load(archive, base, href), writer, whole=True)  # type: ignore[misc]
        yield from pictures
        yield from parts


def _load(archive: Archive, base: str, href: str) -> bytes | None:
    member = _resolve(base, href)
    return archive.picture(member) if member in archive else None


def _resolve(folder: str, href: str) -> str:
    try:
        parts = urlsplit(href)
    except ValueError:
        return ""
    return "" if parts.scheme or parts.netloc else posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
