"""What is listed of files and folders, what is left out, and why."""

import doctest
import os
import socket
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from pipeline.config import Limits, Sources
from pipeline.errors import Transient, UsageError
from pipeline.sources import glob, local
from pipeline.sources.local import discover, hash_file, revision_of, roots, uri_of
from pipeline.sources.specs import expand


def write(folder, *names, text="words"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def listing(cwd, *specs, limits=None, **sources):
    """{path relative to cwd: reason or None} of what is discovered, in order."""
    found = discover(specs, Sources(**sources), limits or Limits(), cwd=cwd)
    start = len(uri_of(cwd.resolve())) + 1
    return {os.fsdecode(unquote_to_bytes(item.uri[start:])): item.skip for item in found}


def test_the_examples_in_the_docstrings_are_true():
    """What the docstrings show is what happens."""
    assert doctest.testmod(glob).failed == 0
    assert doctest.testmod(local).failed == 0


def test_a_folder_is_listed_sorted_with_what_is_left_out(tmp_path):
    """Hidden files come with their reason; nothing inside a hidden folder is listed."""
    write(tmp_path, "b.txt", "a/z.txt", "a/.notes", ".git/config")

    assert list(listing(tmp_path, ".").items()) == [("a/.notes", "hidden"), ("a/z.txt", None), ("b.txt", None)]
    assert listing(tmp_path, ".", hidden=True)[".git/config"] is None


def test_a_file_that_is_named_twice_is_listed_once(tmp_path):
    """The canonical URI decides, however the file was named, through a linked root too."""
    write(tmp_path, "docs/a.txt", "docs/b.txt")
    (tmp_path / "link").symlink_to("docs")

    specs = ["docs/a.txt", "docs", "./docs/../docs", "link", "docs/*.txt", uri_of(tmp_path / "docs/b.txt")]
    found = list(discover(specs, Sources(), Limits(), cwd=tmp_path))

    assert [item.uri for item in found] == [uri_of(tmp_path / "docs/a.txt"), uri_of(tmp_path / "docs/b.txt")]


def test_ignore_files_apply_below_their_folder_and_the_nearest_decides(tmp_path):
    """Patterns have .gitignore syntax, and the reason names the file and the line."""
    write(tmp_path, "a.log", "sub/a.log", "sub/keep.log", "old/x.txt", "sub/raw/y.txt", "raw.txt")
    (tmp_path / ".docmillignore").write_text("# logs\n\n*.log\nold/\n")
    (tmp_path / "sub/.docmillignore").write_text("!keep.log\n/raw\n")

    found = listing(tmp_path, ".")

    assert found["a.log"] == found["sub/a.log"] == "ignored by .docmillignore line 3"
    assert found["old/"] == "ignored by .docmillignore line 4"
    assert found["sub/raw/"] == "ignored by sub/.docmillignore line 2"
    assert found["sub/keep.log"] is found["raw.txt"] is None
    assert "old/x.txt" not in found


def test_include_and_exclude_leave_out_with_a_reason(tmp_path):
    """Settings narrow a folder; a file left out says which pattern did it."""
    write(tmp_path, "a.pdf", "b.txt", "draft/c.pdf")

    found = listing(tmp_path, ".", include=["*.pdf"], exclude=["draft/"])

    assert found == {
        "a.pdf": None,
        "b.txt": "not included by sources.include",
        "draft/": "excluded by sources.exclude 'draft/'",
    }


def test_a_file_named_itself_is_taken_whatever_the_patterns_say(tmp_path):
    """An explicit name is stronger than hidden, ignored and excluded, wherever it stands among the specs."""
    write(tmp_path, ".secret.txt", "b.log")
    (tmp_path / ".docmillignore").write_text("*.log")

    found = listing(tmp_path, ".", ".secret.txt", "b.log", exclude=["b*"])

    assert found == {".docmillignore": "hidden", ".secret.txt": None, "b.log": None}


def test_a_glob_takes_what_matches_and_enters_nothing_else(tmp_path):
    """`**` is any depth, one `*` one level, and a name with brackets is found as it is written."""
    write(tmp_path, "d/a.pdf", "d/x/b.pdf", "d/x/c.txt", "e/f.pdf", "r[1].txt", "r1.txt")

    assert list(listing(tmp_path, "d/**/*.pdf")) == ["d/a.pdf", "d/x/b.pdf"]
    assert list(listing(tmp_path, "d/*.pdf")) == ["d/a.pdf"]
    assert list(listing(tmp_path, "*/x")) == ["d/x/b.pdf", "d/x/c.txt"]
    assert list(listing(tmp_path, "r[1].txt")) == ["r[1].txt"]


def test_a_list_names_specs_relative_to_itself(tmp_path):
    """Comments and empty lines do not count; URLs pass through; a list in a list is refused with its line."""
    write(tmp_path, "lists/a.txt")
    (tmp_path / "lists/l.txt").write_text("\ufeff# mine\r\n\r\na.txt\r\nhttps://example.org/x\n")
    (tmp_path / "lists/m.txt").write_text("a.txt\n@l.txt\n")

    assert list(expand(["@lists/l.txt"], tmp_path)) == [str(tmp_path / "lists/a.txt"), "https://example.org/x"]
    with pytest.raises(UsageError, match=r"m\.txt line 2: '@l\.txt' names another list"):
        listing(tmp_path, "@lists/m.txt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reprots/a.txt", "no such file or folder; did you mean .*/reports?"),
        ("nothing", "has no 'nothing'"),
        ("reports/*.pdf", "no file matches"),
        ("@nolist", "the list cannot be read"),
        ("", "an empty source"),
        ("a\0b", "no such file"),
        ("x" * 5000, "not a usable path"),
        ("bad\udcff\nname", "no such file"),
    ],
)
def test_a_spec_that_is_not_there_is_refused_before_anything_is_listed(tmp_path, spec, message):
    """The one-line message names the spec and what is near it."""
    write(tmp_path, "reports/a.txt")

    with pytest.raises(UsageError, match=message) as caught:
        discover(["reports", spec], Sources(), Limits(), cwd=tmp_path)

    assert "\n" not in str(caught.value)
    str(caught.value).encode()


def test_links_never_leave_the_folder_and_loops_end(tmp_path):
    """A link to a file inside is a file of its own name; other links are left out with a reason."""
    write(tmp_path, "secret.txt", "root/a.txt", "root/sub/b.txt")
    links = {"in.txt": "a.txt", "out.txt": "../secret.txt", "up": "..", "self": "self", "loop": ".", "gone": "no"}
    for name, target in links.items():
        (tmp_path / "root" / name).symlink_to(target)

    found = listing(tmp_path, "root")

    assert found["root/in.txt"] is found["root/a.txt"] is found["root/sub/b.txt"] is None
    assert found["root/out.txt"] == found["root/up"] == "symbolic link leaves the folder"
    assert found["root/loop"] == "symbolic link to a folder that is listed by its own name"
    assert all(found[f"root/{name}"].startswith("symbolic link that leads nowhere") for name in ("self", "gone"))
    assert len(found) == 8


def test_what_is_no_readable_file_is_left_out_with_its_figures(tmp_path, monkeypatch):
    """Pipes, sockets, empty and too large files are skipped, and a store inside the folder is not read."""
    write(tmp_path, "store/corpus.lance/x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "big").write_bytes(b"x" * 2_500_000)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path may have 108 bytes
        server.bind("sock")
        found = listing(tmp_path, ".", limits=Limits(file_mb=2))

    assert found == {
        "big": "2.5 MB, over the limit of 2 MB (limits.file_mb)",
        "empty": "empty file",
        "pipe": "not a regular file",
        "sock": "not a regular file",
        "store/": "a docmill store",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_listed_as_such(tmp_path):
    """Its URI ends with a slash, and an unreadable file is listed so that reading it fails with a reason."""
    write(tmp_path, "no/a.txt", "b.txt")
    (tmp_path / "no").chmod(0)

    found = listing(tmp_path, ".")
    (tmp_path / "no").chmod(0o700)

    assert found == {"b.txt": None, "no/": "folder cannot be read: Permission denied"}


@pytest.mark.parametrize(
    "name", [b"two\nlines.txt", b'it\'s "q".txt', "🦆 ü.txt".encode(), b"caf\xe9.txt", b"a#b?c%2F!.txt"]
)
def test_any_file_name_works(tmp_path, name):
    """The URI is plain ASCII, tells the exact bytes, and the file can be read through the listing."""
    path = tmp_path / os.fsdecode(name)
    path.write_text("words")

    (found,) = discover(["."], Sources(), Limits(), cwd=tmp_path)

    assert found.uri.isascii()
    assert unquote_to_bytes(found.uri).endswith(b"/" + name)
    assert found.path is not None
    assert found.path.read_text() == "words"
    assert [item.uri for item in discover([found.uri], Sources(), Limits(), cwd=Path("/"))] == [found.uri]


def test_a_revision_changes_with_the_file_and_the_digest_is_of_its_bytes(tmp_path):
    """Size and times make the revision; a file that went away may come back."""
    path = tmp_path / "a.txt"
    path.write_text("abc")
    (found,) = discover(["a.txt"], Sources(), Limits(), cwd=tmp_path)
    digest = hash_file(path)
    path.write_text("abcd")

    assert found.revision != revision_of(path) == f"4-{path.stat().st_mtime_ns}-{path.stat().st_ctime_ns}"
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.unlink()
    with pytest.raises(Transient, match=r"a\.txt: went away"):
        hash_file(path)


def test_roots_are_the_folders_that_are_listed_as_a_whole(tmp_path):
    """Files and globs say nothing of what is gone."""
    write(tmp_path, "docs/a.txt", "b.txt")
    (tmp_path / "l.txt").write_text("docs\n")

    assert roots(["docs", "@l.txt", "b.txt", "docs/*.txt"], tmp_path) == [uri_of(tmp_path / "docs") + "/"]


def test_a_large_folder_is_listed_lazily(tmp_path):
    """The first file comes before the rest of the tree was looked at."""
    write(tmp_path, "a/1.txt", "b/2.txt")
    found = discover(["."], Sources(), Limits(), cwd=tmp_path)

    first = next(found)
    (tmp_path / "b/3.txt").write_text("late")

    assert first.uri.endswith("a/1.txt")
    assert [item.uri[-5:] for item in found] == ["2.txt", "3.txt"]


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    """It was a file when it was listed."""
    os.mkfifo(tmp_path / "a.txt")

    with pytest.raises(Transient, match="no regular file any more"):
        hash_file(tmp_path / "a.txt")
