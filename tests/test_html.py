"""Web pages: nothing real is lost, nothing is fetched, tables stay whole."""

import base64
import io
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import lxml.html
import pytest
from PIL import Image

from pipeline.config import Limits
from pipeline.errors import Unreadable
from pipeline.parse import ParseOptions, parse_document
from pipeline.parse.html_pictures import addresses_of
from pipeline.types import Blob, Event, Info, Page, Part, Picture, Route

DEV = Path(__file__).parents[1] / "../shared/data/dev"
needs_dev = pytest.mark.skipif(not DEV.exists(), reason="development data is not there")
PARAGRAPH = (
    "The heron stands in shallow water for hours, waits for a fish, and strikes faster than the eye can follow. "
)


def route(_: object) -> Route:
    return Route("text", "test")


def parse(path: Path, work_dir: Path, limits: Limits | None = None) -> list[Event]:
    blob = Blob(path.as_uri(), path, "", path.stat().st_size, "text/html", path.name)
    return list(parse_document(blob, work_dir, ParseOptions(limits or Limits(), route)))


def read(html: str | bytes, tmp_path: Path, name: str = "page.html") -> list[Event]:
    (tmp_path / name).write_bytes(html if isinstance(html, bytes) else html.encode())
    return parse(tmp_path / name, tmp_path)


def parts(events: list[Event]) -> list[Part]:
    return [part for event in events if isinstance(event, Page) for part in event.parts]


def pictures(events: list[Event]) -> list[Picture]:
    return [picture for event in events if isinstance(event, Page) for picture in event.pictures]


def text(events: list[Event]) -> str:
    return "\n".join(part.text for part in parts(events))


def png(width: int = 64, height: int = 64, color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), color).save(out, "PNG")
    return out.getvalue()


def test_structure(tmp_path: Path) -> None:
    """Headings keep their level, and lists, code and tables their kind, in document order."""
    html = (
        f"<title>Birds</title><h1>Birds</h1><p>{PARAGRAPH}</p><h3>Waders</h3><ul><li>Heron</li><li>Stork</li></ul>"
        "<pre>a = 1\n  b = 2</pre><table><tr><th>Bird</th><th>Size</th></tr><tr><td>Heron</td><td>1 m</td></tr></table>"
    )

    found = [(part.kind, part.level, part.text) for part in parts(read(html, tmp_path))]

    assert found == [
        ("heading", 1, "Birds"),
        ("text", 0, PARAGRAPH.strip()),
        ("heading", 3, "Waders"),
        ("list", 0, "Heron"),
        ("list", 0, "Stork"),
        ("code", 0, "a = 1\n  b = 2"),
        ("table", 0, "| Bird | Size |\n| --- | --- |\n| Heron | 1 m |"),
    ]


def test_boilerplate_goes_and_paragraphs_stay(tmp_path: Path) -> None:
    """Navigation, footers, scripts and side bars are dropped; figures, captions, details and quotes are not."""
    html = (
        "<html><body><nav><a href=/>Home page</a></nav>"
        "<div class=sidebar><p>Buy our mugs today, they are cheap.</p></div>"
        f"<article><h1>Heron</h1><p>{PARAGRAPH * 3}</p><figure><figcaption>A grey one</figcaption></figure>"
        f"<details><summary>More</summary><p>Nests high.</p></details><blockquote>Quoted.</blockquote>"
        f"<p>{PARAGRAPH * 3}</p></article><footer>Imprint</footer><script>var hidden = 1</script></body></html>"
    )

    found = text(read(html, tmp_path))

    assert not [word for word in ("Home page", "mugs", "Imprint", "hidden") if word in found]
    assert not [word for word in ("A grey one", "More", "Nests high.", "Quoted.") if word not in found]


def test_short_pages_are_read_whole(tmp_path: Path) -> None:
    """Where no running text stands out, as in lists and short notes, nothing is chosen and nothing left out."""
    html = "<div><a href=x>one</a></div><div>two</div><p>three</p><ul><li>four</li></ul>"

    assert [part.text for part in parts(read(html, tmp_path))] == ["one", "two", "three", "four"]
    assert "Chapter 9" in text(read("".join(f"<li><a href=#>Chapter {i}</a>" for i in range(20)), tmp_path))
    assert "Only menu" in text(read("<nav>Only menu</nav>", tmp_path))


def test_merged_and_nested_cells(tmp_path: Path) -> None:
    """A cell over several rows is repeated in each, a layout table is no table, an inner table stays in its cell."""
    data = "<table><tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td><table><tr><td>2</td><td>3</td></tr></table></table>"

    found = parts(read(f"<table><tr><td>{data}</td><td><p>{PARAGRAPH * 3}</p></td></tr></table>", tmp_path))

    assert [part.kind for part in found] == ["table", "text"]
    assert found[0].text.splitlines()[2:] == ["| x | 1 |", "| x | 2 3 |"]


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "shift_jis", "koi8-r", "gb18030"]
)
@pytest.mark.parametrize("declared", [True, False])
def test_encodings(tmp_path: Path, codec: str, declared: bool) -> None:
    """A page is read by its byte order mark, what it declares, or what its bytes look like."""
    word = {
        "shift_jis": "鷺は水辺で魚を待つ鳥である",
        "koi8-r": "цапля стоит в воде и ждёт рыбу",
        "gb18030": "苍鹭在浅水中等待鱼",
    }.get(codec, "Größe über Äcker")
    body = f"<p>{word}</p>" * (40 if codec in ("shift_jis", "koi8-r", "gb18030") else 1)
    meta = f"<meta charset={codec}>" if declared and "utf" not in codec else ""

    assert word in text(read(f"<html><head>{meta}</head><body>{body}</body></html>".encode(codec), tmp_path))


def test_wrong_declaration(tmp_path: Path) -> None:
    """Bytes that are UTF-8 are read as UTF-8, whatever the page declares."""
    assert "Größe" in text(read("<meta charset=iso-8859-1><p>Größe</p>".encode(), tmp_path))


def test_pictures_come_from_the_page_and_its_folder_only(tmp_path: Path) -> None:
    """Data URIs and files below the page's folder are pictures with alt text and caption; all else is left alone."""
    folder = tmp_path / "site"
    (folder / "img").mkdir(parents=True)
    (folder / "img" / "a b.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    sources = [
        "../secret.png",
        "link.png",
        (tmp_path / "secret.png").as_uri(),
        "http://169.254.169.254/a.png",
        "/etc/passwd",
    ]
    data = base64.b64encode(png(80, 80, "blue")).decode()
    html = (
        f"<p>{PARAGRAPH}</p><figure><img alt='grey heron' src='img/a%20b.png?x=1'>"
        "<figcaption>By the lake</figcaption></figure>"
        f"<img src='data:image/png;base64,{data}'>" + "".join(f"<img alt=x src='{source}'>" for source in sources)
    )

    found = pictures(read(html, folder))

    assert [(p.width_px, p.caption) for p in found] == [(64, "grey heron By the lake"), (80, "")]
    assert "heron" in found[1].context


def test_icons_broken_and_huge_pictures_are_left_out(tmp_path: Path) -> None:
    """An icon, a broken picture and one over the pixel limit are not pictures, and no error."""
    for name, data in {"icon": png(20, 20), "broken": png()[:60], "huge": png(1200, 1000), "good": png()}.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    images = "".join(f"<img src={name}.png>" for name in ("icon", "broken", "huge", "good"))
    (tmp_path / "page.html").write_text(f"<p>x</p>{images}")

    events = parse(tmp_path / "page.html", tmp_path, Limits(picture_mpx=1))

    assert [(p.width_px, p.height_px) for p in pictures(events)] == [(64, 64)]


def test_what_the_page_says_of_itself(tmp_path: Path) -> None:
    """Title without the site's name, author, language and date come from the head."""
    head = '<meta name=author content="Ann"><meta property="article:published_time" content="2024-05-01">'
    events = read(f"<html lang=de><title>Reiher | Site</title>{head}<h1>Reiher</h1><p>{PARAGRAPH}</p>", tmp_path)

    info = next(event for event in events if isinstance(event, Info))

    assert (info.title, info.author) == ("Reiher", "Ann")
    assert dict(info.metadata) == {"date": "2024-05-01", "language": "de"}


@pytest.mark.parametrize("html", [b"", b" \n", b"<!-- only -->", b"<html><body></body></html>", b"%PDF-1.7\n..."])
def test_nothing_to_read(tmp_path: Path, html: bytes) -> None:
    """A page without text is unreadable, and says so."""
    with pytest.raises(Unreadable, match=r"page\.html: "):
        read(html, tmp_path)


def test_odd_trees(tmp_path: Path) -> None:
    """Deep nesting, a megabyte in one paragraph and entity bombs lose no text and raise nothing."""
    deep = "<div>" * 5000 + "bottom" + "</div>" * 5000
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><p>&b; end</p>'

    assert "bottom" in text(read(deep, tmp_path))
    assert len(parts(read("<div>" * 400 + f"<p>{PARAGRAPH}</p>" * 400 + "</div>" * 400, tmp_path))) == 400
    assert "last word" in text(read(f"<p>{'wide ' * 250_000}last word</p>", tmp_path))
    assert "end" in text(read(bomb, tmp_path))


def test_no_language_model() -> None:
    """Reading a page imports neither spaCy nor torch, which it would bring, nor tables that it never looks into."""
    code = (
        "import sys; from pathlib import Path; from pipeline.config import Limits;"
        "from pipeline.parse.html import read_html; from pipeline.parse.embedded_picture import PictureWriter;"
        "read_html('<p>The heron stands. It waits.</p>', lambda _: None, PictureWriter(Path('.'), Limits()));"
        "print({'spacy', 'torch', 'emoji', 'iso639', 'bs4'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"


@pytest.mark.slow
def test_sentences() -> None:
    """unstructured still splits text into sentences, where anybody asks it to, by the model that pip installed."""
    code = (
        "from pipeline.parse.unstructured_setup import prepare; prepare();"
        "from unstructured.nlp.tokenize import sent_tokenize; print(sent_tokenize('The heron stands. It waits.'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "['The heron stands.', 'It waits.']"


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is read with every socket refused: no telemetry, no model download, no picture fetched."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert "heron" in text(read(f"<p>{PARAGRAPH}</p><img src=http://example.org/a.png>", tmp_path))


@needs_dev
@pytest.mark.parametrize("path", sorted((DEV / "corpus/html").glob("*.html")), ids=lambda path: path.name)
def test_corpus(path: Path, tmp_path: Path) -> None:
    """Every page of the corpus yields its info first and has text."""
    events = parse(path, tmp_path)

    assert isinstance(events[0], Info)
    assert text(events).strip()


@needs_dev
def test_main_text_against_gold() -> None:
    """Mean word F1 against 36 pages read by people's tools is above 0.95, and recall above 0.97."""
    from pipeline.parse.html_main import main_content, visible_text
    from pipeline.parse.html_tree import parse_page

    scores, recalls = [], []
    for gold in sorted((DEV / "gold/web/readability").glob("*.expected.html")):
        page = gold.with_name(gold.name.replace(".expected.html", ".html"))
        want, got = (parse_page(file.read_bytes()) for file in (gold, page))
        assert want is not None
        assert got is not None
        wanted = Counter(re.findall(r"\w+", visible_text(want).lower()))
        found = Counter(re.findall(r"\w+", visible_text(main_content(got)).lower()))
        both = (wanted & found).total()
        scores.append(2 * both / (wanted.total() + found.total()))
        recalls.append(both / wanted.total())

    assert sum(scores) / len(scores) > 0.95
    assert sum(recalls) / len(recalls) > 0.97


def test_what_stands_beside_a_marked_article_goes(tmp_path: Path) -> None:
    """Where the page itself says what its article is, even a side bar with more running text than that is dropped."""
    flux = "".join(f"<li>{number}: {PARAGRAPH}</li>" for number in range(20))
    article = f"<article><h1>Herons</h1>{f'<p>{PARAGRAPH}</p>' * 6}</article>"
    html = f"<div>{article}<aside class=sidebar><ul>{flux}</ul></aside></div>"

    found = text(read(html, tmp_path))

    assert found.count("The heron stands") == 6


def test_a_list_of_related_articles_goes(tmp_path: Path) -> None:
    """`<article>` elements inside a block of related ones do not make it the main content."""
    related = "".join(
        f"<article><a href=/{n}>Another story, number {n}, of some length</a></article>" for n in range(4)
    )
    html = f"<div>{f'<p>{PARAGRAPH}</p>' * 6}<div class=crp_related>{related}</div></div>"

    found = text(read(html, tmp_path))

    assert "Another story" not in found
    assert found.count("The heron stands") == 6


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("<img src=small.png srcset='small.png 400w, large.png 1800w, huge.png 4000w'>", "large.png"),
        ("<img src=blank.gif data-src=large.png>", "large.png"),
        ("<img src=small.png data-srcset='large.png 2x, small.png 1x'>", "large.png"),
        ("<picture><source srcset='large.png 1600w'><img src=icon.gif></picture>", "large.png"),
        ("<img src=large.png width=20 height=20>", None),
        ("<img src=https://pixel.wp.com/g.gif>", None),
        ("<img src='data:image/gif;base64,R0lGOD' data-lazy-src=large.png>", "large.png"),
    ],
)
def test_the_best_address_of_a_picture_is_chosen(image: str, name: str | None) -> None:
    """srcset, lazy loading and other formats are resolved; icons and trackers have no address."""
    found = list(addresses_of(lxml.html.fromstring(f"<div>{image}</div>")))

    assert (found[0][0] if found else None) == name
