"""Reads an EPUB to text with ebooklib and BeautifulSoup (lxml), over and over for SECONDS of CPU.

    ebooklib_read.py FILE SECONDS

Prints the CPU milliseconds of one reading, and the characters of text of all chapters.
"""

import sys
import time
import warnings

import ebooklib
from bs4 import BeautifulSoup
from ebooklib import epub

warnings.filterwarnings("ignore")


def read(path: str) -> int:
    book = epub.read_epub(path)
    characters = 0
    for item in book.get_items_of_type(ebooklib.ITEM_DOCUMENT):
        if isinstance(item, epub.EpubNav):
            continue
        soup = BeautifulSoup(item.get_content(), "lxml")
        characters += len(soup.get_text(" ", strip=True))
    return characters


def main() -> None:
    path, seconds = sys.argv[1], float(sys.argv[2])
    characters = read(path)
    readings = 0
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        read(path)
        readings += 1
    print((time.process_time() - begun) * 1e3 / readings, characters)


main()
