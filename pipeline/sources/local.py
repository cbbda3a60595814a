"""Files and folders of this machine: what is there, and a file's digest. Reads no document's content to list it.

A file's URI is `file://` and its percent-encoded absolute path, links in the path of the listed folder resolved and
links inside the folder kept as they are named. A folder that could not be looked into is listed with a slash at the
end of its URI: nothing is known of the documents below it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote_from_bytes

from pipeline.config import Limits, Sources
from pipeline.errors import Transient, Unreadable, UsageError
from pipeline.sources.glob import could_match, matches, split_glob
from pipeline.sources.ignore import Rules, rules_of, size_reason
from pipeline.sources.specs import expand
from pipeline.types import Found

UNREADABLE_FOLDER = "folder cannot be read"  # how the skip reason of such a folder begins


@dataclass(frozen=True, slots=True)
class Target:
    """One spec, looked up: a file, a folder, or a folder with a glob of what to take from it."""

    spec: str
    path: Path
    kind: str  # "file", "folder" or "glob"
    glob: tuple[str, ...] = ()


def discover(specs: Sequence[str], settings: Sources, limits: Limits, *, cwd: Path) -> Iterator[Found]:
    """Every file that `specs` (files, folders, globs, `@list.txt`) name, lazily, sorted within each spec, each once.

    What is left out comes too, with the reason in `skip`: hidden and ignored files, links that leave the folder,
    what is no regular file, empty and too large files. Nothing inside a hidden folder is listed. A file that is named
    itself is taken whatever the patterns say. Raises `UsageError`, before anything is listed, for a spec that is not
    there, for a folder that cannot be read and for a glob that matches nothing.
    """
    targets = [_target(spec, cwd) for spec in expand(specs, cwd)]
    for target in targets:
        _check_readable(target)
    walker = Walker(rules_of(settings), limits, frozenset(t.path for t in targets if t.kind == "file"))
    for target in targets:
        if target.kind == "glob" and next(walker.walk(target), None) is None:
            raise UsageError(f"{_printable(target.spec)}: no file matches")
    return _each_once(targets, walker)


def roots(specs: Sequence[str], cwd: Path) -> list[str]:
    """Canonical URIs, with a slash at the end, of the folders that are listed as a whole (files and globs are not)."""
    targets = [_target(spec, cwd) for spec in expand(specs, cwd)]
    return list(dict.fromkeys(uri_of(target.path, folder=True) for target in targets if target.kind == "folder"))


def uri_of(path: Path, *, folder: bool = False) -> str:
    """The canonical URI of an absolute path; bytes that are no UTF-8 are kept.

    >>> uri_of(Path("/data/été!.pdf"))
    'file:///data/%C3%A9t%C3%A9%21.pdf'
    """
    uri = "file://" + quote_from_bytes(os.fsencode(path), safe="/")
    return uri if not folder or uri.endswith("/") else uri + "/"


def revision_of(path: Path) -> str:
    """Opaque: equal while the file has not changed. Raises `OSError`."""
    return _revision(path.stat())


def was_written(path: Path, revision: str) -> bool:
    """Whether a file was written to since it had this revision; new rights or names alone do not count. Raises
    `OSError`."""
    return revision_of(path).rpartition("-")[0] != revision.rpartition("-")[0]


def hash_file(path: Path) -> str:
    """SHA-256 of the bytes, hex, read in pieces. Raises `Unreadable` without permission, else `Transient`."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Transient(f"{shown(path)}: is no regular file any more; the next run will look again")
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise Transient(f"{shown(path)}: went away after it was listed; the next run will look again") from error
    except PermissionError as error:
        raise Unreadable(f"{shown(path)}: permission denied; let this user read it, or exclude it") from error
    except OSError as error:
        raise Transient(f"{shown(path)}: cannot be read now ({error.strerror})") from error


def _without_waiting(path: str, flags: int) -> int:
    """A pipe that took the place of the file would wait for a writer for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def shown(path: Path) -> str:
    """The file's name as one line of valid text."""
    return _printable(path.name)


@dataclass(frozen=True, slots=True)
class Walker:
    """Walks targets by one set of rules; `named` are the files that were asked for by their own name."""

    rules: Rules
    limits: Limits
    named: frozenset[Path]

    def walk(self, target: Target) -> Iterator[Found]:
        if target.kind == "file":
            yield from self._file(target.path, target.path.is_symlink(), inside=None)
        else:
            yield from self._folder(target, target.path, (), self.rules)

    def _folder(self, target: Target, folder: Path, parts: tuple[str, ...], rules: Rules) -> Iterator[Found]:
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            yield _left_out(folder, f"{UNREADABLE_FOLDER}: {error.strerror}", folder=True)
            return
        if parts and any(entry.name == "corpus.lance" for entry in listed):
            yield _left_out(folder, "a docmill store", folder=True)
            return
        rules = rules.inside(folder, "/".join(parts))
        for entry in listed:
            yield from self._entry(target, entry, folder / entry.name, (*parts, entry.name), rules)

    def _entry(
        self, target: Target, entry: os.DirEntry[str], path: Path, parts: tuple[str, ...], rules: Rules
    ) -> Iterator[Found]:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and could_match(parts, target.glob):
            reason = rules.reason("/".join(parts), is_folder=True)
            if reason is None:
                yield from self._folder(target, path, parts, rules)
            elif reason != "hidden":
                yield _left_out(path, reason, folder=True)
        elif not is_folder and matches(parts, target.glob):
            named = bool(self.named) and path in self.named
            reason = None if named else rules.reason("/".join(parts))
            inside = None if named else target.path
            yield from self._file(path, entry.is_symlink(), inside=inside, reason=reason, entry=entry)

    def _file(
        self,
        path: Path,
        link: bool,
        *,
        inside: Path | None,
        reason: str | None = None,
        entry: os.DirEntry[str] | None = None,
    ) -> Iterator[Found]:
        """One file; `inside` is the folder that a link may not leave, None for a file that was named itself."""
        try:
            status = (entry or path).stat(follow_symlinks=reason is None)
        except OSError as error:
            if link:
                yield _left_out(path, f"symbolic link that leads nowhere: {error.strerror}")
            elif not isinstance(error, FileNotFoundError):
                yield Found(uri_of(path), "", 0, None, path)  # reading it will tell what is wrong
            return
        if reason is None and link and inside is not None:
            reason = _link_reason(path, inside)
        if reason is None:
            is_file = stat.S_ISREG(status.st_mode)
            reason = size_reason(status.st_size, self.limits) if is_file else "not a regular file"
        yield Found(uri_of(path), _revision(status), status.st_size, _modified(status), path, reason)


def _each_once(targets: Sequence[Target], walker: Walker) -> Iterator[Found]:
    seen: set[str] = set()
    for target in targets:
        for found in walker.walk(target):
            if found.uri not in seen:
                yield found
            if len(targets) > 1:  # one spec never lists a file twice, so that a single large folder needs no memory
                seen.add(found.uri)


def _target(spec: str, cwd: Path) -> Target:
    path = cwd / spec
    try:
        if path.is_dir():
            return Target(spec, path.resolve(), "folder")
        if path.exists() or path.is_symlink():
            return Target(spec, path.parent.resolve() / path.name, "file")
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{_printable(spec)}: is not a usable path ({error})") from error
    fixed, glob = split_glob(spec)
    if glob and (cwd / fixed).is_dir():
        return Target(spec, (cwd / fixed).resolve(), "glob", glob)
    raise UsageError(f"{_printable(spec)}: no such file or folder{_nearest(cwd / fixed if glob else path)}")


def _check_readable(target: Target) -> None:
    """A folder inside another is left out with its reason; one that was asked for by name must not be missed."""
    if target.kind != "file":
        try:
            os.scandir(target.path).close()
        except OSError as error:
            raise UsageError(f"{_printable(target.spec)}: the folder cannot be read ({error.strerror})") from error


def _nearest(missing: Path) -> str:
    """What exists instead, as the end of a message."""
    while not missing.parent.is_dir() and missing != missing.parent:
        missing = missing.parent
    try:
        close = get_close_matches(missing.name, os.listdir(missing.parent), n=1)  # noqa: PTH208 - bare names
    except OSError:
        return ""
    folder, name = _printable(str(missing.parent)), _printable(missing.name)
    return f"; did you mean {folder}/{_printable(close[0])}?" if close else f"; {folder} has no '{name}'"


def _link_reason(path: Path, inside: Path) -> str | None:
    target = path.resolve()
    if not target.is_relative_to(inside):
        return "symbolic link leaves the folder"
    return "symbolic link to a folder that is listed by its own name" if target.is_dir() else None


def _printable(text: str) -> str:
    text = os.fsencode(text).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "�" for character in text)


def _left_out(path: Path, reason: str, *, folder: bool = False) -> Found:
    return Found(uri_of(path, folder=folder), "", 0, None, path, reason)


def _revision(status: os.stat_result) -> str:
    """The third figure tells of a file that was rewritten under its old time and size: programs cannot set it."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _modified(status: os.stat_result) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return None
