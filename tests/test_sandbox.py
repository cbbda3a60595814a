"""Parse workers: whatever a document does costs that page or that document, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # where parse workers find it too
import misbehaving_parsers as deeds

from pipeline.config import Limits
from pipeline.errors import Unreadable, WorkerDied
from pipeline.parse import ParseOptions, spool
from pipeline.parse.sandbox import Parsed, ParseJob, Sandbox
from pipeline.types import Attachment, Blob, Event, Failure, Info, Page, PageSignals, PictureSignals, Route

LIMITS = Limits(page_s=2, document_s=20, memory_mb=1024, text_mb=4)
PDF, HTML = "application/pdf", "text/html"


def job(tmp_path: Path, name: str, media_type: str = PDF, parser=deeds.misbehave) -> ParseJob:
    work_dir = tmp_path / f"{name}-{media_type.replace('/', '-')}-{parser.__name__}"
    blob = Blob(f"file:///{name}", tmp_path / name, "0", 0, media_type, name)
    return ParseJob(blob, work_dir, ParseOptions(LIMITS, deeds.decide), parser)


def pages(parsed: Parsed) -> list[int | None]:
    return [event.number for event in spool.read(parsed.spool) if isinstance(event, Page)]


def failures(parsed: Parsed) -> list[Failure]:
    return [event for event in spool.read(parsed.spool) if isinstance(event, Failure)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(2, LIMITS) as pool:
        yield pool


@pytest.mark.parametrize(
    ("deed", "error", "words"),
    [
        ("segfault", "Unreadable", "crashed the parser (SIGSEGV)"),
        ("hang", "LimitExceeded", "took longer than 2 s (limits.page_s)"),
        ("hog", "LimitExceeded", "needed more than 1024 MB of memory (limits.memory_mb)"),
        ("exit", "Unreadable", "crashed the parser (exit code 9)"),
    ],
)
def test_a_crash_on_a_page_costs_that_page(sandbox: Sandbox, tmp_path: Path, deed: str, error: str, words: str) -> None:
    """A paged document keeps the pages before and behind the one that ended its worker, and says why it is missing."""
    (parsed,) = sandbox.parse([job(tmp_path, f"{deed}@3")])

    assert parsed.failure is None
    assert pages(parsed) == [1, 2, 4, 5]
    assert failures(parsed) == [Failure("parse", error, f"{deed}@3: page 3: {words}", page=3)]


def test_documents_beside_a_crash_are_unaffected(sandbox: Sandbox, tmp_path: Path) -> None:
    """Good documents in the same queue are parsed whole."""
    names = ["good a", "segfault@1,exit@2", "good b", "exit@5", "good c", "segfault@end", "good d"]
    outcome = {parsed.job.blob.name: parsed for parsed in sandbox.parse(job(tmp_path, name) for name in names)}

    assert sorted(outcome) == sorted(names)
    assert all(pages(outcome[name]) == [1, 2, 3, 4, 5] for name in names if name.startswith("good"))
    assert pages(outcome["segfault@1,exit@2"]) == [3, 4, 5]
    assert pages(outcome["segfault@end"]) == [1, 2, 3, 4, 5]
    assert "behind its last page" in failures(outcome["segfault@end"])[0].message


def test_a_document_without_pages_fails_as_a_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    """A crash in a format that has no pages is the document's failure."""
    (parsed,) = sandbox.parse([job(tmp_path, "segfault@3", HTML)])

    assert parsed.failure == Failure("parse", "Unreadable", "segfault@3: crashed the parser (SIGSEGV)")


def test_a_document_that_always_crashes_is_given_up(sandbox: Sandbox, tmp_path: Path) -> None:
    """When no page survives, the document has failed, with the last reason."""
    (parsed,) = sandbox.parse([job(tmp_path, "exit@1,exit@2,exit@3,exit@4,exit@5")])

    assert parsed.failure is not None
    assert parsed.failure.page is None
    assert "exit code 9" in parsed.failure.message


def test_a_document_with_many_bad_pages_keeps_the_good_ones(sandbox: Sandbox, tmp_path: Path) -> None:
    """When too many pages crash, what was read before is kept, and what is missing is said."""
    (parsed,) = sandbox.parse([job(tmp_path, "segfault@2", parser=deeds.crash_on_even_pages)])

    assert parsed.failure is None
    assert pages(parsed) == [1, 3, 5, 7, 9, 11]
    assert [failure.page for failure in failures(parsed)] == [2, 4, 6, 8, 10, 12]
    assert "given up after 6 pages that failed" in failures(parsed)[-1].message


def test_memory_of_earlier_documents_is_nobody_elses(tmp_path: Path) -> None:
    """A worker that an earlier document left full is replaced, and the next document has all of the memory."""
    with Sandbox(1, LIMITS.model_copy(update={"page_s": 60.0})) as pool:  # taking the memory may be slow
        (first,) = pool.parse([job(tmp_path, "first", parser=deeds.leave_full)])
        (second,) = pool.parse([job(tmp_path, "second", parser=deeds.leave_full)])

    assert (first.failure, second.failure) == (None, None)


def test_the_time_of_a_whole_document_is_limited(tmp_path: Path) -> None:
    """A hang in native code ends after `limits.document_s`; of a paged document the pages before it are kept."""
    limits = LIMITS.model_copy(update={"document_s": 1.0, "page_s": 60.0})
    with Sandbox(1, limits) as pool:
        jobs = [job(tmp_path, name, kind) for name, kind in (("hang@3", PDF), ("hang@1", PDF), ("hang@2", HTML))]
        outcome = {p.job.work_dir.name: p for p in pool.parse([*jobs, job(tmp_path, "good")])}
    kept, lost, whole, good = (outcome[one.work_dir.name] for one in [*jobs, job(tmp_path, "good")])

    assert (kept.failure, good.failure, pages(kept)) == (None, None, [1, 2])
    assert failures(kept)[0].page == 3
    assert "1 s to parse (limits.document_s); page 3 and all behind it are missing" in failures(kept)[0].message
    assert all("longer than 1 s to parse (limits.document_s)" in str(one.failure) for one in (lost, whole))


def test_exceptions_of_a_parser_are_values(sandbox: Sandbox, tmp_path: Path) -> None:
    """An expected error keeps its class; any other is a ParserBug that names the place; SystemExit ends nothing."""
    jobs = [job(tmp_path, name) for name in ("unreadable@2", "bug@2", "leave@2")]
    failure = {parsed.job.blob.name: parsed.failure for parsed in sandbox.parse(jobs)}

    assert failure["unreadable@2"] == Failure("parse", "Unreadable", "broken.pdf: damaged; export it again")
    assert failure["bug@2"] is not None
    assert failure["bug@2"].error == "ParserBug"
    assert "KeyError in the parser (" in failure["bug@2"].message
    assert "misbehaving_parsers.py:" in failure["bug@2"].message
    assert "SystemExit" in str(failure["leave@2"])


def test_a_flood_is_dammed(sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Endless text stops at `limits.text_mb`: what came before is kept; what libraries print goes nowhere."""
    (parsed,) = sandbox.parse([job(tmp_path, "endless", HTML, deeds.flood)])

    assert parsed.failure is None
    assert 0 < len(pages(parsed)) < 100
    assert "first 4 MB of text was left out (limits.text_mb)" in failures(parsed)[-1].message
    assert parsed.spool.stat().st_size < 17 << 20
    assert capfd.readouterr() == ("", "")


def test_jobs_are_pulled_lazily(sandbox: Sandbox, tmp_path: Path) -> None:
    """No more than two jobs a worker are taken ahead of what the caller has seen."""
    taken: list[int] = []

    def jobs() -> Iterator[ParseJob]:
        for number in range(20):
            taken.append(number)
            yield job(tmp_path, f"good {number}")

    next(stream := sandbox.parse(jobs()))

    assert len(taken) <= 4
    assert len(list(stream)) == 19


def test_a_worker_has_no_secrets_and_no_network(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the caller's environment but an allow-list, in /proc neither; no connection, by libc neither."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with socket.create_server(("127.0.0.1", 0)) as server, Sandbox(1, LIMITS) as pool:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        (parsed,) = pool.parse([job(tmp_path, here, HTML, deeds.look_around)])
    info, *rest = spool.read(parsed.spool)
    by_python, by_libc, local = (event.parts[0].text for event in rest if isinstance(event, Page))

    assert isinstance(info, Info)
    assert "hunter2" not in json.dumps(dict(info.metadata))
    assert info.metadata["DO_NOT_TRACK"] == "1"
    assert by_python.startswith("refused")
    assert by_libc.startswith("refused") or not namespaces()
    assert local == "local sockets work"


def namespaces() -> bool:
    return subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    """SIGKILL of the caller leaves no worker behind, not even a busy one; a script needs no `__main__` guard."""
    script = tmp_path / "caller.py"
    script.write_text(CALLER.format(tests=str(Path(__file__).parent), tmp=str(tmp_path)))
    caller = subprocess.Popen([sys.executable, script])
    file = tmp_path / "work" / spool.NAME
    wait_until(lambda: file.exists() and file.stat().st_size > 0)
    (page,) = spool.read(file)
    assert isinstance(page, Page)
    pid = int(page.parts[0].text)
    alive = psutil.pid_exists(pid)
    caller.send_signal(signal.SIGKILL)
    caller.wait()

    assert alive
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


CALLER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import misbehaving_parsers as deeds
from pipeline.config import Limits
from pipeline.parse import ParseOptions
from pipeline.parse.sandbox import ParseJob, Sandbox
from pipeline.types import Blob

limits = Limits()
tmp = Path({tmp!r})
blob = Blob("file:///30", tmp / "30", "0", 0, "text/html", "30")
with Sandbox(1, limits) as pool:
    list(pool.parse([ParseJob(blob, tmp / "work", ParseOptions(limits, deeds.decide), deeds.count_pid)]))
"""


def wait_until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.2])
def test_the_end_stops_workers_that_are_just_being_started(tmp_path: Path, delay_s: float) -> None:
    """A thread that parses, as runs do, ends with its sandbox at whatever moment that is closed."""
    ended: list[WorkerDied] = []

    def parse() -> None:
        try:
            list(pool.parse([job(tmp_path, "hang@1", HTML)]))
        except WorkerDied as error:
            ended.append(error)

    with Sandbox(2, LIMITS.model_copy(update={"page_s": 20.0})) as pool:
        thread = threading.Thread(target=parse, daemon=True)
        thread.start()
        time.sleep(delay_s)
    thread.join(10)

    assert [str(error) for error in ended] == ["parsing was stopped"]


def test_a_killed_idle_worker_is_replaced(tmp_path: Path) -> None:
    """A worker that the system kills between two documents is nobody's failure."""
    with Sandbox(1, LIMITS) as pool:
        stream = pool.parse(job(tmp_path, str(seconds), HTML, deeds.count_pid) for seconds in (0.0, 0.01, 0.02, 0.03))
        first = next(stream)
        (event,) = spool.read(first.spool)
        assert isinstance(event, Page)
        time.sleep(0.5)
        idle = int(event.parts[0].text)
        os.kill(idle, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(idle) or psutil.Process(idle).status() == psutil.STATUS_ZOMBIE)
        rest = list(stream) + list(pool.parse([job(tmp_path, "good")]))

    assert [parsed.failure for parsed in rest] == [None] * 4


# spool --------------------------------------------------------------------------------------------------------


def test_events_come_back_as_they_went_in(tmp_path: Path) -> None:
    """Every kind of event survives the spool; lone surrogates become question marks."""
    events: list[Event] = [
        Info(title="Füße", page_count=2, outline=((1, "One", 1),), metadata={"a": "b"}),
        Page(1, Route("text", "r"), PageSignals(), label="iv", parts=deeds.page(1, "x\ny").parts),
        Page(2, Route("image", "r"), PictureSignals(paper=0.5)),
        Attachment("a.txt", tmp_path / "a.txt"),
        Failure("parse", "Unreadable", "no", page=3, transient=True),
    ]
    with (tmp_path / spool.NAME).open("wb") as out:
        for event in [*events, Info(title="bad \ud800")]:
            spool.append(out, event)

    assert list(spool.read(tmp_path / spool.NAME)) == [*events, Info(title="bad ?")]


def test_an_unfinished_line_is_dropped(sandbox: Sandbox, tmp_path: Path) -> None:
    """What a worker was writing when it died is cut off; the events before and after it are kept."""
    (parsed,) = sandbox.parse([job(tmp_path, "torn", PDF, deeds.half_a_line)])

    assert pages(parsed) == [1]
    assert [failure.page for failure in failures(parsed)] == [2]


def test_a_resumed_document_has_its_attachments_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """An attachment that was written before a crash is not told of again."""
    (parsed,) = sandbox.parse([job(tmp_path, "mail", PDF, deeds.attach)])
    events = list(spool.read(parsed.spool))

    assert [type(event).__name__ for event in events] == ["Attachment", "Failure", "Page"]


@pytest.mark.parametrize(
    "line",
    [
        b'Attachment {"name":"x","path":"/etc/passwd"}\n',
        b'Attachment {"name":"x","path":"../x"}\n',
        b'Attachment {"name":"x","path":"link/passwd"}\n',
        b'Page {"number":1}\n',
        b'Path "/etc/passwd"\n',
        b"\xff\xfe\n",
    ],
)
def test_a_forged_line_is_refused(tmp_path: Path, line: bytes) -> None:
    """The reader takes nothing that is no event, and no path outside of the document's directory."""
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / spool.NAME).write_bytes(line)

    with pytest.raises(Unreadable):
        list(spool.read(tmp_path / spool.NAME))


def test_a_value_that_no_reader_takes_is_refused_when_written(tmp_path: Path) -> None:
    """A box with NaN in it is the parser's bug, found where it happens."""
    page = Page(1, Route("text", "r"), PageSignals(bad=float("nan")))

    with (tmp_path / spool.NAME).open("wb") as out, pytest.raises(ValueError, match="signals"):
        spool.append(out, page)
