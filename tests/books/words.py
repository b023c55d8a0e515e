"""The words of a book by means that share nothing with litink's reader: `python words.py FILE`.

Prints JSON: `words`, all words of the running text in order; and `left_out`, how many words nobody
reads aloud, by what they are. Python's own parsers, and pdftotext for PDF.
"""

import collections
import html.parser
import io
import json
import posixpath
import re
import subprocess
import sys
import unicodedata
import urllib.parse
import xml.etree.ElementTree as ET
import zipfile

left_out = collections.Counter()
LEGACY = {"ar": "cp1256", "he": "cp1255", "ru": "koi8-r", "ja": "shift_jis", "zh": "gb18030"}


def words(text):
    text = unicodedata.normalize("NFKC", text).lower().replace("\u00ad", "").replace("\u200b", "")
    # Scripts without blanks count by the character.
    return re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+", text)


def leave_out(what, text):
    left_out[what] += len(words(text))


class Page(html.parser.HTMLParser):
    SKIP = {"head", "script", "style", "template", "rt", "rp", "audio", "video", "iframe"}
    INLINE = set("a abbr b bdi bdo big cite code dfn em font i ins kbd mark q rb ruby s samp small span strong sub sup tt u var wbr".split())
    VOID = set("br hr img meta link input col area base wbr source track embed param".split())

    def __init__(self):
        super().__init__()
        self.out, self.skip, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.INLINE:
            self.out.append(" ")
        if tag == "img" and not self.skip and attrs.get("role") != "presentation":
            self.out.append(" %s " % (attrs.get("alt") or ""))
        if tag in self.VOID:
            return
        kinds = f"{attrs.get('epub:type', '')} {attrs.get('role', '')} {attrs.get('class', '')}".split()
        is_mark = {"noteref", "doc-noteref", "pagebreak", "doc-pagebreak", "footnote-ref", "footnoteref"} & set(kinds)
        is_mark = is_mark or tag == "a" and "#" in (attrs.get("href") or "") and "sup" in self.open
        self.open.append(tag)
        if tag in self.SKIP or is_mark or self.skip:
            self.skip.append("note marks" if is_mark else "not text")

    def handle_endtag(self, tag):
        if tag not in self.INLINE:
            self.out.append(" ")
        while tag in self.open:
            last = self.open.pop()
            if self.skip:
                self.skip.pop()
            if last == tag:
                break

    def handle_data(self, data):
        if self.skip:
            leave_out(self.skip[0], data)
        else:
            self.out.append(data)


def page(text):
    # An empty element of XML is one that is closed.
    text = re.sub(r"<(script|style|title|a|p|div|span|i|b|em)(\s[^<>]*)?/>", r"<\1\2></\1>", text)
    parser = Page()
    parser.feed(text)
    parser.close()
    return "".join(parser.out)


def local(element):
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def attribute(element, name):
    return next((v for k, v in element.attrib.items() if k.rsplit("}", 1)[-1] == name), None)


def walk(element, skip, inline):
    """Text below an element; `skip` names what is left out by its local name."""
    name = local(element)
    if name in skip:
        leave_out(skip[name], "".join(element.itertext()))
        return ""
    inner = (element.text or "") + "".join(
        walk(child, skip, inline) + (child.tail or "") for child in element
    )
    return inner if name in inline else f" {inner} "


def decode(data):
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name)
    if data[1:2] == b"\0":
        return data.decode("utf-16-le")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Told by the name, so that nothing is guessed here.
        language = re.search(r"-(\w\w)\.", sys.argv[1])
        return data.decode(LEGACY.get(language and language[1], "cp1252"))


def epub(archive):
    container = ET.fromstring(archive.read("META-INF/container.xml"))
    package = next(e for e in container.iter() if local(e) == "rootfile").get("full-path")
    root = ET.fromstring(archive.read(package))
    items = {e.get("id"): e for e in root.iter() if local(e) == "item"}
    refs = [e for e in root.iter() if local(e) == "itemref"]
    refs.sort(key=lambda e: e.get("linear") == "no")
    paths = []
    for ref in refs:
        # Some name places in a file, many in the same one.
        href = urllib.parse.unquote(items[ref.get("idref")].get("href").partition("#")[0])
        path = posixpath.normpath(posixpath.join(posixpath.dirname(package), href))
        if path not in paths:
            paths.append(path)
    return " ".join(page(decode(archive.read(path))) for path in paths)


def docx(archive):
    out = []
    for part in ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml"):
        if part not in archive.namelist():
            continue
        for element in ET.fromstring(archive.read(part)).iter():
            name = local(element)
            if name == "t":
                out.append(element.text or "")
            elif name in ("p", "tab", "br", "cr"):
                out.append(" ")
            elif name == "docPr":
                out.append(" %s " % (attribute(element, "descr") or ""))
    return "".join(out)


def odt(archive):
    root = ET.fromstring(archive.read("content.xml"))
    body = next(e for e in root.iter() if local(e) == "body")
    skip = {"note-citation": "note marks", "tracked-changes": "deleted", "annotation": "comments",
            "sequence-decls": "not text", "forms": "not text"}
    return walk(body, skip, {"span", "a", "bookmark", "bookmark-start", "bookmark-end", "soft-page-break", "note"})


def fb2(data):
    root = ET.fromstring(data)
    out = []
    for body in (e for e in root if local(e) == "body"):
        for a in list(body.iter()):
            if local(a) == "a" and a.get("type") == "note":
                leave_out("note marks", "".join(a.itertext()))
                a.text, a[:] = "", []
        for image in (e for e in body.iter() if local(e) == "image"):
            image.text = f" {image.get('alt') or ''} "
        out.append(walk(body, {}, {"emphasis", "strong", "a", "style", "sub", "sup"}))
    return " ".join(out)


def rtf(data):
    skip = set(b"fonttbl colortbl stylesheet info pict header footer headerl headerr footerl footerr listtext pntext fldinst generator xe tc".split())
    out, stack, off, fallback = [], [], False, 1
    tokens = re.compile(rb"\\([a-z]+)(-?\d+)? ?|\\'([0-9a-f]{2})|\\([^a-z])|([{}])|[\r\n]+|(.)", re.S | re.I)
    eat = 0
    for word, number, code, symbol, brace, char in (m.groups() for m in tokens.finditer(data)):
        if brace == b"{":
            stack.append(off)
        elif brace == b"}":
            off = stack.pop() if stack else False
        elif symbol == b"*" or word in skip:
            off = True
        elif off:
            continue
        elif word == b"u":
            out.append(chr(int(number) % 65536))
            eat = fallback
        elif word == b"uc":
            fallback = int(number)
        elif word in (b"par", b"line", b"tab", b"cell", b"row", b"page", b"sect", b"emdash", b"endash"):
            out.append(" ")
        elif word in (b"rquote", b"lquote"):
            out.append("’")
        elif code or char:
            if eat:
                eat -= 1
            else:
                out.append((bytes.fromhex(code.decode()) if code else char).decode("cp1252", "replace"))
        elif symbol == b"~":
            out.append(" ")
    return "".join(out)


def markdown(text):
    text = re.sub(r"\A---\n.*?\n(---|\.\.\.)\n", "", text, flags=re.S)
    for mark in re.findall(r"\[\^[^\]]+\]", text):
        leave_out("note marks", mark)
    text = re.sub(r"\[\^[^\]]+\]:?", "", text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def plain(text):
    frame = re.search(r"\*\*\* ?START OF TH[^\n]*\n(.*?)\*\*\* ?END OF TH", text, re.S)
    if frame:
        leave_out("Gutenberg frame", text[: frame.start(1)] + text[frame.end(1) :])
    return frame.group(1) if frame else text


def pdf(path):
    text = subprocess.run(
        ["pdftotext", "-enc", "UTF-8", path, "-"], check=True, capture_output=True
    ).stdout.decode("utf-8")
    pages = [page.strip("\n").split("\n") for page in text.split("\f")]

    def key(line):
        return re.sub(r"\b(\d+|[ivxlc]+)\b", "#", line.strip().lower())

    edges = collections.Counter()
    for lines in pages:
        edges.update({key(line) for line in lines[:2] + lines[-2:] if line.strip()})
    out = []
    for lines in pages:
        for i, line in enumerate(lines):
            is_edge = i < 2 or i >= len(lines) - 2
            if is_edge and line.strip() and (edges[key(line)] >= 3 or key(line) == "#"):
                leave_out("running heads and page numbers", line)
            else:
                out.append(line)
    text = "\n".join(out)
    return re.sub(r"(\w)[-\u2010\u00ad]\n(?=\w)", r"\1", text)


def natural(name):
    return [int(p) if p.isdigit() else p.lower() for p in re.split(r"(\d+)", name)]


def zipped(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    if "META-INF/container.xml" in names:
        return epub(archive)
    if "word/document.xml" in names:
        return docx(archive)
    if "content.xml" in names:
        return odt(archive)
    pages = [n for n in names if re.search(r"\.x?html?$", n)]
    if pages:
        pages.sort(key=lambda n: (not posixpath.basename(n).startswith("index."), natural(n)))
        return " ".join(page(decode(archive.read(n))) for n in pages)
    inner = [n for n in names if re.search(r"\.(epub|fb2|txt|md)$", n)]
    return read(inner[0], archive.read(inner[0]))


def read(name, data):
    if data.startswith(b"PK"):
        return zipped(data)
    if data.startswith(b"%PDF"):
        return pdf(name)
    if data.startswith(b"{\\rtf"):
        return rtf(data)
    if b"<FictionBook" in data[:2000]:
        return fb2(data)
    if name.endswith((".html", ".htm", ".xhtml")):
        return page(decode(data))
    if name.endswith(".md"):
        return markdown(decode(data))
    return plain(decode(data))


with open(sys.argv[1], "rb") as file:
    found = words(read(sys.argv[1], file.read()))
json.dump({"words": found, "left_out": left_out}, sys.stdout)
