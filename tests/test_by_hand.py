"""Quarantine by hand: documents that are tried again, and documents that are left be."""

from __future__ import annotations

import json
import shlex

import pytest
from corpus import Corpus

from cli.main import run
from pipeline.sources.local import uri_of
from pipeline.types import DocumentRecord

MAIL = """From: a@example.org
Subject: Tide
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

See the table.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="t.pdf"

%PDF-1.7 nothing more
--b--
"""


def quarantine(corpus: Corpus, *arguments: object) -> int:
    return run(["quarantine", *map(str, arguments), "--store", str(corpus.store_path)])


def only(corpus: Corpus, name: str) -> DocumentRecord:
    (found,) = (record for record in corpus.store().documents() if record.source_uri.endswith(name))
    return found


def test_retry_makes_the_next_ingest_work_on_it(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    """A permanent failure is tried once more, and the command for exactly that file is printed."""
    path = corpus.write("it's broken.pdf", "%PDF-1.7 nothing more")
    corpus.ingest()
    code = quarantine(corpus, "retry", uri_of(path))
    command = capsys.readouterr().out.splitlines()[-1]
    corpus.ingest()
    corpus.ingest()

    assert code == 0
    assert shlex.split(command) == ["docmill", "ingest", "--store", str(corpus.store_path), str(path)]
    assert (only(corpus, ".pdf").attempts, only(corpus, ".pdf").by_hand) == (2, "")


def test_an_ignored_document_is_skipped_until_it_changes(corpus: Corpus) -> None:
    """It counts as skipped, even when it is touched or docmill changes, and comes back with new content."""
    path = corpus.write("a.pdf", "%PDF-1.7 nothing more")
    corpus.ingest()
    quarantine(corpus, "ignore", path)
    path.touch()
    ignored = corpus.ingest(chunks={"tokens": 99})
    path.write_text("%PDF-1.7 nothing more, but other bytes")
    changed = corpus.ingest()

    assert (ignored.skipped, ignored.quarantined) == (1, 0)
    assert (changed.skipped, changed.quarantined) == (0, 1)


def test_ignoring_is_listed_and_undone(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    """`ls --ignored` shows what is ignored, and retry brings it back with its reason."""
    corpus.write("a.pdf", "%PDF-1.7 nothing more")
    corpus.ingest()
    before = only(corpus, "a.pdf")
    quarantine(corpus, "ignore", "--fingerprint", before.fingerprint, "--json")
    quarantine(corpus, "ls", "--ignored", "--json")
    lines = capsys.readouterr().out.splitlines()
    quarantine(corpus, "retry", "--fingerprint", before.fingerprint)

    assert json.loads(lines[0]) == {"ignored": [before.source_uri]}
    assert json.loads(lines[1])[0]["reason"] == f"ignored by hand: {before.message}"
    assert (only(corpus, "a.pdf").state, only(corpus, "a.pdf").message) == ("quarantined", before.message)
    assert corpus.ingest().quarantined == 1


def test_an_ignored_failure_keeps_the_last_good_rows(corpus: Corpus) -> None:
    """The books balance, and the earlier version stays searchable."""
    path = corpus.write("a.html", "<h1>Title</h1><p>Good words in a paragraph of their own.</p>")
    corpus.ingest()
    before = corpus.texts()
    path.write_bytes(b"%PDF-1.7 broken")
    corpus.ingest()
    quarantine(corpus, "ignore", path)
    summary = corpus.ingest()

    assert (summary.skipped, corpus.texts()) == (1, before)


def test_an_attachment_is_retried_with_its_mail_and_ignored_by_itself(corpus: Corpus) -> None:
    """Its mail is read again for it; ignored, it stays so when the mail is read again."""
    mail = corpus.write("m.eml", MAIL)
    corpus.ingest()
    part = f"{uri_of(mail)}!/t.pdf"
    quarantine(corpus, "retry", part)
    again = corpus.ingest()
    attempts = only(corpus, "t.pdf").attempts
    quarantine(corpus, "ignore", part)
    mail.write_text(MAIL.replace("table", "list"))
    later = corpus.ingest()

    assert (again.indexed, again.attachments, attempts) == (1, 1, 2)
    assert (later.indexed, later.failures, only(corpus, "t.pdf").state) == (1, (), "skipped")


def test_retry_all_and_files_that_are_gone(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    """All quarantined documents are marked; the command leaves out what is no longer there."""
    paths = [corpus.write(f"{n}.pdf", f"%PDF-1.7 nothing {n}") for n in range(2)]
    corpus.ingest()
    paths[0].unlink()
    quarantine(corpus, "retry", "--all", "--json")
    out, err = capsys.readouterr()
    found = json.loads(out)

    assert (found["retry"], shlex.split(found["command"])[-1]) == ([uri_of(path) for path in paths], str(paths[1]))
    assert "1 of 2 files are gone" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry"],
        ["retry", "file:///none"],
        ["retry", "file:///none", "--all"],
        ["retry", "--fingerprint", "none"],
        ["ignore"],
        ["ignore", "file:///none"],
    ],
)
def test_what_is_not_quarantined_is_bad_usage(
    corpus: Corpus, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what is wrong, and nothing is marked."""
    corpus.store()
    code = quarantine(corpus, *arguments)

    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
