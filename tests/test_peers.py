"""Other systems beside docmill: what is compared when one is there, and that one that is not is skipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import peer, peers, pipelines
from benchmarks.__main__ import ORDER, main
from benchmarks.pairs import Took
from benchmarks.peers import Peer, Read, note, smallest, told

NOBODY = Peer("nobody (parsing)", "kreuzberg", "")


@pytest.fixture
def without_kreuzberg(tmp_path: Path) -> str:
    """An interpreter that can import the standard library alone."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_an_absent_peer_is_skipped_with_a_line(
    without_kreuzberg: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says which, why, and what to do; nothing is compared."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.md").write_text("# One\n\nTwo")

    assert peers.kreuzberg(tmp_path, 1, without_kreuzberg) == []
    assert pipelines.llamaindex(tmp_path, 1, without_kreuzberg) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  kreuzberg: skipped, No module named 'kreuzberg'; --peers names an interpreter that has it"
    assert lines[1].startswith("  llamaindex: skipped, ModuleNotFoundError: No module named 'llama_index'")


def test_an_interpreter_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong `--peers` is no traceback."""
    missing = str(tmp_path / "python")

    assert peers.by_peer(NOBODY, missing, [], []) is None
    assert pipelines.absent(missing, "import json") == f"there is no {missing}"
    assert pipelines.absent(sys.executable, "import json") == ""
    assert "skipped, there is no" in capsys.readouterr().out


def test_a_peer_counts_letters_and_names_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Marks and spaces are not counted, an exception is a refusal, and the files of `warm` are not in the answer."""
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text("# [Añb](http://a.b/c) 12\n")
    monkeypatch.setitem(peer.PEERS, "plain", ("pip", lambda: lambda path: Path(path).read_text(encoding="utf-8")))

    read = peer.run("plain", [str(good)], [str(good), str(bad)])

    assert read["letters"] == {str(good): 5}
    assert list(read["refused"]) == [str(bad)]
    assert read["refused"][str(bad)].startswith("FileNotFoundError: ")
    assert read["clock_s"] >= read["seconds"][str(good)] > 0


def test_docmill_reads_the_same_files_in_its_sandbox(tmp_path: Path) -> None:
    """Letters of all parts of a document, seconds of its own, and a refusal for what it cannot parse."""
    from pipeline.config import Limits
    from pipeline.parse.sandbox import Sandbox

    good, bad = tmp_path / "good.md", tmp_path / "bad.pdf"
    good.write_text("# One\n\nTwo *three*\n")
    bad.write_bytes(b"%PDF-1.7 nothing")
    with Sandbox(1, Limits()) as sandbox:
        read = peers.by_docmill(sandbox, [good, bad])

    assert read.letters == {str(good): len("OneTwothree")}
    assert set(read.refused) == {str(bad)}
    assert read.took.clock_s > read.seconds[str(good)] > 0


def test_what_each_found_stands_beside_the_time(tmp_path: Path) -> None:
    """Only files that both read count; those that one refuses are numbered and named."""
    a, b, c = (tmp_path / name for name in ("a.md", "b.md", "c.pdf"))
    ours = Read(Took(1, 1), "", {str(a): 10, str(b): 5}, {str(a): 0.1, str(b): 0.2}, {str(c): "Unreadable: no"})
    theirs = Read(Took(1, 1), "9", {str(a): 12, str(c): 1000}, {str(a): 1.0, str(c): 1.0}, {str(b): "Error: x"})

    line = note(ours, theirs, [a, b, c])
    lines = told(ours, theirs, [a])

    assert line == "1 of 3 files, 1 read by docmill alone, 1 by the other alone; 10 and 12 letters and digits"
    assert lines[1] == "  md: 1; 0.10, 1.00; 10, 12"
    assert lines[2:] == ["  refused by docmill: c.pdf: Unreadable: no", "  refused by the other: b.md: Error: x"]


def test_the_smallest_file_of_each_kind_warms_up(tmp_path: Path) -> None:
    for name, size in (("a.md", 9), ("b.md", 3), ("c.html", 5)):
        (tmp_path / name).write_bytes(b"x" * size)

    found = smallest([tmp_path / "a.md", tmp_path / "b.md", tmp_path / "c.html"])

    assert sorted(path.name for path in found) == ["b.md", "c.html"]


def test_the_script_of_a_peer_answers_in_json(without_kreuzberg: str) -> None:
    """It runs in an interpreter that has nothing of docmill."""
    command = [without_kreuzberg, str(peers.SCRIPT), "kreuzberg"]
    done = subprocess.run(command, input='{"warm": [], "files": []}', capture_output=True, text=True, check=True)

    assert set(json.loads(done.stdout)) == {"absent"}


def test_each_part_is_known_by_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers are parts like others, and an unknown one is a usage error that names all."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "nobody"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err

    assert ended.value.code == 2
    assert all(name in told for name in ORDER)
