"""The first level with chapters of an EPUB's contents, by means that share nothing with litink's reader:
`python contents.py FILE`. Prints a JSON list; of other files an empty one.
"""

import json
import posixpath
import sys
import urllib.parse
import xml.etree.ElementTree as ET
import zipfile

OPF = "{http://www.idpf.org/2007/opf}"
NCX = "{http://www.daisy.org/z3986/2005/ncx/}"
CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"


def contents(path):
    with zipfile.ZipFile(path) as book:
        container = ET.fromstring(book.read("META-INF/container.xml"))
        package = container.find(f".//{CONTAINER}rootfile").get("full-path")
        manifest = ET.fromstring(book.read(package)).iter(f"{OPF}item")
        ncx = [it for it in manifest if it.get("media-type") == "application/x-dtbncx+xml"]
        if not ncx:
            return []
        href = urllib.parse.unquote(ncx[0].get("href"))
        name = posixpath.normpath(posixpath.join(posixpath.dirname(package), href))
        points = ET.fromstring(book.read(name)).findall(f"{NCX}navMap/{NCX}navPoint")
        # One point above all others is the book.
        while len(points) <= 2 and any(point.find(f"{NCX}navPoint") is not None for point in points):
            points = [child for point in points for child in point.findall(f"{NCX}navPoint")]
        labels = [point.find(f"{NCX}navLabel/{NCX}text").text or "" for point in points]
        return [" ".join(label.split()) for label in labels]


json.dump(contents(sys.argv[1]) if sys.argv[1].endswith(".epub") else [], sys.stdout)
