"""Promises of a whole run, with the real parsers, workers and store, and embedders that compute."""

from __future__ import annotations

import os

import pymupdf
import pytest
from corpus import Corpus
from PIL import Image

from pipeline.errors import AccountingError, UsageError
from pipeline.ingest.accounts import Summary, check


def test_every_source_has_one_outcome(corpus: Corpus) -> None:
    """Discovered = indexed + unchanged + skipped + quarantined, for good, empty, alien and broken files."""
    corpus.write("good.txt", "the tide turns the wheel")
    corpus.write("empty.txt", "")
    corpus.write("broken.pdf", "%PDF-1.7 nothing more")
    (corpus.folder / "alien.bin").write_bytes(bytes(range(256)) * 9)
    summary = corpus.ingest()

    assert (summary.discovered, summary.indexed, summary.skipped, summary.quarantined) == (4, 1, 2, 1)
    assert summary.rows == {"text": 1, "image": 0, "page": 0}


def test_a_second_run_changes_nothing(corpus: Corpus) -> None:
    """Run again: all unchanged, nothing embedded, the table's version as it was."""
    corpus.write("a.txt", "one")
    corpus.write("broken.pdf", "%PDF-1.7 nothing more")
    first = corpus.ingest()
    corpus.unified.embedded.clear()
    second = corpus.ingest()

    assert (second.indexed, second.unchanged, second.quarantined) == (0, 1, 1)
    assert second.table_version == first.table_version
    assert corpus.unified.embedded == []


def test_a_changed_document_is_replaced(corpus: Corpus) -> None:
    """After a change only the new version can be found, and the other documents stay."""
    corpus.write("a.txt", "old words")
    corpus.write("b.txt", "stay")
    corpus.ingest()
    corpus.write("a.txt", "new words here")
    summary = corpus.ingest()

    assert (summary.indexed, summary.unchanged) == (1, 1)
    assert corpus.texts() == {"a.txt": ["new words here"], "b.txt": ["stay"]}


def test_a_document_that_breaks_keeps_its_last_good_rows(corpus: Corpus) -> None:
    """A new version that cannot be read is quarantined; the old one stays searchable."""
    path = corpus.write("a.html", "<h1>Title</h1><p>Good words in a paragraph of their own.</p>")
    corpus.ingest()
    before = corpus.texts()
    path.write_bytes(b"%PDF-1.7 broken")
    summary = corpus.ingest()

    assert summary.quarantined == 1
    assert corpus.texts() == before


def test_a_deleted_file_leaves_the_table(corpus: Corpus) -> None:
    """What is gone from a listed folder is gone from the search."""
    gone = corpus.write("gone.txt", "gone")
    corpus.write("stays.txt", "stays")
    corpus.ingest()
    gone.unlink()
    summary = corpus.ingest()

    assert (summary.deleted, list(corpus.texts())) == (1, ["stays.txt"])


def test_an_emptied_folder_deletes_nothing(corpus: Corpus) -> None:
    """An unmounted disk looks like an empty folder: the run stops, and only the flag lets it go on."""
    files = [corpus.write(f"{n}.txt", f"text {n}") for n in range(3)]
    corpus.ingest()
    for file in files:
        file.unlink()
    with pytest.raises(UsageError, match="--allow-mass-delete"):
        corpus.ingest()

    assert len(corpus.texts()) == 3
    assert corpus.ingest(allow_mass_delete=True).deleted == 3


def test_an_excluded_document_leaves_the_table(corpus: Corpus) -> None:
    """A document that a new pattern leaves out is skipped, and its rows go."""
    corpus.write("a.txt", "one")
    corpus.write("b.txt", "two")
    corpus.ingest()
    summary = corpus.ingest(sources={"exclude": ["b.txt"]})

    assert (summary.unchanged, summary.skipped, list(corpus.texts())) == (1, 1, ["a.txt"])


def test_attachments_are_documents_of_their_own(corpus: Corpus) -> None:
    """A mail's attachment has its own URI below the mail's, and goes when the mail loses it."""
    head = "From: a@example.org\nSubject: Tide\nMIME-Version: 1.0\n"
    part = "--b\nContent-Type: text/plain\n\nSee the table.\n"
    attached = '--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename="t.csv"\n\nday,height\nmon,3\n'
    mail = head + 'Content-Type: multipart/mixed; boundary="b"\n\n' + part
    corpus.write("m.eml", mail + attached + "--b--\n")
    first = corpus.ingest()
    uris = {row["source_uri"] for row in corpus.store().rows()}
    corpus.write("m.eml", mail + "--b--\n")
    corpus.ingest()

    assert first.attachments == 1
    assert any(uri.endswith("m.eml!/t.csv") for uri in uris)
    assert list(corpus.texts()) == ["m.eml"]


def a_mail(*parts: tuple[str, str]) -> str:
    """A mail of (media type, body) parts; all but the first are attached."""
    head = 'From: a@example.org\nSubject: Tide\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b{0}"\n\n'
    mark = len(str(parts))
    attached = 'Content-Disposition: attachment; filename="{0}.{1}"\n'
    body = "".join(
        f"--b{mark}\nContent-Type: {kind}\n{attached.format(n, kind.rpartition('/')[2]) if n else ''}\n{text}\n"
        for n, (kind, text) in enumerate(parts)
    )
    return head.format(mark) + body + f"--b{mark}--\n"


def test_an_attachment_that_lies_too_deep_is_in_the_ledger(corpus: Corpus) -> None:
    """What a limit leaves out is named with the limit, not dropped."""
    inner = a_mail(("text/plain", "inner words"), ("text/csv", "day,height\nmon,3"))
    corpus.write("m.eml", a_mail(("text/plain", "outer words"), ("message/rfc822", inner)))
    corpus.ingest(limits={"attachment_depth": 1})
    left = list(corpus.store().documents(state="skipped"))

    assert [record.source_uri.count("!/") for record in left] == [2]
    assert "limits.attachment_depth" in left[0].message


def test_an_attachment_is_tried_again_when_it_may_succeed(corpus: Corpus) -> None:
    """Another limit brings a quarantined attachment back although the mail around it has not changed."""
    corpus.write("m.eml", a_mail(("text/plain", "see the table"), ("application/pdf", "%PDF-1.7 broken")))
    corpus.write("n.eml", a_mail(("text/plain", "see the other table"), ("text/csv", "day,height\nmon,3")))
    first = corpus.ingest()
    same = corpus.ingest()
    other = corpus.ingest(limits={"pages": 777})

    assert (first.indexed, same.unchanged) == (2, 2)
    assert (other.indexed, other.unchanged) == (1, 1)


def test_a_picture_becomes_a_row_with_its_words(corpus: Corpus) -> None:
    """A picture's row carries the words that belong to it, and its bytes are kept."""
    Image.effect_noise((300, 200), 90).convert("RGB").save(corpus.folder / "red-boat.png")
    corpus.ingest()
    rows = [row for row in corpus.store().rows() if row["modality"] == "image"]

    assert [row["text"] for row in rows] == ["red boat"]
    assert corpus.store().asset(rows[0]["asset_id"])[:2] == b"\xff\xd8"


def test_an_empty_folder_is_a_usage_error(corpus: Corpus) -> None:
    """Nothing to ingest is said, not reported as success."""
    with pytest.raises(UsageError, match="no files"):
        corpus.ingest()


def test_books_that_do_not_balance_fail_the_run() -> None:
    """The accounting compares the counts with each other and the ledger with the table."""
    summary = Summary("r", 2, 1, 0, 0, 1, 0, 0, {"text": 1}, 0.1, 1)

    check(summary, {"text": 1})
    with pytest.raises(AccountingError, match="ledger"):
        check(summary, {"text": 2})


def test_a_file_that_is_rewritten_under_its_old_size_and_time_is_read(corpus: Corpus) -> None:
    """What copies with old times, or sets a clock back, hides no change."""
    path = corpus.write("a.txt", "the tide turns the wheel")
    corpus.ingest()
    times = path.stat()
    path.write_text("the gate turns the wheel")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert corpus.ingest().indexed == 1
    assert corpus.texts() == {"a.txt": ["the gate turns the wheel"]}


def test_what_is_attached_to_a_file_that_is_left_out_goes_with_it(corpus: Corpus) -> None:
    """Even if the file itself never had a row."""
    corpus.write("other.txt", "words of another file")
    attached = "--b\nContent-Disposition: attachment; filename=a.txt\nContent-Type: text/plain\n\nthe wheel\n--b--\n"
    corpus.write("empty.eml", f"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{attached}")
    first = corpus.ingest()
    second = corpus.ingest(sources={"exclude": ["*.eml"]})

    assert (first.attachments, first.rows["text"]) == (1, 2)
    assert (second.skipped, second.rows["text"]) == (1, 1)
    assert corpus.ingest(sources={"exclude": ["*.eml"]}).table_version == second.table_version


def test_a_folder_that_is_renamed_is_not_gone(corpus: Corpus) -> None:
    """Files that moved do not count as gone, those that went meanwhile do; nothing that moved is embedded again."""
    (corpus.folder / "old").mkdir()
    for number in range(8):
        corpus.write(f"old/{number}.txt", f"words of file {number}")
    corpus.ingest()
    (corpus.folder / "old").rename(corpus.folder / "new")
    summary = corpus.ingest()
    for number in range(4):
        (corpus.folder / "new" / f"{number}.txt").unlink()

    assert (summary.deleted, summary.indexed, summary.embedded) == (8, 8, 0)
    with pytest.raises(UsageError, match="4 of 8 known documents"):
        corpus.ingest()


@pytest.mark.parametrize(("files", "gone", "stops"), [(2, 1, False), (10, 3, False), (10, 4, True), (3, 2, True)])
def test_more_than_a_share_of_a_folder_does_not_go_unasked(corpus: Corpus, files: int, gone: int, stops: bool) -> None:
    """More than 30 % of the documents stop the run before anything is deleted; a single one never does."""
    paths = [corpus.write(f"{number}.txt", f"words of file {number}") for number in range(files)]
    corpus.ingest()
    for path in paths[:gone]:
        path.unlink()
    if stops:
        with pytest.raises(UsageError, match=f"{gone} of {files} known documents"):
            corpus.ingest()

    assert len(corpus.texts()) == files if stops else corpus.ingest().deleted == gone


def test_attachments_that_share_a_name_are_documents_of_their_own(corpus: Corpus) -> None:
    """Even if one is named as the second of two others would be."""
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), "the tide turns the wheel of the mill")
        for number, name in enumerate(("a.txt", "a.txt", "a.txt~2")):
            document.embfile_add(f"{number}", f"attached {number}".encode(), filename=name, ufilename=name)
        document.save(corpus.folder / "b.pdf")
    summary = corpus.ingest()
    attached = sorted(text for texts in corpus.texts().values() for text in texts if "attached" in text)

    assert (summary.indexed, summary.attachments) == (1, 3)
    assert attached == ["attached 0", "attached 1", "attached 2"]
