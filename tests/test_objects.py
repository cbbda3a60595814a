"""Sources on an object store, against a local S3 server: what is listed, what is read, and what goes wrong."""

from __future__ import annotations

import doctest
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import run
from pipeline.config import Limits, Sources
from pipeline.errors import LimitExceeded, Transient, UsageError
from pipeline.sources import bucket, listing
from pipeline.sources.bucket import PACKAGES
from pipeline.sources.download import download
from pipeline.sources.listing import discover, look_up, roots, spec_of

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

from corpus import Corpus  # noqa: E402
from local_s3 import BUCKET, S3, running  # noqa: E402 - needs moto

ROOT = f"s3://{BUCKET}/"


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with running() as s3:
        yield s3


@pytest.fixture
def s3(server: S3) -> S3:
    """The server with an empty bucket."""
    server.clear()
    return server


def listed(*specs: str, limits: Limits | None = None, **sources: object) -> dict[str, str | None]:
    """{key: reason or None} of what is discovered, in order."""
    found = discover(specs, Sources.model_validate(sources), limits or Limits(), cwd=Path.cwd())
    return {item.uri.removeprefix(ROOT): item.skip for item in found}


def test_the_examples_in_the_docstrings_are_true() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(bucket).failed == 0


def test_a_prefix_is_listed_in_order_with_what_is_left_out_and_nothing_is_read(s3: S3) -> None:
    """Hidden, excluded, empty and too large objects come with their reason, as files do."""
    for key in ("docs/b.txt", "docs/a/z.txt", "docs/.notes", "docs/.git/config", "docs/old/x.txt", "docs/old/y.txt"):
        s3.put(key, "words")
    s3.put("docs/empty.txt", "")
    s3.put("docs/folder/", "")
    s3.put("docs/large.txt", "x" * 1_000_001)
    s3.put("docs/db/corpus.lance/data/1.lance", "x")
    s3.put("other.txt", "not in the prefix")
    found = listed(ROOT + "docs/", limits=Limits(file_mb=1), exclude=["old/"])

    assert found == {
        "docs/.notes": "hidden",
        "docs/a/z.txt": None,
        "docs/b.txt": None,
        "docs/db/corpus.lance/": "a table of a docmill store",
        "docs/empty.txt": "empty file",
        "docs/large.txt": "1.0 MB, over the limit of 1 MB (limits.file_mb)",
        "docs/old/": "excluded by sources.exclude 'old/'",
    }
    assert list(found) == sorted(found)
    assert s3.downloads() == []


def test_every_page_of_a_long_listing_is_read(s3: S3) -> None:
    """More objects than one request lists are all found, in order, each once."""
    keys = [f"many/{number:04}.txt" for number in range(1003)]
    s3.put_many(keys)

    assert list(listed(ROOT + "many")) == keys


def test_objects_prefixes_and_globs_are_listed_each_once(s3: S3, tmp_path: Path) -> None:
    """However an object was named, its canonical URI decides; local files may stand beside them."""
    for key in ("x/a b.pdf", "x/y/c!.pdf", "x/y/d.txt", "x-ray.pdf"):
        s3.put(key, "words")
    (tmp_path / "f.txt").write_text("words")
    (tmp_path / "list.txt").write_text(f"f.txt\n{ROOT}x/a b.pdf\n")
    specs = [ROOT + "x/**/*.pdf", ROOT + "x/a b.pdf", ROOT + "x/a%20b.pdf", ROOT + "x/y", "@list.txt"]
    found = [item.uri for item in discover(specs, Sources(), Limits(), cwd=tmp_path)]

    assert found[1:] == [ROOT + "x/a%20b.pdf", ROOT + "x/y/c%21.pdf", ROOT + "x/y/d.txt"]
    assert found[0] == (tmp_path / "f.txt").as_uri()
    assert roots(specs, tmp_path) == [ROOT + "x/y/"]
    assert spec_of(found[1]) == ROOT + "x/a b.pdf"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ROOT + "nothing", "no such object or folder"),
        (ROOT + "*.pdf", "no object matches"),
        ("s3://no-such-bucket/x/", "there is no such bucket"),
        ("s3:///x", "name a bucket"),
    ],
)
def test_what_is_not_there_is_one_clear_line(s3: S3, spec: str, message: str) -> None:
    """Said before anything is listed."""
    with pytest.raises(UsageError, match=message):
        discover([spec], Sources(), Limits(), cwd=Path.cwd())


def test_without_a_connection_the_listing_fails_in_seconds(s3: S3) -> None:
    """It may work when tried again, and the message says where to look."""
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    try:
        with pytest.raises(Transient, match=r"cannot be listed .*check the endpoint"):
            discover([ROOT], Sources(), Limits(), cwd=Path.cwd())
    finally:
        os.environ["AWS_ENDPOINT_URL"] = s3.endpoint


def test_a_missing_package_is_named_with_what_to_install() -> None:
    """In one line, for schemes whose package is not there."""
    missing = [scheme for scheme, (module, _) in PACKAGES.items() if not _installed(module)]
    for scheme in missing:
        with pytest.raises(UsageError, match=rf"{scheme}:// needs the package \w+: pip install"):
            listing.check_uri(f"{scheme}://bucket/a")

    with pytest.raises(UsageError, match="no file of this machine"):
        listing.check_uri("ftp://host/a")


def _installed(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def test_a_download_is_of_the_revision_that_was_listed(s3: S3, tmp_path: Path) -> None:
    """An object that changed, or went away, after it was listed is not read; the limit holds for the bytes read."""
    s3.put("a.txt", "first")
    found = look_up(ROOT + "a.txt")
    whole = download(found, 100, tmp_path / "a")
    with pytest.raises(LimitExceeded, match=r"limits\.file_mb"):
        download(found, 4)
    s3.put("a.txt", "second")
    with pytest.raises(Transient, match="changed after it was listed"):
        download(found, 100)
    s3.delete("a.txt")
    with pytest.raises(Transient, match="went away"):
        download(found, 100)

    assert (tmp_path / "a").read_text() == "first"
    assert (whole.size_bytes, whole.modified_at) == (5, found.modified_at)
    assert look_up(ROOT + "a.txt").revision == ""


def test_an_ingest_of_a_prefix_reads_what_is_new_and_deletes_what_is_gone(s3: S3, corpus: Corpus) -> None:
    """Unchanged objects are not downloaded, changed ones are replaced, gone ones deleted; the work folder is empty."""
    for name in ("a.txt", "b.txt", "c.txt"):
        s3.put(f"docs/{name}", f"the words of {name}")
    first = corpus.ingest(ROOT + "docs/")
    downloaded = s3.downloads()
    again = corpus.ingest(ROOT + "docs/")
    untouched = s3.downloads()
    s3.put("docs/b.txt", "other words")
    s3.delete("docs/c.txt")
    changed = corpus.ingest(ROOT + "docs/")

    assert (first.indexed, sorted(downloaded)) == (3, ["docs/a.txt", "docs/b.txt", "docs/c.txt"])
    assert (again.unchanged, again.table_version, untouched) == (3, first.table_version, [])
    assert (changed.indexed, changed.unchanged, changed.deleted, s3.downloads()) == (1, 1, 1, ["docs/b.txt"])
    assert corpus.texts() == {"a.txt": ["the words of a.txt"], "b.txt": ["other words"]}
    assert not list((corpus.tmp_path / "work").rglob("*.source"))


def test_a_new_revision_of_the_same_bytes_costs_one_download_and_no_parse(s3: S3, corpus: Corpus) -> None:
    """A multipart upload has another ETag; the bytes decide, and the ledger learns the new one."""
    s3.put("docs/a.txt", "the words")
    s3.put("docs/b.txt", "stay")
    corpus.ingest(ROOT + "docs")
    s3.downloads()
    upload = s3.client.create_multipart_upload(Bucket=BUCKET, Key="docs/a.txt")
    where = {"Bucket": BUCKET, "Key": "docs/a.txt", "UploadId": upload["UploadId"]}
    part = s3.client.upload_part(**where, PartNumber=1, Body="the words")
    s3.client.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    second = corpus.ingest(ROOT + "docs")
    once = s3.downloads()
    third = corpus.ingest(ROOT + "docs")

    assert (second.unchanged, once) == (2, ["docs/a.txt"])
    assert (third.unchanged, s3.downloads()) == (2, [])


def test_an_emptied_prefix_is_not_deleted_unasked(s3: S3, corpus: Corpus) -> None:
    """The deletion guard holds for prefixes as for folders."""
    s3.put("docs/a.txt", "words")
    s3.put("docs/b.txt", "words too")
    corpus.ingest(ROOT + "docs/")
    s3.delete("docs/a.txt")
    s3.delete("docs/b.txt")
    with pytest.raises(UsageError, match="2 of 2 known documents below s3://mill/docs/ are gone"):
        corpus.ingest(ROOT + "docs/")
    summary = corpus.ingest(ROOT + "docs/", allow_mass_delete=True)

    assert (summary.deleted, corpus.texts()) == (2, {})


def test_broken_and_alien_objects_are_told_apart(s3: S3, corpus: Corpus) -> None:
    """As files are: quarantine for what does not hold its name's promise, a skip for what docmill does not parse."""
    s3.put("docs/good.txt", "the tide turns the wheel")
    s3.put("docs/broken.pdf", "%PDF-1.7 nothing more")
    s3.put("docs/alien.bin", bytes(range(256)) * 9)
    summary = corpus.ingest(ROOT + "docs/")
    records = {record.source_uri: record for record in corpus.store().documents()}

    assert (summary.indexed, summary.skipped, summary.quarantined) == (1, 1, 1)
    assert records[ROOT + "docs/broken.pdf"].message.startswith("broken.pdf: ")
    assert records[ROOT + "docs/good.txt"].modified_at is not None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("ingest", "s3://no-such-bucket/x/"), 2, "there is no such bucket"),
        (("plan", ROOT + "empty/"), 2, "is it the right folder"),
        (("plan", ROOT + "nothing"), 2, "no such object or folder"),
        (("status", "--store", "s3://no-such-bucket/db"), 1, "there is no such bucket"),
        (("status", "--store", ROOT + "none"), 2, "no docmill store at"),
        (("status", "--store", "ftp://host/db"), 2, "a store is a folder of this machine or s3://"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    s3: S3, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    """A bucket, prefix or store that is not there, with the exit code of usage or failure."""
    ended = run(arguments)
    said = capsys.readouterr().err

    assert (ended, said.count("\n")) == (code, 1)
    assert message in said
