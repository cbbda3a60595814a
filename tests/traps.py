"""Documents that ask their reader to open, fetch or run something; `write_traps` makes one of every kind."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

from bombs import CATALOG, HELLO, sheet_file, stream, word_file, write_pdf, write_zip, zip_members

WORDS = "The harbour ledger"  # in every one of them
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def write_traps(folder: Path, url: str, secret: Path, picture: Path) -> None:
    """Files in `folder` that name `url` (of a server), `secret` (a text file) and `picture` (a PNG) outside of it."""
    (folder / "page.html").write_text(html(url, secret, picture))
    (folder / "note.md").write_text(f"{WORDS}\n\n![a]({url}/md.png) ![b]({picture}) ![c](../{picture.name}) <{secret}>")
    (folder / "mail.eml").write_bytes(mail(url, secret, picture))
    fields = (f'INCLUDETEXT "{secret}"', f'INCLUDEPICTURE "{url}/rtf"', f'INCLUDEPICTURE "{picture}"')
    includes = "".join(rf"{{\field{{\*\fldinst {field}}}}}" for field in fields)
    (folder / "include.rtf").write_text(rf"{{\rtf1 {WORDS} {includes}}}")
    write_zip(folder / "related.docx", {name: [data] for name, data in related(url, secret, picture).items()})
    write_zip(folder / "linked.xlsx", {name: [data] for name, data in linked(url, secret).items()})
    write_zip(folder / "linked.odt", {name: [data] for name, data in odt(url, picture).items()})
    pdf(folder / "actions.pdf", url, secret)


def html(url: str, secret: Path, picture: Path) -> str:
    svg = f'<svg><image href="{url}/svg.png"/><image href="file://{picture}"/><use href="{url}/u.svg#a"/></svg>'
    return (
        f'<html><head><meta http-equiv="refresh" content="0; url={url}/refresh"><base href="{url}/base/">'
        f'<link rel="stylesheet" href="{url}/style.css"><script src="{url}/run.js"></script></head><body>'
        f'<p>{WORDS}</p><iframe src="file://{secret}"></iframe><object data="{secret}"></object>{svg}'
        f'<img src="{url}/1.png"><img src="file://{picture}"><img src="../{picture.name}"><img src="{picture}">'
        f'<img src="//{url.partition("//")[2]}/2.png" srcset="{url}/3.png 2x"></body></html>'
    )


def mail(url: str, secret: Path, picture: Path) -> bytes:
    parts = (
        f"Content-Type: text/html\n\n{html(url, secret, picture)}",
        f'Content-Type: message/external-body; access-type=URL; URL="{url}/body"\n\nContent-Type: text/plain\n\n',
        f'Content-Type: message/external-body; access-type=local-file; name="{secret}"\n\nContent-Type: text/plain\n\n',
        'Content-Type: text/plain\nContent-Disposition: attachment; filename="../../../escaped.txt"\n\nclimbed',
        f'Content-Type: text/plain\nContent-Disposition: attachment; filename="{secret}"\n\nabsolute',
    )
    body = "".join(f"--b\n{part}\n" for part in parts)
    return f"From: a@example.org\nSubject: {WORDS}\nContent-Type: multipart/mixed; boundary=b\n\n{body}--b--\n".encode()


def related(url: str, secret: Path, picture: Path) -> dict[str, bytes]:
    """A Word file whose picture, template, frame and object are elsewhere."""
    members = zip_members(word_file(WORDS))
    name = "word/_rels/document.xml.rels"
    kinds = {"image": [f"{url}/docx.png", f"file://{picture}", f"../../../{picture.name}"]}
    kinds |= {"attachedTemplate": [f"{url}/t.dotm"], "frame": [f"file://{secret}"], "oleObject": [f"file://{secret}"]}
    more = "".join(
        f'<Relationship Id="x{kind}{n}" Type="{OFFICE}/{kind}" Target="{target}" TargetMode="External"/>'
        for kind, targets in kinds.items()
        for n, target in enumerate(targets)
    )
    members[name] = members[name].replace(b"</Relationships>", more.encode() + b"</Relationships>")
    drawing = "".join(
        f'<w:r><w:pict><v:imagedata r:link="ximage{n}" r:id="ximage{n}"/></w:pict></w:r>' for n in range(3)
    )
    spaces = f'<w:p xmlns:v="urn:schemas-microsoft-com:vml" xmlns:r="{OFFICE}">{drawing}</w:p>'
    members["word/document.xml"] = members["word/document.xml"].replace(b"<w:sectPr", spaces.encode() + b"<w:sectPr", 1)
    return members


def linked(url: str, secret: Path) -> dict[str, bytes]:
    """A workbook with a link to another workbook, and a formula that asks for a page."""
    members = zip_members(sheet_file(f'{WORDS} =WEBSERVICE("{url}/xlsx")'))
    members["xl/externalLinks/_rels/externalLink1.xml.rels"] = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{OFFICE}/externalLinkPath" Target="file://{secret}" TargetMode="External"/></Relationships>'
    ).encode()
    return members


def odt(url: str, picture: Path) -> dict[str, bytes]:
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    targets = (f"{url}/odt.png", f"file://{picture}", f"../{picture.name}", str(picture))
    frames = "".join(f'<d:frame><d:image x:href="{target}"/></d:frame>' for target in targets)
    content = (
        f'<o:document-content xmlns:o="{oasis}:office:1.0" xmlns:t="{oasis}:text:1.0" xmlns:d="{oasis}:drawing:1.0" '
        f'xmlns:x="http://www.w3.org/1999/xlink"><o:body><o:text><t:p>{WORDS} {frames}</t:p></o:text></o:body>'
        "</o:document-content>"
    )
    return {"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": content.encode()}


def pdf(path: Path, url: str, secret: Path) -> None:
    """JavaScript, a launch, a form that is sent, a jump into another file, and streams that are kept in other files."""
    away = f"/F({secret})".encode()
    script = f"app.launchURL('{url}/js'); this.submitForm('{url}/form');".encode()
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
    page += (
        b"/Resources<</Font<</F1 5 0 R>>/XObject<</X1 6 0 R>>>>/AA<</O<</S/URI/URI(%s/open)>>>>/Annots[7 0 R 8 0 R]>>"
        % url.encode()
    )
    launch = b"/OpenAction<</S/JavaScript/JS(%s)/Next<</S/Launch/F(/usr/bin/touch %s)>>>>>>" % (
        script,
        bytes(secret),
    )
    link = b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/%s/F(%s)/D[0/Fit]>>>>"
    words = HELLO.replace(b"The tide turns the wheel of the mill.", WORDS.encode())
    write_pdf(
        path,
        [
            CATALOG.removesuffix(b">>") + launch,
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page,
            stream(words + b"q 99 0 0 99 0 0 cm /X1 Do Q"),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            stream(
                b"", away + b"/Type/XObject/Subtype/Image/Width 8/Height 8/ColorSpace/DeviceGray/BitsPerComponent 8"
            ),
            link % (b"GoToR", bytes(secret)),
            link % (b"SubmitForm", url.encode()),
        ],
    )


def spoiled_directory(data: bytes, seed: int) -> bytes:
    """A zip file with a lie in its central directory: a size, an offset, a method, a name's length or a count."""
    chance, spoiled = random.Random(seed), bytearray(data)
    if chance.random() < 0.2:
        place, width = data.rindex(b"PK\5\6") + chance.choice((8, 10, 12, 16, 20)), 2
    else:
        starts = [entry.header_offset for entry in zipfile.ZipFile(io.BytesIO(data)).infolist()]
        directory = data.index(b"PK\1\2", max(starts))
        entries = [i for i in range(directory, len(data)) if data[i : i + 4] == b"PK\1\2"]
        place, width = chance.choice(entries) + chance.choice((8, 10, 16, 20, 24, 28, 30, 32, 42)), 4
    lie = chance.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, chance.getrandbits(32))) & (256**width - 1)
    spoiled[place : place + width] = struct.pack("<I", lie)[:width]
    return bytes(spoiled)
