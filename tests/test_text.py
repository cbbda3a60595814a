"""Text, Markdown and tables in text: read lazily, in any encoding, with their structure."""

import io
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config import Limits
from pipeline.errors import Unreadable
from pipeline.parse import ParseOptions, parse_document
from pipeline.types import Blob, Event, Failure, Info, Page, Part, Route

DEV = Path(__file__).parents[1] / "../shared/data/dev"
needs_dev = pytest.mark.skipif(not DEV.exists(), reason="development data is not there")
TYPES = {
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
}


def route(_: object) -> Route:
    return Route("text", "test")


def parse(path: Path, work_dir: Path, limits: Limits | None = None) -> list[Event]:
    blob = Blob(path.as_uri(), path, "", path.stat().st_size, TYPES[path.suffix], path.name)
    return list(parse_document(blob, work_dir, ParseOptions(limits or Limits(), route)))


def read(data: str | bytes, tmp_path: Path, name: str) -> list[Event]:
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return parse(tmp_path / name, tmp_path)


def parts(events: list[Event]) -> list[Part]:
    return [part for event in events if isinstance(event, Page) for part in event.parts]


def test_markdown_structure(tmp_path: Path) -> None:
    """Headings keep their level; lists, code and whole tables their kind; links and emphasis read as their words."""
    source = (
        "---\ntitle: Birds\nauthor: Ann\n---\n# Waders\n\nA *grey* [heron](http://example.org).\n\n- one\n- two\n\n"
        "```py\na = 1\n\nb = 2\n```\n\n| Bird | Size |\n|:--|--:|\n| **Heron** | 1 m |\n"
    )

    events = read(source, tmp_path, "a.md")

    assert [(part.kind, part.level, part.text) for part in parts(events)] == [
        ("heading", 1, "Waders"),
        ("text", 0, "A grey heron."),
        ("list", 0, "one"),
        ("list", 0, "two"),
        ("code", 0, "a = 1\n\nb = 2"),
        ("table", 0, "| Bird | Size |\n| --- | --- |\n| Heron | 1 m |"),
    ]
    assert isinstance(events[0], Info)
    assert (events[0].title, events[0].author) == ("Birds", "Ann")


def test_markdown_pictures(tmp_path: Path) -> None:
    """Pictures of the file's own folder come with their alt text; those elsewhere are left alone."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.png").write_bytes(out.getvalue())
    (tmp_path / "b.png").write_bytes(out.getvalue())
    source = "See ![red square](a.png) here.\n\n![x](../b.png) ![y](http://example.org/c.png)\n"

    events = read(source, tmp_path / "docs", "a.md")

    found = [picture for event in events if isinstance(event, Page) for picture in event.pictures]
    assert [(picture.caption, picture.context) for picture in found] == [("red square", "See red square here.")]


def test_plain_text_paragraphs(tmp_path: Path) -> None:
    """Blank lines part paragraphs; line breaks inside them stay."""
    found = [part.text for part in parts(read("one\r\ntwo\r\n\r\n \r\nthree", tmp_path, "a.txt"))]

    assert [text.replace("\r", "") for text in found] == ["one\ntwo", "three"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(tmp_path: Path, codec: str) -> None:
    """Text is read by its byte order mark or by what its bytes look like."""
    assert parts(read("Größe über Äcker".encode(codec), tmp_path, "a.txt")) == [Part("text", "Größe über Äcker")]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv"])
@pytest.mark.parametrize("data", [b"", b" \n\n", bytes(range(256)) * 20, bytes(5000)])
def test_no_text(tmp_path: Path, name: str, data: bytes) -> None:
    """An empty or binary file is unreadable, and says so."""
    with pytest.raises(Unreadable, match=name):
        read(data, tmp_path, name)


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "|"), ("a.tsv", "\t")])
def test_delimiters(tmp_path: Path, name: str, mark: str) -> None:
    """The delimiter is sniffed; quoted cells may hold it and line breaks."""
    source = f'Bird{mark}Size{mark}Note\nHeron{mark}1 m{mark}"grey{mark}\ntall"\nStork{mark}1 m{mark}white\n'

    (table,) = parts(read(source, tmp_path, name))

    quoted = f"grey{mark} tall".replace("|", "\\|").replace("\t ", " ")
    expected = [
        "| Bird | Size | Note |",
        "| --- | --- | --- |",
        f"| Heron | 1 m | {quoted} |",
        "| Stork | 1 m | white |",
    ]
    assert table.text.splitlines() == expected


def test_table_without_header(tmp_path: Path) -> None:
    """A first row of numbers is data: letters stand in as the header."""
    (table,) = parts(read("1.5,heron\n2.5,stork\n", tmp_path, "a.csv"))

    assert table.text.splitlines() == ["| A | B |", "| --- | --- |", "| 1.5 | heron |", "| 2.5 | stork |"]


def test_long_table_repeats_its_header(tmp_path: Path) -> None:
    """Slices of a long table each begin with its header, and together hold every row once."""
    source = "key,value\n" + "".join(f"k{i},{i}\n" for i in range(5000))

    tables = [part.text.splitlines() for part in parts(read(source, tmp_path, "a.csv"))]

    assert {tuple(table[:2]) for table in tables} == {("| key | value |", "| --- | --- |")}
    assert [line for table in tables for line in table[2:]] == [f"| k{i} | {i} |" for i in range(5000)]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv"])
def test_limit_keeps_what_was_read(tmp_path: Path, name: str) -> None:
    """Text over the limit is cut with a failure that says so, and what was read before stays."""
    (tmp_path / name).write_text("some words, and more\n\n" * 100_000)

    events = parse(tmp_path / name, tmp_path, Limits(text_mb=1))

    assert 0.8e6 < sum(len(part.text) for part in parts(events)) < 1.4e6
    assert isinstance(events[-1], Failure)
    assert "limits.text_mb" in events[-1].message


def test_memory_stays_flat(tmp_path: Path) -> None:
    """A text file of 20 MB, even on one line, is never held whole."""
    (tmp_path / "a.txt").write_text("wide " * 4_000_000)
    blob = Blob("", tmp_path / "a.txt", "", 20_000_000, "text/plain", "a.txt")
    tracemalloc.start()

    read_chars = sum(
        len(part.text)
        for event in parse_document(blob, tmp_path, ParseOptions(Limits(), route))
        if isinstance(event, Page)
        for part in event.parts
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert read_chars > 19_900_000
    assert peak < 8_000_000


@needs_dev
@pytest.mark.parametrize("path", sorted((DEV / "corpus/office_mail_md").glob("*.md")), ids=lambda path: path.name)
def test_corpus(path: Path, tmp_path: Path) -> None:
    """Every Markdown file of the corpus yields its info first and has text."""
    events = parse(path, tmp_path)

    assert isinstance(events[0], Info)
    assert "".join(part.text for part in parts(events)).strip()


@needs_dev
def test_hostile(tmp_path: Path) -> None:
    """Markdown that is not UTF-8 is read all the same."""
    assert "äöüß" in [part.text for part in parts(parse(DEV / "hostile/umlauts-non-utf8.md", tmp_path))]


@pytest.mark.parametrize(
    "opening", ["- " * 300 + "a", "> " * 300 + "a", "\n".join("  " * n + "- a" for n in range(80))]
)
def test_no_depth_of_lists_loses_what_is_behind_them(tmp_path: Path, opening: str) -> None:
    """Lists and quotes deeper than the library follows are taken as paragraphs."""
    events = read(f"# The mill\n\n{opening}\n\nThe tide turns the wheel.\n", tmp_path, "deep.md")

    assert parts(events)[-1].text == "The tide turns the wheel."
