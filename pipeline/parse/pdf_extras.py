"""Form fields, notes and attached files of a PDF. Nothing is run, opened or followed: only values are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Limits
from pipeline.errors import LimitExceeded
from pipeline.parse.pdf_library import pymupdf
from pipeline.parse.pdf_turn import turned
from pipeline.types import Attachment, Box, Part

MOST_FIELDS = 2_000  # of one page
SECRET = 1 << 13  # field flag: the value is a password
UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")


@dataclass(frozen=True, slots=True)
class FormField:
    """A filled form field; `value` as printed on the page."""

    part: Part
    value: str
    bbox: Box


def form_fields(page: pymupdf.Page) -> list[FormField]:
    """Filled fields as parts "label: value"; passwords, buttons and signatures are left out."""
    turn = page.rotation_matrix if page.rotation else None
    skipped = (pymupdf.PDF_WIDGET_TYPE_BUTTON, pymupdf.PDF_WIDGET_TYPE_SIGNATURE)
    found = []
    for field in map(page.load_widget, _filled(page)):
        value = " ".join(str(field.field_value or "").split())
        flags = field.field_flags or 0
        if not value or value == "Off" or field.field_type in skipped or flags & SECRET:
            continue
        label = " ".join(str(field.field_label or field.field_name or "").split())
        box = turned(field.rect, turn)
        found.append(FormField(Part("form", f"{label}: {value}" if label else value, box), value, box))
    return found


def _filled(page: pymupdf.Page) -> Iterator[int]:
    """Numbers of the fields that hold a value, among the first `MOST_FIELDS`; most of a form's are empty."""
    mupdf = pymupdf.mupdf
    field = mupdf.pdf_first_widget(mupdf.pdf_page_from_fz_page(page.this))
    for _ in range(MOST_FIELDS):
        if not field.m_internal:
            return
        entry = mupdf.pdf_annot_obj(field)
        if mupdf.pdf_field_value(entry) or mupdf.pdf_widget_type(field) == pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON:
            yield mupdf.pdf_to_num(entry)
        field = mupdf.pdf_next_widget(field)


def notes(page: pymupdf.Page, page_text: str) -> list[Part]:
    """Comments written on the page, unless the page prints their words itself."""
    turn = page.rotation_matrix if page.rotation else None
    printed = " ".join(page_text.split())
    found = []
    for annotation in page.annots():
        text = " ".join((annotation.info.get("content") or "").split())
        if annotation.type[0] == pymupdf.PDF_ANNOT_FILE_ATTACHMENT:
            continue  # its text is the file's name
        if not text or (annotation.type[0] == pymupdf.PDF_ANNOT_FREE_TEXT and text in printed):
            continue
        author = " ".join((annotation.info.get("title") or "").split())
        found.append(Part("note", f"{author}: {text}" if author else text, turned(annotation.rect, turn)))
    return found


@dataclass(slots=True)
class AttachmentWriter:
    """Writes attached files below `work_dir` under safe names, at most `limits.attachments` of them."""

    work_dir: Path
    limits: Limits
    written: int = 0

    def of_page(self, page: pymupdf.Page) -> Iterator[Attachment]:
        """Files of the page's attachment annotations. Raises `LimitExceeded` at the first one too many or too large."""
        for annotation in page.annots(types=[pymupdf.PDF_ANNOT_FILE_ATTACHMENT]):
            info = annotation.file_info
            self._check(info.get("filename", ""), info.get("size", -1), info.get("length", -1))
            yield self._write(info.get("filename", ""), annotation.get_file())

    def of_document(self, doc: pymupdf.Document) -> Iterator[Attachment]:
        """Files embedded in the document. Raises `LimitExceeded` at the first one too many or too large."""
        for index in range(doc.embfile_count()):
            info = doc.embfile_info(index)
            name = info.get("ufilename") or info.get("filename") or info.get("name") or ""
            self._check(name, info.get("size", -1), info.get("length", -1))
            yield self._write(name, doc.embfile_get(index))

    def _check(self, name: str, *sizes: int) -> None:
        if self.written >= self.limits.attachments:
            raise LimitExceeded(
                f"over {self.limits.attachments} attachments (limits.attachments); the rest was left out"
            )
        if max(sizes) > self.limits.file_mb * 1_000_000:
            raise LimitExceeded(f"attachment {safe_name(name)} is over {self.limits.file_mb} MB (limits.file_mb)")

    def _write(self, name: str, data: bytes) -> Attachment:
        self._check(name, len(data))
        shown = safe_name(name)
        path = self.work_dir / f"attachment-{self.written:05d}{Path(shown).suffix[:16]}"
        path.write_bytes(data)
        self.written += 1
        return Attachment(shown, path)


def safe_name(name: str) -> str:
    """A file name with no folder, control character or leading dot in it, at most 120 characters."""
    last = re.split(r"[/\\]", name)[-1]
    clean = UNSAFE.sub("_", last).strip(" .")
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[:100]}.{suffix[:16]}" if dot and stem else clean[:120] or "attachment"
