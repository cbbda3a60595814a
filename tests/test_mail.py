"""Mail: headers can be searched, the body is read once, attachments become files with safe names."""

import io
from email.message import EmailMessage
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config import Limits
from pipeline.errors import PasswordNeeded, Unreadable
from pipeline.parse import ParseOptions, parse_document
from pipeline.types import Attachment, Blob, Event, Failure, Info, Page, Part, Route

DEV = Path(__file__).parents[1] / "../shared/data/dev"
needs_dev = pytest.mark.skipif(not DEV.exists(), reason="development data is not there")
TYPES = {".eml": "message/rfc822", ".msg": "application/vnd.ms-outlook"}


NESTED = b"From: a@example.org\n" + b"Content-Type: message/rfc822\n\n" * 3000


def route(_: object) -> Route:
    return Route("text", "test")


def parse(path: Path, work_dir: Path, limits: Limits | None = None) -> list[Event]:
    blob = Blob(path.as_uri(), path, "", path.stat().st_size, TYPES[path.suffix], path.name)
    return list(parse_document(blob, work_dir, ParseOptions(limits or Limits(), route)))


def read(data: bytes | EmailMessage, tmp_path: Path, limits: Limits | None = None) -> list[Event]:
    (tmp_path / "mail.eml").write_bytes(data if isinstance(data, bytes) else data.as_bytes())
    return parse(tmp_path / "mail.eml", tmp_path, limits)


def parts(events: list[Event]) -> list[Part]:
    return [part for event in events if isinstance(event, Page) for part in event.parts]


def attached(events: list[Event]) -> dict[str, bytes]:
    return {event.name: event.path.read_bytes() for event in events if isinstance(event, Attachment)}


def a_mail(body: str = "Dear Bob,\n\nthe heron is back.") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Date"] = (
        "Änn <ann@example.org>",
        "bob@example.org",
        "Wed, 1 May 2024 10:00:00 +0000",
    )
    mail["Subject"] = "Größe des Reihers"
    mail.set_content(body)
    return mail


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


def test_headers_and_body(tmp_path: Path) -> None:
    """The subject is title and heading, the headers are a note and metadata, the body keeps its paragraphs."""
    events = read(a_mail(), tmp_path)

    info = events[0]
    assert isinstance(info, Info)
    assert (info.title, info.author, info.metadata["to"]) == (
        "Größe des Reihers",
        "Änn <ann@example.org>",
        "bob@example.org",
    )
    assert [(part.kind, part.text.splitlines()[0]) for part in parts(events)] == [
        ("heading", "Größe des Reihers"),
        ("note", "From: Änn <ann@example.org>"),
        ("text", "Dear Bob,"),
        ("text", "the heron is back."),
    ]


def test_html_body_wins_and_shows_inline_pictures(tmp_path: Path) -> None:
    """Of two alternatives the HTML one is read, quoted text and footers stay, a picture by content id is a picture."""
    mail = a_mail("plain words")
    mail.add_alternative(
        "<p>rich words</p><img alt=red src='cid:p1'><blockquote>quoted words</blockquote>"
        "<div class=footer>Ann, Zoo</div>",
        subtype="html",
    )
    mail.get_payload()[1].add_related(png(), "image", "png", cid="<p1>")  # type: ignore[index, union-attr]

    events = read(mail, tmp_path)

    assert [part.text for part in parts(events)][2:] == ["rich words", "quoted words", "Ann, Zoo"]
    assert [p.caption for e in events if isinstance(e, Page) for p in e.pictures] == ["red"]
    assert attached(events) == {}


def test_attachments(tmp_path: Path) -> None:
    """Attachments are written with their bytes; names lose their paths, equal names are told apart."""
    mail = a_mail()
    for name, data in (("../../etc/passwd", b"1"), ("a.txt", b"2"), ("A.txt", b"3"), ("Größe:1.bin", b"4")):
        mail.add_attachment(data, "application", "octet-stream", filename=name)
    inner = a_mail("inner body")
    inner.replace_header("Subject", "Inner")
    mail.add_attachment(inner)

    events = read(mail, tmp_path)

    files = attached(events)
    assert {name: data for name, data in files.items() if len(data) == 1} == {
        "passwd": b"1",
        "a.txt": b"2",
        "A-2.txt": b"3",
        "Größe_1.bin": b"4",
    }
    assert b"inner body" in files["message.eml"]
    assert "inner body" not in " ".join(part.text for part in parts(events))
    assert all(event.path.parent == tmp_path for event in events if isinstance(event, Attachment))


def test_attachments_over_the_limit(tmp_path: Path) -> None:
    """More attachments than allowed are counted in a failure; the mail and the first ones stay."""
    mail = a_mail()
    for i in range(5):
        mail.add_attachment(b"x", "application", "octet-stream", filename=f"{i}.bin")

    events = read(mail, tmp_path, Limits(attachments=2))

    assert len(attached(events)) == 2
    assert [(e.error, "3 attachments after the first 2" in e.message) for e in events if isinstance(e, Failure)] == [
        ("LimitExceeded", True)
    ]


@pytest.mark.parametrize(
    ("head", "body", "words"),
    [
        ("Content-Type: text/plain; charset=nonsense", "Größe".encode(), "Größe"),
        ("Content-Type: text/plain; charset=us-ascii", "Größe".encode("latin-1"), "Größe"),
        ("Content-Transfer-Encoding: base64", b"aGVyb24gaXMgYmFjaw=\n!!", "heron is back"),
        ("Content-Transfer-Encoding: x-unknown", b"heron", "heron"),
        ("Content-Type: multipart/mixed", b"heron without boundary", "heron without boundary"),
        ("Content-Type: multipart/mixed; boundary=b", b"--b\n\nheron never ends", "heron never ends"),
        ("Subject: =?utf-8?b?broken=?= =?bad?q?x?=", b"heron", "heron"),
        ("Content-Type: text/html", b"<p>heron <b>is", "heron is"),
        ("Content-Type: ; =;;", b"heron", "heron"),
        ("Subject: Gr\u00f6\u00dfe", b"heron", "heron"),
    ],
)
def test_broken_mail(tmp_path: Path, head: str, body: bytes, words: str) -> None:
    """Broken encodings, charsets, boundaries and headers never raise, and the words stay readable."""
    data = f"From: a@example.org\n{head}\n\n".encode("latin-1") + body

    assert words in " ".join(part.text for part in parts(read(data, tmp_path)))


@pytest.mark.parametrize("data", [b"", b"no mail here\n", b"\x00" * 500, b"%PDF-1.4\n...", NESTED])
def test_no_mail(tmp_path: Path, data: bytes) -> None:
    """Something without mail headers is unreadable, and says so."""
    with pytest.raises(Unreadable, match=r"mail\.eml: "):
        read(data, tmp_path)


def test_encrypted_and_signed_mail(tmp_path: Path) -> None:
    """An encrypted mail says that it is; a signed one is read like any other."""
    locked = b"From: a@example.org\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nMIAGCSqGSIb3"
    signed = EmailMessage()
    signed["From"] = "a@example.org"
    signed["Content-Type"] = 'multipart/signed; protocol="application/pkcs7-signature"; boundary=b'
    signed.attach(MIMEText("heron"))

    with pytest.raises(PasswordNeeded, match="encrypted"):
        read(locked, tmp_path)
    assert "heron" in " ".join(part.text for part in parts(read(signed, tmp_path)))


@pytest.mark.parametrize("data", [b"", b"hello", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)])
def test_damaged_msg(tmp_path: Path, data: bytes) -> None:
    """A file that is no Outlook message is unreadable, and says so."""
    (tmp_path / "a.msg").write_bytes(data)

    with pytest.raises(Unreadable, match=r"a\.msg: "):
        parse(tmp_path / "a.msg", tmp_path)


@needs_dev
@pytest.mark.parametrize(
    "path", sorted(p for p in (DEV / "corpus/office_mail_md").glob("*.*") if p.suffix in TYPES), ids=lambda p: p.name
)
def test_corpus(path: Path, tmp_path: Path) -> None:
    """Every mail of the corpus yields its info first, a heading with the subject, and a body."""
    events = parse(path, tmp_path)

    assert isinstance(events[0], Info)
    assert parts(events)[0] == Part("heading", events[0].title, level=1)
    assert len(parts(events)) > 2


@needs_dev
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("email-replace-mime-encodings-error-1.eml", None),
        ("fake-email-malformed-encoding.eml", None),
        ("empty.eml", Unreadable),
        ("fake-encrypted.eml", PasswordNeeded),
    ],
)
def test_hostile(name: str, error: type[Exception] | None, tmp_path: Path) -> None:
    """A hostile mail is read or refused with the right reason."""
    try:
        found = parts(parse(DEV / "hostile" / name, tmp_path))
    except (Unreadable, PasswordNeeded) as raised:
        found = []
        outcome: type[Exception] | None = type(raised)
    else:
        outcome = None

    assert outcome is error
    assert bool(found) is (error is None)
