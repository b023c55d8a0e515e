"""Reads books as one would without litink, over and over for SECONDS of CPU.

    import_read.py WHO SECONDS FILE...

Prints JSON: `cpu_ms` of one reading of all, `peak_mb` (of the program that it starts, where it starts
one), and `books`: of each file its pieces, from one start of a chapter to the next as far as WHO tells
where that is.
"""

import json
import resource
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")


def with_ebooklib(path):
    import ebooklib
    from bs4 import BeautifulSoup
    from ebooklib import epub

    book = epub.read_epub(path)
    documents = book.get_items_of_type(ebooklib.ITEM_DOCUMENT)
    documents = [it for it in documents if not isinstance(it, epub.EpubNav)]
    return [BeautifulSoup(it.get_content(), "lxml").get_text(" ", strip=True) for it in documents]


def with_pymupdf(path):
    import pymupdf

    with pymupdf.open(path) as document:
        pages = [page.get_text() for page in document]
        starts = sorted({entry[2] - 1 for entry in document.get_toc() if entry[2] > 0})
    if not starts:
        return ["\n".join(pages)]
    bounds = sorted({0, *starts, len(pages)})
    return ["\n".join(pages[a:b]) for a, b in zip(bounds, bounds[1:])]


def with_pdftotext(path):
    return [program(["pdftotext", path, "-"])]


def program(command):
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def with_pandoc(path):
    import pypandoc

    said = json.loads(program([pypandoc.get_pandoc_path(), "-t", "json", path]))

    def text(node):
        if isinstance(node, list):
            return "".join(text(it) for it in node)
        if not isinstance(node, dict):
            return ""
        kind, inner = node.get("t"), node.get("c")
        if kind == "Str":
            return inner
        if kind in ("Space", "SoftBreak", "LineBreak"):
            return " "
        ending = "\n" if kind in ("Para", "Plain", "Header") else ""
        return text(inner) + ending

    pieces = [""]
    for block in flat(said["blocks"]):
        if block["t"] == "Header" and block["c"][0] <= 2:
            pieces.append("")
        pieces[-1] += text(block)
    return [piece for piece in pieces if piece.strip()]


def flat(blocks):
    for block in blocks:
        if block["t"] == "Div":
            yield from flat(block["c"][1])
        else:
            yield block


def with_kreuzberg(path):
    import kreuzberg

    return [kreuzberg.extract_file_sync(path).content]


WHO = {
    "ebooklib": with_ebooklib,
    "pymupdf": with_pymupdf,
    "pdftotext": with_pdftotext,
    "pandoc": with_pandoc,
    "kreuzberg": with_kreuzberg,
}


def used():
    """CPU seconds of this process and of those that it started."""
    sets = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(it.ru_utime + it.ru_stime for it in sets)


def main():
    who, seconds, *files = sys.argv[1:]
    read = WHO[who]
    books = {path: read(path) for path in files}
    rounds, begun = 0, used()
    while rounds == 0 or used() - begun < float(seconds):
        for path in files:
            read(path)
        rounds += 1
    cpu_ms = (used() - begun) * 1e3 / rounds
    started = who in ("pdftotext", "pandoc")
    whose = resource.RUSAGE_CHILDREN if started else resource.RUSAGE_SELF
    peak = resource.getrusage(whose).ru_maxrss * 1024 / 1e6
    json.dump({"cpu_ms": cpu_ms, "peak_mb": peak, "books": books}, sys.stdout)


main()
