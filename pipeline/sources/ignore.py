"""Which files of a folder are left out: hidden names, `.docmillignore` files, `include` and `exclude` settings, sizes.

Patterns have .gitignore syntax. A pattern applies to its own folder and below; the nearest file, and in it the last
line that matches, decides. What lies in a folder that is left out cannot be taken in again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from pipeline.config import Limits, Sources
from pipeline.errors import UsageError

IGNORE_FILE = ".docmillignore"


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of one ignore file, or of one setting."""

    spec: GitIgnoreSpec
    origins: tuple[str, ...]  # of each pattern, such as ".docmillignore line 3"
    base: str = ""  # folder they apply to, relative to the root, with a slash at its end

    def verdict(self, name: str) -> tuple[bool, str] | None:
        """(is it left out, by which line) for a path relative to the root, or None if no line matches."""
        result = self.spec.check_file(name[len(self.base) :])
        if result.include is None or result.index is None:
            return None
        return result.include, self.origins[result.index]


@dataclass(frozen=True, slots=True)
class Rules:
    """All that leaves files out below one folder; `inside` adds what the folder's own ignore file says."""

    hidden: bool
    include: Patterns | None
    exclude: Patterns | None
    ignored: tuple[Patterns, ...] = ()  # from the root down

    def inside(self, folder: Path, relative: str) -> Rules:
        found = read_ignore_file(folder, relative)
        return self if found is None else Rules(self.hidden, self.include, self.exclude, (*self.ignored, found))

    def reason(self, relative: str, *, is_folder: bool = False) -> str | None:
        """Why a path (relative to the root, with slashes) is left out; None if it is not."""
        name = relative.rpartition("/")[2]
        if name == IGNORE_FILE or (name.startswith(".") and not self.hidden):
            return "hidden"
        path = relative + "/" if is_folder else relative
        for patterns in reversed(self.ignored):
            if (found := patterns.verdict(path)) is not None:
                if found[0]:
                    return f"ignored by {found[1]}"
                break
        if self.exclude and (found := self.exclude.verdict(path)) and found[0]:
            return f"excluded by {found[1]}"
        if self.include and not is_folder and not ((found := self.include.verdict(path)) and found[0]):
            return "not included by sources.include"
        return None


def rules_of(settings: Sources) -> Rules:
    return Rules(
        settings.hidden,
        _patterns_of_setting(settings.include, "include"),
        _patterns_of_setting(settings.exclude, "exclude"),
    )


def size_reason(size_bytes: int, limits: Limits) -> str | None:
    """Why a source of this size is left out; None if it is not."""
    if size_bytes == 0:
        return "empty file"
    if size_bytes > limits.file_mb * 1_000_000:
        return f"{size_bytes / 1e6:,.1f} MB, over the limit of {limits.file_mb} MB (limits.file_mb)"
    return None


def read_ignore_file(folder: Path, relative: str = "") -> Patterns | None:
    """The patterns of `folder`'s ignore file, None without one; `relative` is the folder below the root."""
    base = f"{relative}/" if relative else ""
    try:
        lines = (folder / IGNORE_FILE).read_text("utf-8", errors="surrogateescape").splitlines()
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise UsageError(f"{folder / IGNORE_FILE}: cannot be read ({error.strerror})") from error
    numbered = [(line, f"{base}{IGNORE_FILE} line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return _compile(numbered, base)


def _patterns_of_setting(patterns: Sequence[str], key: str) -> Patterns | None:
    return _compile([(pattern, f"sources.{key} '{pattern}'") for pattern in patterns if pattern.strip()], "")


def _compile(numbered: Sequence[tuple[str, str]], base: str) -> Patterns | None:
    compiled = []
    for pattern, origin in numbered:
        try:
            compiled += list(GitIgnoreSpec.from_lines([pattern]).patterns)
        except ValueError as error:
            raise UsageError(f"{origin}: '{pattern}' is not a .gitignore pattern") from error
    if not compiled:
        return None
    return Patterns(GitIgnoreSpec(compiled), tuple(origin for _, origin in numbered), base)
