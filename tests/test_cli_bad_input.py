"""Promises of `docmill ingest` on bad input: one line that names the item, and the right exit code, at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.main import run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"):
        monkeypatch.setenv(name, "")  # what a command sets there is taken back afterwards
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("the tide turns the wheel")
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line."""
    code = run(["ingest", *arguments])
    (line,) = capsys.readouterr().err.splitlines()
    return code, line


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nope", "nope: no such file or folder"),
        ("dcos/a.txt", "did you mean"),
        ("docs/*.pdf", "docs/*.pdf: no file matches"),
        ("@list.txt", "list.txt: the list cannot be read"),
        ("", "an empty source"),
        ("a\0b", "no such file or folder"),
    ],
)
def test_a_source_that_is_not_there(source: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, the source as it was typed, and no store is made."""
    code, line = complaint(capsys, source)

    assert code == 2
    assert words in line
    assert not Path("docmill-data").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("store = [", "docmill.toml: not valid TOML"),
        ('sturo = "x"', "sturo (docmill.toml): no such setting; did you mean store?"),
        ("workers = -4", "workers = -4 (docmill.toml): must be greater than or equal to 0"),
        ('[limits]\npage_s = "slow"', "limits.page_s"),
    ],
)
def test_settings_that_cannot_be(settings: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, the setting, what was found and where."""
    Path("docmill.toml").write_text(settings)

    code, line = complaint(capsys, "docs")

    assert code == 2
    assert words in line


def test_a_variable_that_is_no_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the nearest name."""
    monkeypatch.setenv("DOCMILL_WORKRS", "3")

    code, line = complaint(capsys, "docs")

    assert code == 2
    assert "DOCMILL_WORKRS: no setting has this variable; did you mean DOCMILL_WORKERS?" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_named_folder_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2: to list nothing of it would look like an empty folder."""
    Path("docs").chmod(0)
    code, line = complaint(capsys, "docs")
    Path("docs").chmod(0o700)

    assert code == 2
    assert "docs: the folder cannot be read" in line


def test_a_prefect_home_that_is_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 at once, not after minutes of Prefect's attempts."""
    Path("home").write_text("a file")
    monkeypatch.setenv("PREFECT_HOME", "home")

    code, line = complaint(capsys, "docs")

    assert code == 1
    assert "PREFECT_HOME=home: cannot be written to" in line


def test_a_damaged_prefect_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the file's name."""
    Path("home").mkdir()
    Path("home/prefect.db").write_bytes(bytes(range(256)) * 20)
    monkeypatch.setenv("PREFECT_HOME", "home")

    code, line = complaint(capsys, "docs")

    assert code == 1
    assert "home/prefect.db: is damaged" in line


def test_a_damaged_prefect_profile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2: it is a settings file."""
    Path("home").mkdir()
    Path("home/profiles.toml").write_text("active = [")
    monkeypatch.setenv("PREFECT_HOME", "home")

    code, line = complaint(capsys, "docs")

    assert code == 2
    assert "profiles.toml: not valid TOML" in line
