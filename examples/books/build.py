#!/usr/bin/env python3
"""Makes the-lamplighters-map.epub from the-lamplighters-map.txt and its cover.

Standard library only; the same input always gives the same bytes:

    python3 examples/books/build.py
"""

import html
import re
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TEXT = FOLDER / "the-lamplighters-map.txt"
COVER = FOLDER / "the-lamplighters-map.png"
EPUB = FOLDER / "the-lamplighters-map.epub"

TITLE = "The Lamplighter’s Map"
AUTHOR = "The litink authors"
IDENTIFIER = "urn:uuid:5d0f3c52-6d0b-4a52-9c5e-6c1f6d7a2b10"
MODIFIED = "2026-01-01T00:00:00Z"
DESCRIPTION = (
    "In the town of Marrow there are two hundred and eleven lamps, "
    "and one more that has never been lit."
)

PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" \
xml:lang="en" lang="en">
<head>
  <title>{title}</title>
  <link rel="stylesheet" type="text/css" href="style.css"/>
</head>
<body epub:type="{matter}">
<section epub:type="{kind}">
{body}
</section>
</body>
</html>
"""

STYLE = """body { margin: 5%; line-height: 1.5; }
h1, h2 { text-align: center; font-weight: normal; }
p { margin: 0; text-indent: 1.5em; }
h1 + p, h2 + p, hr + p { text-indent: 0; }
hr { border: none; text-align: center; margin: 1em 0; }
hr::before { content: "* * *"; }
.page p { text-align: center; text-indent: 0; margin: 1em 0; }
"""


def parts(text):
    """The text cut at three blank lines into lists of paragraphs."""
    for part in re.split(r"\n{4,}", text.strip()):
        yield [" ".join(p.split()) for p in re.split(r"\n{2,}", part.strip())]


def markup(text):
    return re.sub(r"_([^_]+)_", r"<em>\1</em>", html.escape(text, quote=False))


def paragraphs(lines):
    return "\n".join("<hr/>" if l == "* * *" else f"<p>{markup(l)}</p>" for l in lines)


def in_title_case(heading):
    return " ".join(word.capitalize() for word in heading.split())


def page(name, title, matter, kind, body):
    content = PAGE.format(title=html.escape(title), matter=matter, kind=kind, body=body)
    return {"name": name, "title": title, "kind": kind, "content": content}


def read_pages():
    front, *rest = parts(TEXT.read_text(encoding="utf-8"))
    _, subtitle, author = front
    body = f'<h1>{TITLE}</h1>\n<div class="page">{paragraphs([subtitle, author])}</div>'
    pages = [page("title", TITLE, "frontmatter", "titlepage", body)]
    for heading, *lines in rest:
        heading = in_title_case(heading)
        if heading.startswith("Chapter"):
            number = len([p for p in pages if p["kind"] == "chapter"]) + 1
            name, *lines = lines
            body = f"<h1>{heading}</h1>\n<h2>{markup(name)}</h2>\n{paragraphs(lines)}"
            title = f"{heading}: {name}"
            pages.append(page(f"chapter-{number}", title, "bodymatter", "chapter", body))
        elif heading == "Dedication":
            body = f'<h1>{heading}</h1>\n<div class="page">{paragraphs(lines)}</div>'
            pages.append(page("dedication", heading, "frontmatter", "dedication", body))
        else:
            body = f"<h1>{heading}</h1>\n{paragraphs(lines)}"
            pages.append(page(heading.lower(), heading, "backmatter", heading.lower(), body))
    return pages


def navigation(pages):
    lines = "\n".join(
        f'<li><a href="{p["name"]}.xhtml">{html.escape(p["title"])}</a></li>' for p in pages
    )
    body = f"""<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>
{lines}
</ol></nav>
<nav epub:type="landmarks" hidden="hidden"><h2>Landmarks</h2><ol>
<li><a epub:type="titlepage" href="title.xhtml">Title page</a></li>
<li><a epub:type="bodymatter" href="chapter-1.xhtml">Start of the tale</a></li>
</ol></nav>"""
    return PAGE.replace('<section epub:type="{kind}">\n', "").replace("</section>\n", "").format(
        title="Contents", matter="frontmatter", body=body
    )


def ncx(pages):
    points = "\n".join(
        f'<navPoint id="p{i}" playOrder="{i}"><navLabel><text>{html.escape(p["title"])}</text>'
        f'</navLabel><content src="{p["name"]}.xhtml"/></navPoint>'
        for i, p in enumerate(pages, 1)
    )
    return f"""<?xml version="1.0" encoding="utf-8"?>
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1" xml:lang="en">
<head><meta name="dtb:uid" content="{IDENTIFIER}"/></head>
<docTitle><text>{TITLE}</text></docTitle>
<navMap>
{points}
</navMap>
</ncx>
"""


def package(pages):
    items = "\n".join(
        f'<item id="{p["name"]}" href="{p["name"]}.xhtml" media-type="application/xhtml+xml"/>'
        for p in pages
    )
    spine = "\n".join(f'<itemref idref="{p["name"]}"/>' for p in pages)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">{IDENTIFIER}</dc:identifier>
<dc:title>{TITLE}</dc:title>
<dc:creator id="author">{AUTHOR}</dc:creator>
<meta refines="#author" property="role" scheme="marc:relators">aut</meta>
<dc:language>en</dc:language>
<dc:publisher>litink</dc:publisher>
<dc:date>{MODIFIED[:4]}</dc:date>
<dc:description>{DESCRIPTION}</dc:description>
<dc:rights>Apache-2.0</dc:rights>
<meta property="dcterms:modified">{MODIFIED}</meta>
<meta name="cover" content="cover"/>
</metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="style" href="style.css" media-type="text/css"/>
<item id="cover" href="cover.png" media-type="image/png" properties="cover-image"/>
{items}
</manifest>
<spine toc="ncx">
{spine}
</spine>
</package>
"""


CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OPS/package.opf" media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"""


def write(archive, path, content, compression=zipfile.ZIP_DEFLATED):
    entry = zipfile.ZipInfo(path, date_time=(2026, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, content, compress_type=compression)


def main():
    pages = read_pages()
    with zipfile.ZipFile(EPUB, "w") as archive:
        # The first entry, stored, tells what the file is (OCF 3.3, 4.3).
        write(archive, "mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        write(archive, "META-INF/container.xml", CONTAINER)
        write(archive, "OPS/package.opf", package(pages))
        write(archive, "OPS/nav.xhtml", navigation(pages))
        write(archive, "OPS/toc.ncx", ncx(pages))
        write(archive, "OPS/style.css", STYLE)
        write(archive, "OPS/cover.png", COVER.read_bytes(), zipfile.ZIP_STORED)
        for p in pages:
            write(archive, f"OPS/{p['name']}.xhtml", p["content"])


if __name__ == "__main__":
    main()
