"""Zip-based documents (docx, xlsx, odt, epub, ...): checked for bombs before any library opens them, read by member.

Nothing is ever unpacked to disk by its name in the archive.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from lxml import etree

from pipeline.config import Limits
from pipeline.errors import LimitExceeded, Unreadable

DECLARATIONS = re.compile(rb"<!DOCTYPE[^\[>]*\[.*?\]\s*>", re.S)  # of entities, which may multiply without end
RATIO_FREE_BYTES = 10 * 1024 * 1024  # a small text file may well be packed 1:200
DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)


class Archive:
    """A zip file that has passed the limits; members are read whole, each below `archive_mb`."""

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        """Raises `Unreadable` for a file that is no sound zip and `LimitExceeded` for a bomb."""
        self._name = name
        try:
            self._zip = zipfile.ZipFile(path)
            members = self._zip.infolist()
        except DAMAGED as error:
            raise Unreadable(f"{name}: is not a sound zip archive ({error}); it may be cut off") from error
        _check(members, path.stat().st_size, name, limits)
        self._sizes = {member.filename: member.file_size for member in members}
        self.damage: list[str] = []  # parts that were not read to their end

    def names(self) -> list[str]:
        return list(self._sizes)

    def __contains__(self, member: str) -> bool:
        return member in self._sizes

    def read(self, member: str) -> bytes:
        """The bytes of a member, never more than the archive declares. Raises `Unreadable`."""
        try:
            with self._zip.open(member) as file:
                return file.read(self._sizes[member] + 1)
        except KeyError as error:
            raise Unreadable(f"{self._name}: the part {member} is missing; the file is damaged") from error
        except DAMAGED as error:
            raise Unreadable(f"{self._name}: the part {member} is damaged ({error})") from error

    def picture(self, member: str) -> bytes | None:
        """The bytes of a member, or None when it is not there or damaged: a picture can be left out."""
        try:
            return self.read(member)
        except Unreadable:
            return None

    def xml(self, member: str) -> etree._Element:
        """The tree of a member, as far as it can be read (then `damage` names it). Raises `Unreadable`."""
        return parse_xml(self.read(member), f"{self._name}: {member}", self.damage)

    def close(self) -> None:
        self._zip.close()


def parse_xml(data: bytes, name: str, damage: list[str] | None = None) -> etree._Element:
    """A tree without entities expanded, DTDs loaded or anything fetched. Raises `Unreadable`.

    Of XML that is not well-formed it is what comes before the error, which is told in `damage`.
    """
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(DECLARATIONS.sub(b"", data, count=1), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(f"{name} is not well-formed XML ({error})") from error
    if root is None:
        raise Unreadable(f"{name} holds no XML")
    fatal = next((entry for entry in parser.error_log if _ends_reading(entry)), None)
    if fatal is not None and damage is not None:
        damage.append(f"{name}: damaged at line {fatal.line} ({fatal.message.strip()}); text may be missing")
    return root


def _ends_reading(entry: etree._LogEntry) -> bool:
    return bool(entry.level_name == "FATAL" and entry.type_name != "ERR_UNDECLARED_ENTITY")


def _check(members: list[zipfile.ZipInfo], packed_bytes: int, name: str, limits: Limits) -> None:
    if len(members) > limits.archive_members:
        raise LimitExceeded(f"{name}: {len(members)} files inside are over limits.archive_members")
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.archive_mb * 1024 * 1024:
        raise LimitExceeded(f"{name}: {unpacked} bytes unpacked are over limits.archive_mb")
    if unpacked > RATIO_FREE_BYTES and unpacked > limits.archive_ratio * packed_bytes:
        raise LimitExceeded(
            f"{name}: unpacks to {unpacked // max(packed_bytes, 1)} times its size, over limits.archive_ratio"
        )
