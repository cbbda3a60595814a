"""Promises of the PDF parser on encrypted files."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest

from pipeline.config import Limits
from pipeline.errors import PasswordNeeded
from pipeline.parse import ParseOptions
from pipeline.parse.pdf import parse
from pipeline.route import route
from pipeline.types import Blob, Page


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    path = tmp_path / "locked.pdf"
    with pymupdf.open() as doc:
        doc.new_page().insert_text((72, 72), "behind the lock")
        doc.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="caSe", owner_pw="other")
    return Blob(path.as_uri(), path, "", path.stat().st_size, "application/pdf", path.name)


def pages(blob: Blob, *passwords: str) -> list[Page]:
    options = ParseOptions(Limits(), route, passwords=passwords)
    return [event for event in parse(blob, blob.path.parent, options) if isinstance(event, Page)]


@pytest.mark.parametrize("password", ["caSe", "other", "c\u00aaS\u00ade"])
def test_a_password_opens_it_however_it_is_typed(password: str, blob: Blob) -> None:
    """User's and owner's; compatible letters and invisible hyphens are prepared as PDF 2.0 asks."""
    (page,) = pages(blob, "wrong", password)

    assert "behind the lock" in " ".join(part.text for part in page.parts)


def test_a_wrong_password_is_no_damage(blob: Blob) -> None:
    """The error says how many were tried, never which."""
    with pytest.raises(PasswordNeeded, match="none of the 2 given opens it") as caught:
        pages(blob, "wrong", "CASE")

    assert "CASE" not in str(caught.value)
